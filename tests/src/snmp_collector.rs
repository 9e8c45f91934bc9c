//! A collector of the module `snmp`, as text for a `farm.toml`.

use crate::access::Access;

/// What it asks of whom.
#[derive(Debug, Clone)]
pub struct SnmpCollector {
    text: String,
}

impl SnmpCollector {
    /// Asks `targets`, each a node and its address, with the section that [`Access::credentials`] makes.
    pub fn new(name: &str, access: &Access, targets: &[(&str, &str)]) -> Self {
        let targets: Vec<String> = targets
            .iter()
            .map(|(node, address)| format!("{{ node = \"{node}\", address = \"{address}\" }}"))
            .collect();
        let (credentials, targets) = (access.name(), targets.join(", "));
        let text = format!(
            "[collector.{name}]\nmodule = \"snmp\"\ncredentials = \"{credentials}\"\ntargets = [{targets}]\n"
        );
        Self { text }
    }

    /// Instead of detecting them.
    #[must_use]
    pub fn profiles(self, names: &[&str]) -> Self {
        self.with(&format!("profiles = {names:?}"))
    }

    /// A line more: `period = "1s"`.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.text += line;
        self.text.push('\n');
        self
    }

    /// The section.
    pub fn toml(&self) -> &str {
        &self.text
    }
}
