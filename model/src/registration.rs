//! A registration: what a service says of itself, signed, to every lookup it knows (design, lookup law 1).

use std::collections::BTreeMap;
use std::fmt;

/// The random 128-bit id of a service or a mesh, made once, for life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// The first eight hex digits: enough for a person to tell services apart, as in `name~id8`.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }

    /// Reads 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Id {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an id: expected 32 hex digits");
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 16];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// The name and the id of a mesh. Services of another mesh are refused, naming both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mesh {
    /// A name for people.
    pub name: String,
    /// What tells meshes apart.
    pub id: Id,
}

impl fmt::Display for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.id)
    }
}

/// One run of a service: later starts are greater, random bits tell clones apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// How many times the service has started, from 1.
    pub start: u64,
    /// Random bits.
    pub random: u64,
}

/// Where a service can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `http://host:port`.
    pub url: String,
    /// The id of the relay that carries calls to it, where it only dials out.
    pub via_relay: Option<Id>,
}

/// The body of a registration, as read from the signed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The service's id.
    pub id: Id,
    /// Its mesh.
    pub mesh: Mesh,
    /// Its name; not unique.
    pub name: String,
    /// `farm`, `lookup`, `repository`, …
    pub kind: String,
    /// Groups it belongs to.
    pub groups: Vec<String>,
    /// Free key=value pairs; known ones are lat, lon, city, country, tz, contact, url.
    pub attributes: BTreeMap<String, String>,
    /// Where it can be reached.
    pub endpoints: Vec<Endpoint>,
    /// The API packages it speaks: `hedgerow.farm.v1`.
    pub apis: Vec<String>,
    /// The version of its program.
    pub version: String,
    /// Free description.
    pub description: String,
    /// Which run of the service says this.
    pub instance: Instance,
    /// Rises with each change within an instance.
    pub serial: u64,
}

impl Registration {
    /// What orders the registrations of one service: a higher one replaces.
    pub const fn order(&self) -> (Instance, u64) {
        (self.instance, self.serial)
    }
}
