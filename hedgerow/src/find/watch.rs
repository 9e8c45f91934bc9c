//! `find --watch`: the services that match, then a line for each that comes, changes or goes.

use super::{Args, Line};
use crate::client::{as_known, brief, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::events::{Event, plural};
use crate::output::safe::clean;
use crate::output::{Out, json, say};
use crate::watch::{LOOK_AFTER_READER, suspicion};
use hedgerow_client::directory::{Service, Transition};
use hedgerow_client::mesh::Mesh;
use hedgerow_model::Template;
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
    #[serde(flatten)]
    service: Line<'a>,
}

impl Teller<'_> {
    fn json(&self) -> bool {
        self.args.client.json || self.args.events
    }

    fn tell(&mut self, transition: &Transition) -> io::Result<()> {
        match transition {
            Transition::Appeared(service) if !self.begun => self.service("present", service, None)?,
            Transition::Appeared(service) => self.service("appeared", service, None)?,
            Transition::Changed(service) => self.service("changed", service, None)?,
            Transition::State(service) => self.service("state", service, None)?,
            Transition::Disappeared(service, gone) => {
                self.service("disappeared", service, Some(gone.as_str()))?;
            }
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

    fn service(
        &mut self,
        change: &'static str,
        service: &Service,
        reason: Option<&'static str>,
    ) -> io::Result<()> {
        let time = now();
        if self.json() {
            let change = Change { time, change, reason, service: Line::of(service) };
            return self.out.line(json::line(&change)?);
        }
        let said = &service.registration;
        let last = reason.unwrap_or_else(|| service.state.as_str());
        let mut line = format!(
            "{}  {change:<11}  {}  {}  {last}",
            self.args.client.zone().print(time),
            clean(&service.shown),
            clean(&said.kind)
        );
        if let Some(url) = service.url().filter(|_| reason.is_none()) {
            line.push_str("  ");
            line.push_str(&clean(url));
        }
        if *service.shown != *said.name {
            line.push_str("  (another service has this name, too)");
        }
        self.out.line(line)
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
