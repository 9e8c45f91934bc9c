//! The path of a key: as it is written, and with `NAME` for what people choose.

/// The path of a key; the default is the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPath {
    shown: String,
    general: String,
}

impl KeyPath {
    /// A key below.
    pub fn child(&self, key: &str) -> Self {
        self.below(key, key)
    }

    /// A key below whose name people choose.
    pub fn named(&self, key: &str) -> Self {
        self.below(key, "NAME")
    }

    /// The item of a list, counted from 0 as everywhere in TOML's world.
    pub fn item(&self, index: usize) -> Self {
        Self { shown: format!("{}[{index}]", self.shown), general: format!("{}[]", self.general) }
    }

    /// As `collector."my disks".period`.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// As `collector.NAME.period`.
    pub(crate) fn general(&self) -> &str {
        &self.general
    }

    fn below(&self, key: &str, general: &str) -> Self {
        Self { shown: joined(&self.shown, &toml_key(key)), general: joined(&self.general, general) }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A key as it is written in TOML.
pub fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_one_would_write_it() {
        let path = KeyPath::default().child("collector").named("my disks").child("targets").item(2);
        assert_eq!(path.shown(), "collector.\"my disks\".targets[2]");
        assert_eq!(path.general(), "collector.NAME.targets[]");
    }
}
