//! The filters that come with this program, by name: data, as others are that users bring.

/// A filter that is shipped.
#[derive(Debug)]
pub struct Shipped {
    /// Its name.
    pub name: &'static str,
    /// What it does, as it says itself.
    pub about: &'static str,
    /// Parameters with which it can be asked what it is: those that it cannot do without. A JSON object.
    pub example: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

macro_rules! shipped {
    ($($name:literal $example:literal $about:literal)*) => {
        &[$(Shipped {
            name: $name,
            about: $about,
            example: $example,
            bytes: include_bytes!(concat!("../../prebuilt/", $name, ".wasm")),
        }),*]
    };
}

/// All, sorted by name.
pub const SHIPPED: &[Shipped] = shipped! {
    "absent" "{}" "Says which of the expected nodes or series are silent."
    "absent-action" r#"{"action":"page"}"# "Asks for an action when an expected node or series falls silent."
    "absent-alarm" "{}" "Raises an alarm while an expected node or series is silent."
    "anomaly" "{}" "How far values are from what is usual at this time of the day or week."
    "anomaly-alarm" "{}" "Raises an alarm while a value is not what is usual at this time of the day or week."
    "expr" r#"{"expr":"load1"}"# "An expression over what came within a window: for each series, node, cluster, label, or all."
    "flap" "{}" "Says which values change too often within a window."
    "flap-alarm" "{}" "Raises an alarm while a value changes too often within a window."
    "forecast" "{}" "Where values will be, and how long until they reach a limit."
    "forecast-alarm" "{}" "Raises an alarm while a value is soon to reach a limit."
    "load" "{}" "Over the nodes of a cluster: number, mean, min, max, sum, histogram and the highest."
    "quantile" "{}" "Quantiles of what came within a window, right within 1 %."
    "rate" "{}" "How fast counters grew over a window, on average."
    "threshold" r#"{"above":0.9}"# "Says whether values are past a bound, with hysteresis and hold time."
    "threshold-action" r#"{"above":0.9,"action":"page"}"# "Asks for an action when a value gets past a bound, with hysteresis and hold time."
    "threshold-alarm" r#"{"above":0.9}"# "Raises an alarm while a value is past a bound, with hysteresis and hold time."
};

/// The one of that name.
pub fn named(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|shipped| shipped.name == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::compile::Compiler;
    use crate::guest::Limits;
    use crate::{Engine, EngineOptions};
    use std::path::Path;
    use std::time::Duration;

    /// All of them together may make the program larger by this.
    const MOST_BYTES: usize = 1 << 20;

    #[test]
    fn every_prebuilt_filter_is_here_and_together_they_are_small() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prebuilt");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(SHIPPED.iter().map(|shipped| shipped.name).collect::<Vec<_>>(), names);
        let bytes: usize = SHIPPED.iter().map(|shipped| shipped.bytes.len()).sum();
        assert!(bytes < MOST_BYTES, "{bytes}");
    }

    #[test]
    fn each_is_what_the_list_says() {
        let engine =
            Engine::new(EngineOptions { max_instances: 2, ..EngineOptions::new(Compiler::InProcess) })
                .unwrap();
        // This test is not about time.
        let patient = Limits { call_cpu: Duration::from_secs(20), ..Limits::default() };
        for shipped in SHIPPED {
            let program = engine.load(shipped.bytes).unwrap();
            let description = program.describe(shipped.example, &patient).unwrap();
            assert_eq!(
                (description.name.as_str(), description.description.as_str()),
                (shipped.name, shipped.about)
            );
        }
    }
}
