//! Making the farm known: what it says of itself to lookups, and the mesh it belongs to.

use crate::config::FarmConfig;
use hedgerow_client::discovery::MAX_LOOKUPS;
use hedgerow_client::lease::Body;
use hedgerow_model::name;
use hedgerow_model::registration::{Endpoint, Mesh};
use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;

/// The file in which a farm keeps the mesh it belongs to: `ID NAME`.
const MESH_FILE: &str = "mesh";

/// The file in which a farm keeps the lookups that answered, one address a line.
const LOOKUPS_FILE: &str = "lookups";
/// Longest file of lookups that is read: more is none of ours.
const MAX_LOOKUPS_BYTES: u64 = 64 * 1024;

/// What the farm says of itself.
///
/// # Errors
/// Where it listens on all addresses, and the configuration names none.
pub fn body(config: &FarmConfig, name: &str, address: SocketAddr) -> Result<Body, String> {
    let endpoint = |url: String| Endpoint { url, via_relay: None };
    let endpoints = match &config.farm.advertise[..] {
        [] if address.ip().is_unspecified() => {
            return Err(format!(
                "the farm listens on all addresses ({address}), and others must be told one: expected farm.advertise = \
                 [\"http://HOST:{}\"]",
                address.port()
            ));
        }
        [] => vec![endpoint(format!("http://{address}"))],
        told => told.iter().cloned().map(endpoint).collect(),
    };
    Ok(Body {
        name: name.to_owned(),
        kind: "farm".to_owned(),
        groups: config.farm.groups.clone(),
        attributes: config.farm.attributes.clone(),
        endpoints,
        apis: vec![hedgerow_proto::FARM_API.to_owned()],
        version: env!("CARGO_PKG_VERSION").to_owned(),
        description: config.farm.description.clone(),
    })
}

/// The lookups that answered the last time. They are a hint only: a file that cannot be used is as good as none.
pub fn kept_lookups(folder: &Path) -> Vec<String> {
    let read = || {
        let mut text = String::new();
        fs::File::open(folder.join(LOOKUPS_FILE))?.take(MAX_LOOKUPS_BYTES).read_to_string(&mut text)?;
        io::Result::Ok(text)
    };
    let text = read().unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).take(MAX_LOOKUPS).map(str::to_owned).collect()
}

/// Keeps the lookups for the next start.
///
/// # Errors
/// What the system says.
pub fn keep_lookups(folder: &Path, urls: &[String]) -> io::Result<()> {
    let beside = folder.join(format!("{LOOKUPS_FILE}.new"));
    let mut file = fs::File::create(&beside)?;
    for url in urls {
        writeln!(file, "{url}")?;
    }
    file.sync_all()?;
    fs::rename(beside, folder.join(LOOKUPS_FILE))
}

/// The mesh that the farm belonged to the last time.
///
/// # Errors
/// Where the file cannot be read, or is not as it was written.
pub fn kept_mesh(folder: &Path) -> io::Result<Option<Mesh>> {
    let path = folder.join(MESH_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mesh = text.trim_end().split_once(' ').and_then(|(id, name)| {
        name::check(name).ok()?;
        Some(Mesh { name: name.to_owned(), id: id.parse().ok()? })
    });
    let damaged =
        format!("{} is damaged: expected `ID NAME`; remove it to join the mesh anew", path.display());
    mesh.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, damaged))
}

/// Keeps the mesh for the next start.
///
/// # Errors
/// What the system says.
pub fn keep_mesh(folder: &Path, mesh: &Mesh) -> io::Result<()> {
    let beside = folder.join(format!("{MESH_FILE}.new"));
    let mut file = fs::File::create(&beside)?;
    writeln!(file, "{} {}", mesh.id, mesh.name)?;
    file.sync_all()?;
    fs::rename(beside, folder.join(MESH_FILE))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::registration::Id;

    #[test]
    fn lookups_are_kept_and_a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(kept_lookups(folder.path()).is_empty());
        let urls = ["http://127.0.0.1:1".to_owned(), "http://b.example:2".to_owned()];
        keep_lookups(folder.path(), &urls).unwrap();
        assert_eq!(kept_lookups(folder.path()), urls);
        fs::write(folder.path().join(LOOKUPS_FILE), [0xFF; 100]).unwrap();
        assert!(kept_lookups(folder.path()).is_empty());
    }

    #[test]
    fn the_mesh_is_kept_and_a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(kept_mesh(folder.path()).unwrap(), None);
        let mesh = Mesh { name: "two words".into(), id: Id([5; 16]) };
        keep_mesh(folder.path(), &mesh).unwrap();
        assert_eq!(kept_mesh(folder.path()).unwrap(), Some(mesh));
        fs::write(folder.path().join(MESH_FILE), "nonsense").unwrap();
        assert!(kept_mesh(folder.path()).unwrap_err().to_string().contains("damaged"));
    }
}
