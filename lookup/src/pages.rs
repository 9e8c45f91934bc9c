//! What a lookup shows over HTTP: its own measurements, and the targets for Prometheus. It only reads.

mod metrics;
mod targets;

use crate::lookup::{Inner, Lookup};
use hedgerow_service::http::{Page, Pages, Query};
use std::sync::Arc;

impl Lookup {
    /// Its pages, under this name.
    pub fn pages(&self, name: &str) -> Pages {
        let (measured, listed) = (Arc::clone(&self.0), Arc::clone(&self.0));
        Pages {
            role: format!("lookup {name}"),
            metrics: Arc::new(move || metrics::families(&measured.status())),
            more: vec![Page {
                path: "/prometheus/sd",
                about: "what Prometheus is to scrape, for its http_sd_configs; ?template=TEXT narrows it",
                make: Arc::new(move |query: &Query| targets::answer(&listed, query)),
            }],
        }
    }
}

impl Inner {
    /// Whether the directory may lack services that are there: the lookup has just started, and with less than it had.
    fn is_settling(&self, status: &crate::LookupStatus) -> bool {
        status.uptime < targets::SETTLING && (self.began_anew || status.leases.leases == 0)
    }
}

#[cfg(test)]
mod tests;
