//! A changed configuration, applied to a farm that runs; what cannot be applied is refused whole.

use super::{cache_bounds, series_bounds, warn_of};
use crate::api::Configured;
use crate::config::{CacheSettings, ConfigWatch, FarmConfig};
use crate::door::TrapDoor;
use crate::hub::{Hub, LifeRules};
use crate::register;
use hedgerow_client::lease::Body;
use hedgerow_collect::engine::EngineHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Applies changes of the configuration while the farm runs.
pub(super) struct Reload {
    pub watch: ConfigWatch,
    pub told: watch::Sender<Configured>,
    pub body: watch::Sender<Body>,
    pub name: String,
    pub address: SocketAddr,
    pub engine: EngineHandle,
    pub hub: Arc<Hub>,
    pub traps: TrapDoor,
}

impl Reload {
    /// Ends only by being dropped.
    pub async fn run(mut self) {
        loop {
            let error = match self.watch.changed().await {
                Ok(config) => self.apply(config).await.err(),
                Err(errors) => Some(errors.to_string()),
            };
            let error = error.unwrap_or_default();
            if error.is_empty() {
                tracing::info!(target: "hedgerow", event = "config_applied");
            } else {
                tracing::warn!(event = "config_refused", %error);
            }
            self.told.send_modify(|configured| configured.error = error);
        }
    }

    /// Applies what can be applied to a running farm.
    ///
    /// # Errors
    /// What cannot be, and why.
    async fn apply(&self, config: FarmConfig) -> Result<(), String> {
        warn_of(&config);
        let before = Arc::clone(&self.told.borrow().running);
        self.engine.apply(config.pool.clone(), config.collectors.clone()).await.map_err(|e| e.to_string())?;
        self.hub.cache().set_bounds(cache_bounds(&config.cache));
        self.hub.set_rules(
            series_bounds(&config),
            config.cache.max_age,
            LifeRules { lifetime: config.series.lifetime },
            config.views.clone(),
        );
        let unreachable = match register::body(&config, &self.name, self.address) {
            Ok(new) => {
                self.body.send_if_modified(|body| {
                    let changed = *body != new;
                    *body = new;
                    changed
                });
                None
            }
            Err(problem) => Some(problem),
        };
        // A door that stays as it was keeps nothing else from being applied.
        let shut = self.traps.apply(config.traps.clone()).await.err();
        let fixed = [
            ("farm.name", before.farm.name != config.farm.name),
            ("lookup.urls", before.lookup.urls != config.lookup.urls),
            ("lookup.domain", before.lookup.domain != config.lookup.domain),
            ("lookup.mdns", before.lookup.mdns != config.lookup.mdns),
            ("lookup.start_delay", before.lookup.start_delay != config.lookup.start_delay),
            ("lookup.lease", before.lookup.lease != config.lookup.lease),
            ("cache.commit", before.cache.commit != config.cache.commit),
        ];
        let fixed: Vec<&str> =
            fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect();
        // What is fixed for the run is compared with what runs, so that the word stays until the restart.
        let running = FarmConfig {
            farm: crate::config::FarmSettings { name: before.farm.name.clone(), ..config.farm.clone() },
            lookup: before.lookup.clone(),
            cache: CacheSettings { commit: before.cache.commit, ..config.cache.clone() },
            ..config
        };
        self.told.send_modify(|configured| configured.running = Arc::new(running));
        let fixed = (!fixed.is_empty()).then(|| {
            let fixed = fixed.join(", ");
            format!("{fixed} can be changed only by a restart of the farm; everything else is applied")
        });
        let problems: Vec<String> = fixed.into_iter().chain(unreachable).chain(shut).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }
}
