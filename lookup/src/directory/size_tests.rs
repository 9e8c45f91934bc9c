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

const TEMPLATES: [&str; 9] = [
    "",
    "kind=farm",
    "country=C7 city=city-11",
    "country=C7 city!=city-11 has:lat",
    "group=alice country=C7 cores=300..310",
    "name=farm-01234*",
    "name=*9999",
    "lat=10.5..10.6",
    "country!=C7 country!=C8 group=cms",
];

/// Bytes of memory a lease, by part.
fn held_bytes(directory: &Directory) -> Vec<(&'static str, usize)> {
    let names = ["packed", "slots", "order", "texts", "postings", "leases", "queue"];
    let parts = directory.registry.held_bytes().into_iter().chain(directory.leases.held_bytes());
    names.into_iter().zip(parts.map(|bytes| bytes / directory.registry.count())).collect()
}

#[test]
fn a_lease_takes_less_than_400_bytes() {
    let mut directory = Directory::new(1, &Bounds::default(), Duration::ZERO);
    fill(&mut directory, 20_000, &mut Noise(1));
    let parts = held_bytes(&directory);
    let all: usize = parts.iter().map(|(_, bytes)| bytes).sum();
    println!("{all} {parts:?}");
    assert!(all <= 400, "{all}: {parts:?}");
}

#[test]
fn what_is_found_among_thousands_is_what_a_plain_scan_finds() {
    let mut directory = Directory::new(1, &Bounds::default(), Duration::ZERO);
    fill(&mut directory, 3000, &mut Noise(2));
    let all = directory.find(Duration::ZERO, &template(""), None, usize::MAX, usize::MAX).sights;
    for text in TEMPLATES {
        let matcher = template(text);
        let matching = all.iter().filter(|sight| matcher.matches(&sight.entry.registration));
        let page = directory.find(Duration::ZERO, &matcher, None, 10, usize::MAX);
        assert_eq!(page.total, matching.clone().count() as u64, "`{text}`");
        let ids = |sight: &crate::watchers::Sight| sight.entry.registration.id;
        assert!(page.sights.iter().map(ids).eq(matching.take(10).map(ids)), "`{text}`");
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Run by hand, alone: `cargo test --release -p hedgerow-lookup --lib -- --ignored --nocapture million`.
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
    println!("{} bytes a lease, log apart: {:?}", held / leases.len(), held_bytes(&directory));
    let began = Instant::now();
    for (at, batch) in (0..).zip(leases.chunks(1000)) {
        let renewed = directory.renew(Duration::from_millis(at), batch);
        directory.take_effects();
        assert!(renewed.iter().all(|renewed| matches!(renewed, Renewed::For(_))));
    }
    println!("renewed in {:?}", began.elapsed());
    println!("{} bytes a lease after renewals", (resident_bytes() - before - leases_bytes) / leases.len());
    for text in TEMPLATES {
        let matcher = template(text);
        let mut find = || {
            let began = Instant::now();
            let page = directory.find(Duration::from_secs(1), &matcher, None, 10, usize::MAX);
            (began.elapsed(), page.total)
        };
        let (best, total) = (0..10).map(|_| find()).min().unwrap();
        println!("`{text}`: {total} in {best:?}");
    }
    let began = Instant::now();
    let keys = crate::index::FacetKeys::Every(64);
    let (total, facets) = directory.facets(Duration::from_secs(1), &template("country=C7"), keys, 10);
    println!("facets of {total}: {} in {:?}", facets.len(), began.elapsed());
    assert_eq!(directory.registry.count(), 1_000_000);
}
