//! What all client commands share: whom they ask and how they answer.

use crate::outcome::{CommandError, Outcome};
use crate::output::clock::Zone;
use crate::output::say;
use hedgerow_client::channel::Caller;
use hedgerow_client::directory::{Directory, Found};
use hedgerow_client::error::ClientError;
use hedgerow_client::mesh::{Coverage, DEFAULT_LOOKUPS, Mesh, MeshOptions};
use std::time::Duration;

/// Whom to ask, and how to answer.
#[derive(Debug, clap::Args)]
pub struct ClientOptions {
    /// A lookup to ask; may be given several times [default: http://127.0.0.1:7401 and http://127.0.0.1:7402]
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

    /// The lookups as one directory. Nothing is asked yet.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn directory(&self) -> Result<Directory, CommandError> {
        // Reading takes no token; one that belongs to another user's services would be refused.
        Directory::new(self.lookups(), Caller::default())
            .map_err(|error| CommandError::Misuse(format!("--lookup: {error}")))
    }

    /// The mesh of the lookups.
    ///
    /// # Errors
    /// Where no lookup answers: who was asked, and what to do.
    pub async fn mesh(&self, patience: Duration) -> Result<Mesh, CommandError> {
        let lookups = self.lookups();
        let options = MeshOptions { patience, ..MeshOptions::at(lookups.clone()) };
        let mesh = Mesh::connect(options).await.map_err(|error| match error {
            ClientError::NoLookup(reasons) => no_lookup(&lookups, &reasons),
            ClientError::Address { .. } => CommandError::Misuse(format!("--lookup: {error}")),
            error => error.into(),
        })?;
        for problem in
            mesh.problems().iter().filter(|problem| matches!(problem, ClientError::OtherMesh { .. }))
        {
            say(&format!("hedgerow: left out: {problem}"));
        }
        Ok(mesh)
    }

    /// The zone of times.
    pub fn zone(&self) -> Zone {
        Zone::new(self.utc)
    }
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
    if found.answered > 0 {
        return Ok(());
    }
    let (urls, reasons): (Vec<_>, Vec<_>) =
        found.missing.iter().map(|(url, error)| (url.clone(), error.to_string())).unzip();
    Err(no_lookup(&urls, &reasons))
}

/// Nobody to ask: mostly because nothing runs. Other reasons are told one by one.
fn no_lookup(urls: &[String], reasons: &[String]) -> CommandError {
    let nothing_there = |reason: &String| reason.contains("Connection refused");
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
    for (url, error) in &coverage.lookups_missing {
        say(&format!("lookup {url} did not answer: {}", brief(error)));
    }
    if coverage.missing.is_empty() {
        return Outcome::Done;
    }
    say(&format!("{} of {} farms answered; missing:", coverage.answered, coverage.asked));
    for missing in &coverage.missing {
        say(&format!("  {}: {}", missing.farm, brief(&missing.why)));
    }
    Outcome::InPart
}

/// Why, without what was tried and what to do next.
pub fn brief(error: &ClientError) -> String {
    match error {
        ClientError::Call { why, .. } => why.clone(),
        ClientError::TimedOut { within, .. } => {
            format!("no answer within {}", hedgerow_model::duration::print(*within))
        }
        other => other.to_string(),
    }
}
