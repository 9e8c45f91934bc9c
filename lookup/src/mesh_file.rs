//! Which mesh a lookup serves, kept in a small file of its own: it outlives a broken directory, because to guess a mesh
//! anew would split it.

use hedgerow_model::name;
use hedgerow_model::registration::{Id, Mesh};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const FILE: &str = "lookup.mesh";

/// Why it is not known which mesh to serve.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// Nobody said.
    #[error(
        "{0} names no mesh, and no peer tells one: name a peer that answers; to make a new mesh, name neither peers nor a domain"
    )]
    Unknown(PathBuf),
    /// The folder belongs to another mesh.
    #[error(
        "{folder} belongs to the mesh {kept}, configured is {given}: use another folder, or configure that mesh"
    )]
    Other {
        /// The lookup's folder.
        folder: PathBuf,
        /// The mesh it was used for.
        kept: Box<Mesh>,
        /// The mesh it is to be used for.
        given: Box<Mesh>,
    },
    /// Not a file of ours.
    #[error(
        "{0} is damaged: expected `ID NAME`, 32 hex digits and a name; write that, or configure the mesh and remove the file"
    )]
    Damaged(PathBuf),
    /// No name.
    #[error("a mesh cannot be called `{0}`: {1}")]
    Name(String, name::NameError),
    /// The system refuses.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The mesh that `given` or the folder names; where neither does, a new one called `make`. It is the folder's from then
/// on. Another name for the same id is taken over.
///
/// # Errors
/// Where nothing names it, both do and differ, or the file cannot be read or written.
pub fn settle(folder: &Path, given: Option<&Mesh>, make: Option<&str>) -> Result<Mesh, MeshError> {
    let path = folder.join(FILE);
    let kept = read(&path)?;
    let mesh = match (&kept, given) {
        (Some(kept), Some(given)) if kept.id != given.id => {
            let (kept, given) = (Box::new(kept.clone()), Box::new(given.clone()));
            return Err(MeshError::Other { folder: folder.to_owned(), kept, given });
        }
        (_, Some(given)) => given.clone(),
        (Some(kept), None) => kept.clone(),
        (None, None) => {
            let name = make.ok_or_else(|| MeshError::Unknown(folder.to_owned()))?;
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|e| MeshError::Io {
                what: "draw random bits for",
                path: path.clone(),
                source: e.into(),
            })?;
            Mesh { name: name.to_owned(), id: Id(id) }
        }
    };
    name::check(&mesh.name).map_err(|e| MeshError::Name(mesh.name.clone(), e))?;
    if kept.as_ref() != Some(&mesh) {
        write(folder, &path, &mesh).map_err(|source| MeshError::Io { what: "write", path, source })?;
    }
    Ok(mesh)
}

fn read(path: &Path) -> Result<Option<Mesh>, MeshError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(MeshError::Damaged(path.to_owned())),
        Err(source) => return Err(MeshError::Io { what: "read", path: path.to_owned(), source }),
    };
    text.strip_suffix('\n')
        .and_then(|line| line.split_once(' '))
        .and_then(|(id, name)| Some(Mesh { id: id.parse().ok()?, name: name.to_owned() }))
        .filter(|mesh| name::check(&mesh.name).is_ok())
        .map(Some)
        .ok_or_else(|| MeshError::Damaged(path.to_owned()))
}

/// Whole or not at all, power cut or not.
fn write(folder: &Path, path: &Path, mesh: &Mesh) -> io::Result<()> {
    let fresh = path.with_extension("mesh.new");
    let mut file = File::create(&fresh)?;
    writeln!(file, "{} {}", mesh.id, mesh.name)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mesh_once_made_or_given_is_the_folders_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(matches!(settle(path, None, None), Err(MeshError::Unknown(_))));
        let made = settle(path, None, Some("home mesh")).unwrap();
        assert_eq!(made.name, "home mesh");
        assert_eq!(settle(path, None, Some("another")).unwrap(), made, "not made twice");
        let renamed = Mesh { name: "my mesh".into(), ..made.clone() };
        assert_eq!(settle(path, Some(&renamed), None).unwrap(), renamed);
        assert_eq!(settle(path, None, None).unwrap(), renamed);
        let other = Mesh { id: Id([1; 16]), ..made };
        let refusal = settle(path, Some(&other), None).unwrap_err().to_string();
        assert!(refusal.contains(&other.to_string()) && refusal.contains(&renamed.to_string()), "{refusal}");
    }

    #[test]
    fn a_damaged_file_is_no_reason_to_make_a_new_mesh() {
        let folder = tempfile::tempdir().unwrap();
        for damage in
            [&b""[..], b"\xff\xfe", b"0123 short\n", b"00000000000000000000000000000001 cut", b"\0\0\0\0"]
        {
            fs::write(folder.path().join(FILE), damage).unwrap();
            let refused = settle(folder.path(), None, Some("new"));
            assert!(matches!(refused, Err(MeshError::Damaged(_))), "{damage:?}");
        }
    }

    #[test]
    fn a_mesh_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(settle(folder.path(), None, Some("a\nb")), Err(MeshError::Name(..))));
    }
}
