//! A look at what an agent says, for a person: some objects, or all below a root, as they come.
//!
//! Under the same guards as a sweep: a name that does not increase ends a walk, and so does a bound on values. Makes no
//! series, and keeps nothing.

use hedgerow_snmp::ask::{NO_SUCH_NAME, TOO_BIG};
use hedgerow_snmp::{Agent, Ask, AskError, Oid, Request, Security, Value, VarBind};
use tokio::time::Instant;

/// Most names of a request.
const NAMES: usize = 24;
/// Most values of a reply that are asked for.
const REPETITIONS: u32 = 25;

/// Bounds of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkLimits {
    /// Most values.
    pub values: usize,
    /// When it ends at the latest.
    pub until: Instant,
}

/// Why a look ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// There was no answer.
    #[error("{0}")]
    Asking(#[from] AskError),
    /// A name did not increase.
    #[error("{came} comes behind {after}: the agent's names are not in order")]
    NotIncreasing {
        /// What was asked behind.
        after: Oid,
        /// What came.
        came: Oid,
    },
    /// There were more values than are taken.
    #[error("stopped after {0} values")]
    Endless(usize),
}

/// The values of these; noSuchObject and noSuchInstance are values here. An agent of v1 says noSuchName for what it has
/// not got: that is given as noSuchObject.
///
/// # Errors
/// There was no answer.
pub async fn get(
    ask: &dyn Ask,
    agent: &Agent,
    oids: &[Oid],
    until: Instant,
) -> Result<Vec<(Oid, Value)>, LookError> {
    let mut found: Vec<(Oid, Value)> = Vec::with_capacity(oids.len());
    for chunk in oids.chunks(NAMES) {
        found.extend(get_some(ask, agent, chunk, until).await?);
    }
    Ok(found)
}

async fn get_some(
    ask: &dyn Ask,
    agent: &Agent,
    oids: &[Oid],
    until: Instant,
) -> Result<Vec<(Oid, Value)>, LookError> {
    let mut values: Vec<Option<Value>> = vec![None; oids.len()];
    // How many are asked for at once.
    let mut names = oids.len();
    loop {
        let open = |(at, value): (usize, &Option<Value>)| value.is_none().then_some(at);
        let places: Vec<usize> = values.iter().enumerate().filter_map(open).take(names).collect();
        if places.is_empty() {
            break;
        }
        let asked: Vec<Oid> = places.iter().filter_map(|at| oids.get(*at)).cloned().collect();
        match ask.ask(agent, Request::Get(asked), until).await {
            Ok(reply) => {
                for (at, bind) in places.iter().zip(reply.varbinds) {
                    if let Some(value) = values.get_mut(*at) {
                        *value = Some(bind.value);
                    }
                }
            }
            Err(AskError::Status { status: NO_SUCH_NAME, index, .. })
                if index <= places.len() && index > 0 =>
            {
                if let Some(value) = places.get(index - 1).and_then(|at| values.get_mut(*at)) {
                    *value = Some(Value::NoSuchObject);
                }
            }
            Err(AskError::Status { status: TOO_BIG, .. }) if places.len() > 1 => names = places.len() / 2,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(oids.iter().cloned().zip(values.into_iter().flatten()).collect())
}

/// Gives all below `root` to `found`, in order, as it comes; how many there were. Where there is nothing below it, `root`
/// may be an instance itself.
///
/// # Errors
/// Why it ended before the end; what came until then has been given.
pub async fn walk(
    ask: &dyn Ask,
    agent: &Agent,
    root: &Oid,
    limits: WalkLimits,
    found: &mut (dyn FnMut(Oid, Value) + Send),
) -> Result<usize, LookError> {
    let mut bulk = !matches!(*agent.security, Security::V1 { .. });
    let (mut repetitions, mut cursor, mut count) = (REPETITIONS, root.clone(), 0);
    'asking: loop {
        let request = match bulk {
            true => {
                let oids = vec![cursor.clone()];
                Request::GetBulk { non_repeaters: 0, max_repetitions: repetitions, oids }
            }
            false => Request::GetNext(vec![cursor.clone()]),
        };
        let varbinds = match ask.ask(agent, request, limits.until).await {
            Ok(reply) => reply.varbinds,
            Err(AskError::Status { status: NO_SUCH_NAME, .. }) => break,
            Err(AskError::Status { status: TOO_BIG, .. }) if repetitions > 1 => {
                repetitions /= 2;
                continue;
            }
            // One of them makes the agent fail: up to there one goes on, value by value.
            Err(AskError::Status { .. }) if bulk => {
                bulk = false;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if varbinds.is_empty() {
            break;
        }
        for VarBind { oid, value } in varbinds {
            if value.is_exception() || !oid.starts_with(root) {
                break 'asking;
            }
            if oid <= cursor {
                return Err(LookError::NotIncreasing { after: cursor, came: oid });
            }
            if count == limits.values {
                return Err(LookError::Endless(count));
            }
            count += 1;
            cursor.clone_from(&oid);
            found(oid, value);
        }
    }
    if count == 0 {
        for (oid, value) in get(ask, agent, std::slice::from_ref(root), limits.until).await? {
            if !value.is_exception() {
                count += 1;
                found(oid, value);
            }
        }
    }
    Ok(count)
}

/// What to look at where an agent never said anything.
pub fn silent(security: &Security) -> &'static str {
    match security {
        Security::V1 { .. } | Security::V2c { .. } => {
            "; is the community right? To a wrong one an agent says nothing, nor to a host that may not ask"
        }
        Security::V3(user) if user.privacy.is_some() => {
            "; is the privacy password right? To what it cannot decrypt an agent may say nothing"
        }
        Security::V3(user) if !user.context.is_empty() => "; is the context right, and may this host ask?",
        Security::V3(_) => "; are address and port right, and may this host ask?",
    }
}
