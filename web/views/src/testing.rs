//! What the tests of all kinds are made of: farms, series, and what farms tell.

#![allow(clippy::unwrap_used)]

use hedgerow_client::directory::{Service, ServiceState};
use hedgerow_client::model::registration::{Endpoint, Id, Instance, Mesh, Registration};
use hedgerow_client::{ClientError, MeshUpdate, Update};
use hedgerow_model::{Epoch, Kind, Labels, Name, Position, SeriesDef, SeriesKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const EPOCH: Epoch = Epoch { start: 1, random: 7 };

pub fn id(n: u8) -> Id {
    Id([n; 16])
}

pub fn service(n: u8, attributes: &[(&str, &str)]) -> Service {
    let attributes: BTreeMap<String, String> =
        attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let name = format!("farm{n}");
    let registration = Registration {
        id: id(n),
        mesh: Mesh { name: "m".into(), id: id(200) },
        name: name.clone(),
        kind: "farm".into(),
        groups: vec!["g".into()],
        attributes,
        endpoints: vec![Endpoint { url: format!("http://127.0.0.1:{n}"), via_relay: None }],
        apis: vec![],
        version: "1".into(),
        description: String::new(),
        instance: Instance { start: 1, random: 1 },
        serial: 1,
    };
    Service {
        registration: Arc::new(registration),
        shown: name.into(),
        state: ServiceState::Live,
        remaining: Duration::ZERO,
        lookups: vec![id(201)],
        rivals: vec![],
        copy: None,
    }
}

pub fn def(node: &str, kind: Kind) -> Arc<SeriesDef> {
    let name = |text: &str| Name::new(text).unwrap();
    let (cluster, parameter) = (name("c"), name(kind.as_str()));
    Arc::new(SeriesDef {
        key: SeriesKey { cluster, node: name(node), parameter, labels: Labels::none() },
        kind,
        unit: if kind == Kind::Counter { "By" } else { "1" }.into(),
        source: "test".into(),
        interval: Some(Duration::from_secs(1)),
        lifetime: None,
        description: String::new(),
    })
}

pub fn at(number: u64) -> Position {
    Position { epoch: EPOCH, number }
}

pub fn opened(watermark: u64) -> Update {
    Update::Opened { watermark: at(watermark), since: None, until: None, resumed: false, now: 0 }
}

pub fn from(n: u8, update: Update) -> MeshUpdate {
    MeshUpdate::Farm { farm: format!("farm{n}").into(), id: id(n), update }
}

pub fn lost() -> Update {
    Update::Disconnected { error: ClientError::NoLookup(vec![]), retry_in: Duration::ZERO }
}
