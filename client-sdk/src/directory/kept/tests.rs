//! What is kept comes back as it was, and nothing else does.
#![allow(clippy::unwrap_used)]
use super::file::parse;
use super::*;
use crate::directory::merge::Heard;
use ed25519_dalek::SigningKey;
use hedgerow_model::registration::Instance;
use hedgerow_proto::lookup::Held;
use std::os::unix::fs::PermissionsExt as _;

fn mesh() -> Mesh {
    Mesh { name: "m".into(), id: Id([9; 16]) }
}

fn registration(who: u8, kind: &str) -> Registration {
    Registration {
        id: Id([who; 16]),
        mesh: mesh(),
        name: format!("s{who}"),
        kind: kind.into(),
        groups: vec![],
        attributes: BTreeMap::new(),
        endpoints: vec![],
        apis: vec![],
        version: String::new(),
        description: String::new(),
        instance: Instance { start: 1, random: 1 },
        serial: 1,
    }
}

/// A merge in which one lookup tells of these services.
fn told(services: &[(u8, &str)]) -> Merge {
    let mut merge = Merge::new(None);
    let (now, out) = (Instant::now(), &mut Vec::new());
    merge.hear(0, now, Heard::Reached { afresh: true }, out);
    for (who, kind) in services {
        let signed =
            signed::sign_registration(&registration(*who, kind), &SigningKey::from_bytes(&[*who; 32]));
        let held = Held { registration: Some(signed), granted_ms: 30_000, ..Held::default() };
        merge.hear(0, now, Heard::Held(held), out);
    }
    merge.hear(0, now, Heard::SnapshotEnd(None), out);
    merge
}

fn names(kept: &Kept, template: &str, mesh: Option<&Mesh>) -> Option<Vec<String>> {
    let recalled = kept.recall(&Template::parse(template).unwrap(), mesh)?;
    Some(recalled.services.iter().map(|(registration, ..)| registration.name.clone()).collect())
}

const ALL: &str = "";

#[tokio::test]
async fn the_directory_is_back_after_a_restart_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("cache");
    let kept = Kept::open(&place, "a");
    assert_eq!(names(&kept, ALL, None), None, "nothing is known yet");
    let all = Template::default();
    kept.refresh(&told(&[(1, "farm"), (2, "lookup")]), &all, true, &mesh(), ["http://x:1".to_owned()]);
    kept.write().await;
    assert!(kept.problem().is_none());
    let files: Vec<_> = std::fs::read_dir(&place).unwrap().map(|file| file.unwrap()).collect();
    assert_eq!(files.len(), 1, "and nothing half-written beside it");
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let again = Kept::open(&place, "a");
    assert_eq!(names(&again, ALL, None).unwrap(), ["s1", "s2"]);
    assert_eq!(names(&again, "kind=farm", Some(&mesh())).unwrap(), ["s1"]);
    assert_eq!(again.lookups(), ["http://x:1"]);
    assert_eq!(again.mesh(), Some(mesh()));
    let other = Mesh { id: Id([8; 16]), ..mesh() };
    assert_eq!(names(&again, ALL, Some(&other)), None, "never for another mesh");
    assert_eq!(Kept::open(&place, "b").mesh(), None, "nor for those who ask others");
}

#[test]
fn an_answer_replaces_what_it_could_have_shown_and_nothing_else() {
    let kept = Kept::default();
    let farms = Template::parse("kind=farm").unwrap();
    kept.refresh(&told(&[(1, "farm"), (2, "farm"), (3, "lookup")]), &Template::default(), true, &mesh(), []);
    kept.refresh(&told(&[(1, "farm")]), &farms, false, &mesh(), []);
    assert_eq!(names(&kept, ALL, None).unwrap(), ["s1", "s2", "s3"], "a lookup was missing");
    kept.refresh(&told(&[(1, "farm")]), &farms, true, &mesh(), []);
    assert_eq!(names(&kept, ALL, None).unwrap(), ["s1", "s3"]);
    kept.forget(Id([1; 16]));
    assert_eq!(names(&kept, ALL, None).unwrap(), ["s3"]);
    let other = Mesh { name: "n".into(), id: Id([8; 16]) };
    kept.refresh(&told(&[]), &farms, true, &other, []);
    assert_eq!(names(&kept, ALL, Some(&other)), None, "what another mesh told is forgotten");
}

#[test]
fn its_age_is_that_of_the_last_confirmation_not_of_the_oldest_entry() {
    let kept = Kept::default();
    kept.refresh(&told(&[(1, "farm"), (2, "lookup")]), &Template::default(), true, &mesh(), []);
    let hours_ago = |hours: u64| now() - millis(Duration::from_hours(hours));
    for (who, hours) in [(1, 20), (2, 3)] {
        kept.inner().services.get_mut(&Id([who; 16])).unwrap().seen = hours_ago(hours);
    }
    let age = kept.recall(&Template::parse("kind=farm").unwrap(), None).unwrap().age;
    assert!(age >= Duration::from_hours(3) && age < Duration::from_hours(4), "{age:?}");
}

#[tokio::test]
async fn any_damage_is_told_and_what_is_damaged_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::open(folder.path(), "a");
    kept.refresh(&told(&[(1, "farm")]), &Template::default(), true, &mesh(), []);
    kept.write().await;
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(parse(&bad, "a").is_err(), "byte {at}");
        assert!(parse(&good[..at], "a").is_err(), "cut at {at}");
    }
    // One who can make the sum fit still cannot make a service.
    let mut forged = good.clone();
    let end = forged.len() - 8;
    forged[end - 1] ^= 1;
    let sum = file::checksum(&forged[..end]);
    forged.splice(end.., sum.to_le_bytes());
    std::fs::write(&path, &forged).unwrap();
    assert_eq!(names(&Kept::open(folder.path(), "a"), ALL, None).unwrap(), Vec::<String>::new());

    std::fs::write(&path, b"nothing of ours").unwrap();
    let kept = Kept::open(folder.path(), "a");
    assert!(kept.problem().unwrap().to_string().contains("is damaged"));
    assert_eq!(names(&kept, ALL, None), None);
    kept.refresh(&told(&[(1, "farm")]), &Template::default(), true, &mesh(), []);
    kept.write().await;
    assert_eq!(names(&Kept::open(folder.path(), "a"), ALL, None).unwrap(), ["s1"], "written anew");
}

#[test]
fn the_folder_follows_the_environment() {
    let folder =
        |cache: Option<&str>, home: Option<&str>| folder_in(cache.map(Into::into), home.map(Into::into));
    assert_eq!(folder(Some("/c"), Some("/h")), Some("/c/hedgerow".into()));
    assert_eq!(folder(Some("relative"), Some("/h")), Some("/h/.cache/hedgerow".into()));
    assert_eq!(folder(None, None), None);
}
