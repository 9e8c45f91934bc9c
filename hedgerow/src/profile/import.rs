//! `profile import`: profiles from the configuration of prometheus-snmp-exporter.

use super::{measures, read};
use crate::outcome::{CommandError, Outcome};
use crate::output::{Out, say};
use hedgerow_snmp_profile::import::{Imported, snmp_yml};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Make profiles of prometheus-snmp-exporter's snmp.yml, one of each module
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file; what cannot be carried over is said, and stands at the head of each profile
    #[arg(value_name = "SNMP.YML")]
    file: PathBuf,
    /// Only this module
    #[arg(long, value_name = "MODULE")]
    only: Option<String>,
    /// Folder to write them to, as the `profiles` beside a farm.toml; a file that is there already is left alone [default:
    /// print them]
    #[arg(long, value_name = "DIR", alias = "out")]
    into: Option<PathBuf>,
}

/// Makes them.
///
/// # Errors
/// Where the file is no snmp.yml, or a profile cannot be written.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let text = read(&args.file)?;
    let imported = snmp_yml(&text, args.only.as_deref())
        .map_err(|error| CommandError::Failed(format!("{}: {error}", args.file.display())))?;
    let mut out = Out::new();
    for one in &imported {
        match &args.into {
            Some(folder) => out.line(written(folder, one)?)?,
            None => out.line(format!("# {}.toml\n{}", one.profile.name, one.profile_toml.trim_end()))?,
        }
        out.flush()?;
        for note in &one.notes {
            say(&format!("{}: {note}", one.module));
        }
    }
    Ok(Outcome::Done)
}

fn written(folder: &Path, one: &Imported) -> Result<String, CommandError> {
    let path = folder.join(format!("{}.toml", one.profile.name));
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        File::create_new(&path)?.write_all(one.profile_toml.as_bytes())
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CommandError::Failed(format!(
            "{} is there already: remove it, or write into another folder",
            path.display()
        )),
        _ => CommandError::Failed(format!("cannot write {}: {error}", path.display())),
    })?;
    Ok(format!("{}: {}", path.display(), measures(&one.profile)))
}
