//! What is registered: the same services with both sides, as the bytes that their clients get.

use ed25519_dalek::SigningKey;
use hedgerow_model::registration::{Endpoint, Id, Instance, Mesh, Registration};
use hedgerow_proto::FARM_API;
use hedgerow_proto::lookup::{Registration as Wire, Signed};
use hedgerow_proto::signed::sign_registration;
use prost::Message as _;

/// Services with the same value of the attribute `cell`, among 100,000.
pub const CELLS: usize = 10_000;
const COUNTRIES: [&str; 8] = ["CH", "FR", "DE", "IT", "ES", "PL", "US", "JP"];

/// A service to be registered.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id.
    pub id: Id,
    /// What it says, signed with a key of its own.
    pub signed: Signed,
}

/// Service number `n`, as it is after `serial` changes: four attributes, of which two tell it from most others.
pub fn service(mesh: &Mesh, n: usize, serial: u64) -> Service {
    let n = n as u64;
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(n).to_be_bytes());
    id[8..].copy_from_slice(&mix(!n).to_be_bytes());
    let cell = n as usize % CELLS;
    let attributes = [
        ("cell", cell_name(cell)),
        ("country", country(cell).to_owned()),
        ("city", format!("city-{}", mix(n) % 500)),
        ("contact", format!("ops-{}@site.example", mix(n) % 2000)),
    ];
    let registration = Registration {
        id: Id(id),
        mesh: mesh.clone(),
        name: format!("farm-{n}"),
        kind: "farm".to_owned(),
        groups: vec!["grid".to_owned()],
        attributes: attributes.map(|(key, value)| (key.to_owned(), value)).into(),
        endpoints: vec![Endpoint {
            url: format!("http://127.0.0.1:{}", 10_000 + n % 50_000),
            via_relay: None,
        }],
        apis: vec![FARM_API.to_owned()],
        version: "0.1.0".to_owned(),
        description: String::new(),
        instance: Instance { start: 1, random: mix(n ^ 0x55) },
        serial,
    };
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    Service { id: Id(id), signed: sign_registration(&registration, &SigningKey::from_bytes(&seed)) }
}

/// The value of the attribute `cell`.
pub fn cell_name(cell: usize) -> String {
    format!("c{cell:05}")
}

/// The value of the attribute `country` of all services in a cell.
pub fn country(cell: usize) -> &'static str {
    COUNTRIES[cell % COUNTRIES.len()]
}

/// What the bytes say, read as a client does that believes who sent them.
pub fn read(signed: &Signed) -> Result<Wire, String> {
    Wire::decode(signed.body.clone()).map_err(|error| format!("a body: {error}"))
}

/// Whether a client that looks for a cell wants it.
pub fn is_of(wire: &Wire, cell: usize) -> bool {
    let has = |key: &str, value: &str| wire.attributes.get(key).is_some_and(|held| held == value);
    wire.kind == "farm" && has("cell", &cell_name(cell)) && has("country", country(cell))
}

fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
