//! Units: UCUM, base units only.

/// Longest unit, in bytes.
pub const MAX_UNIT_BYTES: usize = 32;

/// Whether `unit` has the form of a UCUM term (case sensitive, no spaces): letters, digits, `/.*%{}[]()-^_'`; may be empty.
/// The full UCUM grammar is not checked: an unknown unit is carried, and only never mixed with another.
pub fn is_unit(unit: &str) -> bool {
    unit.len() <= MAX_UNIT_BYTES
        && unit.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.*%{}[]()-^_'".contains(&b))
}

/// The unit of a counter's rate: `By` → `By/s`, empty or `1` → `1/s`, `s` → `1`.
pub fn rate_of(unit: &str) -> String {
    match unit {
        "" | "1" => "1/s".to_owned(),
        "s" => "1".to_owned(),
        other => format!("{other}/s"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rates_have_units() {
        assert_eq!(super::rate_of("By"), "By/s");
        assert_eq!(super::rate_of("s"), "1");
        assert_eq!(super::rate_of(""), "1/s");
        assert!(super::is_unit("Cel") && !super::is_unit("k g"));
    }
}
