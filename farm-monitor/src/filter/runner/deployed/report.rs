//! What is told of a deployment: its state, why, and what it costs.

use super::candidate::{Candidate, Stands};
use super::{Active, Deployed};
use crate::filter::Report;
use hedgerow_filter_host::run;
use hedgerow_proto::filter::{Cost, DeploymentState};
use tokio::time::Instant;

impl Deployed {
    /// Tells how it goes, where that is news.
    pub(super) async fn tell(&mut self) {
        let report = self.report();
        let same = |told: &Report| {
            let retry_ms = told.retry_ms;
            *told == Report { retry_ms, ..report.clone() } && (retry_ms == 0) == (report.retry_ms == 0)
        };
        if self.told.as_ref().is_some_and(same) {
            return;
        }
        self.told = Some(report.clone());
        self.silent(&report);
        let (deployments, key) = (self.env.deployments.clone(), self.key.clone());
        // What runs from now on is kept on the disk.
        let told = tokio::task::spawn_blocking(move || deployments.report(&key, report)).await;
        if told.is_err() {
            tracing::error!(event = "deployment_not_told", name = self.key.0);
        }
    }

    /// Where nothing runs and nothing is about to, nobody can say how its alarms stand; one that failed while it ran has said so.
    fn silent(&self, report: &Report) {
        let rests = |of: &Candidate| {
            matches!(
                of.stands,
                Stands::BackingOff(..) | Stands::Waiting(_) | Stands::Refused(_) | Stands::Quarantined
            )
        };
        if self.active.is_none() && rests(&self.newest) && self.older.as_ref().is_none_or(rests) {
            let how = if report.state == DeploymentState::Refused { "is refused" } else { "failed" };
            self.env.alarms.stopped(&self.key.0, &format!("its deployment {how}: {}", report.reason));
        }
    }

    fn report(&self) -> Report {
        let newest = &self.newest;
        let (state, reason, admitted) = match &newest.stands {
            Stands::Unprepared | Stands::Preparing => {
                (DeploymentState::Preparing, "its component is being loaded".to_owned(), None)
            }
            Stands::Prepared(admitted) => (DeploymentState::Admitted, String::new(), Some(admitted)),
            Stands::Running => {
                (DeploymentState::Running, String::new(), self.active.as_ref().map(Active::admitted))
            }
            Stands::BackingOff(_, admitted) => {
                (DeploymentState::BackingOff, newest.supervisor.reason().to_owned(), Some(admitted))
            }
            Stands::Waiting(_) => (DeploymentState::BackingOff, newest.supervisor.reason().to_owned(), None),
            Stands::Refused(why) => (DeploymentState::Refused, why.clone(), None),
            Stands::Quarantined => {
                (DeploymentState::Quarantined, newest.supervisor.reason().to_owned(), None)
            }
        };
        let wait = newest.due().map(|at| at.saturating_duration_since(Instant::now()).as_millis());
        let wait = wait.map(|wait| i64::try_from(wait).unwrap_or(i64::MAX));
        let candidates = || [Some(newest), self.older.as_ref()].into_iter().flatten();
        let faults = candidates().filter_map(|of| Some((of.ready.serial(), of.faults()?))).collect();
        let mut cost = self.cost.unwrap_or_default();
        cost.restarts = newest.supervisor.restarts();
        cost.cpu_us += candidates().map(Candidate::lost_us).sum::<u64>();
        Report {
            serial: newest.ready.serial(),
            state,
            reason,
            retry_ms: wait.map_or(0, |wait| self.env.hub.now().saturating_add(wait)),
            component_name: admitted.map(|of| of.description.name.clone()).unwrap_or_default(),
            component_version: admitted.map(|of| of.description.version.clone()).unwrap_or_default(),
            cost: Some(cost),
            faults,
        }
    }
}

/// What a run has cost, as it is told.
pub fn cost(cost: &run::Cost) -> Cost {
    Cost {
        cpu_us: cost.cpu_ns / 1000,
        samples_in: cost.samples_in,
        samples_out: cost.samples_out,
        samples_refused: cost.samples_refused,
        missed: cost.missed,
        ..Cost::default()
    }
}
