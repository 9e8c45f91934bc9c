//! Which changes to the contract would break programs made from an earlier version of it.
//!
//! Wire and source: nothing may be removed, renumbered, renamed or retyped; methods keep their types, streaming and role.
//! Adding is free.

use prost_reflect::{DescriptorPool, EnumDescriptor, MessageDescriptor, MethodDescriptor};

/// What is broken in `now`, seen from `before`; a line each, empty where nothing is.
///
/// # Errors
/// Where one of them is no descriptor set.
pub fn changes(before: &[u8], now: &[u8]) -> Result<Vec<String>, String> {
    let before = DescriptorPool::decode(before).map_err(|e| format!("baseline: {e}"))?;
    let now = DescriptorPool::decode(now).map_err(|e| format!("contract: {e}"))?;
    let mut broken = Vec::new();
    for message in before.all_messages().filter(|m| ours(m.full_name())) {
        match now.get_message_by_name(message.full_name()) {
            Some(new) => compare_message(&message, &new, &mut broken),
            None => broken.push(format!("message {} is gone", message.full_name())),
        }
    }
    for old in before.all_enums().filter(|e| ours(e.full_name())) {
        match now.get_enum_by_name(old.full_name()) {
            Some(new) => compare_enum(&old, &new, &mut broken),
            None => broken.push(format!("enum {} is gone", old.full_name())),
        }
    }
    for service in before.services().filter(|s| ours(s.full_name())) {
        let Some(new) = now.get_service_by_name(service.full_name()) else {
            broken.push(format!("service {} is gone", service.full_name()));
            continue;
        };
        for method in service.methods() {
            match new.methods().find(|m| m.name() == method.name()) {
                Some(new) => compare_method(&method, &new, &mut broken),
                None => broken.push(format!("method {} is gone", method.full_name())),
            }
        }
    }
    Ok(broken)
}

fn ours(name: &str) -> bool {
    name.starts_with("hedgerow.")
}

fn compare_message(old: &MessageDescriptor, new: &MessageDescriptor, broken: &mut Vec<String>) {
    for field in old.fields() {
        let name = field.full_name();
        let Some(other) = new.get_field(field.number()) else {
            broken.push(format!("field {name} = {} is gone", field.number()));
            continue;
        };
        if other.name() != field.name() {
            broken.push(format!("field {name} = {} is now called {}", field.number(), other.name()));
        }
        let shape = |f: &prost_reflect::FieldDescriptor| {
            format!(
                "{:?} {:?} oneof {:?}",
                f.cardinality(),
                f.kind(),
                f.containing_oneof().map(|oneof| oneof.name().to_owned())
            )
        };
        if shape(&field) != shape(&other) {
            broken.push(format!("field {name}: was {}, is {}", shape(&field), shape(&other)));
        }
    }
}

fn compare_enum(old: &EnumDescriptor, new: &EnumDescriptor, broken: &mut Vec<String>) {
    for value in old.values() {
        if new.get_value(value.number()).is_none_or(|other| other.name() != value.name()) {
            broken.push(format!("{}: value {} = {} is gone", old.full_name(), value.name(), value.number()));
        }
    }
}

fn compare_method(old: &MethodDescriptor, new: &MethodDescriptor, broken: &mut Vec<String>) {
    let shape = |m: &MethodDescriptor| {
        format!(
            "({}{}) returns ({}{}) {}",
            if m.is_client_streaming() { "stream " } else { "" },
            m.input().full_name(),
            if m.is_server_streaming() { "stream " } else { "" },
            m.output().full_name(),
            m.options(),
        )
    };
    if shape(old) != shape(new) {
        broken.push(format!("method {}: was {}, is {}", old.full_name(), shape(old), shape(new)));
    }
}
