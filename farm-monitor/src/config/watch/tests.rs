use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

struct Site(TempDir);

impl Site {
    fn new(text: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        site.write("farm.toml", text);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces a file as editors do: the new one is made beside it and takes its name.
    fn write(&self, name: &str, text: &str) {
        let beside = self.path("new~");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path(name)).unwrap();
    }

    fn open(&self) -> (FarmConfig, WatchedFiles) {
        WatchedFiles::open(self.0.path(), "this-host").unwrap()
    }
}

fn script(period: &str, more: &str) -> String {
    format!(
        "[collector.a]\nmodule = \"script\"\ncommand = [\"/bin/true\"]\nformat = \"json\"\nperiod = \"{period}\"\n{more}\n"
    )
}

/// Looks until the files have stood still: once to see them move, once more to read.
fn settled(files: &mut WatchedFiles) -> Option<Result<FarmConfig, Refused>> {
    assert_eq!(files.check(), None, "a change is not read before it stood still");
    files.check()
}

fn quiet(files: &mut WatchedFiles) {
    for _ in 0..4 {
        assert_eq!(files.check(), None);
    }
}

#[test]
fn a_change_is_told_once_and_only_when_the_files_have_stood_still() {
    let site = Site::new(&script("30s", ""));
    let (config, mut files) = site.open();
    assert_eq!(config.collectors[0].period, Duration::from_secs(30));
    quiet(&mut files);
    site.write("farm.toml", &script("40s", ""));
    assert_eq!(files.check(), None);
    site.write("farm.toml", &script("5s", ""));
    assert_eq!(files.check(), None, "it changed again since the last look");
    let news = files.check().unwrap().unwrap();
    assert_eq!(news.collectors[0].period, Duration::from_secs(5));
    quiet(&mut files);
}

#[test]
fn what_asks_for_the_same_is_no_news() {
    let site = Site::new(&script("60s", ""));
    let (_, mut files) = site.open();
    site.write("farm.toml", &format!("# A remark.\n{}", script("1m", "deadline = \"48s\"")));
    assert_eq!(settled(&mut files), None);
    quiet(&mut files);
}

#[test]
fn an_error_is_told_once_for_each_change_and_its_end_is_told_too() {
    let good = script("30s", "");
    let site = Site::new(&good);
    let (config, mut files) = site.open();
    site.write("farm.toml", "[farm]\nnmae = 1\n");
    let errors = settled(&mut files).unwrap().unwrap_err();
    assert!(errors.to_string().contains("did you mean `name`?"), "{errors}");
    quiet(&mut files);
    site.write("farm.toml", "[farm]\nnmae = 1\n#\n");
    assert_eq!(settled(&mut files), None, "the same mistake");
    site.write("farm.toml", "[farm]\nname = 1\n");
    assert!(settled(&mut files).unwrap().is_err(), "another mistake");
    site.write("farm.toml", &good);
    let mended = settled(&mut files).unwrap().unwrap();
    assert!(mended.same_effect(&config));
    quiet(&mut files);
}

#[test]
fn files_that_come_and_go_in_conf_d_are_seen() {
    let site = Site::new("");
    let (_, mut files) = site.open();
    fs::create_dir(site.path("conf.d")).unwrap();
    site.write("conf.d/.hidden.toml", "nonsense");
    site.write("conf.d/readme.txt", "nonsense");
    quiet(&mut files);
    site.write("conf.d/a.toml", &script("30s", ""));
    assert_eq!(settled(&mut files).unwrap().unwrap().collectors.len(), 1);
    fs::remove_file(site.path("conf.d/a.toml")).unwrap();
    assert_eq!(settled(&mut files).unwrap().unwrap().collectors.len(), 0);
    quiet(&mut files);
}

#[test]
fn files_of_targets_are_watched_even_before_they_are_there() {
    let site = Site::new(&script("30s", ""));
    let (_, mut files) = site.open();
    site.write("farm.toml", &script("30s", "targets_from = \"list.txt\""));
    assert!(settled(&mut files).unwrap().is_err());
    // The file is new to the watch: it is stamped, found to be as it was, and read again.
    quiet(&mut files);
    site.write("list.txt", "n[1-3]\n");
    let count =
        |told: Option<Result<FarmConfig, Refused>>| told.unwrap().unwrap().collectors[0].targets.len();
    assert_eq!(count(settled(&mut files)), 3);
    quiet(&mut files);
    site.write("list.txt", "n[1-5]\n");
    assert_eq!(count(settled(&mut files)), 5);
}

#[test]
fn secrets_are_watched_with_their_permissions() {
    let site = Site::new(&script("30s", "environment = { KEY = { file = \"key\" } }"));
    site.write("key", "correct horse\n");
    fs::set_permissions(site.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let (config, mut files) = site.open();
    assert!(!format!("{config:?} {files:?}").contains("horse"), "a secret is printed");
    fs::set_permissions(site.path("key"), fs::Permissions::from_mode(0o640)).unwrap();
    let errors = settled(&mut files).unwrap().unwrap_err();
    assert!(errors.to_string().contains("chmod 600"), "{errors}");
    fs::write(site.path("key"), "longer\n").unwrap();
    fs::set_permissions(site.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let config = settled(&mut files).unwrap().unwrap();
    let hedgerow_collect::spec::ModuleSpec::Script(script) = &config.collectors[0].module else {
        panic!("no script")
    };
    assert_eq!(script.environment["KEY"], "longer");
}

#[test]
fn a_main_file_that_goes_away_is_an_error_and_comes_back() {
    let site = Site::new(&script("30s", ""));
    let (_, mut files) = site.open();
    fs::remove_file(site.path("farm.toml")).unwrap();
    let errors = settled(&mut files).unwrap().unwrap_err();
    assert!(errors.to_string().contains("cannot be read: it is not there"), "{errors}");
    site.write("farm.toml", &script("30s", ""));
    assert!(settled(&mut files).unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_watch_tells_a_change_by_itself() {
    let site = Site::new(&script("30s", ""));
    let (_, mut watch) = ConfigWatch::open(site.0.path(), "this-host").unwrap();
    site.write("farm.toml", &script("5s", ""));
    let news = watch.changed().await.unwrap();
    assert_eq!(news.collectors[0].period, Duration::from_secs(5));
    // Dropping the wait loses nothing.
    let nothing = tokio::time::timeout(LOOK_EVERY * 3, watch.changed()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    site.write("farm.toml", &script("15s", ""));
    assert_eq!(watch.changed().await.unwrap().collectors[0].period, Duration::from_secs(15));
}
