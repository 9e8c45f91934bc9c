//! Saved views: a state of the page under a name, each a file of JSON that people may edit by hand. Read anew whenever they are
//! asked for; a file that cannot be read is told with its fault, not hidden.

use crate::error::ApiError;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// Views that are kept; one more is refused.
pub const MAX_VIEWS: usize = 1_000;
/// Bytes of one; a larger one is refused, or told as faulty.
pub const MAX_BYTES: usize = 64 * 1024;
/// Characters of a name.
const MAX_NAME: usize = 64;
const EXTENSION: &str = "json";

/// A state of the page, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SavedView {
    /// What people call it.
    pub title: String,
    /// Which page: `explore`, `mesh`, …
    pub page: String,
    /// What the page's address holds.
    #[schema(value_type = Object)]
    pub state: serde_json::Map<String, serde_json::Value>,
    /// When it was saved, Unix ms.
    #[serde(default)]
    pub saved: i64,
}

/// A file of the folder.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Listed {
    /// Its name: that of the file, without `.json`.
    pub name: String,
    /// What it says.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub view: Option<SavedView>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The folder of views.
#[derive(Debug, Clone)]
pub struct SavedViews(PathBuf);

impl SavedViews {
    /// In this folder, made when the first view is saved.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, ApiError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot("read", &self.0, &error)),
        };
        let mut names: Vec<String> = entries.filter_map(|entry| name_of(&entry.ok()?.path())).collect();
        names.sort();
        names.truncate(MAX_VIEWS);
        let listed = |name: String| match read(&self.path(&name)) {
            Ok(view) => Listed { name, view: Some(view), error: None },
            Err(error) => Listed { name, view: None, error: Some(error) },
        };
        Ok(names.into_iter().map(listed).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read: why.
    pub fn get(&self, name: &str) -> Result<SavedView, ApiError> {
        let path = self.checked(name)?;
        if !path.exists() {
            return Err(ApiError::not_found(format!("no view is saved as {name}")));
        }
        read(&path).map_err(ApiError::conflict)
    }

    /// Keeps a view, in place of one of that name.
    ///
    /// # Errors
    /// Where it is too large, there are too many, or the folder cannot be written.
    pub fn put(&self, name: &str, view: &SavedView) -> Result<(), ApiError> {
        let path = self.checked(name)?;
        let mut text =
            serde_json::to_vec_pretty(view).map_err(|error| ApiError::internal(error.to_string()))?;
        text.push(b'\n');
        if text.len() > MAX_BYTES {
            let message = format!("the view has {} bytes: expected at most {MAX_BYTES}", text.len());
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_much", message));
        }
        if !path.exists() && self.list()?.len() >= MAX_VIEWS {
            return Err(ApiError::too_much(format!(
                "{MAX_VIEWS} views are saved, the most there may be: remove one"
            )));
        }
        fs::create_dir_all(&self.0).map_err(|error| cannot("make", &self.0, &error))?;
        let fresh = self.0.join(format!(".{name}.new"));
        let write = || {
            let mut file = fs::File::create(&fresh)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|error| cannot("write", &path, &error))
    }

    /// Removes one.
    ///
    /// # Errors
    /// Where there is none, or the folder cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), ApiError> {
        let path = self.checked(name)?;
        fs::remove_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ApiError::not_found(format!("no view is saved as {name}")),
            _ => cannot("remove", &path, &error),
        })
    }

    fn checked(&self, name: &str) -> Result<PathBuf, ApiError> {
        if is_name(name) {
            return Ok(self.path(name));
        }
        let expected = "letters, digits, spaces and `-_.+()`, no `.` or space first";
        Err(ApiError::wrong(format!("`{name}` is no name of a view: expected 1 to {MAX_NAME} {expected}")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.{EXTENSION}"))
    }
}

/// A name of a file and nothing else: no way out of the folder.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " -_.+()".contains(c);
    (1..=MAX_NAME).contains(&name.chars().count())
        && name.len() <= 200
        && name.chars().all(fits)
        && !name.starts_with(['.', ' '])
        && !name.ends_with(' ')
}

fn name_of(path: &Path) -> Option<String> {
    let json = path.extension().is_some_and(|extension| extension == EXTENSION);
    let name = path.file_stem()?.to_str().filter(|name| json && is_name(name))?;
    Some(name.to_owned())
}

fn read(path: &Path) -> Result<SavedView, String> {
    let mut text = Vec::new();
    let file = fs::File::open(path).and_then(|file| {
        // A pipe or a device would never end.
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a file")) }
    });
    let read = file.and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text));
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if text.len() > MAX_BYTES {
        return Err(format!("{} is larger than {MAX_BYTES} bytes", path.display()));
    }
    let expected = "expected {\"title\":…,\"page\":…,\"state\":{…}}";
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}: {expected}", path.display()))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> ApiError {
    ApiError::internal(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn view(title: &str) -> SavedView {
        let state = [("p".to_owned(), "*/hosts".into())].into_iter().collect();
        SavedView { title: title.to_owned(), page: "explore".to_owned(), state, saved: 1 }
    }

    #[test]
    fn views_are_files_that_people_may_edit_and_a_broken_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let views = SavedViews::new(folder.path().join("views"));
        assert_eq!(views.list().unwrap(), []);
        views.put("CPU of München", &view("CPU")).unwrap();
        fs::write(folder.path().join("views/mine.json"), "{\"title\":\"m\",\"page\":\"mesh\",\"state\":{}}")
            .unwrap();
        fs::write(folder.path().join("views/broken.json"), "{\"title\":").unwrap();
        fs::write(folder.path().join("views/notes.txt"), "x").unwrap();
        let listed = views.list().unwrap();
        assert_eq!(
            listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
            ["CPU of München", "broken", "mine"]
        );
        assert!(listed[1].view.is_none() && listed[1].error.as_ref().unwrap().contains("broken.json"));
        assert_eq!(views.get("CPU of München").unwrap(), view("CPU"));
        assert_eq!(views.get("mine").unwrap().saved, 0);
        views.remove("mine").unwrap();
        assert!(views.remove("mine").is_err() && views.get("mine").is_err() && views.get("broken").is_err());
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let views = SavedViews::new(folder.path().join("views"));
        for name in ["", "..", "../x", "a/b", ".hidden", "a\\b", "a\0b", " a", "a\u{202e}b", &"x".repeat(65)]
        {
            assert!(views.put(name, &view("x")).is_err(), "{name:?}");
        }
        assert!(!folder.path().join("x.json").exists());
        let large = SavedView { title: "x".repeat(MAX_BYTES), ..view("x") };
        assert!(views.put("large", &large).is_err());
    }
}
