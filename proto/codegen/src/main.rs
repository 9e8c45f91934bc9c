//! `cargo run -p hedgerow-codegen [-- --baseline]`: writes `proto/src/gen`, and the baseline where asked.

use std::fs;
use std::process::ExitCode;

fn run(baseline: bool) -> Result<usize, String> {
    let folder = hedgerow_codegen::proto_folder();
    let made = hedgerow_codegen::generate()?;
    let out = folder.join("src/gen");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    for (name, content) in &made {
        fs::write(out.join(name), content).map_err(|e| format!("{name}: {e}"))?;
    }
    if baseline {
        let file = folder.join(hedgerow_codegen::BASELINE);
        fs::write(&file, &made["descriptors.binpb"]).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(made.len())
}

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a command")]
fn main() -> ExitCode {
    match run(std::env::args().any(|arg| arg == "--baseline")) {
        Ok(files) => {
            println!("wrote {files} files below proto/src/gen");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("proto: {error}");
            ExitCode::FAILURE
        }
    }
}
