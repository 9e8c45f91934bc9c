//! SNMP in one process: a single engine for all collectors, made when the first of them needs it. A farm without SNMP has
//! no socket for it.

use hedgerow_collect::module::{Module, Probe};
use hedgerow_collect::snmp::SnmpModule;
use hedgerow_collect::spec::{CollectorSpec, Target};
use hedgerow_snmp::{Ask, Counts, Engine, EngineOptions, Patience};
use std::sync::{Arc, OnceLock};

/// Requests in flight to one agent, of all collectors; each collector's own `window` bounds what it adds.
const WINDOW: usize = 16;
/// Longest reply that is read, in bytes. Requests are made for replies that fit an Ethernet frame; a single value may take
/// more, but nobody has a use for more than this, and it is counted.
const LONGEST_REPLY: usize = 32 << 10;

/// The module `snmp`, and what it has counted. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Snmp(Arc<OnceLock<(SnmpModule, Arc<Counts>)>>);

impl Snmp {
    /// What was sent and received; `None` until SNMP is used.
    pub fn counts(&self) -> Option<&Counts> {
        self.0.get().map(|(_, counts)| &**counts)
    }

    fn module(&self) -> Result<&SnmpModule, String> {
        if let Some((module, _)) = self.0.get() {
            return Ok(module);
        }
        let options =
            EngineOptions { window: WINDOW, longest_datagram: LONGEST_REPLY, ..EngineOptions::default() };
        let engine = Engine::start(options).map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            format!("{error}{}", source.unwrap_or_default())
        })?;
        let counts = engine.counts();
        let ask_for = move |first_timeout, attempts| -> Arc<dyn Ask> {
            Arc::new(engine.with_patience(Patience { first_timeout, attempts }))
        };
        let module = SnmpModule::with(Box::new(ask_for), Arc::clone(&counts));
        // Where another was faster, its engine stays and this one ends.
        Ok(&self.0.get_or_init(|| (module, counts)).0)
    }
}

/// Has to be called within a runtime: the engine's tasks begin with the first probe.
impl Module for Snmp {
    fn name(&self) -> &'static str {
        "snmp"
    }

    fn probe(&self, spec: &CollectorSpec, target: &Target) -> Result<Box<dyn Probe>, String> {
        self.module()?.probe(spec, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_collect::spec::{ModuleSpec, ProfileChoice, SnmpAccess, SnmpSpec};
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[tokio::test]
    async fn the_engine_is_made_with_the_first_probe_and_shared() {
        let snmp = Snmp::default();
        assert!(snmp.counts().is_none(), "no socket before");
        let security = crate::config::credentials::default();
        let spec = CollectorSpec {
            name: "net".to_owned(),
            cluster: "net".to_owned(),
            period: Duration::from_secs(60),
            deadline: Duration::from_secs(48),
            targets: Vec::new(),
            lifetime: None,
            module: ModuleSpec::Snmp(SnmpSpec {
                access: SnmpAccess { port: 161, security, profiles: ProfileChoice::Detect },
                targets: BTreeMap::new(),
                library: Arc::default(),
                timeout: Duration::from_secs(1),
                attempts: 3,
                window: 4,
                max_rows: 1000,
            }),
        };
        let target =
            Target { node: "sw".to_owned(), address: "127.0.0.1".to_owned(), labels: BTreeMap::new() };
        assert!(snmp.clone().probe(&spec, &target).is_ok());
        let first = std::ptr::from_ref(snmp.counts().unwrap());
        assert!(snmp.probe(&spec, &target).is_ok());
        assert_eq!(std::ptr::from_ref(snmp.counts().unwrap()), first, "one engine");
    }
}
