//! Making the farm known: what it says of itself to lookups, and the mesh it belongs to.

use crate::config::FarmConfig;
use hedgerow_client::lease::Body;
use hedgerow_model::name;
use hedgerow_model::registration::{Endpoint, Mesh};
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

/// The file in which a farm keeps the mesh it belongs to: `ID NAME`.
const MESH_FILE: &str = "mesh";

/// What the farm says of itself.
pub fn body(config: &FarmConfig, name: &str, address: SocketAddr) -> Body {
    Body {
        name: name.to_owned(),
        kind: "farm".to_owned(),
        groups: config.farm.groups.clone(),
        attributes: config.farm.attributes.clone(),
        endpoints: vec![Endpoint { url: format!("http://{address}"), via_relay: None }],
        apis: vec![hedgerow_proto::FARM_API.to_owned()],
        version: env!("CARGO_PKG_VERSION").to_owned(),
        description: config.farm.description.clone(),
    }
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
