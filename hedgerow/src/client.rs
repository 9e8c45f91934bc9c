//! What all client commands share: whom they ask and how they answer.

use crate::outcome::{CommandError, Outcome};
use crate::output::clock::Zone;
use crate::output::{amount, say};
use hedgerow_client::directory::{Found, Kept, kept};
use hedgerow_client::discovery::Source;
use hedgerow_client::error::ClientError;
use hedgerow_client::mesh::{Coverage, DEFAULT_LOOKUPS, Mesh, MeshOptions};
use hedgerow_client::token::{self, UserToken};
use std::time::Duration;
use tonic::Code;

/// Whom to ask, and how to answer.
#[derive(Debug, clap::Args)]
pub struct ClientOptions {
    /// A lookup to ask; may be given several times [default: http://127.0.0.1:7401 and http://127.0.0.1:7402,
    /// and where none answers there, those that the local network tells of]
    #[arg(long, value_name = "URL", help_heading = "Client options")]
    pub lookup: Vec<String>,
    /// Print JSON, one object a line, instead of text for people
    #[arg(long, help_heading = "Client options")]
    pub json: bool,
    /// Show times in UTC, and take times without a zone for UTC
    #[arg(long, help_heading = "Client options")]
    pub utc: bool,
}

/// How long to wait for farms.
#[derive(Debug, clap::Args)]
pub struct Patience {
    /// How long a farm may take to answer; one that does not is named, and the exit status is 3
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = "Client options")]
    pub timeout: Duration,
}

/// A duration of the command line.
pub fn duration(text: &str) -> Result<Duration, String> {
    hedgerow_model::duration::parse(text)
}

impl ClientOptions {
    /// The addresses of the lookups.
    pub fn lookups(&self) -> Vec<String> {
        or_default(&self.lookup)
    }

    /// The mesh of the lookups; or, where none answers, as it was last known, which is said.
    ///
    /// # Errors
    /// Where no lookup answers and nothing is known: who was asked, and what to do.
    pub async fn mesh(&self, patience: Duration) -> Result<Mesh, CommandError> {
        // Reading takes no token; one that belongs to another user's services would be refused.
        self.mesh_as(None, patience).await
    }

    /// The same, to change something in it: with the user's token, where there is one.
    ///
    /// # Errors
    /// As [`ClientOptions::mesh`], or where the token cannot be used.
    pub async fn mesh_to_change(&self, patience: Duration) -> Result<Mesh, CommandError> {
        let path = token::path().map_err(|error| CommandError::failed(&error))?;
        let token = UserToken::load(&path).map_err(|error| CommandError::failed(&error))?;
        self.mesh_as(token, patience).await
    }

    async fn mesh_as(&self, token: Option<UserToken>, patience: Duration) -> Result<Mesh, CommandError> {
        let lookups = self.lookups();
        let kept = self.kept();
        let asked = MeshOptions::at(self.lookup.clone());
        let mesh = Mesh::connect(MeshOptions { patience, token, kept: kept.clone(), ..asked }).await;
        if let Some(problem) = kept.problem() {
            say(&format!("hedgerow: {problem}"));
        }
        let mesh = mesh.map_err(|error| match error {
            ClientError::NoLookup(reasons) => no_lookup(&lookups, &reasons),
            ClientError::Address { .. } => CommandError::Misuse(format!("--lookup: {error}")),
            error => error.into(),
        })?;
        for problem in mesh.problems().iter().filter(|problem| is_news(problem)) {
            say(&format!("hedgerow: left out: {problem}"));
        }
        self.say_who_decided(&mesh);
        if let Some(age) = mesh.stale_since() {
            let at = lookups.join(" or ");
            let age = amount::age(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
            say(&format!(
                "no lookup answered at {at}: using the directory of {age} ago; what changed since is unknown"
            ));
        }
        Ok(mesh)
    }

    /// Where lookups were named and the first of them did not answer, or none of them did, whose mesh is asked is not what was
    /// meant, perhaps.
    fn say_who_decided(&self, mesh: &Mesh) {
        let Some(by) = mesh.directory().caller().mesh_decided_by() else { return };
        let named = self.lookups();
        let before: Vec<&str> =
            named.iter().map(|url| url.trim_end_matches('/')).take_while(|url| *url != by).collect();
        if before.len() < named.len() {
            if !before.is_empty() && !self.lookup.is_empty() {
                let silent = before.join(" and ");
                say(&format!(
                    "hedgerow: {silent} did not answer: asking mesh {}, that of {by}",
                    mesh.identity()
                ));
            }
        } else if mesh.stale_since().is_none() {
            let known = mesh.directory().lookups();
            let found = known.iter().filter(|at| at.source != Source::Configured);
            let found: Vec<String> =
                found.map(|at| format!("{} (known from {})", at.url, at.source.as_str())).collect();
            say(&format!(
                "hedgerow: no lookup answered at {}: asking mesh {} at {}",
                named.join(" or "),
                mesh.identity(),
                found.join(", ")
            ));
        }
    }

    /// The directory of these lookups as it was last known.
    pub fn kept(&self) -> Kept {
        let options = MeshOptions::at(self.lookup.clone());
        kept::default_folder().map_or_else(Kept::default, |folder| options.keep_in(&folder).kept)
    }

    /// The zone of times.
    pub fn zone(&self) -> Zone {
        Zone::new(self.utc)
    }
}

/// What is wrong with a lookup for good; that one does not answer is said where it matters.
fn is_news(problem: &ClientError) -> bool {
    matches!(problem, ClientError::OtherMesh { .. } | ClientError::NotALookup { .. })
}

/// An outcome, which is in part where the directory was an old one, or a lookup that was named is of another mesh.
pub fn as_known(mesh: &Mesh, outcome: Outcome) -> Outcome {
    let refused = mesh.problems().iter().any(|problem| problem.of_stranger().is_some());
    if mesh.stale_since().is_some() || refused { Outcome::InPart } else { outcome }
}

/// These addresses, or those of `up`.
pub fn or_default(lookups: &[String]) -> Vec<String> {
    if lookups.is_empty() { DEFAULT_LOOKUPS.map(str::to_owned).to_vec() } else { lookups.to_vec() }
}

/// Whether any lookup answered.
///
/// # Errors
/// Where none did: who was asked, and what to do.
pub fn some_lookup_answered(found: &Found) -> Result<(), CommandError> {
    if found.is_known() {
        return Ok(());
    }
    let too_much = |(_, error): &&(String, ClientError)| matches!(error, ClientError::TooMuch { .. });
    if let Some((_, error)) = found.missing.iter().find(too_much) {
        return Err(CommandError::Failed(format!("{error}: add terms, or count with --facets")));
    }
    let (urls, reasons): (Vec<_>, Vec<_>) =
        found.missing.iter().map(|(url, error)| (url.clone(), error.to_string())).unzip();
    Err(no_lookup(&urls, &reasons))
}

/// Nobody to ask: mostly because nothing runs. Other reasons are told one by one.
pub fn no_lookup(urls: &[String], reasons: &[String]) -> CommandError {
    let nothing_there = |reason: &String| reason.contains("connection refused");
    let why = if reasons.iter().all(nothing_there) {
        " (connection refused)".to_owned()
    } else {
        format!(" ({})", reasons.join("; "))
    };
    CommandError::Failed(format!(
        "no lookup answered at {}{why}: is `hedgerow up` running? Start it, or name a lookup of your mesh with --lookup URL",
        urls.join(" or ")
    ))
}

/// Says what an answer does not cover, if anything.
pub fn say_coverage(coverage: &Coverage) -> Outcome {
    if coverage.stale_since.is_none() {
        for (url, error) in &coverage.lookups_missing {
            say(&unanswered(url, error));
        }
    }
    if coverage.missing.is_empty() {
        return if coverage.stale_since.is_some() { Outcome::InPart } else { Outcome::Done };
    }
    say(&format!("{} of {} farms answered; missing:", coverage.answered, coverage.asked));
    for missing in &coverage.missing {
        say(&format!("  {}: {}", missing.farm, brief(&missing.why)));
    }
    Outcome::InPart
}

/// What is wrong with a lookup that was asked: that it does not answer only where it does not.
pub fn unanswered(url: &str, error: &ClientError) -> String {
    match error {
        ClientError::OtherMesh { .. } | ClientError::NotALookup { .. } | ClientError::Wire { .. } => {
            error.to_string()
        }
        ClientError::Call { code: Code::Unimplemented, .. } => {
            ClientError::NotALookup { at: url.to_owned() }.to_string()
        }
        ClientError::Call {
            code:
                Code::InvalidArgument
                | Code::FailedPrecondition
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::ResourceExhausted
                | Code::OutOfRange,
            why,
            ..
        } => format!("lookup {url} refuses to answer: {why}"),
        error => format!("lookup {url} does not answer: {}", brief(error)),
    }
}

/// Why, without what was tried and what to do next.
pub fn brief(error: &ClientError) -> String {
    error.brief()
}
