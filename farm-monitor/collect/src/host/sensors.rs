//! Temperatures: `/sys/class/hwmon`, and thermal zones that no chip shows. Finding them touches files of the kernel
//! only; reading them can hang (a disk, a bus), so each chip is a question.

use super::asks::{Asks, Outcome};
use super::files::Files;
use super::parameters::{TEMPERATURE, Temperature};
use super::rows::{Out, Rows};
use super::{Answer, Question};
use crate::module::CollectError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// After how many runs is looked for new sensors.
const LOOK_EVERY: u64 = 30;
/// Most sensors of one machine; what is beyond is left out, and said.
const MAX_SENSORS: usize = 512;
const PART: &str = "/sys/class/hwmon";

/// A chip and its sensors: item and file each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Chip {
    pub folder: PathBuf,
    pub sensors: Vec<(String, PathBuf)>,
}

/// The sensors.
#[derive(Debug)]
pub(super) struct Sensors {
    rows: Rows<()>,
    chips: Vec<Question>,
    runs: u64,
    too_many: bool,
}

impl Sensors {
    pub fn new() -> Self {
        Self { rows: Rows::new(TEMPERATURE), chips: Vec::new(), runs: 0, too_many: false }
    }

    pub fn ask(&mut self, files: &mut Files, asks: &mut Asks<Question, Answer>) {
        if self.runs.is_multiple_of(LOOK_EVERY) {
            let mut chips = find(files);
            let mut room = MAX_SENSORS;
            self.too_many = chips.iter().map(|chip| chip.sensors.len()).sum::<usize>() > room;
            for chip in &mut chips {
                chip.sensors.truncate(room);
                room -= chip.sensors.len();
            }
            self.chips = chips.into_iter().map(|chip| Question::Chip(Arc::new(chip))).collect();
        }
        self.runs += 1;
        self.chips.iter().for_each(|chip| asks.ask(chip));
    }

    pub fn take(&mut self, out: &mut Out<'_>, asks: &mut Asks<Question, Answer>) {
        if self.too_many {
            out.failed(
                PART,
                CollectError::Failed(format!("more than {MAX_SENSORS} sensors: the rest is left out")),
            );
        }
        for question in &self.chips {
            let Question::Chip(chip) = question else { continue };
            // A sensor that has nothing to say (nothing plugged in, a sleeping device) is no failure.
            let temperatures = match asks.outcome(question) {
                Outcome::Answered(Answer::Temperatures(temperatures)) => temperatures,
                Outcome::Answered(_) => Vec::new(),
                Outcome::Silent | Outcome::Hangs | Outcome::Unasked => {
                    let what = chip.folder.display().to_string();
                    out.failed(&what, CollectError::TimedOut(format!("{what}: the sensors do not answer")));
                    for (item, _) in &chip.sensors {
                        self.rows.row(out, item).stale(out, "the sensors do not answer");
                    }
                    continue;
                }
            };
            for ((item, _), value) in chip.sensors.iter().zip(temperatures) {
                let row = self.rows.row(out, item);
                if let Some(value) = value {
                    row.measure(out, Temperature::Value, value);
                }
            }
        }
        self.rows.sweep(out, "sensor gone");
    }
}

/// Reads the sensors of a chip, in degrees.
pub(super) fn read(chip: &Chip) -> Vec<Option<f64>> {
    let read = |path: &Path| parse(&fs::read_to_string(path).ok()?);
    chip.sensors.iter().map(|(_, path)| read(path)).collect()
}

/// Millidegrees as text → degrees; what no sensor can mean is left out.
pub(super) fn parse(text: &str) -> Option<f64> {
    let milli: i32 = text.trim().parse().ok()?;
    (-273_150..=1_000_000).contains(&milli).then(|| f64::from(milli) / 1000.0)
}

/// All chips with sensors of temperature, and the zones no chip is named after.
fn find(files: &mut Files) -> Vec<Chip> {
    let mut chips = Vec::new();
    let mut names = BTreeMap::<String, usize>::new();
    for folder in folders(&files.path("/sys/class/hwmon"), "hwmon") {
        let Some(name) = files.word(&folder.join("name")).map(str::to_owned) else { continue };
        let mut sensors: Vec<(String, PathBuf)> = Vec::new();
        for number in inputs(&folder) {
            let label =
                files.word(&folder.join(format!("temp{number}_label"))).filter(|label| !label.is_empty());
            let label = label.map_or_else(|| format!("temp{number}"), str::to_owned);
            sensors.push((label, folder.join(format!("temp{number}_input"))));
        }
        *names.entry(name.clone()).or_default() += 1;
        chips.push((name, Chip { folder, sensors }));
    }
    let mut found: Vec<Chip> = Vec::new();
    for (name, mut chip) in chips {
        // Several of a kind are told apart by their device, whose name, unlike the number, stays over a restart.
        let several = names.get(&name).is_some_and(|count| *count > 1);
        let name = match device(&chip.folder).filter(|_| several) {
            Some(device) => format!("{name}@{device}"),
            None => name,
        };
        chip.sensors.iter_mut().for_each(|(label, _)| *label = format!("{name}/{label}"));
        if !chip.sensors.is_empty() {
            found.push(chip);
        }
    }
    for folder in folders(&files.path("/sys/class/thermal"), "thermal_zone") {
        let Some(kind) = files.word(&folder.join("type")).map(str::to_owned) else { continue };
        // The kernel makes a chip of most zones, with `-` as `_`.
        if !kind.is_empty() && !names.contains_key(&kind.replace('-', "_")) {
            found.push(Chip { sensors: vec![(kind, folder.join("temp"))], folder });
        }
    }
    unique(&mut found);
    found
}

/// Numbers equal items from the second on.
fn unique(chips: &mut [Chip]) {
    let mut seen = BTreeMap::<String, u32>::new();
    for (item, _) in chips.iter_mut().flat_map(|chip| &mut chip.sensors) {
        let count = seen.entry(item.clone()).or_default();
        *count += 1;
        if *count > 1 {
            *item = format!("{item} #{count}");
        }
    }
}

/// The subfolders that are named `prefix` and a number, by number.
fn folders(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let number = |name: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// The numbers of `temp*_input`.
fn inputs(folder: &Path) -> Vec<u32> {
    let number = |name: &str| name.strip_prefix("temp")?.strip_suffix("_input")?.parse::<u32>().ok();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<u32> = entries.filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    found.sort_unstable();
    found
}

fn device(folder: &Path) -> Option<String> {
    Some(fs::read_link(folder.join("device")).ok()?.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn millidegrees_are_read_and_nonsense_is_not() {
        assert_eq!(parse("45250\n"), Some(45.25));
        assert_eq!(parse("-40000"), Some(-40.0));
        for bad in ["", "x", "-300000", "2147483647", "99999999999"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
