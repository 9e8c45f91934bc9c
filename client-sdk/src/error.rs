//! What can go wrong for a client: always what was tried, where, why it failed, and what to do next.

use hedgerow_model::registration::{Id, Mesh};
use hedgerow_proto::WireError;
use hedgerow_proto::signed::SignedError;
use std::error::Error as _;
use std::time::Duration;
use tonic::{Code, Status};

/// A service that asks for more time is asked again all the same: none has a reason to, and time must not overflow.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Why something a client tried did not work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The address is not one.
    #[error("`{url}` is not the address of a service ({problem}): expected http://HOST:PORT")]
    Address {
        /// As given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A call failed.
    #[error("cannot {tried} at {at}: {why}; {}", next_step(*.code))]
    Call {
        /// What was tried.
        tried: &'static str,
        /// Whom was asked.
        at: String,
        /// The kind of failure.
        code: Code,
        /// In words.
        why: String,
        /// When the service says that trying again may help.
        retry_after: Option<Duration>,
    },
    /// No answer in time.
    #[error("cannot {tried} at {at}: no answer within {} ms; check that it runs and is not overloaded", .within.as_millis())]
    TimedOut {
        /// What was tried.
        tried: &'static str,
        /// Whom was asked.
        at: String,
        /// How long was waited.
        within: Duration,
    },
    /// An answer is not of its form.
    #[error(
        "{at} answered something that is not of this protocol ({error}): check that both sides are of matching versions"
    )]
    Wire {
        /// Who answered.
        at: String,
        /// What is wrong with it.
        error: WireError,
    },
    /// An answer is not signed as it should be.
    #[error("{at} gave a registration that cannot be believed: {error}")]
    Signed {
        /// Who answered.
        at: String,
        /// What is wrong with it.
        error: SignedError,
    },
    /// A service of another mesh.
    #[error("{at} belongs to mesh {theirs}, not to {ours}: take it off the list, or ask for the other mesh")]
    OtherMesh {
        /// Who was asked.
        at: String,
        /// Its mesh.
        theirs: Box<Mesh>,
        /// Ours.
        ours: Box<Mesh>,
    },
    /// Somebody answers, but no lookup.
    #[error("{at} is not a lookup: another service answers there; name the address of a lookup")]
    NotALookup {
        /// Who was asked.
        at: String,
    },
    /// Another farm answers at this address.
    #[error("{at} is now farm {found}, not {expected}: look it up again")]
    OtherFarm {
        /// Who was asked.
        at: String,
        /// Who answered.
        found: Id,
        /// Who was expected.
        expected: Id,
    },
    /// A domain cannot be asked for its lookups.
    #[error("cannot ask DNS which lookups {domain} has: {why}; those known otherwise are used")]
    Domain {
        /// As configured.
        domain: String,
        /// What the resolver says.
        why: String,
    },
    /// Announcements on the local network cannot be heard.
    #[error("cannot listen to lookups on the local network: {why}; those known otherwise are used")]
    LocalNetwork {
        /// What the system says.
        why: String,
    },
    /// No lookup answers.
    #[error("no lookup answers ({}): start one with `hedgerow up`, or name one with --lookup URL", .0.join("; "))]
    NoLookup(Vec<String>),
    /// The farm says nothing about how to reach it.
    #[error("farm {0} has no endpoint that this release can reach: expected one without a relay")]
    NoEndpoint(String),
    /// A farm that went and did not come back.
    #[error("farm {0} is gone from the directory and did not come back: look for it with `hedgerow find`")]
    FarmGone(String),
    /// No such farm.
    #[error("no farm is called `{name}`; {}", if .known.is_empty() { "none is registered: start one with `hedgerow up`".to_owned() } else { format!("there are {}", .known.join(", ")) })]
    NoFarm {
        /// As asked.
        name: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// Several farms of this name.
    #[error("several farms are called `{name}`: say which, of {}", .known.join(", "))]
    SeveralFarms {
        /// As asked.
        name: String,
        /// Those of that name, as told apart.
        known: Vec<String>,
    },
    /// More than a client takes.
    #[error("{what} at {at}: more than {most}; ask for less")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// From whom.
        at: String,
        /// The bound.
        most: usize,
    },
}

impl ClientError {
    /// A call that ended with `status`.
    pub fn of_status(tried: &'static str, at: &str, status: &Status) -> Self {
        let mut why = status.message().to_owned();
        // The transport hides what the system said one or two sources deep; the last is what helps.
        let mut source = status.source();
        while let Some(error) = source {
            why = in_words(error);
            source = error.source();
        }
        if why.is_empty() {
            why = format!("{:?}", status.code());
        }
        let seconds =
            status.metadata().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
        Self::Call { tried, at: at.to_owned(), code: status.code(), why, retry_after }
    }

    /// Why, without what was tried and what to do next.
    pub fn brief(&self) -> String {
        match self {
            Self::Call { why, .. } => why.clone(),
            Self::TimedOut { within, .. } => {
                format!("no answer within {}", hedgerow_model::duration::print(*within))
            }
            other => other.to_string(),
        }
    }

    /// When trying again may help, where the service said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Call { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Where a service of another mesh answers, if that is what is wrong.
    pub fn of_stranger(&self) -> Option<&str> {
        match self {
            Self::OtherMesh { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Whether what was sent is refused for what it is.
    pub(crate) fn is_bad_argument(&self) -> bool {
        matches!(self, Self::Call { code: Code::InvalidArgument, .. })
    }

    /// Whether the same call may work later, as it is.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Call { code, .. } => !matches!(
                code,
                Code::InvalidArgument
                    | Code::NotFound
                    | Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::FailedPrecondition
                    | Code::OutOfRange
                    | Code::Unimplemented
            ),
            Self::TimedOut { .. } | Self::NoLookup(_) => true,
            _ => false,
        }
    }
}

/// What an error says; of what the system says the words, not the number.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    let system = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    match system.and_then(|_| text.rsplit_once(" (os error")) {
        Some((words, _)) => {
            let mut words = words.to_owned();
            words.get_mut(..1).into_iter().for_each(str::make_ascii_lowercase);
            words
        }
        None => text,
    }
}

fn next_step(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "check that it runs and that the address is right",
        Code::Unauthenticated | Code::PermissionDenied => "run this as the user whose services these are",
        Code::Unimplemented => "check that both sides are of matching versions",
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::NotFound => {
            "change what is asked"
        }
        Code::ResourceExhausted => "ask for less, or later",
        _ => "try again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_given_in_words_without_its_number() {
        let error = std::io::Error::from_raw_os_error(111);
        assert!(error.to_string().contains("(os error"), "{error}");
        let status = Status::from_error(Box::new(error));
        let said = ClientError::of_status("register", "x", &status).to_string();
        assert!(said.contains(": connection refused;"), "{said}");
        // Not of the system, though it looks so.
        assert_eq!(in_words(&std::io::Error::other("Mine (os error 9)")), "Mine (os error 9)");
    }

    #[test]
    fn nobody_is_put_off_for_ever() {
        let mut status = Status::resource_exhausted("full");
        for said in [u64::MAX, 3601] {
            status.metadata_mut().insert("retry-after", said.into());
            let error = ClientError::of_status("register", "x", &status);
            assert_eq!(error.retry_after(), Some(LONGEST_RETRY_AFTER));
        }
    }
}
