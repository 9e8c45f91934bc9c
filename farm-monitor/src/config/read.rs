//! From files to a configuration: finds them, merges them, reads every section.

use super::credentials::Credentials;
use super::profiles::{self, Profiles};
use super::snmp::Known;
use super::{FarmConfig, action, collector, door, filters, settings, view};
use hedgerow_toml_tree::{
    self as tree, Complaint, Findings, KeyPath, Place, Refused, Section, Source, Table, Wrong, print_size,
};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file of a configuration, in its folder.
pub const MAIN_FILE: &str = "farm.toml";
/// The folder beside it whose `*.toml` are read too, in the order of their names.
pub const CONF_FOLDER: &str = "conf.d";
/// The folder beside it whose `*.toml` are the site's own SNMP profiles.
pub const PROFILE_FOLDER: &str = "profiles";
/// Longest file of a configuration, in bytes; a longer one is refused.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// Most files in `conf.d`, and in `profiles`; more are refused.
pub const MAX_CONF_FILES: usize = 1000;
/// How keys end whose values are shown to nobody.
pub(super) const SECRETS: &[&str] = &["password", "community"];

/// Reads the configuration at `path`: a folder with `farm.toml`, or a file; `conf.d/*.toml` beside it belong to it. `host` is
/// the name of this host: the default name of the farm, and the default target.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, host: &str) -> Result<FarmConfig, Refused> {
    read(path, host).outcome
}

/// A configuration, or what is wrong with it; and the files that could change that.
#[derive(Debug)]
pub(super) struct Loaded {
    pub outcome: Result<FarmConfig, Refused>,
    pub files: BTreeSet<PathBuf>,
}

pub(super) fn read(path: &Path, host: &str) -> Loaded {
    let main = main_file(path);
    let mut files = BTreeSet::from([main.clone()]);
    let wrong = |complaints, files| Loaded { outcome: Err(Refused { complaints }), files };
    let mut paths = vec![main.clone()];
    match files_of(&main, CONF_FOLDER) {
        Ok(more) => paths.extend(more),
        Err(complaint) => return wrong(vec![*complaint], files),
    }
    files.extend(paths.iter().cloned());
    let mut sources = Vec::new();
    let mut complaints = Vec::new();
    for path in paths {
        match read_file(&path, MAX_FILE_BYTES) {
            Ok(text) => sources.push(Source { path, text, secrets: SECRETS }),
            Err(why) => {
                let problem = format!("cannot be read: {why}");
                complaints.push(Complaint::of_file(&path, problem, "the farm's configuration, in TOML"));
            }
        }
    }
    let mut tables = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        match tree::parse(index, source) {
            Ok(table) => tables.push(table),
            Err(more) => complaints.extend(more),
        }
    }
    // What a broken file would have said is not known: what is missing elsewhere may stand there.
    if !complaints.is_empty() {
        return wrong(complaints, files);
    }
    let findings = Findings::new(&sources);
    let root = merged(tables, &findings);
    let profiles = profiles::read(&main, &findings);
    let config = config(&root, &findings, host, profiles);
    files.append(&mut findings.files());
    match findings.into_result() {
        Ok(warnings) => {
            Loaded { outcome: Ok(FarmConfig { files: files.clone(), warnings, ..config }), files }
        }
        Err(complaints) => wrong(complaints, files),
    }
}

/// The main file of what a person named: a folder, or the file itself.
pub(super) fn main_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(MAIN_FILE) } else { path.to_owned() }
}

/// The `*.toml` of a folder beside the main file, sorted; hidden files and other names are left out.
pub(super) fn files_of(main: &Path, folder: &str) -> Result<Vec<PathBuf>, Box<Complaint>> {
    let folder = main.parent().unwrap_or(Path::new("")).join(folder);
    let refused =
        |problem: String, expected: String| Box::new(Complaint::of_file(&folder, problem, expected));
    let unreadable = |error: io::Error| {
        refused(format!("cannot be read: {}", said(&error)), "a folder of *.toml".to_owned())
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir() {
            paths.push(path);
        }
        if paths.len() > MAX_CONF_FILES {
            let problem = format!("more than {MAX_CONF_FILES} files");
            return Err(refused(problem, format!("at most {MAX_CONF_FILES} *.toml")));
        }
    }
    paths.sort();
    Ok(paths)
}

/// The text of a file of at most so many bytes, or why not. Never waits: what is no plain file is refused.
pub(super) fn read_file(path: &Path, most: u64) -> Result<String, String> {
    let said = |error: io::Error| said(&error);
    if !fs::metadata(path).map_err(said)?.is_file() {
        return Err("it is not a plain file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(said)?.take(most + 1).read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {}", print_size(most)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8")
    })
}

/// The same of a file that belongs to the configuration: it is noted, even if it is not there.
pub(super) fn read_noted(findings: &Findings<'_>, path: &Path, most: u64) -> Result<String, String> {
    findings.belongs(path);
    read_file(path, most)
}

/// What the system says of a file, in its own words without the number.
fn said(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// All files as one table.
fn merged(tables: Vec<Table>, findings: &Findings<'_>) -> Table {
    let whole = |path: &[String]| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        matches!(
            path.as_slice(),
            ["action" | "collector" | "credentials" | "view", _] | ["cache", "cluster", _]
        )
    };
    let mut root = Table::new();
    for table in tables {
        for twice in tree::merge(&mut root, table, &whole) {
            let path = twice.path.iter().fold(KeyPath::default(), |path, key| path.child(key));
            let wrong =
                Wrong::new("is set in two files", "each key, and each section with a name, in one of them")
                    .note(format!("first: {}", findings.place(twice.first)));
            findings.error(twice.again, &path, wrong);
        }
    }
    root
}

/// Reads every section. What is wrong is in the findings, and then the configuration is of no use.
fn config(root: &Table, findings: &Findings<'_>, host: &str, profiles: Profiles) -> FarmConfig {
    let mut section = Section::new(root, Place::default(), KeyPath::default(), findings);
    let credentials = Credentials::read(section.named("credentials"));
    let known = Known { credentials: &credentials, profiles: &profiles };
    let collectors = collector::collectors(by_name(section.named("collector")), host, &known);
    let mut doors = section.inner("door");
    let traps = door::traps(doors.inner("traps"), &credentials, &collectors, &profiles.all);
    doors.finish();
    let config = FarmConfig {
        farm: settings::farm(section.inner("farm"), host),
        lookup: settings::lookup(section.inner("lookup")),
        cache: settings::cache(section.inner("cache")),
        pool: settings::pool(section.inner("pool"), &collector::MODULES),
        series: settings::series(section.inner("series")),
        views: by_name(section.named("view"))
            .into_iter()
            .map(|(name, inner)| view::view(name, inner))
            .collect(),
        collectors,
        traps,
        filters: filters::filters(section.inner("filters")),
        actions: by_name(section.named("action"))
            .into_iter()
            .map(|(name, inner)| action::action(name, inner))
            .collect(),
        credentials: credentials.into_good(),
        own_profiles: profiles.own,
        profiles: profiles.all,
        files: BTreeSet::new(),
        warnings: Vec::new(),
    };
    section.finish();
    config
}

/// Wherever they stand in the files: to move a section changes nothing.
fn by_name<'t>(mut sections: Vec<(&'t str, Section<'t>)>) -> Vec<(&'t str, Section<'t>)> {
    sections.sort_by_key(|(name, _)| *name);
    sections
}

/// Reads one of everything, to see which keys are asked for.
pub(super) fn known_keys() -> BTreeSet<String> {
    const ONE_OF_EACH: &str = "\
        [cache.cluster.a]\n[view.a]\n[collector.a]\nmodule = \"host\"\ntargets = [{}]\n\
        [collector.b]\nmodule = \"script\"\nenvironment.A = {}\n\
        [collector.c]\nmodule = \"snmp\"\ntargets = [{}]\n\
        [credentials.a]\ncommunity = {}\nauth_password = {}\nprivacy_password = {}\n\
        [action.a]\nenvironment.A = {}\narguments.A = {}\n";
    let sources = [Source { path: PathBuf::new(), text: ONE_OF_EACH.to_owned(), secrets: &[] }];
    let findings = Findings::new(&sources);
    let root = sources.first().and_then(|source| tree::parse(0, source).ok());
    let root = root.expect("invariant: one of each is TOML");
    config(&root, &findings, "host", Profiles::shipped());
    findings.known()
}
