//! Names one level below a place, counted; remembered for a short while, as people go down a tree, and type, quickly. One answer
//! serves all who ask the same meanwhile, and what is remembered is names, not series.

use super::CoverageLine;
use crate::error::ApiError;
use hedgerow_client::mesh::{ListedSeries, Mesh};
use hedgerow_model::Life;
use hedgerow_model::predicate::PathPattern;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long an answer is given again.
const FRESH: Duration = Duration::from_secs(10);
/// Answers that are remembered; the oldest goes.
const MAX_KEPT: usize = 32;
/// Names of one answer; that there are more is said.
pub const MAX_NAMES: usize = 20_000;

/// A level of a path below the farm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Farms.
    Farm,
    /// Clusters.
    Cluster,
    /// Nodes.
    Node,
    /// Parameters.
    Parameter,
}

impl Level {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Farm => "farm",
            Self::Cluster => "cluster",
            Self::Node => "node",
            Self::Parameter => "parameter",
        }
    }
}

/// How much there is below a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Below {
    /// Series.
    pub series: usize,
    /// Nodes.
    pub nodes: usize,
    /// Series whose last value speaks for now.
    pub live: usize,
    /// Series that are late.
    pub stale: usize,
    /// Series that are over.
    pub ended: usize,
}

/// The names below a place.
#[derive(Debug, Default)]
pub struct Names {
    /// By name.
    pub names: BTreeMap<String, Below>,
    /// There are more than [`MAX_NAMES`].
    pub more: bool,
    /// What this covers.
    pub coverage: CoverageLine,
}

type Kept = (String, Instant, Arc<OnceCell<Arc<Names>>>);

/// What is remembered.
#[derive(Default)]
pub struct Index(Mutex<VecDeque<Kept>>);

impl Index {
    /// The names of `level` among the series of `pattern`.
    ///
    /// # Errors
    /// None that is remembered: who did not answer stands in the coverage.
    pub async fn names(
        &self,
        mesh: &Mesh,
        pattern: &PathPattern,
        level: Level,
    ) -> Result<Arc<Names>, ApiError> {
        let cell = self.cell(format!("{} {pattern}", level.as_str()));
        let names = cell.get_or_init(|| async {
            let list = mesh.list_series(std::slice::from_ref(pattern)).await;
            let mut names = counted(&list.series, level);
            names.coverage = CoverageLine::of(&list.coverage);
            Arc::new(names)
        });
        Ok(Arc::clone(names.await))
    }

    fn cell(&self, key: String) -> Arc<OnceCell<Arc<Names>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|(_, since, _)| now.duration_since(*since) < FRESH);
        if let Some((_, _, cell)) = kept.iter().find(|(of, ..)| *of == key) {
            return Arc::clone(cell);
        }
        if kept.len() >= MAX_KEPT {
            kept.pop_front();
        }
        let cell = Arc::new(OnceCell::new());
        kept.push_back((key, now, Arc::clone(&cell)));
        cell
    }
}

fn counted(series: &[ListedSeries], level: Level) -> Names {
    let mut names = Names::default();
    let mut nodes: BTreeSet<(&str, &str)> = BTreeSet::new();
    for listed in series {
        let key = &listed.def.key;
        let name: &str = match level {
            Level::Farm => &listed.farm,
            Level::Cluster => &key.cluster,
            Level::Node => &key.node,
            Level::Parameter => &key.parameter,
        };
        if !names.names.contains_key(name) {
            if names.names.len() >= MAX_NAMES {
                names.more = true;
                continue;
            }
            names.names.insert(name.to_owned(), Below::default());
        }
        let Some(below) = names.names.get_mut(name) else { continue };
        below.series += 1;
        below.nodes += usize::from(nodes.insert((name, &key.node)));
        *match listed.life {
            None | Some(Life::Live) => &mut below.live,
            Some(Life::Stale) => &mut below.stale,
            Some(Life::Ended) => &mut below.ended,
        } += 1;
    }
    names
}
