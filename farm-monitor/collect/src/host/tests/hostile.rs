//! Whatever the files hold, reading them neither panics nor overflows.

use super::super::{cpu, io, kernel, memory, mounts, network, processes, sensors};
use hedgerow_model::glob::Glob;
use proptest::prelude::*;

fn read_everything(text: &str) {
    let _ = cpu::parse(text);
    let _ = io::parse(text);
    let _ = network::parse(text);
    let _ = memory::parse_info(text);
    let _ = memory::parse_events(text, |_, _| {});
    let _ = kernel::parse_load(text);
    let _ = kernel::parse_uptime(text);
    let _ = kernel::parse_open_files(text);
    let _ = kernel::parse_pressure(text);
    let _ = kernel::parse_sockets(text, |_, _, _| {});
    let _ = sensors::parse(text);
    let _ = processes::state(text.as_bytes());
    let (mounts, _) = mounts::parse(text);
    let listed = mounts::select(&mounts, &[Glob::new("/x*").unwrap()]);
    assert!(listed.len() <= mounts.len());
}

fn recorded() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        include_str!("../fixtures/stat-6.18"),
        include_str!("../fixtures/stat-2.6"),
        include_str!("../fixtures/meminfo-6.18"),
        include_str!("../fixtures/mountinfo-vm"),
        "some avg10=0.00 avg60=0.64 avg300=3.58 total=34492659\n",
        "sockets: used 15\nTCP: inuse 1 orphan 0 tw 2 alloc 1 mem 221\n",
        "254 0 vda 14262 13053 2872538 8440 1214 8376 271568 745 0 2652 9361 3212 63 43776 171 114 3\n",
        "a\nb\neth0: 27680086 2073 0 0 0 0 0 0 227634 1768 0 0 0 0 0 0\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_panics(text in "(\\PC|[\\n\\t \\\\:/-]){0,200}") {
        read_everything(&text);
    }

    #[test]
    fn no_damage_to_a_real_file_panics(
        text in recorded(), at in 0_usize..2000, cut in 0_usize..40,
        patch in prop::sample::select(vec!["", "18446744073709551616", "-1", "9e999", " ", "\n", "\\777", "\\04", ":", "é", "\0", " - "]),
    ) {
        let from = text.floor_char_boundary(at.min(text.len()));
        let to = text.floor_char_boundary((from + cut).min(text.len()));
        let damaged = format!("{}{patch}{}", &text[..from], &text[to..]);
        read_everything(&damaged);
    }

    #[test]
    fn mounts_that_a_path_leads_to_are_listed_and_no_others(
        points in prop::collection::vec(prop::sample::select(vec!["/", "/a", "/a/b", "/a/b/c", "/ab", "/d"]), 0..12),
        turn in 0_usize..12,
    ) {
        // As the kernel mounts: on whatever the path leads to at that moment.
        let mut lines = vec![(1, 0, "/")];
        for point in points {
            lines.push((lines.len() as u64 + 1, leads_to(&lines, point), point));
        }
        let reached: Vec<u64> = lines.iter().filter(|(id, _, point)| leads_to(&lines, point) == *id).map(|(id, ..)| *id).collect();
        // The order of the lines means nothing.
        let middle = turn % lines.len();
        lines.rotate_left(middle);
        let text: String =
            lines.iter().map(|(id, parent, point)| format!("{id} {parent} 8:{id} / {point} rw - xfs /dev/x rw\n")).collect();
        let (mounts, _) = mounts::parse(&text);
        let listed: Vec<String> = mounts::select(&mounts, &[]).into_iter().map(|listed| listed.point).collect();
        let mut expected: Vec<(u64, &str)> =
            lines.iter().filter(|(id, ..)| reached.contains(id)).map(|(id, _, point)| (*id, *point)).collect();
        expected.sort_by_key(|(id, _)| lines.iter().position(|line| line.0 == *id));
        prop_assert_eq!(listed, expected.into_iter().map(|(_, point)| point.to_owned()).collect::<Vec<_>>());
    }
}

/// The mount a path leads to, step by step from the root.
fn leads_to(mounts: &[(u64, u64, &str)], path: &str) -> u64 {
    let ends = path.match_indices('/').map(|(at, _)| at.max(1)).chain([path.len()]);
    ends.fold(1, |mut at, end| {
        while let Some((id, ..)) =
            mounts.iter().find(|(_, parent, point)| *parent == at && *point == &path[..end])
        {
            at = *id;
        }
        at
    })
}
