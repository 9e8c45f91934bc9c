//! The module `snmp`: asks agents for what profiles say they have.
//!
//! A run asks where the agent is ([`address`]), what it is now and then ([`detect`]), reads everything in one [`sweep`]
//! ([`asking`] carries its requests), finds out which row is which ([`rows`]), and hands values in under series that belong
//! to the names of rows ([`book`]). [`plan`] is what profiles come to for one agent, [`counter`] judges wraps and resets,
//! [`failure`] has the words for what went wrong, and [`look`] is for a person who wants to see what an agent says.
//!
//! **No value ever lands in another row.** A value is kept under the index that its own name carries. What a row is called
//! is read in the same sweep as its values, in the same request where they fit one, and behind them. Every reply says
//! sysUpTime, so that a sweep in which the agent restarted is thrown away whole. Where a sweep says that a row has another
//! name than before, or a name another row, its table is read once more at once, and what both do not agree on is left out
//! of this run, and said. A name that was not read is not known: no other stands in for it.
//!
//! **Nothing destructive follows from stale data.** Series end only where their table was read whole, more than once, by
//! an agent that has had time to fill it.

pub mod address;
mod asking;
mod book;
mod counter;
mod detect;
mod failure;
pub mod look;
mod plan;
mod probe;
mod rows;
mod series;
pub mod sweep;
#[cfg(test)]
mod tests;

use crate::module::{Module, Probe};
use crate::spec::{CollectorSpec, ModuleSpec, ProfileChoice, SnmpAccess, Target};
use address::Address;
use hedgerow_model::Name;
use hedgerow_snmp::{Ask, Counts};
use probe::{SnmpProbe, What};
use series::Base;
use std::sync::Arc;
use std::time::Duration;

/// The module: makes a probe per target, all of which ask through one engine.
pub struct SnmpModule {
    ask_for: AskFor,
    counts: Arc<Counts>,
}

/// Gives what asks, for who wants to wait so long for a first answer, and send a request so often at most.
pub type AskFor = Box<dyn Fn(Duration, u32) -> Arc<dyn Ask> + Send + Sync>;

impl SnmpModule {
    /// A module that asks through `ask`; what only the reader of replies can see is counted in `counts`.
    pub fn new(ask: Arc<dyn Ask>, counts: Arc<Counts>) -> Self {
        Self::with(Box::new(move |_, _| ask.clone()), counts)
    }

    /// The same, where collectors differ in how long they wait and how often they ask.
    pub fn with(ask_for: AskFor, counts: Arc<Counts>) -> Self {
        Self { ask_for, counts }
    }
}

impl Module for SnmpModule {
    fn name(&self) -> &'static str {
        "snmp"
    }

    fn probe(&self, spec: &CollectorSpec, target: &Target) -> Result<Box<dyn Probe>, String> {
        let ModuleSpec::Snmp(snmp) = &spec.module else {
            return Err(format!("module `{}` is not `snmp`", spec.module.name()));
        };
        let access: &SnmpAccess = snmp.targets.get(&target.node).unwrap_or(&snmp.access);
        let name =
            |what: &str, text: &str| Name::new(text).map_err(|error| format!("{what} `{text}` {error}"));
        let what = match &access.profiles {
            ProfileChoice::Detect => What::Detected,
            ProfileChoice::Named(names) => {
                let find = |name: &String| {
                    snmp.library.get(name).cloned().ok_or_else(|| {
                        let known: Vec<&str> =
                            snmp.library.iter().map(|profile| profile.name.as_str()).collect();
                        format!("no profile `{name}`: expected one of {}", known.join(", "))
                    })
                };
                What::Named(names.iter().map(find).collect::<Result<_, _>>()?)
            }
        };
        let base = Base {
            cluster: name("cluster", &spec.cluster)?,
            node: name("node", &target.node)?,
            source: format!("snmp:{}", spec.name),
            interval: spec.period,
            lifetime: spec.lifetime,
        };
        Ok(Box::new(SnmpProbe::new(
            ((self.ask_for)(snmp.timeout, snmp.attempts), self.counts.clone()),
            Address::read(&target.address, access.port)?,
            (snmp, access.security.clone()),
            what,
            base,
        )))
    }
}
