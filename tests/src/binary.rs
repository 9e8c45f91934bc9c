//! Where the binary under test is.

use std::path::{Path, PathBuf};

/// The `hedgerow` beside the test's own executable: `target/PROFILE/deps/TEST` and `target/PROFILE/hedgerow`.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("hedgerow");
    assert!(
        binary.is_file(),
        "{} is not there: end-to-end tests start real binaries. Build them with `cargo build -p hedgerow`, or run \
         `cargo xtask test e2e`",
        binary.display()
    );
    binary
}

/// The root of the checkout: where `proto/` and `.tools` are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
