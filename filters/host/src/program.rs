//! A program: a component that was admitted and compiled. Many deployments may run one; its code is in memory once.

use crate::admission::check_said;
use crate::artefacts::Digest;
use crate::bindings::FullPre;
use crate::engine::Engine;
use crate::guest::{ActionJudge, Capability, Description, Effects, Fault, HistorySource, Limits};
use crate::instance::{Context, Instance, Live, Phase};
use crate::processor::timed;
use std::sync::Arc;

/// Longest parameters, in bytes. Longer ones are refused.
pub const MAX_PARAMETER_BYTES: usize = 64 << 10;

/// A component, ready to be started. Cheap to clone.
#[derive(Clone)]
pub struct Program {
    engine: Engine,
    loaded: Arc<Loaded>,
}

/// What programs of one component share.
pub(crate) struct Loaded {
    pub(crate) digest: Digest,
    pub(crate) imports: Vec<Capability>,
    pub(crate) pre: FullPre<Context>,
    pub(crate) artefact_bytes: usize,
}

/// How an instance is started.
pub struct Start<'a> {
    /// A JSON object.
    pub parameters: &'a str,
    /// What `save` gave of this version or an earlier one; `None`: from nothing.
    pub state: Option<&'a [u8]>,
    /// What it may have.
    pub limits: Limits,
    /// What its deployment and its farm grant.
    pub granted: &'a [Capability],
    /// How many handles of input series it was given before, and may still hold in its state: those below this number.
    pub known_series: u32,
    /// Answers `history.read`. `None`: there is none, and the filter is told so.
    pub history: Option<Box<dyn HistorySource>>,
    /// Answers `actions.ask`. `None`: no action is granted.
    pub actions: Option<Box<dyn ActionJudge>>,
}

impl<'a> Start<'a> {
    /// From nothing, with nothing granted.
    pub fn new(parameters: &'a str, limits: Limits) -> Self {
        Self { parameters, state: None, limits, granted: &[], known_series: 0, history: None, actions: None }
    }
}

impl Program {
    pub(crate) fn new(engine: Engine, loaded: Arc<Loaded>) -> Self {
        Self { engine, loaded }
    }

    /// SHA-256 of what was uploaded.
    pub fn digest(&self) -> Digest {
        self.loaded.digest
    }

    /// The capabilities whose interfaces it imports, sorted. It runs only where all are granted.
    pub fn imports(&self) -> &[Capability] {
        &self.loaded.imports
    }

    /// Size of its native code with what belongs to it, in bytes: in memory once for all its instances.
    pub fn artefact_bytes(&self) -> usize {
        self.loaded.artefact_bytes
    }

    /// Asks what it is and wants with these parameters (a JSON object), in an instance of its own that may do nothing but log; checks
    /// what it says ([`check_description`]), and the parameters against the schema it gives.
    ///
    /// # Errors
    /// [`Fault::Refused`] where the parameters are wrong, otherwise what it did.
    pub fn describe(&self, parameters: &str, limits: &Limits) -> Result<Description, Fault> {
        let (said, complaint) = self.describe_all_the_same(parameters, limits)?;
        complaint.map_or(Ok(said), |complaint| Err(Fault::Refused(complaint)))
    }

    /// The same, where what its schema has against the parameters stands beside what it says: so it may be asked for its schema.
    ///
    /// # Errors
    /// [`Fault::Refused`] where it says nothing with such parameters, otherwise what it did.
    pub fn describe_all_the_same(
        &self,
        parameters: &str,
        limits: &Limits,
    ) -> Result<(Description, Option<String>), Fault> {
        check_size(parameters)?;
        let mut live = self.live(Context::new(Phase::Describe, *limits))?;
        let raw = live.describe(parameters)?;
        check_said(raw, parameters, self.imports())
    }

    /// Starts an instance and configures it. What it did meanwhile (declared, logged) is given beside it, with the processor time of
    /// both.
    ///
    /// # Errors
    /// [`Fault::Refused`] where it refuses the parameters or the state, or is not granted what it imports; otherwise what it did.
    pub fn start(&self, start: Start<'_>) -> Result<(Instance, Effects), Fault> {
        check_size(start.parameters)?;
        let missing: Vec<_> = self
            .imports()
            .iter()
            .filter(|wanted| !start.granted.contains(wanted))
            .map(|c| c.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(Fault::Refused(format!("it imports {}, which is not granted", missing.join(", "))));
        }
        let mut context = Context::new(Phase::Configure, start.limits);
        context.known_series = start.known_series;
        context.history = start.history;
        context.actions = start.actions;
        let (started, cpu_ns) = timed(|| {
            let mut live = self.live(context)?;
            let effects = live.configure(start.parameters, start.state)?;
            Ok((live, effects))
        });
        let (live, effects) = started?;
        Ok((Instance::new(live), Effects { cpu_ns, ..effects }))
    }

    fn live(&self, context: Context) -> Result<Live, Fault> {
        Live::start(&self.engine, &self.loaded.pre, context)
    }
}

fn check_size(parameters: &str) -> Result<(), Fault> {
    let bytes = parameters.len();
    if bytes > MAX_PARAMETER_BYTES {
        return Err(Fault::Refused(format!(
            "the parameters have {bytes} bytes: expected at most {MAX_PARAMETER_BYTES}"
        )));
    }
    Ok(())
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("digest", &self.loaded.digest).finish_non_exhaustive()
    }
}
