//! How a Prometheus user reads a mesh: the parameter is the name, the cluster `job`, the node `instance`; then `farm`, and the
//! labels as they are. And back: which series of which farms a selector can mean.

use hedgerow_model::glob::Glob;
use hedgerow_model::predicate::{LabelPattern, PathPattern};
use hedgerow_model::{Kind, SeriesKey};
use hedgerow_promql::{Labels, Matcher, NAME};

/// The label that is the cluster.
pub const JOB: &str = "job";
/// The label that is the node.
pub const INSTANCE: &str = "instance";
/// The label that is the farm.
pub const FARM: &str = "farm";
/// What a series' own label of such a name is called instead, as at Prometheus.
const EXPORTED: &str = "exported_";

/// The name of a metric: the parameter, with `_` for each other character than A-Z a-z 0-9 _ : and for a digit at the start.
pub fn metric_name(parameter: &str) -> String {
    let kept = |(at, c): (usize, char)| match c {
        '0'..='9' if at == 0 => '_',
        c if c.is_ascii_alphanumeric() || c == '_' || c == ':' => c,
        _ => '_',
    };
    parameter.chars().enumerate().map(kept).collect()
}

/// The labels by which a series is known.
pub fn labels(farm: &str, key: &SeriesKey) -> Labels {
    let own = [
        (NAME.to_owned(), metric_name(&key.parameter)),
        (JOB.to_owned(), key.cluster.to_string()),
        (INSTANCE.to_owned(), key.node.to_string()),
        (FARM.to_owned(), farm.to_owned()),
    ];
    Labels::new(
        own.into_iter().chain(key.labels.iter().map(|(key, value)| (label_key(key), value.to_owned()))),
    )
}

fn label_key(key: &str) -> String {
    let plain = key.replace('.', "_");
    if [NAME, JOB, INSTANCE, FARM].contains(&plain.as_str()) {
        return format!("{EXPORTED}{plain}");
    }
    if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("_{plain}") } else { plain }
}

/// Prometheus's word for a kind; `None`: texts are no metrics.
pub fn kind(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Gauge | Kind::State => Some("gauge"),
        Kind::Counter => Some("counter"),
        Kind::Text => None,
    }
}

/// A pattern that all series match that `matchers` take; others may match it, too. `None`: they take none.
pub fn pattern(matchers: &[Matcher]) -> Option<PathPattern> {
    let glob = |key: &str, of: fn(&str) -> String| {
        let said = matchers.iter().filter(|matcher| matcher.key == key);
        let mut globs = said.map(|matcher| glob_of(matcher, of));
        // The first that says something; the others are looked at when the answer is there.
        globs.try_fold(Glob::any(), |kept, next| next.map(|next| if kept.is_any() { next } else { kept }))
    };
    let own = matchers
        .iter()
        .filter(|matcher| !matcher.key.contains('_') && ![JOB, INSTANCE, FARM].contains(&&*matcher.key));
    let mut wanted: Vec<(String, Glob)> = Vec::new();
    for matcher in own.filter(|matcher| !matcher.takes("") && hedgerow_model::labels::is_key(&matcher.key)) {
        let glob = glob_of(matcher, escaped)?;
        if !glob.is_any() && wanted.iter().all(|(key, _)| *key != matcher.key) {
            wanted.push((matcher.key.clone(), glob));
        }
    }
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    wanted.truncate(hedgerow_model::labels::MAX_LABELS);
    Some(PathPattern {
        farm: glob(FARM, escaped)?,
        cluster: glob(JOB, escaped)?,
        node: glob(INSTANCE, escaped)?,
        // Any character may stand for `_` there.
        parameter: glob(NAME, |name| escaped(name).replace('_', "?"))?,
        labels: if wanted.is_empty() { LabelPattern::Any } else { LabelPattern::All(wanted) },
    })
}

fn escaped(text: &str) -> String {
    Glob::exact(text).as_str().replace(',', "\\,")
}

/// What takes at least what `matcher` takes; `None`: it takes no name.
fn glob_of(matcher: &Matcher, of: fn(&str) -> String) -> Option<Glob> {
    if let Some(all) = matcher.alternatives() {
        let all: Vec<String> = all.into_iter().filter(|text| !text.is_empty()).map(of).collect();
        return match &all[..] {
            [] => None,
            [one] => Some(read(one)),
            _ => Some(read(&format!("{{{}}}", all.join(",")))),
        };
    }
    match matcher.prefix() {
        "" => Some(Glob::any()),
        prefix => Some(read(&format!("{}*", of(prefix)))),
    }
}

/// What can't be a pattern, as it is too long, is looked for among all.
fn read(text: &str) -> Glob {
    Glob::new(text).unwrap_or_else(|_| Glob::any())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{Labels as OwnLabels, Name};
    use hedgerow_promql::Query;

    fn key(cluster: &str, node: &str, parameter: &str, own: &[(&str, &str)]) -> SeriesKey {
        let name = |text: &str| Name::new(text).unwrap();
        let labels = OwnLabels::new(own.iter().copied()).unwrap();
        SeriesKey { cluster: name(cluster), node: name(node), parameter: name(parameter), labels }
    }

    #[test]
    fn a_series_reads_as_the_design_says() {
        let labels = labels(
            "cern",
            &key("net", "sw-a1", "in.rate µ/s", &[("item", "Gi0/1"), ("farm", "x"), ("a.b", "c")]),
        );
        assert_eq!(
            labels.to_string(),
            "in_rate___s{a_b=\"c\", exported_farm=\"x\", farm=\"cern\", instance=\"sw-a1\", item=\"Gi0/1\", job=\"net\"}"
        );
        assert_eq!(metric_name("5min:load"), "_min:load");
    }

    #[test]
    fn a_selector_asks_only_for_what_it_may_mean() {
        let text = |selector: &str| {
            let pattern = pattern(&Query::selector(selector).unwrap())?;
            let labels = match &pattern.labels {
                LabelPattern::All(all) => all.iter().map(|(key, glob)| format!("[{key}={glob}]")).collect(),
                _ => String::new(),
            };
            Some(format!(
                "{} {} {} {}{labels}",
                pattern.farm, pattern.cluster, pattern.node, pattern.parameter
            ))
        };
        assert_eq!(text("load1").unwrap(), "* * * load1");
        assert_eq!(
            text("cpu_user{job='hosts',instance=~'n1|n2',farm='a*'}").unwrap(),
            "a\\* hosts {n1,n2} cpu?user"
        );
        assert_eq!(text("{__name__=~'cpu_.*',item='a,b'}").unwrap(), "* * * cpu?*[item=a,b]");
        assert_eq!(text("{__name__=~'.+',job!='x',farm=~'a.c'}").unwrap(), "* * * *");
        assert_eq!(
            text("x{a_b='c',item='',vo=~'a|'}").unwrap(),
            "* * * x",
            "what may be absent isn't demanded"
        );
        assert_eq!(text("x{job=''}"), None);
        assert_eq!(text("x{job=~'a|b',job='b'}").unwrap(), "* {a,b} * x");
    }

    #[test]
    fn what_a_selector_takes_its_pattern_takes() {
        let keys = [
            key("hosts", "n1", "cpu.user", &[("item", "a,b")]),
            key("hosts", "n{2}", "cpu_user", &[]),
            key("a,b", "*", "5min", &[("vo", "x")]),
        ];
        for selector in [
            "cpu_user",
            "{job='a,b'}",
            "{instance='*'}",
            "{instance=~'n.*'}",
            "{__name__='_min'}",
            "{instance='n{2}'}",
            "{job=~'a,b|x'}",
            "{item='a,b',job=~'.+'}",
            "{vo!='',vo=~'x|y'}",
            "{__name__=~'cpu_user|b'}",
        ] {
            let matchers = Query::selector(selector).unwrap();
            let pattern = pattern(&matchers).unwrap();
            let mut taken = 0;
            for key in &keys {
                let labels = labels("cern", key);
                if matchers.iter().all(|matcher| matcher.matches(&labels)) {
                    taken += 1;
                    assert!(pattern.matches("cern", key), "{selector} and {labels}");
                }
            }
            assert!(taken > 0, "{selector}");
        }
    }
}
