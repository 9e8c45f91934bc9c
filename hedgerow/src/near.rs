//! What may have been meant by a name that is not known.

use crate::outcome::CommandError;
use hedgerow_farm_monitor::config::nearest;

/// Most names that are listed; more are counted.
const MOST: usize = 12;

/// Behind a complaint: the nearest of the known names, else all of them, where they are few enough.
pub fn said(given: &str, known: &[&str]) -> String {
    if let Some(likely) = nearest(given, known.iter().copied()) {
        return format!("; did you mean {likely}?");
    }
    match known {
        [] => "; there is none".to_owned(),
        known if known.len() <= MOST => format!(": expected one of {}", known.join(", ")),
        known => {
            let (first, rest) = known.split_at(MOST);
            format!(": expected one of {}, and {} more", first.join(", "), rest.len())
        }
    }
}

/// What an option names is not there.
pub fn none(option: &str, given: &str, problem: &str, known: &[&str]) -> CommandError {
    CommandError::Misuse(format!("{option} {given}: {problem}{}", said(given, known)))
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_slip_gets_its_name_and_another_word_gets_the_list() {
        assert_eq!(said("coer", &["edge", "core"]), "; did you mean core?");
        assert_eq!(said("x", &["edge", "core"]), ": expected one of edge, core");
        assert_eq!(said("x", &[]), "; there is none");
        let many: Vec<String> = (100..120).map(|n| format!("n{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(said("zzzz", &many).ends_with("n111, and 8 more"));
    }
}
