//! What filters that raise alarms have in common: parameters of an alarm, and its key.

use crate::{Parameters, Severity};

/// How an alarm is raised, as parameters.
#[derive(Debug, Clone)]
pub struct AlarmSettings {
    /// How bad.
    pub severity: Severity,
    /// Where it says what to do; empty: nowhere.
    pub runbook: String,
}

impl Default for AlarmSettings {
    fn default() -> Self {
        Self { severity: Severity::Warning, runbook: String::new() }
    }
}

impl AlarmSettings {
    /// The parameters `severity` and `runbook`.
    pub fn read(parameters: &mut Parameters) -> Self {
        let severity = parameters.text("severity", "Of the alarm.").one_of(&["info", "warning", "critical"]);
        Self {
            severity: match severity.or("warning").as_str() {
                "info" => Severity::Info,
                "critical" => Severity::Critical,
                _ => Severity::Warning,
            },
            runbook: parameters.text("runbook", "Where it says what to do: a URL or a sentence.").or(""),
        }
    }
}

/// Longest key, in bytes.
const KEY_BYTES: usize = 255;

/// The key of an alarm about that path: the path, or where it is too long its end, which says most, after a sum of all of it.
pub fn alarm_key(path: &str) -> String {
    if path.len() <= KEY_BYTES {
        return path.into();
    }
    let sum = path
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut begin = path.len() - (KEY_BYTES - 17);
    while !path.is_char_boundary(begin) {
        begin += 1;
    }
    let digits =
        (0..16).rev().map(|digit| char::from(b"0123456789abcdef"[(sum >> (digit * 4)) as usize & 15]));
    digits.chain([' ']).chain(path[begin..].chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_has_a_key_of_its_own_that_fits() {
        assert_eq!(alarm_key("a/b/c"), "a/b/c");
        let [one, other] = ["x", "y"].map(|start| alarm_key(&(start.to_owned() + &"é".repeat(200))));
        assert!(one.len() <= KEY_BYTES && one.ends_with('é'));
        assert_ne!(one, other);
    }
}
