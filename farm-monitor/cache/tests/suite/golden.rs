//! The golden files: caches of versions 1 and 2 that every later version must read, and that a script without our code reads
//! too.
//!
//! `cargo test -p hedgerow-cache --test suite -- --ignored makes_the_golden_file` writes the newest anew; only before the
//! format's release. That of version 1 stays as it is.

use crate::bench::{Bench, options, read_all};
use hedgerow_cache::{Cache, CacheOptions, Checkpoint, EpochEnd, ReadRequest};
use hedgerow_model::{Epoch, GapScope, Life, LifeMark, Mark, SeriesId, Value};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn expected(version: u8) -> Json {
    let json = folder().join(format!("cache-v{version}.json"));
    serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap()
}

/// What a golden file holds; of version 1 the last two do not exist.
const PARTS: [&str; 7] = ["epochs", "series", "gaps", "life", "samples", "batches", "checkpoints"];

/// The script may be run with this program; everything it needs is in Python's standard library.
const PYTHON: &str = "python3";

#[test]
fn a_script_without_our_code_reads_the_golden_file() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/decode.py");
    for version in [1, 2] {
        let file = folder().join(format!("cache-v{version}.db"));
        let run = Command::new(PYTHON).arg(&script).arg(file).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let found: Json = serde_json::from_slice(&run.stdout).unwrap();
        let expected = expected(version);
        for part in PARTS {
            assert_eq!(found[part], expected[part], "{part} of version {version}");
        }
    }
}

#[test]
fn this_version_reads_the_golden_files() {
    reads(1);
    reads(2);
}

fn reads(version: u8) {
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("cache.db");
    std::fs::copy(folder().join(format!("cache-v{version}.db")), &path).unwrap();
    assert!(hedgerow_cache::verify(&path).unwrap().iter().all(hedgerow_cache::EpochProof::holds));
    let opened = Cache::open(&path, options(), Arc::new(|| 0)).unwrap();
    assert_eq!(
        opened.recovered,
        hedgerow_cache::Recovered { replayed: opened.recovered.replayed, ..Default::default() }
    );
    let expected = expected(version);
    let all: Vec<SeriesId> = opened.series.iter().map(|series| series.id).collect();
    let reader = opened.cache.reader();
    let mut found = Vec::new();
    for info in reader.epochs().unwrap() {
        found.extend(read_all(&reader, info.epoch, &all, info.last, 100));
    }
    found.sort();
    let found: Vec<Json> = found.iter().map(json_row).collect();
    assert_eq!(Json::from(found), expected["samples"]);
    for info in reader.epochs().unwrap() {
        let (epoch, last) = (info.epoch, info.last);
        let request = ReadRequest {
            series: &all,
            epoch,
            after: 0,
            through: last,
            times: None,
            max_samples: usize::MAX,
        };
        let batches = reader.read_in_order(&request).unwrap().batches;
        let firsts: Vec<u64> = batches.iter().filter_map(|batch| batch.numbers.at(0)).collect();
        if let Some(listed) = expected["batches"].as_array() {
            let of = |json: &Json, field: &str| json[field].as_u64().unwrap();
            let here = |json: &&Json| of(json, "epoch") == epoch.start;
            let numbers: Vec<u64> = expected["samples"]
                .as_array()
                .unwrap()
                .iter()
                .filter(here)
                .map(|s| of(s, "number"))
                .collect();
            let left = |batch: &Json| {
                let (first, count) = (of(batch, "first"), of(batch, "count"));
                numbers.iter().copied().find(|number| (first..first + count).contains(number))
            };
            let starts: Vec<u64> = listed.iter().filter(here).filter_map(left).collect();
            assert_eq!(firsts, starts);
        }
    }
    assert_eq!(opened.checkpoints.len(), usize::from(version > 1));
    drop(opened);
    assert!(hedgerow_cache::verify(&path).unwrap().iter().all(hedgerow_cache::EpochProof::holds));
}

fn json_row(row: &crate::bench::Row) -> Json {
    let (epoch, number, series, time, value, mark) = row;
    let mut found = json!({"epoch": epoch, "number": number, "series": series, "time": time});
    let (kind, text) = value.split_at(1);
    match kind {
        "f" => found["f64"] = json!(text),
        "i" => found["i64"] = json!(text.parse::<i64>().unwrap()),
        "t" => found["text"] = json!(text),
        _ => {
            let (code, text) = text.split_once("Some(\"").unwrap();
            found["i64"] = json!(code.parse::<i64>().unwrap());
            found["text"] = json!(text.strip_suffix("\")").unwrap());
        }
    }
    if let Some(mark) = mark {
        found["mark"] = json!(mark.as_str());
    }
    found
}

fn sample(series: u32, round: i64) -> Value {
    let mixed = (round.cast_unsigned() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(series);
    match series {
        // A decimal with odd ones in between.
        1 if round == 12 => Value::F64(f64::from_bits(0x7ff4_0000_dead_beef)),
        1 if round == 9 => Value::F64(-0.0),
        1 => Value::F64(20.0 + (round % 7) as f64 / 10.0),
        2 => Value::F64(1.0 + (round as f64 / 100.0).sin() / 1024.0),
        3 => Value::F64(f64::from_bits(mixed)),
        4 => Value::F64(0.25),
        5 => Value::counter((u64::MAX - 20_000).wrapping_add(round.cast_unsigned() * 1500 + mixed % 9)),
        6 => Value::I64((mixed % 1000) as i64 - 500),
        7 if round % 5 == 0 => Value::State(round % 3, Some(format!("state {}", round % 3).into())),
        7 => Value::I64(round % 3),
        8 => Value::Text(["idle", "ü busy", ""][(round % 3) as usize].into()),
        9 if round % 6 < 3 => Value::F64(round as f64),
        9 if round % 6 == 4 => Value::Text("n/a".into()),
        9 => Value::I64(round),
        _ => Value::I64(i64::from(series) * 1000 + round * 60),
    }
}

fn append(bench: &mut Bench, ids: impl Iterator<Item = u32>, round: i64) {
    let samples: Vec<(u32, Value)> = ids.map(|id| (id, sample(id, round))).collect();
    let generation = (round % 40 == 3).into();
    let marks = samples
        .iter()
        .position(|(id, _)| *id == 5)
        .filter(|_| round == 15)
        .map(|at| (at as u32, Mark::Wrap64));
    bench.append_as(
        1_000_000 + round * 10_000 + round % 3,
        &samples,
        marks.into_iter().collect(),
        generation,
    );
}

#[test]
#[ignore = "writes the golden file"]
fn makes_the_golden_file() {
    let mut bench = Bench::new(CacheOptions { chunk_entries: 1000, ..options() });
    bench.add(1..10, "a");
    bench.add(10..60, "b");
    for round in 0..20 {
        append(&mut bench, 1..10, round);
        if round % 4 == 0 {
            append(&mut bench, (10..40).filter(|id| round == 0 || i64::from(*id) % 16 == round), round);
        }
        if round == 8 || round == 14 {
            bench.cache().seal().unwrap();
        }
    }
    let mark = |series, after| LifeMark {
        series: SeriesId(series),
        life: Life::Stale,
        time: 1_200_000,
        after,
        reason: "missed 3 intervals of 10s".into(),
    };
    bench.cache().mark_life(mark(2, bench.next - 1));
    // The group grows.
    append(&mut bench, 1..60, 20);
    bench.cache().flush().unwrap();
    append(&mut bench, 1..60, 21);
    bench.crash();
    bench.open();
    for round in 22..60 {
        append(&mut bench, 1..10, round);
        append(&mut bench, 5..6, round);
        if round % 12 == 0 {
            append(&mut bench, (10..60).filter(|id| id % 2 == 0), round);
            bench.cache().flush().unwrap();
        }
    }
    // The oldest chunk goes by age, one block by damage; one group is sealed, the other only in the journal.
    bench.close();
    damage(&bench);
    bench.options.chunk_entries = 45;
    bench.options.bounds.max_age = std::time::Duration::from_secs(3600);
    bench.now.store(1_000_000 + 8 * 10_000 + 3 + 3_600_000, Ordering::SeqCst);
    bench.open();
    for round in 60..110 {
        append(&mut bench, 1..10, round);
        if round % 10 == 0 {
            append(&mut bench, 10..20, round);
            bench.cache().flush().unwrap();
        }
    }
    bench.cache().flush().unwrap();
    let reader = bench.reader();
    let all: Vec<SeriesId> = (1..60).map(SeriesId).collect();
    let epochs: Vec<Epoch> = reader.epochs().unwrap().iter().map(|info| info.epoch).collect();
    let lasts: Vec<u64> = reader.epochs().unwrap().iter().map(|info| info.last).collect();
    for (epoch, last) in epochs.iter().zip(lasts) {
        read_all(&reader, *epoch, &all, last, 1 << 20);
    }
    let (consumed, state) = ([1, 2, 3].into(), Some(b"state".as_slice().into()));
    bench.cache().checkpoint("load-1", &Checkpoint { consumed, state });
    bench.cache().flush().unwrap();
    write(&mut bench, &epochs);
}

fn damage(bench: &Bench) {
    rusqlite::Connection::open(&bench.path)
        .unwrap()
        .execute_batch("UPDATE block SET crc = 0 WHERE id = (SELECT max(id) FROM block WHERE series = 6)")
        .unwrap();
}

/// The expected samples are those of the model, but for what gap records say is gone.
fn write(bench: &mut Bench, epochs: &[Epoch]) {
    let reader = bench.reader();
    let all: Vec<SeriesId> = (1..60).map(SeriesId).collect();
    let gaps: Vec<_> =
        epochs.iter().flat_map(|epoch| reader.gaps(*epoch, 0, u64::MAX, None).unwrap()).collect();
    let found: std::collections::HashSet<(u64, u64)> = reader
        .epochs()
        .unwrap()
        .iter()
        .flat_map(|info| read_all(&reader, info.epoch, &all, info.last, 1 << 20))
        .map(|row| (row.0, row.1))
        .collect();
    bench.close();
    let mut samples = bench.model.clone();
    samples.sort();
    let before = samples.len();
    samples.retain(|row| found.contains(&(row.0, row.1)));
    assert_eq!(before - samples.len(), gaps.iter().filter_map(|gap| gap.count).sum::<u64>() as usize);
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    let infos = epoch_infos(bench);
    let series: Vec<Json> = (1..60)
        .map(|id| {
            let cluster = if id < 10 { "a" } else { "b" };
            json!({"id": id, "cluster": cluster, "node": "n\"1\\", "parameter": format!("p{id}"), "labels": {"item": "ü [x]"},
                "kind": "gauge", "unit": "By", "source": "test", "interval": 10_000, "lifetime": null, "description": "a test's"})
        })
        .collect();
    let gaps: Vec<Json> = gaps
        .iter()
        .map(|gap| {
            let mut json = json!({"epoch": gap.epoch.start, "from": gap.from, "to": gap.to, "count": gap.count, "reason": gap.reason.as_str()});
            match &gap.scope {
                GapScope::Farm => {}
                GapScope::Cluster(name) => json["cluster"] = json!(name.as_str()),
                GapScope::Series(series) => json["series"] = json!(series.0),
            }
            json
        })
        .collect();
    let life = json!([{"epoch": 1, "after": 215, "series": 2, "life": "stale", "time": 1_200_000, "reason": "missed 3 intervals of 10s"}]);
    let samples: Vec<Json> = samples.iter().map(json_row).collect();
    let (batches, checkpoints) = (stored_batches(bench), stored_checkpoints());
    let expected = json!({"epochs": infos, "series": series, "samples": samples, "gaps": gaps, "life": life,
        "batches": batches, "checkpoints": checkpoints});
    std::fs::copy(&bench.path, folder().join("cache-v2.db")).unwrap();
    // One line an object: small differences stay small.
    let mut text = String::from("{\n");
    for (at, part) in PARTS.iter().enumerate() {
        let lines: Vec<String> = expected[part].as_array().unwrap().iter().map(Json::to_string).collect();
        text.push_str(&format!("{}\"{part}\": [\n{}\n]", if at > 0 { ",\n" } else { "" }, lines.join(",\n")));
    }
    text.push_str("\n}\n");
    std::fs::write(folder().join("cache-v2.json"), text).unwrap();
}

fn stored_checkpoints() -> Json {
    let part = |part: u8, bytes: &str| json!({"deployment": "load-1", "part": part, "bytes": bytes});
    json!([part(1, "010203"), part(2, "7374617465")])
}

/// The batches as they were accepted, of those epochs that are left, but for what the index has let go.
fn stored_batches(bench: &Bench) -> Json {
    let db = rusqlite::Connection::open(&bench.path).unwrap();
    let least = |epoch: u64| -> Option<u64> {
        let sql = "SELECT min(first) FROM (SELECT epoch, first FROM batches UNION SELECT epoch, first FROM journal) WHERE epoch = ?1";
        db.query_row(sql, [epoch], |row| row.get(0)).unwrap()
    };
    let last = |epoch: u64| -> u64 {
        db.query_row("SELECT coalesce(max(last), 0) FROM epoch WHERE start = ?1", [epoch], |row| row.get(0))
            .unwrap()
    };
    let kept = bench.batches.iter().filter(|(epoch, first, ..)| {
        least(*epoch).is_some_and(|least| *first >= least) && *first <= last(*epoch)
    });
    let json = kept.map(|(epoch, first, count, generation)| {
        json!({"epoch": epoch, "first": first, "count": count, "generation": generation})
    });
    json.collect()
}

fn epoch_infos(bench: &Bench) -> Vec<Json> {
    hedgerow_cache::verify(&bench.path)
        .unwrap()
        .iter()
        .map(|proof| {
            let info = proof.info;
            let finish = match info.end {
                EpochEnd::Running => "running",
                EpochEnd::Clean => "clean",
                EpochEnd::Crashed => "crashed",
            };
            json!({"start": info.epoch.start, "random": format!("{:016x}", info.epoch.random), "opened": info.opened,
                "last": info.last, "finish": finish})
        })
        .collect()
}
