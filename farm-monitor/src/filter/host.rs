//! The farm's one engine for filters, and what the farm's configuration says to each of them.
//!
//! The engine is made when the first filter is loaded: a farm without filters pays nothing for it. Whatever is of a guest's
//! (its `describe`, its calls) runs on [`Workers`], compiling in a child process, one component at a time: neither holds up what
//! runs already.

use super::workers::Workers;
use crate::config::FilterSettings;
use bytes::Bytes;
use hedgerow_filter_host::admission::check_granted;
use hedgerow_filter_host::compile::{CompileError, Compiler};
use hedgerow_filter_host::guest::{Capability, Description, Fault, Limits};
use hedgerow_filter_host::{Engine, EngineOptions, LoadError, Program, timed};
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{Glob, duration};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The folder of what was compiled, in that of the filters.
const COMPILED: &str = "filters/compiled";
/// Instances beside those that the configuration allows to be deployed: while they are described, while two serials stand beside
/// each other, and for callers. One more is not started, and tried again.
const SPARE_INSTANCES: usize = 200;

/// Components that are loaded at once; the others wait for their turn. The engine compiles one of them, the others may be known.
const LOADING: usize = 4;

/// Loads and describes filters, and has the threads on which they run. Cheap to clone.
#[derive(Clone)]
pub struct FilterHost(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    compiler: Compiler,
    opened: Mutex<Option<Opened>>,
    loading: Arc<Semaphore>,
}

#[derive(Clone)]
struct Opened {
    engine: Engine,
    workers: Workers,
}

/// Why a filter is not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The farm does not take it, or it refuses its parameters: trying again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// It failed, or the farm could not begin it.
    #[error(transparent)]
    Failed(#[from] Fault),
}

/// What the farm's configuration says to one filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Bounds of an instance.
    pub limits: Limits,
    /// Samples that it may emit in an hour of the farm's time.
    pub emit_hour: u64,
    /// Most look-back.
    pub look_back: Duration,
    /// Clusters whose series it is not shown.
    pub hidden: Vec<Glob>,
    /// What it may ask for.
    pub granted: Vec<Capability>,
    /// Most instances that this configuration means.
    deployments: usize,
}

impl Terms {
    /// Of a filter that is granted this.
    pub fn new(settings: &FilterSettings, grants: &BTreeSet<Capability>) -> Self {
        let granted = grants.iter().filter(|grant| settings.grant.contains(grant));
        Self {
            limits: Limits {
                memory_bytes: settings.memory,
                call_cpu: settings.call_time,
                emit_samples: settings.emit_call,
                output_series: settings.output_series,
                state_bytes: settings.state,
                log_lines: settings.log_rate,
            },
            emit_hour: settings.emit_hour,
            look_back: settings.look_back,
            hidden: settings.hidden.clone(),
            granted: granted.copied().collect(),
            deployments: settings.deployments,
        }
    }

    /// Whether the farm takes a filter that says this of itself.
    ///
    /// # Errors
    /// What it does not take, and what would have to change.
    pub fn check(&self, description: &Description) -> Result<Vec<PathPattern>, String> {
        check_granted(description, &self.granted).map_err(|refusal| refusal.to_string())?;
        let look_back = Duration::from_millis(description.look_back_ms);
        if look_back > self.look_back {
            return Err(format!(
                "it asks for {} of look-back, and this farm gives at most {}: ask for less, or raise filters.look_back in the farm's \
                 configuration",
                duration::print(look_back),
                duration::print(self.look_back)
            ));
        }
        let parse = |text: &String| {
            let pattern = PathPattern::parse(text).map_err(|error| format!("its pattern {text}: {error}"))?;
            match pattern.cluster.literal().filter(|cluster| self.hides(cluster)) {
                Some(cluster) => {
                    Err(format!("it reads the cluster `{cluster}`, which this farm shows to no filter"))
                }
                None => Ok(pattern),
            }
        };
        description.predicates.iter().map(parse).collect()
    }

    fn hides(&self, cluster: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden.matches(cluster))
    }
}

/// A filter that the farm takes: it can be started.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Its code.
    pub program: Program,
    /// What it says of itself with its parameters.
    pub description: Description,
    /// Its predicates.
    pub patterns: Vec<PathPattern>,
    /// A JSON object.
    pub parameters: Arc<str>,
    /// What it may.
    pub terms: Terms,
    /// Processor time of asking it, in nanoseconds, where that counts in no run's cost yet.
    pub spent_ns: u64,
}

impl FilterHost {
    /// For a farm with this folder.
    pub fn new(folder: &Path, compiler: Compiler) -> Self {
        let folder = folder.join(COMPILED);
        let loading = Arc::new(Semaphore::new(LOADING));
        Self(Arc::new(Inner { folder, compiler, opened: Mutex::default(), loading }))
    }

    /// Loads a component, asks what it is with these parameters (empty: none), and holds that against the terms.
    ///
    /// # Errors
    /// Why it is not begun, and the processor time that asking took, in nanoseconds. Compiling is the farm's.
    pub async fn admit(
        &self,
        component: Bytes,
        parameters: &str,
        terms: Terms,
    ) -> Result<Admitted, (Unfit, u64)> {
        let parameters: Arc<str> = if parameters.is_empty() { "{}" } else { parameters }.into();
        let program = self.load(component, terms.deployments).await.map_err(|unfit| (unfit, 0))?;
        let (described, asked, limits) = (program.clone(), Arc::clone(&parameters), terms.limits);
        let asked = self.run(move || timed(|| described.describe(&asked, &limits))).await;
        let (described, spent_ns) = asked.map_err(|fault| (fault.into(), 0))?;
        let description = described.map_err(|fault| (Unfit::of(fault), spent_ns))?;
        let patterns = terms.check(&description).map_err(|why| (Unfit::Refused(why), spent_ns))?;
        Ok(Admitted { program, description, patterns, parameters, terms, spent_ns })
    }

    /// Does something that a filter takes part in.
    ///
    /// # Errors
    /// Where it panicked, or there are no threads.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let workers = self.0.opened.lock().as_ref().map(|opened| opened.workers.clone());
        // Whoever has a program has opened it.
        workers.ok_or_else(|| Fault::Host("no filter was loaded".to_owned()))?.run(work).await
    }

    async fn load(&self, component: Bytes, deployments: usize) -> Result<Program, Unfit> {
        // Not on a thread of the runtime's: compiling takes a minute at worst.
        let turn = Arc::clone(&self.0.loading).acquire_owned().await;
        let inner = Arc::clone(&self.0);
        let loading = tokio::task::spawn_blocking(move || {
            // To the end, also where nobody waits for it any longer: or those who break off would take all such threads.
            let _turn = turn;
            let engine = inner.open(deployments).map_err(Fault::Host)?.engine;
            engine.load(&component).map_err(unfit)
        });
        loading.await.unwrap_or_else(|error| Err(Fault::Host(error.to_string()).into()))
    }
}

impl Inner {
    fn open(&self, deployments: usize) -> Result<Opened, String> {
        let mut opened = self.opened.lock();
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let instances = u32::try_from(deployments.saturating_add(SPARE_INSTANCES)).unwrap_or(u32::MAX);
        let options = EngineOptions {
            artefacts: Some(self.folder.clone()),
            max_instances: instances,
            ..EngineOptions::new(self.compiler.clone())
        };
        let engine = Engine::new(options).map_err(|error| error.to_string())?;
        let workers =
            Workers::start().map_err(|error| format!("cannot start threads for filters: {error}"))?;
        Ok(opened.insert(Opened { engine, workers }).clone())
    }
}

impl Unfit {
    /// A filter's own refusal is no failure.
    pub fn of(fault: Fault) -> Self {
        match fault {
            Fault::Refused(_) => Self::Refused(fault.to_string()),
            fault => Self::Failed(fault),
        }
    }
}

/// What no compiler takes it never will; what the machine lacked may be there next time.
fn unfit(error: LoadError) -> Unfit {
    match error {
        LoadError::Compile(CompileError::Start { .. }) => Fault::Host(error.to_string()).into(),
        error => Unfit::Refused(error.to_string()),
    }
}
