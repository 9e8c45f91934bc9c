//! What a lease costs in memory, everything counted.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use super::*;
use crate::testing::template;
use hedgerow_model::registration::{Endpoint, Instance, Mesh, Registration};
use hedgerow_proto::convert::registration::to_wire;
use hedgerow_proto::lookup::Signed;
use prost::Message;
use std::time::Instant;

/// What nobody can guess, like keys and signatures.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

/// A farm with four attributes, as one of a large mesh is.
fn entry(n: u64, noise: &mut Noise) -> Entry {
    let attributes = [
        ("country".to_owned(), format!("C{}", noise.next() % 60)),
        ("city".to_owned(), format!("city-{}", noise.next() % 2000)),
        ("lat".to_owned(), format!("{}.{}", noise.next() % 90, noise.next() % 10_000)),
        ("cores".to_owned(), (noise.next() % 512).to_string()),
    ];
    let url = format!("http://10.{}.{}.{}:7403", n >> 16 & 255, n >> 8 & 255, n & 255);
    let registration = Registration {
        id: Id(noise.bytes()),
        mesh: Mesh { name: "production".into(), id: Id([0xaa; 16]) },
        name: format!("farm-{n:06}"),
        kind: "farm".into(),
        groups: vec![["alice", "cms", "atlas", "lhcb"][(n % 4) as usize].into()],
        attributes: attributes.into(),
        endpoints: vec![Endpoint { url, via_relay: None }],
        apis: vec!["hedgerow.farm.v1".into()],
        version: "0.1.0".into(),
        description: String::new(),
        instance: Instance { start: 1, random: noise.next() },
        serial: 0,
    };
    let signed = Signed {
        body: to_wire(&registration).encode_to_vec().into(),
        public_key: noise.bytes::<32>().to_vec().into(),
        signature: noise.bytes::<64>().to_vec().into(),
    };
    Entry::new(&signed, registration)
}

fn fill(directory: &mut Directory, count: u64, noise: &mut Noise) -> Vec<LeaseId> {
    let term = Duration::from_secs(86_400);
    (0..count)
        .map(|n| {
            let lease = directory.register(Duration::ZERO, entry(n, noise), term, LeaseId(noise.next()));
            directory.take_effects();
            lease.unwrap().lease
        })
        .collect()
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Run by hand, alone: `cargo nextest run --release -p hedgerow-lookup --run-ignored only --no-capture million`.
#[test]
#[ignore = "takes minutes and half a gigabyte"]
fn a_million_leases_are_held_and_renewed() {
    let mut noise = Noise(1);
    let bounds = Bounds {
        renewals_per_second: 10_000.0,
        registrations: 1_000_000,
        log: LogBounds { transitions: 65_536, bytes: 0 },
        ..Bounds::default()
    };
    let mut directory = Directory::new(1, &bounds, Duration::ZERO);
    let before = resident_bytes();
    let began = Instant::now();
    let leases = fill(&mut directory, 1_000_000, &mut noise);
    println!("filled in {:?}", began.elapsed());
    let leases_bytes = size_of_val(&*leases);
    let held = resident_bytes() - before - leases_bytes;
    println!("{} bytes a lease, log apart", held / leases.len());
    let began = Instant::now();
    for (at, batch) in (0..).zip(leases.chunks(1000)) {
        let renewed = directory.renew(Duration::from_millis(at), batch);
        assert!(renewed.iter().all(|renewed| matches!(renewed, Renewed::For(_))));
    }
    println!("renewed in {:?}", began.elapsed());
    println!("{} bytes a lease after renewals", (resident_bytes() - before - leases_bytes) / leases.len());
    for text in [
        "",
        "kind=farm",
        "country=C7 city=city-11",
        "group=alice country=C7 cores=300..310",
        "name=farm-12345*",
        "name=*99999",
        "lat=10.5..10.6",
        "country!=C7 country!=C8",
    ] {
        let matcher = template(text);
        let began = Instant::now();
        let page = directory.find(Duration::from_secs(1), &matcher, None, 10, usize::MAX);
        println!("`{text}`: {} in {:?}", page.total, began.elapsed());
    }
    let began = Instant::now();
    let keys = crate::index::FacetKeys::Every(64);
    let (total, facets) = directory.facets(Duration::from_secs(1), &template("country=C7"), keys, 10);
    println!("facets of {total}: {} in {:?}", facets.len(), began.elapsed());
    directory.tick(Duration::from_secs(1));
    assert_eq!(directory.census(Duration::from_secs(1)).leases, 1_000_000);
}
