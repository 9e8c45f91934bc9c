//! Configurations as people write them: the one `hedgerow up` makes, all of it uncommented, several files, any text at
//! all; and the reference, which names every key there is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use hedgerow_collect::spec::{ModuleSpec, ScriptFormat, Target};
use hedgerow_farm_monitor::config::template::{TemplateValues, render_template};
use hedgerow_farm_monitor::config::{FarmConfig, known_keys, load};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    place
}

fn loaded(files: &[(&str, &str)]) -> FarmConfig {
    load(folder(files).path(), "this-host").unwrap_or_else(|errors| panic!("{errors}"))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn template() -> String {
    let lookups = vec!["http://127.0.0.1:7401".to_owned(), "http://127.0.0.1:7402".to_owned()];
    render_template(&TemplateValues { farm_name: "b\"a\\c".to_owned(), lookups })
}

#[test]
fn the_template_is_a_farm_that_watches_this_host() {
    let config = loaded(&[("farm.toml", &template())]);
    assert_eq!(config.farm.name, "b\"a\\c");
    assert_eq!(config.lookup.urls.len(), 2);
    let [host] = config.collectors.as_slice() else { panic!("{config:?}") };
    assert_eq!((host.name.as_str(), host.cluster.as_str()), ("host", "hosts"));
    assert_eq!((host.period, host.deadline), (seconds(10), seconds(8)));
    assert_eq!(host.targets[0].node, "this-host");
    assert_eq!(config.warnings, []);
}

#[test]
fn everything_in_the_template_is_valid_without_its_comment_sign() {
    let all: String = template()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| !c.is_whitespace()) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = loaded(&[
        ("farm.toml", &all),
        ("queue-servers.txt", "q[1-3] 10.0.0.[1-3]\n"),
        ("queue-token", "t\n"),
        ("core-auth", "correct horse\n"),
        ("core-privacy", "battery staple\n"),
    ]);
    assert_eq!(config.collectors.len(), 5);
    assert_eq!(
        (config.views.len(), config.cache.clusters.len(), config.pool.per_module["script"]),
        (1, 1, 32)
    );
    assert_eq!(config.farm.attributes["lat"], "46.2339");
}

#[test]
fn nothing_written_means_the_defaults() {
    let config = loaded(&[("farm.toml", "")]);
    assert_eq!(config.farm.name, "this-host");
    assert_eq!((config.lookup.lease, config.lookup.urls.len()), (seconds(60), 0));
    assert_eq!((config.cache.max_age, config.cache.max_bytes), (seconds(31 * 86_400), None));
    assert_eq!(config.cache.commit, seconds(1));
    assert_eq!((config.pool.global, config.pool.per_target), (4096, 2));
    assert_eq!(config.pool.per_module, [("host".to_owned(), 64), ("script".to_owned(), 64)].into());
    assert_eq!((config.series.per_origin, config.series.per_farm), (200_000, 1_000_000));
    assert_eq!(config.collectors, []);
}

#[test]
fn files_beside_the_main_one_add_to_it() {
    let script = "module = \"script\"\ncommand = [\"/bin/true\"]\nformat = \"influx\"\n";
    let config = loaded(&[
        ("farm.toml", "[farm]\nname = \"here\"\n[farm.attributes]\ncity = \"Geneva\"\n"),
        ("conf.d/20-b.toml", &format!("[collector.b]\n{script}targets_from = \"b.txt\"\n")),
        ("conf.d/b.txt", "# nodes\nn[1-2] 10.0.0.[1-2]\n"),
        ("conf.d/10-a.toml", &format!("[collector.a]\n{script}period = \"5s\"\nlifetime = \"1h\"\n")),
        ("conf.d/30-place.toml", "[farm.attributes]\nlat = 46\n[pool]\nglobal = 8\n"),
        ("conf.d/notes.txt", "not read"),
    ]);
    assert_eq!(config.farm.name, "here");
    assert_eq!(config.farm.attributes.keys().collect::<Vec<_>>(), ["city", "lat"]);
    assert_eq!(config.pool.global, 8);
    let [a, b] = config.collectors.as_slice() else { panic!("{config:?}") };
    assert_eq!((a.period, a.deadline, a.lifetime), (seconds(5), seconds(4), Some(seconds(3600))));
    assert_eq!((b.period, b.cluster.as_str()), (seconds(60), "b"));
    let target =
        |node: &str, address: &str| Target { node: node.into(), address: address.into(), labels: [].into() };
    assert_eq!(b.targets, [target("n1", "10.0.0.1"), target("n2", "10.0.0.2")]);
    let names: BTreeSet<_> =
        config.files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["10-a.toml", "20-b.toml", "30-place.toml", "b.txt", "farm.toml"].into());
}

#[test]
fn a_secret_is_read_from_its_file_and_never_printed() {
    let text = "[collector.a]\nmodule = \"script\"\ncommand = [\"/bin/true\"]\nformat = \"json\"\n\
        environment = { A = \"plain\", B = { file = \"key\" } }\nmax_output = \"64KiB\"\nmax_memory = \"1GiB\"\n";
    let config = loaded(&[("farm.toml", text), ("key", "correct horse\n")]);
    let ModuleSpec::Script(script) = &config.collectors[0].module else { panic!("no script") };
    assert_eq!(
        (script.environment["A"].as_str(), script.environment["B"].as_str()),
        ("plain", "correct horse")
    );
    assert_eq!(
        (script.format, script.max_output, script.max_memory),
        (ScriptFormat::Json, 1 << 16, Some(1 << 30))
    );
    assert!(!format!("{config:?}").contains("horse"));
}

#[test]
fn a_program_that_is_not_there_is_a_warning() {
    let text = "[collector.a]\nmodule = \"script\"\ncommand = [\"/no/such/program\"]\nformat = \"json\"\n\
        [collector.b]\nmodule = \"script\"\ncommand = [\"no-such-program\"]\nformat = \"json\"\n\
        [collector.c]\nmodule = \"script\"\ncommand = [\"sh\"]\nformat = \"json\"\n";
    let config = loaded(&[("farm.toml", text)]);
    let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.problem.as_str()).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(warnings[0], "/no/such/program is not there");
    assert!(
        warnings[1].starts_with("there is no program `no-such-program` in /usr/local/sbin:"),
        "{warnings:?}"
    );
}

#[test]
fn views_hold_nodes_of_several_clusters() {
    let config =
        loaded(&[("farm.toml", "[view.rack7]\nmembers = [\"hosts/n{1,2}\", \"net/sw-*\", \"room\"]\n")]);
    let view = &config.views[0];
    assert!(view.holds("hosts", "n1") && view.holds("net", "sw-a") && view.holds("room", "any"));
    assert!(!view.holds("hosts", "n3") && !view.holds("hosts", "sw-a"));
}

#[test]
fn what_is_no_plain_file_is_refused_and_not_waited_for() {
    let place = folder(&[]);
    fs::create_dir(place.path().join("farm.toml")).unwrap();
    let errors = load(place.path(), "h").unwrap_err().to_string();
    assert!(errors.contains("farm.toml: cannot be read: it is not a plain file"), "{errors}");
    let text = "[collector.a]\nmodule = \"script\"\ncommand = [\"sh\"]\nformat = \"json\"\ntargets_from = \"/dev/zero\"\n";
    let errors = load(folder(&[("farm.toml", text)]).path(), "h").unwrap_err().to_string();
    assert!(errors.contains("/dev/zero cannot be read: it is not a plain file"), "{errors}");
}

/// The keys of the reference: rows of tables whose first cell is one key in backticks, below a heading with their section.
fn documented() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/configuration.md");
    let text = fs::read_to_string(page).unwrap();
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in text.lines() {
        if line.starts_with('#') {
            section = line
                .split_once("`[")
                .and_then(|(_, rest)| rest.split_once("]`"))
                .map_or("", |(name, _)| name)
                .into();
        } else if !section.is_empty()
            && let Some((key, _)) = line.strip_prefix("| `").and_then(|row| row.split_once("` |"))
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let known = known_keys();
    let is_section = |key: &String| {
        known
            .iter()
            .any(|other| other.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with(['.', '['])))
    };
    let known_leaves: BTreeSet<_> = known.iter().filter(|key| !is_section(key)).cloned().collect();
    // Lists and tables whose parts are documented one by one may be documented as a whole, too.
    let documented: BTreeSet<_> = documented().into_iter().filter(|key| !is_section(key)).collect();
    let difference: Vec<_> = known_leaves.symmetric_difference(&documented).collect();
    assert!(difference.is_empty(), "only in the parser or only on the page: {difference:?}");
}

#[test]
fn the_examples_of_the_reference_are_valid() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/configuration.md");
    let text = fs::read_to_string(page).unwrap();
    let examples: Vec<_> =
        text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 8, "{} examples", examples.len());
    for example in examples {
        let files = [
            ("farm.toml", example),
            ("servers.txt", "a\nb 10.0.0.2\n"),
            ("token", "x"),
            ("core.auth", "correct horse"),
            ("core.privacy", "battery staple"),
        ];
        load(folder(&files).path(), "h").unwrap_or_else(|errors| panic!("{errors}\nin\n{example}"));
    }
}

/// Some TOML: known and unknown keys with values of every kind.
fn some_toml() -> impl Strategy<Value = String> {
    let words: Vec<String> = known_keys()
        .iter()
        .flat_map(|key| key.split('.').map(|part| part.trim_end_matches("[]").to_owned()).collect::<Vec<_>>())
        .collect();
    let key = prop_oneof![4 => proptest::sample::select(words), 1 => "[a-z]{1,6}", 1 => Just("\"\u{202e}é\"".to_owned())];
    let leaf = prop_oneof![
        "[0-9]{1,30}",
        "-[0-9]{1,3}\\.[0-9]{1,3}",
        Just("true".to_owned()),
        Just("nan".to_owned()),
        Just("1979-05-27".to_owned()),
        proptest::sample::select(vec![
            "host",
            "script",
            "json",
            "10s",
            "1GiB",
            "n[1-3]",
            "a/b",
            "{",
            "\\u0000",
            "http://h:1",
            "é"
        ])
        .prop_map(|text| format!("\"{text}\"")),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            ("[a-z]{1,4}", inner.clone()).prop_map(|(key, value)| format!("{{ {key} = {value} }}")),
            inner.prop_map(|value| format!("{{ node = {value}, file = {value} }}")),
        ]
    });
    let line = prop_oneof![
        3 => (key.clone(), value).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => proptest::collection::vec(key.clone(), 1..4).prop_map(|path| format!("[{}]", path.join("."))),
        1 => key.prop_map(|key| format!("[[{key}]]")),
    ];
    proptest::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
}

/// Never a panic, and every complaint can be shown and stands in its file.
fn reads_or_complains(text: &str) -> Result<(), TestCaseError> {
    let place = folder(&[("farm.toml", text)]);
    if let Err(errors) = load(place.path(), "h") {
        prop_assert!(!errors.complaints.is_empty());
        prop_assert!(!errors.to_string().is_empty());
        for spot in errors.complaints.iter().filter_map(|complaint| complaint.spot.as_ref()) {
            prop_assert!(spot.line >= 1 && spot.line <= text.split('\n').count() + 1, "{errors}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_toml_is_read_or_refused(text in some_toml()) {
        reads_or_complains(&text)?;
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        reads_or_complains(&text)?;
    }

    #[test]
    fn a_template_with_any_name_is_toml(farm_name in "\\PC{1,60}", url in "\\PC{0,20}") {
        let text = render_template(&TemplateValues { farm_name: farm_name.clone(), lookups: vec![url] });
        let alone = render_template(&TemplateValues { farm_name: farm_name.clone(), lookups: Vec::new() });
        prop_assert!(toml::from_str::<toml::Table>(&alone).is_ok());
        let document: toml::Table = toml::from_str(&text).unwrap();
        prop_assert_eq!(document["farm"]["name"].as_str(), Some(farm_name.as_str()));
    }
}
