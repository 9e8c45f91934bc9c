//! Registrations.

use super::WireError;
use crate::lookup as wire;
use bytes::Bytes;
use hedgerow_model::name;
use hedgerow_model::registration::{Endpoint, Id, Instance, Mesh, Registration};

/// Most groups, attributes, endpoints or APIs, each, in one registration.
pub const MAX_ENTRIES: usize = 64;
/// Longest text in a registration, in bytes, where it is no name.
pub const MAX_TEXT_BYTES: usize = 1024;

/// A registration, for the wire.
pub fn to_wire(registration: &Registration) -> wire::Registration {
    wire::Registration {
        id: id_to_wire(registration.id),
        mesh_name: registration.mesh.name.clone(),
        mesh_id: id_to_wire(registration.mesh.id),
        name: registration.name.clone(),
        kind: registration.kind.clone(),
        groups: registration.groups.clone(),
        attributes: registration.attributes.clone(),
        endpoints: registration
            .endpoints
            .iter()
            .map(|endpoint| wire::Endpoint {
                url: endpoint.url.clone(),
                via_relay: endpoint.via_relay.map(id_to_wire).unwrap_or_default(),
            })
            .collect(),
        apis: registration.apis.clone(),
        version: registration.version.clone(),
        description: registration.description.clone(),
        instance: Some(instance_to_wire(registration.instance)),
        serial: registration.serial,
    }
}

/// A registration from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn from_wire(wire: wire::Registration) -> Result<Registration, WireError> {
    check_name("name", &wire.name)?;
    check_name("kind", &wire.kind)?;
    check_name("mesh_name", &wire.mesh_name)?;
    for (field, count) in [
        ("groups", wire.groups.len()),
        ("attributes", wire.attributes.len()),
        ("endpoints", wire.endpoints.len()),
        ("apis", wire.apis.len()),
    ] {
        if count > MAX_ENTRIES {
            return Err(WireError::new(field, format!("{count} entries: at most {MAX_ENTRIES}")));
        }
    }
    for (key, value) in &wire.attributes {
        check_name("attributes", key)?;
        check_text(&format!("attributes.{key}"), value)?;
    }
    wire.groups.iter().try_for_each(|group| check_name("groups", group))?;
    wire.apis.iter().try_for_each(|api| check_name("apis", api))?;
    check_text("version", &wire.version)?;
    check_text("description", &wire.description)?;
    let endpoints = wire
        .endpoints
        .into_iter()
        .map(|endpoint| {
            check_text("endpoints.url", &endpoint.url)?;
            let via_relay = match endpoint.via_relay.len() {
                0 => None,
                _ => Some(id_from_wire("endpoints.via_relay", &endpoint.via_relay)?),
            };
            Ok(Endpoint { url: endpoint.url, via_relay })
        })
        .collect::<Result<_, WireError>>()?;
    Ok(Registration {
        id: id_from_wire("id", &wire.id)?,
        mesh: Mesh { name: wire.mesh_name, id: id_from_wire("mesh_id", &wire.mesh_id)? },
        name: wire.name,
        kind: wire.kind,
        groups: wire.groups,
        attributes: wire.attributes,
        endpoints,
        apis: wire.apis,
        version: wire.version,
        description: wire.description,
        instance: instance_from_wire(wire.instance)?,
        serial: wire.serial,
    })
}

/// An id, for the wire.
pub fn id_to_wire(id: Id) -> Bytes {
    Bytes::copy_from_slice(&id.0)
}

/// An id from the wire.
///
/// # Errors
/// Where it has not 16 bytes.
pub fn id_from_wire(field: &str, bytes: &[u8]) -> Result<Id, WireError> {
    Id::from_slice(bytes).ok_or_else(|| WireError::new(field, format!("{} bytes: an id has 16", bytes.len())))
}

/// An instance, for the wire.
pub fn instance_to_wire(instance: Instance) -> wire::Instance {
    wire::Instance { start: instance.start, random: instance.random }
}

/// An instance from the wire.
///
/// # Errors
/// Where it is missing.
pub fn instance_from_wire(instance: Option<wire::Instance>) -> Result<Instance, WireError> {
    match instance {
        Some(wire::Instance { start, random }) if start > 0 => Ok(Instance { start, random }),
        _ => Err(WireError::new("instance", "missing: expected a start of at least 1")),
    }
}

fn check_name(field: &str, text: &str) -> Result<(), WireError> {
    name::check(text).map_err(|e| WireError::new(field, e.to_string()))
}

fn check_text(field: &str, text: &str) -> Result<(), WireError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(WireError::new(field, format!("{} bytes: at most {MAX_TEXT_BYTES}", text.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::signed::{SignedError, open_registration, sign, sign_registration};
    use ed25519_dalek::SigningKey;

    fn registration() -> Registration {
        Registration {
            id: Id([1; 16]),
            mesh: Mesh { name: "test".into(), id: Id([2; 16]) },
            name: "farm/ä".into(),
            kind: "farm".into(),
            groups: vec!["alice".into()],
            attributes: [("country".to_owned(), "CH".to_owned())].into(),
            endpoints: vec![Endpoint { url: "http://127.0.0.1:7403".into(), via_relay: Some(Id([3; 16])) }],
            apis: vec!["hedgerow.farm.v1".into()],
            version: "0.1.0".into(),
            description: String::new(),
            instance: Instance { start: 1, random: 5 },
            serial: 2,
        }
    }

    #[test]
    fn a_signed_registration_comes_back_and_no_byte_can_be_altered() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let signed = sign_registration(&registration(), &key);
        assert_eq!(open_registration(&signed).unwrap(), registration());
        for at in 0..signed.body.len() {
            let mut body = signed.body.to_vec();
            body[at] ^= 1;
            let altered = wire::Signed { body: body.into(), ..signed.clone() };
            assert_eq!(open_registration(&altered), Err(SignedError::Mismatch), "byte {at}");
        }
        let other = SigningKey::from_bytes(&[8; 32]);
        let stolen = wire::Signed {
            public_key: Bytes::copy_from_slice(other.verifying_key().as_bytes()),
            ..signed.clone()
        };
        assert_eq!(open_registration(&stolen), Err(SignedError::Mismatch));
        let as_other_type = sign("deployment", signed.body.to_vec(), &key);
        assert_eq!(open_registration(&as_other_type), Err(SignedError::Mismatch), "types are told apart");
    }

    #[test]
    fn bad_parts_are_named() {
        let wire = |change: &dyn Fn(&mut wire::Registration)| {
            let mut wire = to_wire(&registration());
            change(&mut wire);
            from_wire(wire).unwrap_err().to_string()
        };
        assert_eq!(wire(&|w| w.id = Bytes::new()), "id: 0 bytes: an id has 16");
        assert!(wire(&|w| w.name = String::new()).starts_with("name: is empty"));
        assert!(wire(&|w| w.instance = None).starts_with("instance: missing"));
        assert!(wire(&|w| w.groups = vec!["g".into(); 65]).starts_with("groups: 65 entries"));
    }
}
