//! What filters that ask for actions have in common: parameters that say which one and what is given with it, and the asking.

use crate::json::quote;
use crate::{Level, Out, Parameters};

/// What may be given with an action.
const GIVEN: [&str; 3] = ["path", "node", "text"];

/// Which action is asked for, as parameters.
#[derive(Debug, Clone, Default)]
pub struct ActionSettings {
    /// Its name in the farm's configuration.
    pub action: String,
    /// What is given with it: of `path`, `node` and `text`.
    pub arguments: Vec<String>,
}

impl ActionSettings {
    /// The parameters `action` and `arguments`.
    pub fn read(parameters: &mut Parameters) -> Self {
        let action = parameters.text("action", "What is asked for, by its name in the farm's configuration.");
        let action = action.required();
        let arguments = parameters.texts("arguments", "What is given with it, as the argument of that name.");
        let arguments = arguments.one_of(&GIVEN).or(&[]);
        if arguments.iter().any(|name| !GIVEN.contains(&name.as_str())) {
            parameters.refuse("the parameter `arguments`: expected names of path node text");
        }
        Self { action, arguments }
    }

    /// Asks for it; where that is refused, the log says why.
    pub fn ask(&self, path: &str, node: &str, text: &str, out: &mut Out) {
        let mut arguments = String::from("{");
        for name in &self.arguments {
            if arguments.len() > 1 {
                arguments.push(',');
            }
            quote(&mut arguments, name);
            arguments.push(':');
            quote(
                &mut arguments,
                match name.as_str() {
                    "path" => path,
                    "node" => node,
                    _ => text,
                },
            );
        }
        arguments.push('}');
        if let Err(why) = out.ask(&self.action, &arguments) {
            out.log(Level::Warning, &["the action ", &self.action, " was refused: ", &why].concat());
        }
    }
}
