//! `find --watch`: the services that match, then a line for each that comes, changes or goes.

use super::{Args, Line, doubts, state};
use crate::client::{as_known, brief, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::events::{Event, plural};
use crate::output::safe::clean;
use crate::output::{Out, json, say};
use crate::watch::{LOOK_AFTER_READER, suspicion};
use hedgerow_client::directory::{Gone, Service, Transition};
use hedgerow_client::mesh::Mesh;
use hedgerow_model::Template;
use hedgerow_model::registration::Registration;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io;

/// Watches until Ctrl-C.
///
/// # Errors
/// Where nobody reads.
pub async fn run(args: &Args, mesh: &Mesh, template: &Template) -> Result<Outcome, CommandError> {
    let mut teller = Teller { args, out: Out::new(), begun: false, lost: BTreeSet::new() };
    let mut watch = mesh.directory().watch(template);
    let mut looks = tokio::time::interval(LOOK_AFTER_READER);
    let (mut heard, mut there) = (BTreeSet::new(), 0_u64);
    let ending = hedgerow_service::drain::termination();
    tokio::pin!(ending);
    loop {
        tokio::select! {
            transition = watch.next() => {
                match &transition {
                    Transition::Appeared(_) => there += 1,
                    Transition::Disappeared(..) => there = there.saturating_sub(1),
                    Transition::LookupReached { url } | Transition::LookupLost { url, .. } => {
                        heard.insert(url.clone());
                    }
                    _ => {}
                }
                teller.tell(&transition)?;
                if !teller.begun && mesh.directory().urls().iter().all(|url| heard.contains(url)) {
                    teller.begun = true;
                    if !teller.json() {
                        say(&format!("{}; waiting for changes, Ctrl-C ends", plural(there, "service")));
                    }
                }
            }
            _ = looks.tick() => {
                if teller.out.reader_is_gone() {
                    return Err(CommandError::ReaderGone);
                }
            }
            _ = &mut ending => break,
        }
    }
    mesh.directory().kept().write().await;
    Ok(as_known(mesh, Outcome::Done))
}

struct Teller<'a> {
    args: &'a Args,
    out: Out,
    /// All that was there at first has been told.
    begun: bool,
    lost: BTreeSet<String>,
}

/// A service, and what became of it.
#[derive(Serialize)]
struct Change<'a> {
    time: i64,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<&'a [String]>,
    #[serde(flatten)]
    service: Line<'a>,
}

/// What a service says otherwise than before, by the keys of JSON; a new run of it is `restarted`.
fn changed(before: &Registration, now: &Registration) -> Vec<String> {
    let mut changed = Vec::new();
    let mut note = |key: &str, differs: bool| changed.extend(differs.then(|| key.to_owned()));
    note("name", before.name != now.name);
    note("kind", before.kind != now.kind);
    note("groups", before.groups != now.groups);
    let keys: BTreeSet<&String> = before.attributes.keys().chain(now.attributes.keys()).collect();
    for key in keys {
        note(&format!("attributes.{key}"), before.attributes.get(key) != now.attributes.get(key));
    }
    note("endpoints", before.endpoints != now.endpoints);
    note("apis", before.apis != now.apis);
    note("version", before.version != now.version);
    note("description", before.description != now.description);
    note("restarted", before.instance != now.instance);
    changed
}

impl Teller<'_> {
    fn json(&self) -> bool {
        self.args.client.json || self.args.events
    }

    fn tell(&mut self, transition: &Transition) -> io::Result<()> {
        match transition {
            Transition::Appeared(service) if !self.begun => self.service("present", service, &[])?,
            Transition::Appeared(service) => self.service("appeared", service, &[])?,
            Transition::Changed(service, before) => {
                self.service("changed", service, &changed(before, &service.registration))?;
            }
            Transition::Renamed(service) => self.service("renamed", service, &[])?,
            Transition::State(service) => self.service("state", service, &[])?,
            Transition::Disappeared(service, gone) => self.gone(service, *gone)?,
            Transition::LookupReached { url } => {
                let quiet = !self.lost.remove(url);
                let text = format!("lookup {url} answers again");
                self.event(&Event::new("lookup_reached", None, text).of_lookup(url), quiet)?;
            }
            Transition::LookupLost { url, error } => {
                self.lost.insert(url.clone());
                let text = unanswered(url, error);
                let event = Event::new("lookup_lost", None, text).of_lookup(url).because(brief(error));
                self.event(&event, false)?;
            }
            Transition::LookupSuspects { url, begun, overdue, leases } => {
                let (name, text) = suspicion(url, *begun, *overdue, *leases);
                self.event(&Event::new(name, None, text).of_lookup(url), false)?;
            }
        }
        self.out.flush()
    }

    fn service(&mut self, change: &'static str, service: &Service, changed: &[String]) -> io::Result<()> {
        if self.json() {
            let changed = (change == "changed").then_some(changed);
            return self.object(change, None, changed, Line::of(service));
        }
        let mut line = self.line(change, service, &state(service));
        if let Some(url) = service.url() {
            line.push_str("  ");
            line.push_str(&clean(url));
        }
        let mut notes = changed.to_vec();
        if *service.shown != *service.registration.name {
            notes.push("another service has this name, too".to_owned());
        }
        if !notes.is_empty() {
            line.push_str(&format!("  ({})", clean(&notes.join(", "))));
        }
        self.out.line(line)?;
        for warning in doubts::of(service) {
            self.out.flush()?;
            say(&warning);
        }
        Ok(())
    }

    fn gone(&mut self, service: &Service, gone: Gone) -> io::Result<()> {
        if self.json() {
            return self.object("disappeared", Some(gone.as_str()), None, Line::of_gone(service));
        }
        let line = self.line("disappeared", service, gone.as_str());
        self.out.line(line)
    }

    fn line(&self, change: &str, service: &Service, last: &str) -> String {
        let time = self.args.client.zone().print(now());
        format!(
            "{time}  {change:<11}  {}  {}  {last}",
            clean(&service.shown),
            clean(&service.registration.kind)
        )
    }

    fn object(
        &mut self,
        change: &'static str,
        reason: Option<&'static str>,
        changed: Option<&[String]>,
        service: Line<'_>,
    ) -> io::Result<()> {
        self.out.line(json::line(&Change { time: now(), change, reason, changed, service })?)
    }

    fn event(&mut self, event: &Event<'_>, quiet: bool) -> io::Result<()> {
        if self.args.events {
            return self.out.line(event.json()?);
        }
        if !quiet {
            self.out.flush()?;
            say(event.text());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_model::registration::{Id, Instance, Mesh};

    #[test]
    fn what_changed_is_said_by_its_keys() {
        let before = Registration {
            id: Id([1; 16]),
            mesh: Mesh { name: "m".into(), id: Id([9; 16]) },
            name: "cern".into(),
            kind: "farm".into(),
            groups: vec![],
            attributes: [("city".to_owned(), "Meyrin".to_owned()), ("tz".to_owned(), "CET".to_owned())]
                .into(),
            endpoints: vec![],
            apis: vec![],
            version: "1".into(),
            description: String::new(),
            instance: Instance { start: 1, random: 1 },
            serial: 1,
        };
        let attributes =
            [("city".to_owned(), "Geneva".to_owned()), ("url".to_owned(), "x".to_owned())].into();
        let now = Registration { version: "2".into(), serial: 2, attributes, ..before.clone() };
        assert_eq!(changed(&before, &now), ["attributes.city", "attributes.tz", "attributes.url", "version"]);
        let again = Registration { instance: Instance { start: 2, random: 5 }, ..before.clone() };
        assert_eq!(changed(&before, &again), ["restarted"]);
        assert!(changed(&before, &before).is_empty());
    }
}
