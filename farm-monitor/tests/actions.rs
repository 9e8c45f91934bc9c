//! Actions as filters ask for them: what the site has named is run, once, as it stands there; all else is refused and counted.
#![allow(clippy::unwrap_used)]

use hedgerow_client::identity::Identity;
use hedgerow_collect::script::{Keeper, KeeperCommand};
use hedgerow_farm_monitor::api::Configured;
use hedgerow_farm_monitor::config::load;
use hedgerow_farm_monitor::filter::actions::Actions;
use hedgerow_farm_monitor::filter::{Deployments, Ready};
use hedgerow_farm_monitor::state_file::StateFile;
use hedgerow_filter_host::run::Place;
use hedgerow_model::deployment::{Capability, Deployment};
use hedgerow_model::document::{Blob, Document, Hash};
use hedgerow_model::registration::Id;
use hedgerow_model::{Epoch, Position};
use hedgerow_proto::convert::deployment::encode;
use hedgerow_proto::signed::open_document;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const CAUSE: Place =
    Place { position: Position { epoch: Epoch { start: 1, random: 1 }, number: 1 }, lives: 0 };

struct Site {
    folder: tempfile::TempDir,
    actions: Actions,
    _told: watch::Sender<Configured>,
    _tasks: JoinSet<()>,
}

impl Site {
    /// With this configuration, where `OUT` is a file in a folder of its own.
    fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out").display().to_string();
        std::fs::write(folder.path().join("farm.toml"), toml.replace("OUT", &out)).unwrap();
        let config = load(folder.path(), "host").unwrap();
        let state = Arc::new(StateFile::open(folder.path()).unwrap());
        let deployments = Deployments::open(folder.path(), state, config.filters.clone(), || 0).unwrap();
        let (told, configured) =
            watch::channel(Configured { running: Arc::new(config), error: String::new() });
        let program = PathBuf::from(env!("CARGO_BIN_EXE_farm-test-keeper"));
        let keeper = Keeper::start(KeeperCommand { program, args: vec![] });
        let mut tasks = JoinSet::new();
        let actions = Actions::start(configured, deployments, keeper, || 0, &mut tasks);
        Self { folder, actions, _told: told, _tasks: tasks }
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.actions.counts().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Waits until all that was asked has ended one way or another.
    async fn settled(&self) -> BTreeMap<&'static str, u64> {
        for _ in 0..6000 {
            let counts = self.counts();
            let ended: u64 =
                counts.iter().filter(|(name, _)| **name != "asked").map(|(_, count)| count).sum();
            if ended == counts["asked"] {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.counts()
    }

    fn out(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }
}

/// A deployment that is granted these actions.
fn granted(actions: &[&str]) -> Ready {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment {
        grants: [Capability::Actions].into(),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        ..Deployment::default()
    };
    let component = Blob { hash: Hash([7; 32]), size: 9 };
    let document = Document {
        mesh: Id([2; 16]),
        kind: "deployment".into(),
        name: "full".into(),
        serial: 1,
        tombstone: false,
        signed_ms: 1,
        ends_ms: None,
        payload: encode(&deployment),
        blobs: vec![component],
    };
    let signed = Identity::open(folder.path()).unwrap().sign_document(&document);
    Ready { document: Arc::new(open_document(&signed).unwrap()), deployment: Arc::new(deployment), component }
}

const PAGE: &str = r#"
[filters]
grant = ["alarms", "actions"]

[action.page]
command = ["/bin/sh", "-c", "printf '%s|%s|%s|%s\n' \"$1\" \"$2\" \"$HEDGEROW_DEPLOYMENT\" \"$LEVEL$SECRET\" >> OUT", "page", "{text}", "n={count}"]
arguments = { text = "text", count = { type = "integer", min = 0, max = 9 } }
environment = { LEVEL = "2" }
per_hour = 3

[action.fail]
command = ["/bin/sh", "-c", "exit 3"]

[action.hang]
command = ["/bin/sleep", "600"]
timeout = "200ms"
"#;

#[tokio::test]
async fn what_the_site_has_named_is_run_with_what_the_filter_gives_as_it_stands() {
    let site = Site::new(PAGE);
    let run = granted(&["page"]);
    site.actions.ask(&run, CAUSE, "page", r#"{"text": "/var is full; $(touch /tmp/no) '\"", "count": 7}"#);
    assert_eq!(site.settled().await, [("asked", 1), ("ran", 1)].into());
    assert_eq!(site.out(), "/var is full; $(touch /tmp/no) '\"|n=7|full|2\n");
}

#[tokio::test]
async fn what_was_not_granted_not_named_not_fitting_or_too_frequent_is_refused_and_counted() {
    let site = Site::new(PAGE);
    let run = granted(&["page", "nothing"]);
    site.actions.ask(&run, CAUSE, "fail", "{}");
    site.actions.ask(&run, CAUSE, "nothing", "{}");
    site.actions.ask(&run, CAUSE, "page", r#"{"text": "x", "count": 10}"#);
    for _ in 0..5 {
        site.actions.ask(&run, CAUSE, "page", r#"{"text": "x", "count": 1}"#);
    }
    let expected = [
        ("asked", 8),
        ("not_granted", 1),
        ("unknown", 1),
        ("bad_arguments", 1),
        ("ran", 3),
        ("too_often", 2),
    ];
    assert_eq!(site.settled().await, expected.into());
    assert_eq!(site.out().lines().count(), 3);
    let off = Site::new(&PAGE.replace(r#""alarms", "actions""#, r#""alarms""#));
    off.actions.ask(&run, CAUSE, "page", r#"{"text": "x", "count": 1}"#);
    assert_eq!(off.settled().await, [("asked", 1), ("not_granted", 1)].into());
}

#[tokio::test]
async fn what_fails_or_hangs_is_counted_and_killed_at_its_deadline() {
    let site = Site::new(PAGE);
    let run = granted(&["fail", "hang"]);
    site.actions.ask(&run, CAUSE, "hang", "");
    site.actions.ask(&run, CAUSE, "fail", "{}");
    assert_eq!(site.settled().await, [("asked", 2), ("failed", 2)].into());
}
