//! What an agent is, and which profiles are for it: its sysObjectID, and whether it has something below the roots that
//! profiles name.

use super::asking::UP_TIME;
use super::sweep::Absent;
use hedgerow_snmp::ask::NO_SUCH_NAME;
use hedgerow_snmp::{Agent, Ask, AskError, Oid, Request, Value, VarBind};
use hedgerow_snmp_profile::library::Library;
use hedgerow_snmp_profile::profile::Profile;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// sysObjectID.0
pub(super) const OBJECT_ID: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 2, 0];
/// Roots asked about in one request.
const ROOTS: usize = 24;

/// What was found out of an agent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detected {
    pub object_id: Option<Oid>,
    pub up_time: Option<u32>,
    pub profiles: Vec<Arc<Profile>>,
    /// Whether every root was answered for: else there may be more.
    pub whole: bool,
    /// The first error status that it answered with, in a request for one object: why there may be less than it has.
    pub refused: Option<AskError>,
    /// How it says that it has no sysObjectID, where it has none.
    pub absent: Absent,
}

/// Asks an agent what it is.
///
/// # Errors
/// It gives no first answer.
pub(super) async fn detect(
    ask: &dyn Ask,
    agent: &Agent,
    library: &Library,
    until: Instant,
) -> Result<Detected, AskError> {
    let up_time = Oid::from_slice(&UP_TIME).child(0);
    let asked = vec![Oid::from_slice(&OBJECT_ID), up_time.clone()];
    let (known, mut refused) = get(ask, agent, asked, until).await?;
    let object_id = match known.get(&Oid::from_slice(&OBJECT_ID)) {
        Some(Value::ObjectIdentifier(oid)) => Some(oid.clone()),
        _ => None,
    };
    let absent = match known.get(&Oid::from_slice(&OBJECT_ID)) {
        Some(Value::NoSuchInstance) => Absent::Instance,
        Some(Value::EndOfMibView) => Absent::End,
        _ => Absent::Object,
    };
    let up_time = match known.get(&up_time) {
        Some(Value::TimeTicks(ticks)) => Some(*ticks),
        _ => None,
    };
    let mut roots: Vec<Oid> = library.iter().flat_map(|profile| profile.detect.serves.clone()).collect();
    roots.sort();
    roots.dedup();
    let mut serves = BTreeMap::new();
    let mut whole = true;
    let mut chunks: Vec<Vec<Oid>> = roots.chunks(ROOTS).map(<[Oid]>::to_vec).collect();
    while let Some(chunk) = chunks.pop() {
        match next(ask, agent, &chunk, until).await {
            Ok(behind) => {
                for (root, next) in chunk.into_iter().zip(behind) {
                    let there = !next.value.is_exception() && next.oid.starts_with(&root);
                    serves.insert(root, there);
                }
            }
            // There is nothing behind this one (v1): the rest may have something.
            Err(AskError::Status { status: NO_SUCH_NAME, index, .. })
                if (1..=chunk.len()).contains(&index) =>
            {
                chunks.push(without(chunk, index - 1));
            }
            // The answer does not fit, or one of them makes the agent fail: fewer, until it is alone.
            Err(AskError::Status { .. } | AskError::NotAskable(_)) if chunk.len() > 1 => {
                let (first, second) = chunk.split_at(chunk.len() / 2);
                chunks.extend([second.to_vec(), first.to_vec()]);
            }
            Err(error @ (AskError::Status { .. } | AskError::NotAskable(_))) => {
                refused.get_or_insert(error);
            }
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    let profiles = library.detect(object_id.as_ref(), |root| serves.get(root).copied().unwrap_or(false));
    Ok(Detected { object_id, up_time, profiles, whole, refused, absent })
}

/// What there is of these, and the last error; an agent of v1 says which it has not, one at a time.
async fn get(
    ask: &dyn Ask,
    agent: &Agent,
    mut oids: Vec<Oid>,
    until: Instant,
) -> Result<(BTreeMap<Oid, Value>, Option<AskError>), AskError> {
    let mut refused = None;
    while !oids.is_empty() {
        match ask.ask(agent, Request::Get(oids.clone()), until).await {
            Ok(reply) => {
                return Ok((
                    reply.varbinds.into_iter().map(|bind| (bind.oid, bind.value)).collect(),
                    refused,
                ));
            }
            Err(AskError::Status { status: NO_SUCH_NAME, index, .. })
                if (1..=oids.len()).contains(&index) =>
            {
                oids = without(oids, index - 1);
            }
            Err(error @ AskError::Status { .. }) => {
                oids.pop();
                refused = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((BTreeMap::new(), refused))
}

async fn next(
    ask: &dyn Ask,
    agent: &Agent,
    behind: &[Oid],
    until: Instant,
) -> Result<Vec<VarBind>, AskError> {
    Ok(ask.ask(agent, Request::GetNext(behind.to_vec()), until).await?.varbinds)
}

fn without(mut oids: Vec<Oid>, at: usize) -> Vec<Oid> {
    oids.remove(at);
    oids
}
