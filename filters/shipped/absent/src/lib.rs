//! `absent`: series that fell silent. At each tick a state for each node or series, and how many are silent.
//! `absent-alarm` (feature `alarms`) raises alarms too, `absent-action` (feature `actions`) asks for an action.
//!
//! The farm says when a series is stale; what is counted here is how long. Time is that of ticks and of changes of life.

use std::collections::BTreeMap;

use hedgerow_filter::{
    ActionSettings, Alarm, AlarmSettings, Capability, Description, Filter, Life, LifeChange, Load, Millis,
    Out, Parameters, PerSeries, Save, SeriesHandle, alarm_key, saved,
};

/// Whether this is the one that raises alarms. What it would call is not even imported otherwise.
const ALARMS: bool = cfg!(feature = "alarms");
/// Whether this is the one that asks for an action.
const ACTIONS: bool = cfg!(feature = "actions");

/// Version of what [`Absent`] saves.
const STATE: u32 = 1;

/// Series that an alarm names at most.
const NAMED: usize = 16;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    by_node: bool,
    after: Millis,
    forget: Millis,
    every: Millis,
    alarm: AlarmSettings,
    action: ActionSettings,
}

/// The filter.
#[derive(Debug)]
pub struct Absent {
    settings: Settings,
    silent: PerSeries<Silent>,
    /// Forgotten: not counted until they come back.
    gone: PerSeries<bool>,
    /// Which were told, by alarm or action, sorted.
    raised: Vec<String>,
}

/// A series that does not speak for now.
#[derive(Debug)]
struct Silent {
    since: Millis,
    why: String,
}

saved!(Silent { since, why });

/// A node, or a series.
#[derive(Default)]
struct Group {
    node: String,
    output: String,
    series: Vec<SeriesHandle>,
    speaking: usize,
    since: Millis,
    why: String,
}

impl Filter for Absent {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        Settings {
            on: p.texts("on", "Which series are expected.").or(&["*/hosts/*/up"]),
            by_node: p
                .text("by", "What is silent: a node of which no series speaks, or each series by itself.")
                .one_of(&["node", "series"])
                .or("node")
                == "node",
            after: p
                .duration(
                    "after",
                    "How long it has to be silent, beyond the three intervals that the farm waits.",
                )
                .or("0s"),
            forget: p
                .duration(
                    "forget",
                    "Silent for longer than this, it is expected no more until it comes back.",
                )
                .at_least(60_000.0)
                .or("7d"),
            every: p.duration("every", "How often to look.").at_least(1_000.0).or("30s"),
            alarm: if ALARMS { AlarmSettings::read(p) } else { AlarmSettings::default() },
            action: if ACTIONS { ActionSettings::read(p) } else { ActionSettings::default() },
        }
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let (name, about) = if ACTIONS {
            ("absent-action", "Asks for an action when an expected node or series falls silent.")
        } else if ALARMS {
            ("absent-alarm", "Raises an alarm while an expected node or series is silent.")
        } else {
            ("absent", "Says which of the expected nodes or series are silent.")
        };
        let mut description =
            Description::new(name, env!("CARGO_PKG_VERSION"), about).on(&settings.on).every(settings.every);
        if ALARMS {
            description = description.wants(Capability::Alarms);
        }
        Ok(if ACTIONS { description.wants(Capability::Actions) } else { description })
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let mut new = Self { settings, silent: PerSeries::new(), gone: PerSeries::new(), raised: Vec::new() };
        if let Some(saved) = saved {
            saved.only(STATE)?;
            (new.silent, new.gone, new.raised) = (saved.get()?, saved.get()?, saved.get()?);
        }
        Ok(new)
    }

    fn on_life(&mut self, changes: &[LifeChange], _: &mut Out) {
        for LifeChange { series, life, time, reason } in changes {
            if *life == Life::Live {
                self.silent.remove(*series);
                self.gone.remove(*series);
            } else {
                // Ended after stale: silent for as long as before.
                self.silent
                    .get_or(*series, || Silent { since: *time, why: String::new() })
                    .why
                    .clone_from(reason);
            }
        }
    }

    fn on_tick(&mut self, time: Millis, out: &mut Out) {
        let forget = self.settings.forget;
        let late: Vec<SeriesHandle> = self
            .silent
            .iter()
            .filter(|(_, silent)| time - silent.since > forget)
            .map(|(series, _)| series)
            .collect();
        for series in late {
            self.silent.remove(series);
            self.gone.get_or(series, || true);
        }
        let mut absent = 0_u32;
        let mut raised = Vec::new();
        for (key, group) in self.groups(out) {
            let is_absent = group.speaking == 0 && time - group.since >= self.settings.after;
            absent += u32::from(is_absent);
            let output = out.state(&group.node, &group.output).describe("0: present, 1: absent").declare();
            out.state_of(output, time, i64::from(is_absent), if is_absent { "absent" } else { "present" });
            if (ALARMS || ACTIONS) && is_absent {
                if self.raised.binary_search(&key).is_err() {
                    self.tell(&key, &group, out);
                }
                raised.push(key);
            }
        }
        if ALARMS {
            for key in self.raised.iter().filter(|key| raised.binary_search(key).is_err()) {
                out.clear(&alarm_key(key), "it speaks again, or is expected no more");
            }
        }
        self.raised = raised;
        let unit = if self.settings.by_node { "{node}" } else { "{series}" };
        let count = out.gauge("all", "absent").unit(unit).describe("how many are absent").declare();
        out.number(count, time, f64::from(absent));
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.silent);
        to.put(&self.gone);
        to.put(&self.raised);
    }
}

impl Absent {
    /// What is expected, by path.
    fn groups(&self, out: &Out) -> BTreeMap<String, Group> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for series in out.all_series().filter(|series| self.gone.get(series.handle).is_none()) {
            let (key, output) = if self.settings.by_node {
                ([&*series.cluster, "/", &series.node].concat(), "absent".to_owned())
            } else {
                let path = series.path();
                // Labels are part of the name here: a state for each series.
                let name = path.splitn(3, '/').nth(2).unwrap_or(&path);
                let name = [name, "_absent"].concat();
                (path, name)
            };
            let group = groups.entry(key).or_default();
            group.node.clone_from(&series.node);
            group.output = output;
            group.series.push(series.handle);
            match self.silent.get(series.handle) {
                // Silent since the last of them was.
                Some(silent) if silent.since >= group.since => {
                    group.since = silent.since;
                    group.why.clone_from(&silent.why);
                }
                Some(_) => {}
                None => group.speaking += 1,
            }
        }
        groups
    }

    fn tell(&self, key: &str, group: &Group, out: &mut Out) {
        let text = [key, " is silent: ", &group.why].concat();
        if ACTIONS {
            self.settings.action.ask(key, &group.node, &text, out);
        }
        if ALARMS {
            out.raise(&Alarm {
                key: alarm_key(key),
                severity: self.settings.alarm.severity,
                text,
                series: group.series.iter().copied().take(NAMED).collect(),
                value: None,
                runbook: self.settings.alarm.runbook.clone(),
            });
        }
    }
}

hedgerow_filter::export!(Absent);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_filter::{Bench, Seen};

    fn bench(parameters: &str) -> Bench<Absent> {
        let wanted = if ACTIONS { r#"{"action":"page","arguments":["path","text"],"# } else { "{" };
        Bench::new(&parameters.replacen('{', wanted, 1)).unwrap()
    }

    fn state(seen: &Seen, node: &str) -> Option<f64> {
        seen.value(node, "absent")
    }

    #[test]
    fn a_node_is_absent_when_none_of_its_series_speaks() {
        let mut bench = bench(r#"{"after":"1m"}"#);
        let [a, b] = ["up", "cpu_busy"].map(|parameter| bench.series("hosts", "n1", parameter));
        bench.series("hosts", "n2", "up");
        bench.life(a, Life::Stale, 10_000);
        assert_eq!(state(&bench.tick(200_000), "n1"), Some(0.0));
        bench.life(b, Life::Stale, 200_000);
        bench.restart();
        assert_eq!(state(&bench.tick(230_000), "n1"), Some(0.0), "not for long enough");
        let seen = bench.tick(260_000);
        assert_eq!(
            (state(&seen, "n1"), state(&seen, "n2"), state(&seen, "all")),
            (Some(1.0), Some(0.0), Some(1.0))
        );
        assert_eq!(seen.raised.len(), usize::from(ALARMS));
        let asked: Vec<_> =
            seen.asked.iter().map(|(action, given)| (action.as_str(), given.as_str())).collect();
        let given = r#"{"path":"hosts/n1","text":"hosts/n1 is silent: no samples"}"#;
        assert_eq!(asked, [("page", given)][..usize::from(ACTIONS)]);
        bench.restart();
        let again = bench.tick(290_000);
        assert!(again.raised.is_empty() && again.asked.is_empty(), "once");
        bench.life(a, Life::Live, 300_000);
        let seen = bench.tick(300_000);
        assert_eq!((state(&seen, "n1"), seen.cleared.len()), (Some(0.0), usize::from(ALARMS)));
    }

    #[test]
    fn each_series_by_itself_has_a_state_of_its_own() {
        let mut bench = bench(r#"{"by":"series"}"#);
        let a = bench
            .series_with("net", "sw", "in", |series| series.labels = vec![("item".into(), "Gi0/1".into())]);
        bench.series_with("net", "sw", "in", |series| series.labels = vec![("item".into(), "Gi0/2".into())]);
        bench.life(a, Life::Ended, 0);
        let seen = bench.tick(1_000);
        assert_eq!(seen.value("sw", "in[Gi0/1]_absent"), Some(1.0));
        assert_eq!(seen.value("sw", "in[Gi0/2]_absent"), Some(0.0));
    }

    #[test]
    fn what_is_silent_for_too_long_is_forgotten_until_it_is_back() {
        let mut bench = bench(r#"{"forget":"1h"}"#);
        let a = bench.series("hosts", "n1", "up");
        bench.life(a, Life::Stale, 0);
        assert_eq!(state(&bench.tick(3_600_000), "all"), Some(1.0));
        bench.life(a, Life::Ended, 3_600_000);
        bench.restart();
        let seen = bench.tick(3_601_000);
        assert_eq!(
            (state(&seen, "all"), state(&seen, "n1"), seen.cleared.len()),
            (Some(0.0), None, usize::from(ALARMS))
        );
        bench.life(a, Life::Ended, 3_602_000);
        assert_eq!(state(&bench.tick(3_603_000), "n1"), None, "still forgotten");
        bench.life(a, Life::Live, 3_700_000);
        bench.life(a, Life::Stale, 3_800_000);
        assert_eq!(state(&bench.tick(3_900_000), "n1"), Some(1.0));
    }
}
