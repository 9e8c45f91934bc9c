//! Deployments: the payloads of documents of that kind.

use super::{WireError, template};
use crate::filter as wire;
use hedgerow_model::deployment::{Capability, Deployment};
use prost::Message;
use std::collections::BTreeSet;
use wire::deployment::OnUpgrade;

/// The payload of a deployment's document.
pub fn encode(deployment: &Deployment) -> Vec<u8> {
    to_wire(deployment).encode_to_vec()
}

/// Reads the payload of a deployment's document.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn decode(payload: &[u8]) -> Result<Deployment, WireError> {
    let wire = wire::Deployment::decode(payload);
    from_wire(wire.map_err(|error| WireError::new("payload", error.to_string()))?)
}

/// A deployment, for the wire.
pub fn to_wire(deployment: &Deployment) -> wire::Deployment {
    let grants = deployment.grants.iter();
    let on_upgrade = if deployment.fresh { OnUpgrade::Fresh } else { OnUpgrade::KeepState };
    wire::Deployment {
        // Without a term it says nothing, and is not there.
        farms: Some(&deployment.farms).filter(|farms| !farms.terms.is_empty()).map(template::to_wire),
        component_name: deployment.component_name.clone(),
        component_version: deployment.component_version.clone(),
        parameters: deployment.parameters.clone(),
        grants: grants.map(|capability| capability_to_wire(*capability).into()).collect(),
        actions: deployment.actions.iter().cloned().collect(),
        on_upgrade: on_upgrade.into(),
        description: deployment.description.clone(),
    }
}

/// A deployment from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn from_wire(wire: wire::Deployment) -> Result<Deployment, WireError> {
    let farms = template::from_wire(wire.farms).map_err(|error| error.within("farms"))?;
    farms.compile().map_err(|fault| WireError::new("farms", fault.to_string()))?;
    let fresh = match OnUpgrade::try_from(wire.on_upgrade) {
        Ok(OnUpgrade::Unspecified | OnUpgrade::KeepState) => false,
        Ok(OnUpgrade::Fresh) => true,
        Err(_) => {
            return Err(WireError::new("on_upgrade", format!("{}: none of this version", wire.on_upgrade)));
        }
    };
    let grants: BTreeSet<_> =
        wire.grants.iter().map(|grant| capability_from_wire(*grant)).collect::<Result<_, _>>()?;
    let deployment = Deployment {
        farms,
        component_name: wire.component_name,
        component_version: wire.component_version,
        parameters: wire.parameters,
        grants,
        actions: wire.actions.into_iter().collect(),
        fresh,
        description: wire.description,
    };
    deployment.check().map_err(|error| WireError::new("deployment", error.to_string()))?;
    Ok(deployment)
}

/// A capability, for the wire.
pub fn capability_to_wire(capability: Capability) -> wire::Capability {
    match capability {
        Capability::Alarms => wire::Capability::Alarms,
        Capability::Actions => wire::Capability::Actions,
        Capability::History => wire::Capability::History,
    }
}

/// A capability from the wire. One of a later version is refused: what is not understood is not granted.
///
/// # Errors
/// Where it is none of this version.
pub fn capability_from_wire(wire: i32) -> Result<Capability, WireError> {
    match wire::Capability::try_from(wire) {
        Ok(wire::Capability::Alarms) => Ok(Capability::Alarms),
        Ok(wire::Capability::Actions) => Ok(Capability::Actions),
        Ok(wire::Capability::History) => Ok(Capability::History),
        Ok(wire::Capability::Unspecified) | Err(_) => {
            Err(WireError::new("grants", format!("{wire}: no capability of this version")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::Template;

    #[test]
    fn a_deployment_comes_back_and_what_is_not_understood_is_refused() {
        let deployment = Deployment {
            farms: Template::parse("group=alice cores=64.. !has:retired").unwrap(),
            component_name: "threshold".into(),
            component_version: "1.2.3".into(),
            parameters: r#"{"above":0.9}"#.into(),
            grants: Capability::ALL.into(),
            actions: ["restart".to_owned(), "drain".to_owned()].into(),
            fresh: true,
            description: "full disks".into(),
        };
        assert_eq!(decode(&encode(&deployment)).unwrap(), deployment);
        assert_eq!(decode(&[]).unwrap(), Deployment::default(), "everything has a default");
        let refused = |change: &dyn Fn(&mut wire::Deployment)| {
            let mut wire = to_wire(&deployment);
            change(&mut wire);
            from_wire(wire).unwrap_err().to_string()
        };
        assert!(refused(&|d| d.grants.push(9)).starts_with("grants: 9"));
        assert!(refused(&|d| d.grants.push(0)).starts_with("grants: 0"));
        assert!(refused(&|d| d.on_upgrade = 9).starts_with("on_upgrade: 9"));
        assert!(refused(&|d| d.grants.clear()).contains("not among the grants"));
        assert!(
            refused(&|d| d.farms.as_mut().unwrap().terms[0].operation = 99).starts_with("farms.terms[0]")
        );
        assert!(decode(&[0xff]).unwrap_err().to_string().starts_with("payload: "));
    }
}
