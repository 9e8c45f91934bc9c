//! A deployment: a filter as its owner wants it to run, and where (design, §9.2). It is the payload of a signed document.

use crate::name::{self, NameError};
use crate::template::Template;
use std::collections::BTreeSet;

/// The kind of documents whose payload is a [`Deployment`].
pub const KIND: &str = "deployment";
/// Most actions that one deployment is granted.
pub const MAX_ACTIONS: usize = 64;
/// Most bytes of a text for people.
pub const MAX_TEXT_BYTES: usize = 4096;

/// What a filter may ask for beyond reading, emitting, logging and keeping state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Raise and clear alarms.
    Alarms,
    /// Ask for actions that the farm's configuration names.
    Actions,
    /// Read back what it has been given.
    History,
}

impl Capability {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Alarms, Self::Actions, Self::History];

    /// The word of configuration, command line and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarms => "alarms",
            Self::Actions => "actions",
            Self::History => "history",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.as_str() == word)
    }
}

/// What runs, and where. Name, serial, end and component are those of the document around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployment {
    /// Which farms; empty: all.
    pub farms: Template,
    /// What the component said of itself when it was deployed: for people.
    pub component_name: String,
    /// As `component_name`.
    pub component_version: String,
    /// A JSON object; empty: none. That it is one is checked by whoever reads JSON.
    pub parameters: String,
    /// What it is granted.
    pub grants: BTreeSet<Capability>,
    /// The actions that it may ask for, by name; only with [`Capability::Actions`].
    pub actions: BTreeSet<String>,
    /// Whether an upgrade begins from nothing instead of from the state of the serial before.
    pub fresh: bool,
    /// The owner's words.
    pub description: String,
}

/// Why a deployment is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentError {
    /// A text for people.
    #[error("{0}: has {1} bytes: at most {MAX_TEXT_BYTES}")]
    Text(&'static str, usize),
    /// Too many actions.
    #[error("actions: {0}: at most {MAX_ACTIONS}")]
    Actions(usize),
    /// An action's name.
    #[error("actions: {0}")]
    Action(#[from] NameError),
    /// Actions without the capability.
    #[error("actions: named, and `actions` is not among the grants: expected both or neither")]
    Ungranted,
}

impl Deployment {
    /// Whether it is of the form that farms take.
    ///
    /// # Errors
    /// Which part is not, and what was expected.
    pub fn check(&self) -> Result<(), DeploymentError> {
        let texts = [
            ("component_name", &self.component_name),
            ("component_version", &self.component_version),
            ("description", &self.description),
        ];
        if let Some((field, text)) = texts.into_iter().find(|(_, text)| text.len() > MAX_TEXT_BYTES) {
            return Err(DeploymentError::Text(field, text.len()));
        }
        if self.actions.len() > MAX_ACTIONS {
            return Err(DeploymentError::Actions(self.actions.len()));
        }
        self.actions.iter().try_for_each(|action| name::check(action))?;
        if !self.actions.is_empty() && !self.grants.contains(&Capability::Actions) {
            return Err(DeploymentError::Ungranted);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bad_parts_are_named() {
        let refused = |change: &dyn Fn(&mut Deployment)| {
            let mut deployment = Deployment::default();
            assert_eq!(deployment.check(), Ok(()));
            change(&mut deployment);
            deployment.check().unwrap_err().to_string()
        };
        assert!(refused(&|d| d.description = "x".repeat(4097)).starts_with("description: has 4097"));
        assert!(refused(&|d| d.actions = ["restart".to_owned()].into()).contains("not among the grants"));
        assert!(refused(&|d| d.actions = [String::new()].into()).starts_with("actions: is empty"));
        assert!(
            refused(&|d| d.actions = (0..65).map(|n| n.to_string()).collect()).starts_with("actions: 65")
        );
    }

    #[test]
    fn every_capability_has_its_word() {
        for capability in Capability::ALL {
            assert_eq!(Capability::parse(capability.as_str()), Some(capability));
        }
        assert_eq!(Capability::parse("files"), None);
    }
}
