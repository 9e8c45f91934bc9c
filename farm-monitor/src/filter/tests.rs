//! What a farm makes of deployments, without lookups.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::kept::{Kept, heard};
use super::logs::Place;
use super::plan::{Holders, plan};
use super::policy::Here;
use super::roster::{RetryError, Roster};
use super::*;
use crate::config::FilterSettings;
use crate::state_file::StateFile;
use hedgerow_client::identity::Identity;
use hedgerow_model::Template;
use hedgerow_model::deployment::Capability;
use hedgerow_model::document::{Document, Hash, KEPT_MS, Owner};
use hedgerow_model::registration::{Id, Instance, Mesh, Registration};
use hedgerow_proto::convert::deployment::encode;
use hedgerow_proto::signed::open_document;
use std::collections::BTreeMap;

const NOW: i64 = 1_800_000_000_000;

pub(in crate::filter) struct Farm {
    registration: Registration,
    pub(in crate::filter) settings: FilterSettings,
    taken: BTreeMap<String, String>,
}

impl Farm {
    pub(in crate::filter) fn new() -> Self {
        let registration = Registration {
            id: Id([1; 16]),
            mesh: Mesh { name: "m".into(), id: Id([2; 16]) },
            name: "oak".into(),
            kind: "farm".into(),
            groups: vec!["alice".into()],
            attributes: [("cores".to_owned(), "64".to_owned())].into(),
            endpoints: vec![],
            apis: vec![],
            version: "1".into(),
            description: String::new(),
            instance: Instance { start: 1, random: 1 },
            serial: 0,
        };
        let taken = [("hosts".to_owned(), "collector `host`".to_owned())].into();
        Self { registration, settings: FilterSettings::default(), taken }
    }

    pub(in crate::filter) fn here(&self) -> Here<'_> {
        Here { registration: &self.registration, settings: &self.settings, taken: &self.taken }
    }
}

pub(in crate::filter) struct Author(Identity);

impl Author {
    pub(in crate::filter) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self(Identity::open(folder.path()).unwrap())
    }

    pub(in crate::filter) fn owner(&self) -> Owner {
        self.0.owner()
    }

    pub(in crate::filter) fn deploys_with(
        &self,
        name: &str,
        serial: u64,
        change: impl FnOnce(&mut Document, &mut Deployment),
    ) -> Arc<SignedDocument> {
        let mut deployment = Deployment::default();
        let mut document = Document {
            mesh: Id([2; 16]),
            kind: "deployment".into(),
            name: name.into(),
            serial,
            tombstone: false,
            signed_ms: NOW + i64::try_from(serial).unwrap(),
            ends_ms: None,
            payload: vec![],
            blobs: vec![Blob { hash: Hash([u8::try_from(serial).unwrap(); 32]), size: 9 }],
        };
        change(&mut document, &mut deployment);
        if document.payload.is_empty() {
            document.payload = encode(&deployment);
        }
        Arc::new(open_document(&self.0.sign_document(&document)).unwrap())
    }

    fn deploys(&self, name: &str, serial: u64) -> Arc<SignedDocument> {
        self.deploys_with(name, serial, |_, _| ())
    }
}

fn roster() -> Roster {
    Roster::new(&Kept::default(), [].into())
}

/// Name, state and reason of all.
fn told(roster: &Roster) -> Vec<(String, DeploymentState, String)> {
    roster.statuses(&[]).into_iter().map(|s| (s.name.clone(), s.state(), s.reason)).collect()
}

/// Which serials are to run, and which wait behind them.
fn desired(roster: &Roster) -> Vec<(u64, Option<u64>)> {
    let serials = |d: &Desired| (d.run.serial(), d.fallback.as_ref().map(|f| f.serial()));
    roster.desired().iter().map(serials).collect()
}

fn fetch_all(roster: &mut Roster) {
    for blob in roster.due_fetches(NOW, 99) {
        roster.fetched(blob.hash, Ok(()), NOW);
    }
}

fn report(serial: u64, state: DeploymentState) -> Report {
    Report {
        serial,
        state,
        reason: String::new(),
        retry_ms: 0,
        component_name: "threshold".into(),
        component_version: "1.0.0".into(),
        cost: None,
        faults: BTreeMap::new(),
    }
}

#[test]
fn each_reason_for_a_refusal_says_what_would_have_to_change() {
    let (author, mut farm) = (Author::new(), Farm::new());
    let refused = |farm: &Farm, document: Arc<SignedDocument>| {
        let plan = plan(&[document], &Holders::new(), &farm.here());
        plan.judged[0].verdict.clone().unwrap_err()
    };
    let said = refused(&farm, author.deploys("hosts", 1));
    assert!(said.contains("`hosts` is that of collector `host`"), "{said}");
    let said = refused(&farm, author.deploys_with("a", 1, |document, _| document.payload = vec![0xff]));
    assert!(said.contains("cannot be read by this release"), "{said}");
    let said = refused(&farm, author.deploys_with("a", 1, |document, _| document.blobs.clear()));
    assert!(said.contains("names no component"), "{said}");
    let actions = |_: &mut Document, d: &mut Deployment| d.grants = [Capability::Actions].into();
    let said = refused(&farm, author.deploys_with("a", 1, actions));
    assert!(said.contains("granted actions") && said.contains("filters.grant"), "{said}");
    for parameters in ["[1]", "{", "1"] {
        let said = refused(&farm, author.deploys_with("a", 1, |_, d| d.parameters = parameters.into()));
        assert!(said.contains("no JSON object"), "{said}");
    }
    farm.settings.owners = Some([Owner([7; 32])].into());
    let said = refused(&farm, author.deploys("a", 1));
    assert!(said.contains(&author.owner().to_string()) && said.contains("filters.owners"), "{said}");
    farm.settings = FilterSettings { enabled: false, ..FilterSettings::default() };
    assert!(refused(&farm, author.deploys("a", 1)).contains("filters.enabled"));
    farm.settings = FilterSettings { deployments: 0, ..FilterSettings::default() };
    assert!(refused(&farm, author.deploys("a", 1)).contains("filters.deployments"));
}

#[test]
fn templates_choose_the_farm_by_what_it_says_of_itself() {
    let (author, farm) = (Author::new(), Farm::new());
    let meant = |template: &str| {
        let farms = Template::parse(template).unwrap();
        let document = author.deploys_with("a", 1, |_, d| d.farms = farms);
        !plan(&[document], &Holders::new(), &farm.here()).judged.is_empty()
    };
    assert!(meant("") && meant("oak") && meant("group=alice cores=32..") && meant("kind=farm"));
    assert!(!meant("group=cms") && !meant("elm") && !meant("cores=..32"));
}

#[test]
fn a_name_goes_to_who_signed_first_and_stays_with_its_holder() {
    let (first, second, farm) = (Author::new(), Author::new(), Farm::new());
    let both = [second.deploys("a", 2), first.deploys("a", 1)];
    let fresh = plan(&both, &Holders::new(), &farm.here());
    assert_eq!(fresh.holders, Holders::from([("a".into(), first.owner())]));
    let refusal = fresh.judged.iter().find_map(|judged| judged.verdict.clone().err()).unwrap();
    assert!(
        refusal.contains("held by another owner") && refusal.contains(&first.owner().to_string()),
        "{refusal}"
    );
    let held = Holders::from([("a".into(), second.owner())]);
    assert_eq!(plan(&both, &held, &farm.here()).holders, held, "an older date takes no name away");
    // Not even where the holder's newest is refused.
    let refused = second.deploys_with("a", 3, |document, _| document.blobs.clear());
    assert_eq!(plan(&[refused, first.deploys("a", 1)], &held, &farm.here()).holders, held);
    let free = plan(&both[1..], &held, &farm.here());
    assert_eq!(
        free.holders,
        Holders::from([("a".into(), first.owner())]),
        "and it is free when theirs is gone"
    );
}

#[test]
fn past_the_bound_those_that_run_go_on_and_the_later_ones_are_refused() {
    let (author, mut farm) = (Author::new(), Farm::new());
    farm.settings.deployments = 2;
    let documents = [author.deploys("a", 9), author.deploys("b", 2), author.deploys("c", 3)];
    let admitted = |before: &Holders| {
        let plan = plan(&documents, before, &farm.here());
        let good = plan.judged.into_iter().filter(|judged| judged.verdict.is_ok());
        good.map(|judged| judged.document.document.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(admitted(&Holders::new()), ["b", "c"], "who signed first");
    assert_eq!(admitted(&Holders::from([("a".into(), author.owner())])), ["a", "b"]);
}

#[test]
fn a_component_is_fetched_until_it_comes_with_longer_and_longer_waits() {
    let (author, farm, mut roster) = (Author::new(), Farm::new(), roster());
    roster.plan(&[author.deploys("a", 1)], &farm.here(), NOW);
    let blob = roster.due_fetches(NOW, 9)[0];
    assert!(roster.due_fetches(NOW, 9).is_empty(), "it is on its way");
    let mut now = NOW;
    let mut waits = Vec::new();
    for _ in 0..9 {
        roster.fetched(blob.hash, Err("no lookup has it".into()), now);
        let failed_at = now;
        while roster.due_fetches(now, 9).is_empty() {
            now += 500;
        }
        waits.push((now - failed_at) / 1000);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let [(_, state, reason)] = &told(&roster)[..] else { panic!() };
    assert_eq!(*state, DeploymentState::Preparing);
    assert!(reason.contains("no lookup has it"), "{reason}");
    assert!(roster.desired().is_empty());
    roster.fetched(blob.hash, Ok(()), now);
    assert_eq!(told(&roster), [("a".into(), DeploymentState::Admitted, String::new())]);
    assert_eq!(desired(&roster), [(1, None)]);
}

#[test]
fn an_earlier_serial_runs_on_until_the_new_one_does() {
    let (author, farm, mut roster) = (Author::new(), Farm::new(), roster());
    let key = ("a".to_owned(), author.owner());
    roster.plan(&[author.deploys("a", 1)], &farm.here(), NOW);
    fetch_all(&mut roster);
    roster.report(&key, report(1, DeploymentState::Running), NOW);
    roster.plan(&[author.deploys("a", 2)], &farm.here(), NOW);
    assert_eq!(desired(&roster), [(1, None)], "the component of the new one is on its way");
    assert_eq!(roster.statuses(&[])[0].running_serial, 1);
    fetch_all(&mut roster);
    assert_eq!(desired(&roster), [(2, Some(1))]);
    assert_eq!(
        told(&roster)[0].1,
        DeploymentState::Admitted,
        "what was said of the earlier one is not said of this"
    );
    roster.report(&key, Report { reason: "it refuses".into(), ..report(2, DeploymentState::Refused) }, NOW);
    assert_eq!(roster.statuses(&[])[0].running_serial, 1);
    roster.report(&key, report(2, DeploymentState::Running), NOW);
    assert_eq!(desired(&roster), [(2, None)]);
    assert_eq!(roster.unused(), [Hash([1; 32])]);
    // One that the farm does not take leaves the one before running.
    roster.plan(&[author.deploys_with("a", 3, |document, _| document.blobs.clear())], &farm.here(), NOW);
    assert_eq!(desired(&roster), [(2, None)]);
    assert_eq!(told(&roster)[0].1, DeploymentState::Refused);
    roster.plan(&[], &farm.here(), NOW);
    assert!(roster.desired().is_empty() && roster.statuses(&[]).is_empty());
}

#[test]
fn the_farms_configuration_stops_what_runs() {
    let (author, mut farm, mut roster) = (Author::new(), Farm::new(), roster());
    let document = author.deploys("a", 1);
    roster.plan(&[Arc::clone(&document)], &farm.here(), NOW);
    fetch_all(&mut roster);
    roster.plan(&[author.deploys("a", 2)], &farm.here(), NOW);
    farm.settings.enabled = false;
    roster.plan(&[author.deploys("a", 2)], &farm.here(), NOW);
    assert!(roster.desired().is_empty(), "nor does the earlier one run");
    farm.settings.enabled = true;
    roster.plan(&[author.deploys("a", 2)], &farm.here(), NOW);
    assert_eq!(desired(&roster), [(1, None)], "which goes on when it may");
}

#[test]
fn only_what_failed_is_tried_again() {
    let (author, farm, mut roster) = (Author::new(), Farm::new(), roster());
    let key = ("a".to_owned(), author.owner());
    assert_eq!(roster.retry("a", NOW), Err(RetryError::Unknown));
    roster.plan(&[author.deploys("a", 1)], &farm.here(), NOW);
    let blob = roster.due_fetches(NOW, 9)[0];
    roster.fetched(blob.hash, Err("nobody".into()), NOW);
    roster.retry("a", NOW).unwrap();
    assert_eq!(roster.due_fetches(NOW, 9), [blob], "at once");
    roster.fetched(blob.hash, Ok(()), NOW);
    assert_eq!(roster.retry("a", NOW), Err(RetryError::NothingToRetry("admitted")));
    roster.report(&key, report(1, DeploymentState::Quarantined), NOW);
    let status = roster.retry("a", NOW).unwrap();
    assert_eq!((status.state(), roster.desired()[0].retries), (DeploymentState::Quarantined, 1));
    let log = roster.log("a").unwrap().read(Place::default(), 99);
    let lines: Vec<&str> = log.lines.iter().map(|line| line.text.as_str()).collect();
    assert!(lines.iter().any(|line| line.contains("somebody asked")), "{lines:?}");
    assert!(lines.contains(&"serial 1 is quarantined") && log.lines.iter().all(|l| l.of_farm), "{lines:?}");
}

#[test]
fn what_was_kept_goes_on_without_lookups_and_ends_when_it_stands_no_more() {
    let (author, farm) = (Author::new(), Farm::new());
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::open(folder.path()).unwrap();
    let mut before = roster();
    before.plan(&[author.deploys("a", 1), author.deploys("b", 2)], &farm.here(), NOW);
    fetch_all(&mut before);
    before.plan(&[author.deploys("a", 3), author.deploys("b", 2)], &farm.here(), NOW);
    before.kept().write(&Kept::default(), &file).unwrap();
    let kept = Kept::load(&file, NOW).unwrap();
    assert_eq!(kept, before.kept(), "as it was written");
    assert_eq!(kept.holders.len(), 2);

    let have = [Hash([1; 32]), Hash([2; 32])].into();
    let mut after = Roster::new(&kept, have);
    assert!(after.unused().is_empty(), "before anything is heard nothing is thrown away");
    let standing: Vec<_> =
        kept.rows.values().filter(|row| row.standing).map(|r| Arc::clone(&r.document)).collect();
    after.plan(&standing, &farm.here(), NOW);
    assert_eq!(
        desired(&after),
        [(1, None), (2, None)],
        "the earlier serial of the one, while its component is fetched"
    );
    after.plan(&standing[..0], &farm.here(), NOW);
    after.heard_all();
    after.kept().write(&kept, &file).unwrap();
    assert_eq!(Kept::load(&file, NOW).unwrap(), Kept::default());
}

#[test]
fn damaged_rows_are_left_out_and_so_is_what_nobody_could_have_taken_back() {
    let (author, farm) = (Author::new(), Farm::new());
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::open(folder.path()).unwrap();
    let mut roster = roster();
    roster.plan(&[author.deploys("a", 1), author.deploys("b", 2)], &farm.here(), NOW);
    roster.kept().write(&Kept::default(), &file).unwrap();
    heard(&file, NOW).unwrap();
    assert_eq!(Kept::load(&file, NOW + KEPT_MS).unwrap().rows.len(), 2);
    assert_eq!(Kept::load(&file, NOW + KEPT_MS + 1).unwrap(), Kept::default());
    file.write(|t| t.execute("UPDATE deployment SET body = x'00' WHERE name = 'a'", [])).unwrap();
    file.write(|t| t.execute("UPDATE holder SET owner = zeroblob(32) WHERE name = 'a'", [])).unwrap();
    let kept = Kept::load(&file, NOW).unwrap();
    assert_eq!((kept.rows.len(), kept.holders.len()), (1, 1));
}
