//! Promise: a lookup that loses most of its services at once suspects itself: it says so once, keeps them, and drops nobody
//! before his time; those who come back are live, and who goes in good order goes at once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_client::Transition;
use hedgerow_client::directory::ServiceState;
use hedgerow_e2e::{Heard, Observer, PATIENCE, RawWatch, Sandbox, SimFarms, pause, wait_until};
use hedgerow_proto::lookup::LeaseState;
use hedgerow_proto::lookup::watch_response::event::Event;
use std::time::Duration;

const FARMS: usize = 100;
const SILENT: usize = 75;
/// Of the silent ones.
const COME_BACK: usize = 60;
/// What a lookup grants while it holds few leases.
const LEASE: Duration = Duration::from_secs(10);

fn name(number: usize) -> String {
    format!("farm-{number:02}")
}

/// Whether suspicion began or ended, each time.
fn suspicions(heard: &RawWatch) -> Vec<bool> {
    let suspicion = |heard: &Heard| match &heard.event {
        Event::Suspicion(suspicion) => Some(suspicion.begun),
        _ => None,
    };
    heard.heard().iter().filter_map(suspicion).collect()
}

#[test]
fn three_quarters_silent_at_once_are_suspect_not_gone() {
    let sandbox = Sandbox::new();
    let _lookup = sandbox.first_lookup();
    let urls = vec![sandbox.url(1)];
    let farms = SimFarms::new(&sandbox, urls.clone());
    farms.start_all((0..FARMS).map(name));
    wait_until("all farms", PATIENCE, || farms.all_registered());
    let (observer, heard) = (Observer::new(&urls, "kind=farm"), RawWatch::new(&urls[0]));
    wait_until("all farms told", PATIENCE, || observer.present().len() == FARMS);
    let ids: Vec<_> = (0..FARMS).map(|number| farms.id(&name(number))).collect();

    (0..SILENT).for_each(|number| farms.silence(&name(number)));
    let silent = heard.elapsed();
    let begun = heard.hears("suspicion", PATIENCE, |heard| match &heard.event {
        Event::Suspicion(suspicion) => Some((heard.at, *suspicion)),
        _ => None,
    });
    println!("suspects {:?} after the silence: {:?}", begun.0.saturating_sub(silent), begun.1);
    assert!(begun.1.begun && begun.1.overdue > begun.1.leases / 2, "{:?}", begun.1);
    let suspect = |id| heard.last_of(id).is_some_and(|held| held.state() == LeaseState::Suspect);
    wait_until("all silent ones suspect", PATIENCE, || ids[..SILENT].iter().all(|id| suspect(*id)));
    let states = || observer.states();
    wait_until("the client's word", PATIENCE, || {
        ids[..SILENT].iter().all(|id| states().get(id) == Some(&ServiceState::Suspect))
    });

    // Who goes in good order is not held back.
    let goes = name(SILENT);
    farms.cancel(&goes);
    wait_until("one that goes", Duration::from_secs(5), || {
        observer.story(&goes) == ["appeared", "disappeared cancelled"]
    });
    // Twice as long as their leases ran, and some more.
    while heard.elapsed() < silent + 2 * LEASE + LEASE / 2 {
        pause(Duration::from_millis(200));
        assert_eq!(heard.disappeared().len(), 1, "but for the one that went: {:?}", heard.disappeared());
    }
    assert_eq!(suspicions(&heard), [true], "one notice");
    let found = sandbox.run(&["find", "kind=farm", "--json", "--lookup", &urls[0]]).json();
    let suspects = found.iter().filter(|farm| farm["state"] == "suspect").count();
    assert_eq!((found.len(), suspects), (FARMS - 1, SILENT));

    // Most come back: they are live, and the suspicion is over.
    farms.start_all((0..COME_BACK).map(name));
    wait_until("those that come back", PATIENCE, || {
        ids[..COME_BACK].iter().all(|id| states().get(id) == Some(&ServiceState::Live))
    });
    wait_until("the end of the suspicion", PATIENCE, || suspicions(&heard) == [true, false]);
    wait_until("the end of those that do not", 2 * PATIENCE, || {
        (COME_BACK..SILENT).all(|number| observer.story(&name(number)) == ["appeared", "disappeared expired"])
    });
    let gone = |noted: &hedgerow_e2e::Noted| matches!(noted.transition, Transition::Disappeared(..));
    let gone = observer.noted().iter().filter(|noted| gone(noted)).count();
    assert_eq!(gone, 1 + SILENT - COME_BACK);
    assert_eq!(observer.present().len(), FARMS - 1 - (SILENT - COME_BACK));
}
