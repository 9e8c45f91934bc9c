//! Which compiler can make WASM on this machine: rustup's with the target, or Debian's, which builds the standard library too.
//!
//! Downloads nothing but packages of the distribution, and those only for root.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::setup;

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's: of one version, so that the sources fit the compiler.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A compiler.
pub struct Toolchain {
    /// Its own words for its version, and how the standard library was made.
    pub version: String,
    kind: Kind,
}

enum Kind {
    /// The target is installed.
    Rustup,
    /// The standard library is built, for size; this linker links.
    Debian(PathBuf),
}

impl Toolchain {
    /// What is here, or what apt installs.
    pub fn find_or_install() -> Result<Self, String> {
        Self::find().or_else(|_| {
            setup::install(&PACKAGES)?;
            Self::find()
        })
    }

    /// What is here.
    pub fn find() -> Result<Self, String> {
        let sysroot =
            said(Command::new("rustc").args(["--print", "sysroot"]).current_dir(crate::workspace::root()))?;
        let rustlib = Path::new(&sysroot).join("lib/rustlib");
        if rustlib.join(TARGET).is_dir() {
            let version = said(Command::new("rustc").arg("--version").current_dir(crate::workspace::root()))?;
            return Ok(Self { version, kind: Kind::Rustup });
        }
        if !Path::new("/usr/lib/rustlib/src/rust/library/std").is_dir() || !Path::new(DEBIAN_CARGO).is_file()
        {
            return Err(format!(
                "no compiler for WASM: run `rustup target add {TARGET}`, or on Debian `apt-get install {}`",
                PACKAGES.join(" ")
            ));
        }
        let linker =
            linker(&rustlib).ok_or("rust-lld is not in the Rust toolchain, and there is no wasm-ld")?;
        let version = said(Command::new(DEBIAN_RUSTC).arg("--version"))?;
        Ok(Self {
            version: format!("{version}, standard library built for size, panics end at once"),
            kind: Kind::Debian(linker),
        })
    }

    /// A cargo that builds in that folder; which package is left to say, and then [`LAST`](Self::LAST). Paths of this machine are not in what it makes.
    pub fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = match &self.kind {
            Kind::Rustup => process::cargo(),
            Kind::Debian(linker) => {
                let mut cargo = Command::new(DEBIAN_CARGO);
                cargo
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo
            }
        };
        // A proxy of rustup's would take the toolchain of the one that runs us.
        cargo
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(folder).join("\u{1f}"))
            .current_dir(folder);
        cargo.args(["rustc", "--release", "--locked", "--target", TARGET, "--crate-type", "cdylib"]);
        if let Kind::Debian(_) = self.kind {
            cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
        }
        cargo
    }

    fn flags(&self, folder: &Path) -> Vec<String> {
        let mut flags = remapped(folder);
        // A panic is a trap without words: what prints them is a fifth of a filter.
        if let Kind::Debian(_) = self.kind {
            flags.extend(["-Zunstable-options".to_owned(), "-Cpanic=immediate-abort".to_owned()]);
        }
        flags
    }

    /// What follows all other arguments: numbers in the module are as short as they can be, a fifth less of it.
    pub const LAST: [&str; 2] = ["--", "-Clink-arg=--compress-relocations"];
}

/// Panics name source files: as they are called in every checkout.
fn remapped(folder: &Path) -> Vec<String> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let registry =
        env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from).join("registry/src");
    let mut flags = vec![format!("--remap-path-prefix={}=/filters", folder.display())];
    for index in fs::read_dir(registry).into_iter().flatten().flatten() {
        flags.push(format!("--remap-path-prefix={}=/crates", index.path().display()));
    }
    flags
}

fn linker(rustlib: &Path) -> Option<PathBuf> {
    let hosts = fs::read_dir(rustlib).into_iter().flatten().flatten();
    let mut linkers = hosts.map(|host| host.path().join("bin/rust-lld"));
    linkers.find(|linker| linker.is_file()).or_else(|| process::find("wasm-ld"))
}

/// What a program prints.
fn said(command: &mut Command) -> Result<String, String> {
    let line = process::line(command);
    let output = command.output().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` ended with {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
