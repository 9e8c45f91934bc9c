//! Who deploys: this user's key, made at first use and kept beside the token, for the user's eyes only.

use crate::outcome::CommandError;
use hedgerow_client::identity::Identity;
use hedgerow_client::token;
use std::path::PathBuf;

/// The folder of the key, beside the token.
const FOLDER: &str = "author";

/// This user's identity as an author; made where there is none.
///
/// # Errors
/// Where it cannot be read or made, and what to do.
pub fn identity() -> Result<Identity, CommandError> {
    let folder = folder()?;
    // Of two commands that make it at the same moment one is second, and finds it then.
    let opened = Identity::open(&folder).or_else(|_| Identity::open(&folder));
    opened.map_err(|error| CommandError::failed(&error))
}

fn folder() -> Result<PathBuf, CommandError> {
    let token = token::path().map_err(|error| CommandError::failed(&error))?;
    Ok(token.with_file_name(FOLDER))
}
