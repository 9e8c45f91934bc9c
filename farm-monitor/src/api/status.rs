//! How the farm is, in one answer.

use super::FarmApi;
use crate::hub::Edge;
use hedgerow_client::lease::{LeaseKeeper, LookupLease};
use hedgerow_collect::engine::{CollectorStatus, TargetStatus};
use hedgerow_proto::convert::{registration, series};
use hedgerow_proto::farm::{StatusResponse, status_response as wire};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Puts the answer together.
pub async fn answer(api: &FarmApi) -> StatusResponse {
    let engine = api.engine.status().await;
    let stats = api.hub.cache().stats();
    let configured = api.config.borrow().clone();
    let leases = api.leases.lock().as_ref().map(LeaseKeeper::state).unwrap_or_default();
    let mut edges: Vec<wire::Edge> = api.hub.edges().into_iter().map(edge).collect();
    let lives = api.hub.count_lives();
    edges.push(cache_edge(&stats, api.hub.cache().committed().borrow().number));
    StatusResponse {
        farm_id: registration::id_to_wire(api.id),
        farm: api.hub.farm().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: Some(series::epoch_to_wire(api.hub.epoch())),
        number: api.hub.routed().number,
        committed: api.hub.cache().committed().borrow().number,
        uptime_ms: millis(api.started.elapsed()),
        series: lives.live + lives.stale + lives.ended,
        collectors: engine.collectors.iter().map(collector).collect(),
        cache: Some(wire::Cache {
            bytes: stats.disk_bytes,
            max_bytes: stats.max_bytes,
            max_age_ms: millis(configured.running.cache.max_age),
            oldest_ms: stats.oldest.unwrap_or_default(),
            days: stats.days.unwrap_or_default(),
            problem: problem(api, &stats),
        }),
        edges,
        lookups: leases.into_iter().map(lookup).collect(),
        config_error: joined(configured.error, api.traps.trouble()),
        subscribers: api.hub.subscribers() as u64,
        stale: Some(lives.stale),
        ended: Some(lives.ended),
    }
}

/// What is wrong, in lines.
fn joined(error: String, trouble: String) -> String {
    let lines: Vec<String> = [error, trouble].into_iter().filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn collector(status: &CollectorStatus) -> wire::Collector {
    wire::Collector {
        name: status.name.clone(),
        module: status.module.to_owned(),
        cluster: status.cluster.clone(),
        period_ms: millis(status.period),
        runs: status.counts.runs,
        skipped: status.counts.skipped,
        timeouts: status.counts.timeouts,
        targets: status.targets.iter().map(target).collect(),
    }
}

fn target(status: &TargetStatus) -> wire::Target {
    let error = status.last_error.as_ref();
    wire::Target {
        node: status.node.clone(),
        address: status.address.clone(),
        up: status.up,
        lateness_ms: millis(status.lateness),
        duration_ms: millis(status.last_duration.unwrap_or_default()),
        samples: status.samples,
        last_error: error.map(|error| error.text.clone()).unwrap_or_default(),
        last_error_ms: error.map(|error| error.time).unwrap_or_default(),
        last_success_ms: status.last_success.unwrap_or_default(),
        probation: status.probation,
    }
}

fn edge(edge: Edge) -> wire::Edge {
    wire::Edge {
        name: edge.name,
        samples: edge.samples,
        passed: edge.passed,
        held: edge.held,
        conflated: edge.conflated,
        lost: edge.lost.into_iter().collect(),
    }
}

/// What is wrong with the cache, and what to do; empty: nothing.
fn problem(api: &FarmApi, stats: &hedgerow_cache::CacheStats) -> String {
    let trouble = stats.trouble.clone().unwrap_or_default();
    if stats.broken {
        return format!(
            "the file is damaged and nothing is kept ({trouble}): restart the farm, which sets the file aside and begins anew"
        );
    }
    if api.cache_file.is_gone() {
        return "the file was removed while it was in use, and what is kept now goes with it: restart the farm".to_owned();
    }
    match api.hub.set_aside().filter(|_| trouble.is_empty()) {
        Some(path) => format!(
            "the file was damaged and stands aside as {}: earlier history is not served",
            path.display()
        ),
        None => trouble,
    }
}

/// The cache's file as it was when it was opened.
#[derive(Debug, Clone)]
pub struct CacheFile {
    path: PathBuf,
    inode: Option<u64>,
}

impl CacheFile {
    /// The file at `path`, now.
    pub fn at(path: PathBuf) -> Self {
        let inode = inode(&path);
        Self { path, inode }
    }

    /// Whether another file, or none, stands there now.
    fn is_gone(&self) -> bool {
        self.inode.is_some() && inode(&self.path) != self.inode
    }
}

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

/// Hub to cache: what is numbered is committed, or on its way.
pub fn cache_edge(stats: &hedgerow_cache::CacheStats, committed: u64) -> wire::Edge {
    let shed = stats.disk_full_away.min(committed);
    wire::Edge {
        name: "consumer:cache".to_owned(),
        samples: stats.appended,
        passed: committed - shed,
        held: stats.appended.saturating_sub(committed),
        conflated: 0,
        lost: [("disk_full".to_owned(), shed)].into_iter().filter(|(_, n)| *n > 0).collect(),
    }
}

fn lookup(lease: LookupLease) -> wire::LookupState {
    wire::LookupState {
        url: lease.url,
        registered: lease.registered,
        lease_remaining_ms: millis(lease.remaining),
        last_error: lease.last_error.unwrap_or_default(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_removed_file_is_noticed_also_when_another_takes_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        std::fs::write(&path, "x").unwrap();
        let file = CacheFile::at(path.clone());
        assert!(!file.is_gone());
        let beside = folder.path().join("other");
        std::fs::write(&beside, "y").unwrap();
        std::fs::rename(&beside, &path).unwrap();
        assert!(file.is_gone());
        std::fs::remove_file(&path).unwrap();
        assert!(file.is_gone());
    }
}
