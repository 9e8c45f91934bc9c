//! The engine: one a process, shared by all filters. It holds wasmtime's settings, the pool of memory that instances live in, the
//! ticker that lets running calls be looked at, and the programs that are loaded.
//!
//! Nothing here may let a guest see what two runs could see differently: no WASI, no threads, no random bits, NaNs in one form.

mod ticker;

use crate::admission::{self, Refusal};
use crate::artefacts::{Artefacts, Digest};
use crate::bindings::{Full, FullPre};
use crate::compile::{CompileError, CompileLimits, Compiler};
use crate::instance::Context;
use crate::program::{Loaded, Program};
use std::collections::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
pub(crate) use ticker::TICK;
use ticker::Ticker;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Most instances at once where nobody says otherwise; a further one is not started ([`Fault::Host`](crate::guest::Fault::Host)).
/// Each memory takes 4 GiB of address space, and of memory only what it touches; there are as many, so that one of JavaScript
/// counts for three.
pub const MAX_INSTANCES: u32 = 1_200;
/// Stack of a guest, in bytes; deeper recursion is a trap. It comes out of the stack of the thread that calls.
pub const GUEST_STACK_BYTES: usize = 512 << 10;
/// Core instances of one component: its modules and what was wrapped around them. More: it is not started.
const CORE_INSTANCES: u32 = 16;
/// Linear memories of one component. More: it is not started. One of JavaScript has three: its own, and two of what stands in for WASI.
const MEMORIES: u32 = 4;
/// Tables of one component. More: it is not started.
const TABLES: u32 = 8;
/// Entries of one table. More: a fault of the guest that wants them.
const TABLE_ENTRIES: usize = 20_000;

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Folder of what was compiled; made where it is missing, for this user only. `None`: compiled anew by each process.
    pub artefacts: Option<PathBuf>,
    /// Bound of that folder, in bytes. Past it the longest unused go.
    pub artefact_bytes: u64,
    /// Who compiles.
    pub compiler: Compiler,
    /// What compiling may take.
    pub compile: CompileLimits,
    /// Most instances at once; see [`MAX_INSTANCES`].
    pub max_instances: u32,
}

impl EngineOptions {
    /// With everything as it is by default: no folder.
    pub fn new(compiler: Compiler) -> Self {
        Self {
            artefacts: None,
            artefact_bytes: 1 << 30,
            compiler,
            compile: CompileLimits::default(),
            max_instances: MAX_INSTANCES,
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime will not run on this machine.
    #[error("cannot prepare the WASM engine: {0}")]
    Wasmtime(String),
    /// The folder of artefacts.
    #[error("cannot use the folder {} for compiled filters: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a component is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not what a filter is: what, where, what was expected, one by one.
    #[error("it is no filter: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// It could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// Runs filters. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    linker: Linker<Context>,
    ticker: Ticker,
    pooled: bool,
    compatibility: u64,
    artefacts: Option<Artefacts>,
    compiler: Compiler,
    compile: CompileLimits,
    loaded: Mutex<HashMap<Digest, Weak<Loaded>>>,
    /// One component is compiled at a time; others wait.
    compiling: Mutex<()>,
}

impl Engine {
    /// An engine. Where the machine does not give the pool its address space, instances are made one by one.
    ///
    /// # Errors
    /// What this machine lacks.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let failed = |error: wasmtime::Error| EngineError::Wasmtime(format!("{error:#}"));
        let pooled = wasmtime::Engine::new(&config(Some(options.max_instances)));
        let (wasmtime, pooled) = match pooled {
            Ok(engine) => (engine, true),
            Err(_) => (bare().map_err(failed)?, false),
        };
        let mut linker = Linker::new(&wasmtime);
        Full::add_to_linker::<Context, HasSelf<Context>>(&mut linker, |context| context).map_err(failed)?;
        let artefacts = match options.artefacts {
            Some(path) => Some(
                Artefacts::open(&path, options.artefact_bytes)
                    .map_err(|source| EngineError::Folder { path, source })?,
            ),
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            ticker: Ticker::start(wasmtime.clone())
                .map_err(|error| EngineError::Wasmtime(error.to_string()))?,
            compatibility: compatibility(&wasmtime),
            wasmtime,
            linker,
            pooled,
            artefacts,
            compiler: options.compiler,
            compile: options.compile,
            loaded: Mutex::default(),
            compiling: Mutex::default(),
        })))
    }

    /// Makes a program of what a user uploaded: from memory, from the folder, or by compiling. Blocks for as long as that takes
    /// ([`CompileLimits::wall`] at most, after others that wait).
    ///
    /// # Errors
    /// Why not, in words for who uploaded it.
    pub fn load(&self, component: &[u8]) -> Result<Program, LoadError> {
        let digest = Digest::of(component);
        if let Some(program) = self.find(digest) {
            return Ok(program);
        }
        let bound = self.0.compile.component_bytes;
        if component.len() as u64 > bound {
            return Err(LoadError::Refused(vec![Refusal::TooLarge { bytes: component.len() as u64, bound }]));
        }
        let _alone = self.0.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was before may have brought it.
        if let Some(program) = self.find(digest) {
            return Ok(program);
        }
        let loaded = Arc::new(self.build(digest, component)?);
        let mut known = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, program| program.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&loaded));
        Ok(Program::new(self.clone(), loaded))
    }

    /// Whether instances come from a pool.
    pub fn is_pooled(&self) -> bool {
        self.0.pooled
    }

    /// Artefacts that were found damaged, and compiled anew.
    pub fn damaged_artefacts(&self) -> u64 {
        self.0.artefacts.as_ref().map_or(0, Artefacts::damaged)
    }

    fn find(&self, digest: Digest) -> Option<Program> {
        let known = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Program::new(self.clone(), known.get(&digest)?.upgrade()?))
    }

    fn build(&self, digest: Digest, component: &[u8]) -> Result<Loaded, LoadError> {
        let name = format!("{digest}-{:016x}", self.0.compatibility);
        if let Some(artefact) = self.0.artefacts.as_ref().and_then(|artefacts| artefacts.read(&name))
            && let Ok(loaded) = self.link(digest, &artefact)
        {
            return Ok(loaded);
        }
        let artefact = match self.0.compiler.compile(component, &self.0.compile)? {
            Ok(artefact) => artefact,
            Err(refusals) => return Err(LoadError::Refused(refusals)),
        };
        let loaded = self.link(digest, &artefact)?;
        if let Some(artefacts) = &self.0.artefacts {
            // What cannot be kept is compiled again next time.
            let _ = artefacts.write(&name, &artefact);
        }
        Ok(loaded)
    }

    /// Makes native code of an artefact, and holds it against the contract.
    #[expect(unsafe_code, reason = "wasmtime trusts precompiled code")]
    fn link(&self, digest: Digest, artefact: &[u8]) -> Result<Loaded, LoadError> {
        // SAFETY: it comes from our own compiler just now, or from a folder that only this user can write to, with its checksum.
        let component = unsafe { Component::deserialize(&self.0.wasmtime, artefact) }
            .map_err(|error| LoadError::Refused(vec![Refusal::Shape(format!("{error:#}"))]))?;
        let mismatch =
            |error: wasmtime::Error| LoadError::Refused(vec![Refusal::Contract(format!("{error:#}"))]);
        let ty = component.component_type();
        let imports = admission::capabilities(ty.imports(&self.0.wasmtime).map(|(name, _)| name));
        let pre = self.0.linker.instantiate_pre(&component).map_err(mismatch)?;
        Ok(Loaded {
            digest,
            imports,
            pre: FullPre::new(pre).map_err(mismatch)?,
            artefact_bytes: artefact.len(),
        })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.0.ticker
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("pooled", &self.0.pooled).finish_non_exhaustive()
    }
}

/// An engine without a pool, for compiling: what it makes runs in the other.
pub(crate) fn bare() -> Result<wasmtime::Engine, wasmtime::Error> {
    wasmtime::Engine::new(&config(None))
}

fn compatibility(engine: &wasmtime::Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn config(pool: Option<u32>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        // The same input gives the same output, on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .shared_memory(false)
        .memory_init_cow(true)
        .native_unwind_info(false);
    if let Some(instances) = pool {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(4))
            .total_memories(instances)
            .total_tables(instances.saturating_mul(2))
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_tables_per_module(TABLES)
            .table_elements(TABLE_ENTRIES)
            .max_memories_per_module(1)
            // What a deployment may have is its own limit.
            .max_memory_size(1 << 32)
            .linear_memory_keep_resident(0)
            .table_keep_resident(0)
            .max_unused_warm_slots(16);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
