//! What is asked of a registration before the directory sees it: signed, of this mesh, of bounded size, reachable.

use crate::refusal::Refusal;
use bytes::{Bytes, BytesMut};
use hedgerow_model::registration::{Mesh, Registration};
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed;
use std::net::{IpAddr, Ipv4Addr};

/// Largest body of a registration, in bytes; a larger one is refused.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// What a lookup asks of registrations.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The mesh it serves.
    pub mesh: Mesh,
    /// Whether it is bound to loopback only; otherwise loopback endpoints would mislead whoever is elsewhere.
    pub loopback_only: bool,
}

/// A registration as a lookup keeps it: the bytes as they came, and what they say.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the body says.
    pub registration: Registration,
    /// The bytes, all in one allocation of their own: not a view into some larger message.
    pub signed: Signed,
}

impl Entry {
    /// Keeps `signed`, whose body says `registration`.
    pub fn new(signed: &Signed, registration: Registration) -> Self {
        let parts = [&signed.body, &signed.public_key, &signed.signature];
        let mut all = BytesMut::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| all.extend_from_slice(part));
        let mut all = all.freeze();
        let mut next = |part: &Bytes| all.split_to(part.len());
        let signed = Signed {
            body: next(&signed.body),
            public_key: next(&signed.public_key),
            signature: next(&signed.signature),
        };
        Self { registration, signed }
    }

    /// About how many bytes of memory it takes: several times those of its body.
    pub fn held_bytes(&self) -> usize {
        /// Of a node of a map of texts, which holds up to eleven pairs.
        const NODE: usize = 560;
        /// Of a text, with what the allocator adds.
        const TEXT: usize = size_of::<String>() + 16;
        let Registration { groups, attributes, endpoints, apis, .. } = &self.registration;
        let texts = groups.len() + apis.len() + 2 * endpoints.len() + 5;
        let nodes = attributes.len().div_ceil(6);
        size_of::<Self>()
            + 2 * self.signed.body.len()
            + 128
            + texts * TEXT
            + nodes * NODE
            + attributes.len() * 32
    }
}

impl Rules {
    /// Checks a registration from outside.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn admit(&self, offered: &Signed) -> Result<Entry, Refusal> {
        if offered.body.len() > MAX_BODY_BYTES {
            return Err(Refusal::BodySize(offered.body.len()));
        }
        let registration = signed::open_registration(offered)?;
        if registration.mesh.id != self.mesh.id {
            let (ours, theirs) = (self.mesh.clone(), registration.mesh);
            return Err(Refusal::OtherMesh { ours: Box::new(ours), theirs: Box::new(theirs) });
        }
        for endpoint in &registration.endpoints {
            check_endpoint(&endpoint.url, self.loopback_only)
                .map_err(|problem| Refusal::Endpoint { url: endpoint.url.clone(), problem })?;
        }
        Ok(Entry::new(offered, registration))
    }
}

fn check_endpoint(url: &str, loopback_only: bool) -> Result<(), &'static str> {
    const FORM: &str = "expected http://HOST:PORT or https://HOST:PORT";
    let uri: http::Uri = url.parse().map_err(|_| FORM)?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(FORM)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(FORM);
    }
    if loopback_only {
        return Ok(());
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let leads_home = match host.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        // `127.1`, `2130706433` and `0x7f.1` are addresses to resolvers, though not to parsers.
        Err(_) if ends_in_number(&host) => return Err("an IPv4 address is written as four numbers"),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    if leads_home {
        return Err("leads everybody to his own machine, and this lookup serves others, too: \
                    expected an address that the others can reach (`advertise`)");
    }
    Ok(())
}

fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    host.parse::<Ipv4Addr>().is_err()
        && (last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{Author, mesh};
    use hedgerow_proto::signed::SignedError;

    fn rules(loopback_only: bool) -> Rules {
        Rules { mesh: mesh(), loopback_only }
    }

    #[test]
    fn bytes_are_kept_as_they_came() {
        let signed = Author::new(1).signed(1, 0);
        let entry = rules(true).admit(&signed).unwrap();
        assert_eq!(entry.signed, signed);
        assert_eq!(entry.registration, signed::open_registration(&signed).unwrap());
    }

    #[test]
    fn an_altered_body_and_an_oversized_one_are_refused() {
        let mut signed = Author::new(1).signed(1, 0);
        let mut body = signed.body.to_vec();
        body[0] ^= 1;
        signed.body = body.into();
        assert_eq!(rules(true).admit(&signed), Err(Refusal::Signed(SignedError::Mismatch)));
        signed.body = vec![0; MAX_BODY_BYTES + 1].into();
        assert_eq!(rules(true).admit(&signed), Err(Refusal::BodySize(MAX_BODY_BYTES + 1)));
    }

    #[test]
    fn another_mesh_is_refused_naming_both() {
        let mut author = Author::new(1);
        author.registration.mesh =
            Mesh { name: "other".into(), id: hedgerow_model::registration::Id([9; 16]) };
        let refusal = rules(true).admit(&author.signed(1, 0)).unwrap_err().to_string();
        for part in [mesh().to_string(), author.registration.mesh.to_string()] {
            assert!(refusal.contains(&part), "{refusal}");
        }
    }

    #[test]
    fn loopback_endpoints_stay_on_loopback_however_they_are_written() {
        for url in [
            "http://127.0.0.1:7403",
            "http://127.9.9.9:1",
            "http://[::1]:7403",
            "http://[::ffff:127.0.0.1]:1",
            "http://0.0.0.0:7403",
            "http://[::]:7403",
            "http://localhost:7403",
            "http://LOCALHOST.:7403",
            "http://a.localhost",
            "http://127.1:7403",
            "http://2130706433:7403",
            "http://0x7f000001:7403",
        ] {
            assert!(check_endpoint(url, false).is_err(), "{url}");
            assert_eq!(check_endpoint(url, true), Ok(()), "{url}");
        }
        for url in [
            "http://farm.example:7403",
            "https://192.0.2.1:7403",
            "http://[2001:db8::1]:7403",
            "http://n12.3x",
        ] {
            assert_eq!(check_endpoint(url, false), Ok(()), "{url}");
        }
        for url in ["", "farm:7403", "ftp://farm.example", "/x", "http://:7403"] {
            assert!(check_endpoint(url, true).is_err(), "{url}");
        }
    }
}
