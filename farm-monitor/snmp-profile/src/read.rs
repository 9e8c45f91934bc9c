//! From a file of TOML to a profile. The whole file is checked, and everything that is wrong is told at once.

mod check;
mod object;
mod part;
mod table;
mod trap;

use crate::profile::{Detect, Profile};
use hedgerow_toml_tree::{Complaint, Findings, Got, KeyPath, Place, Refused, Section, Source, Wrong, text};
use part::oid;
#[cfg(test)]
pub(crate) use part::template_of;
pub(crate) use part::{INDEX_FORMS, TEXT_FORMS};
pub(crate) use table::whole_index;

/// Longest file of a profile, in bytes; a longer one is refused.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Longest name of a profile, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Reads the text of the file `file`. Its name, without folder and ending, is the profile's, unless the file says another.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(file: &str, text: &str) -> Result<Profile, Refused> {
    if text.len() > MAX_FILE_BYTES {
        let expected = format!("at most {MAX_FILE_BYTES} bytes");
        let complaint = Complaint::of_file(file, format!("has {} bytes", text.len()), expected);
        return Err(Refused { complaints: vec![complaint] });
    }
    // Nothing in a profile is secret.
    let sources = [Source { path: file.into(), text: text.to_owned(), secrets: &[] }];
    let [source] = &sources;
    let root = hedgerow_toml_tree::parse(0, source).map_err(|complaints| Refused { complaints })?;
    let findings = Findings::new(&sources);
    let profile = profile(Section::new(&root, Place::default(), KeyPath::default(), &findings), file);
    match (findings.into_result(), profile) {
        (Ok(_), Some(profile)) => Ok(profile),
        (Ok(complaints) | Err(complaints), _) => Err(Refused { complaints }),
    }
}

fn profile(mut root: Section<'_>, file: &str) -> Option<Profile> {
    let stem = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = stem.strip_suffix(".toml").unwrap_or(stem).to_owned();
    let at = root.at;
    let name = match root.read("name", |node| profile_name(&text(node, NAME_EXPECTED)?)) {
        Got::Is(name, _) => Some(name),
        Got::Bad => None,
        Got::Absent => match profile_name(&stem) {
            Ok(name) => Some(name),
            Err(wrong) => {
                let note = "the file's name is the profile's, unless `name` says another";
                root.findings.error(at, &root.path.child("name"), wrong.note(note));
                None
            }
        },
    };
    let description = root.text("description", "text").or(String::new());
    let mut detect = root.inner("detect");
    let mut oids = |key| detect.one_or_more(key, oid).or(Vec::new());
    let (sys_object_id, serves) = (oids("sys_object_id"), oids("serves"));
    detect.finish();
    let mut scalars = Vec::new();
    for (name, section) in root.named("scalar") {
        scalars.extend(object::scalar(name, section));
    }
    let mut tables = Vec::new();
    for (name, section) in root.named("table") {
        tables.extend(table::table(name, section));
    }
    let mut traps = Vec::new();
    for (name, section) in root.named("trap") {
        traps.extend(trap::traps(name, section));
    }
    let mut names = Vec::new();
    for (name, entry, path) in root.inner("names").free() {
        match oid(&entry.node) {
            Ok(oid) => names.push((oid, name.to_owned())),
            Err(wrong) => root.findings.error(entry.node.at, &path, wrong),
        }
    }
    let findings = root.findings;
    root.finish();
    check::parameters(&scalars, &tables, findings);
    let scalars = scalars.into_iter().map(|read| read.object).collect();
    let tables = tables.into_iter().map(table::ReadTable::into_table).collect();
    let detect = Detect { sys_object_id, serves };
    Some(Profile { name: name?, description, detect, scalars, tables, traps, names })
}

const NAME_EXPECTED: &str = "a name of small letters, digits, `-` and `_`, beginning with a letter or digit";

/// A profile's name: it is written in configurations and is the name of a file.
fn profile_name(text: &str) -> Result<String, Wrong> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = text.starts_with(letter)
        && text.len() <= MAX_NAME_BYTES
        && text.chars().all(|c| letter(c) || c == '-' || c == '_');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new(format!("`{text}` is no name of a profile"), NAME_EXPECTED))
    }
}

#[cfg(test)]
mod tests;
