//! The golden vectors: what the bytes of the contract mean, here and in a second implementation (`vectors/check_batches.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

use ed25519_dalek::SigningKey;
use hedgerow_model::{Columns, Epoch, Mark, Numbered, Value as Sample};
use hedgerow_proto::convert::{batch, deployment, registration, series};
use hedgerow_proto::farm::{Item, item};
use hedgerow_proto::stream::StreamMessage;
use hedgerow_proto::{common, lookup, signed};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value as Field};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn load(file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(file)).unwrap()).unwrap()
}

/// Name, bytes and the rest of each case.
fn cases(file: &Value) -> Vec<(&str, Vec<u8>, &Value)> {
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    cases
        .iter()
        .map(|case| (case["name"].as_str().unwrap(), unhex(case["hex"].as_str().unwrap()), case))
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(start: u64) -> Option<Epoch> {
    Some(Epoch { start, random: 9 })
}

/// The samples of a batch, one by one, as the vectors tell them.
fn samples(numbered: &Numbered, kinds: &Value) -> Value {
    let mut texts = HashMap::new();
    let mut marks = numbered.batch.marks.iter().peekable();
    let one = |(at, (id, time, value)): (usize, (hedgerow_model::SeriesId, i64, Sample))| {
        let mut one = json!({ "number": numbered.numbers.at(at), "series": id.0, "time": time });
        let kind = kinds.get(id.0.to_string()).map_or("gauge", |kind| kind.as_str().unwrap());
        match (value, kind) {
            (Sample::F64(value), _) => one["f64"] = json!(format!("{:016x}", value.to_bits())),
            (Sample::Text(text), _) => one["text"] = json!(&*text),
            (Sample::I64(bits), "counter") => one["u64"] = json!(bits.cast_unsigned()),
            (Sample::I64(code), "state") => one["code"] = json!(code),
            (Sample::I64(value), _) => one["i64"] = json!(value),
            (Sample::State(code, text), _) => {
                one["code"] = json!(code);
                texts.insert(id, text.unwrap());
            }
        }
        if let (Some(_), Some(text)) = (one.get("code"), texts.get(&id)) {
            one["text"] = json!(&**text);
        }
        if let Some((_, mark)) = marks.next_if(|(position, _)| *position as usize == at) {
            one["mark"] = json!(Mark::as_str(*mark));
        }
        one
    };
    numbered.batch.iter().enumerate().map(one).collect()
}

#[test]
fn batches_mean_what_the_vectors_say() {
    let file = load("batches.json");
    for (name, bytes, case) in cases(&file) {
        let wire = common::Batch::decode(&bytes[..]).unwrap();
        let read = batch::from_wire(wire, named);
        if let Some(refused) = case.get("refused") {
            assert_eq!(read.unwrap_err().to_string(), refused.as_str().unwrap(), "{name}");
            continue;
        }
        let read = read.unwrap();
        assert_eq!(samples(&read, &case["kinds"]), case["decoded"], "{name}");
        let written = batch::to_wire(&read);
        if case["ours"] == true {
            assert_eq!(hex(&written.encode_to_vec()), hex(&bytes), "{name}");
        } else {
            let again = batch::from_wire(written, named).unwrap();
            assert_eq!(samples(&again, &case["kinds"]), case["decoded"], "{name}: written our way");
        }
    }
}

/// A message as JSON: the fields that are there, enums by number, bytes in hex, floats by their bits.
fn fields(message: &DynamicMessage) -> Value {
    let of = message.fields().map(|(field, value)| (field.name().to_owned(), json_of(value)));
    Value::Object(of.collect::<Map<_, _>>())
}

fn json_of(field: &Field) -> Value {
    match field {
        Field::Bool(value) => json!(value),
        Field::I64(value) => json!(value),
        Field::U32(value) => json!(value),
        Field::U64(value) => json!(value),
        Field::EnumNumber(value) => json!(value),
        Field::F64(value) => json!(format!("{:016x}", value.to_bits())),
        Field::String(value) => json!(value),
        Field::Bytes(value) => json!(hex(value)),
        Field::Message(message) => fields(message),
        Field::List(list) => list.iter().map(json_of).collect(),
        Field::Map(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(key, value)| (key.as_str().unwrap(), value)).collect();
            pairs.sort_by_key(|(key, _)| key.to_owned());
            pairs.into_iter().map(|(key, value)| json!({ "key": key, "value": json_of(value) })).collect()
        }
        other => panic!("no field of ours: {other:?}"),
    }
}

/// Reads bytes by the descriptors that reflection serves.
fn reflected(name: &str, bytes: &[u8]) -> Value {
    let pool = DescriptorPool::decode(hedgerow_proto::DESCRIPTORS).unwrap();
    let descriptor = pool.get_message_by_name(name).unwrap();
    fields(&DynamicMessage::decode(descriptor, bytes).unwrap())
}

#[test]
fn stream_messages_mean_what_the_vectors_say() {
    let file = load("stream.json");
    let mut kinds = [0; 12];
    for (name, bytes, case) in cases(&file) {
        assert_eq!(reflected("hedgerow.farm.v1.StreamMessage", &bytes)["items"], case["decoded"], "{name}");
        let message = StreamMessage::decode(&bytes[..]).unwrap();
        let mut again = Vec::new();
        for item in message.decode_items().map(Result::unwrap) {
            let through_the_model = through_the_model(item.item.unwrap(), &mut kinds);
            again.extend(StreamMessage::of(&Item { item: Some(through_the_model) }).encode_to_vec());
        }
        assert_eq!(hex(&again), hex(&bytes), "{name}");
        assert_eq!(hex(&message.encode_to_vec()), hex(&bytes), "{name}: shared items");
    }
    assert!(kinds[1..].iter().all(|count| *count > 0), "every kind of item: {kinds:?}");
}

/// The item, read into the model and written again, where the model has it.
fn through_the_model(told: item::Item, kinds: &mut [usize; 12]) -> item::Item {
    let (kind, told) = match told {
        item::Item::Opened(_) => (1, told),
        item::Item::Series(wire) => {
            let (id, def) = series::from_wire(wire.clone()).unwrap();
            let again = common::Series { views: wire.views, ..series::to_wire(id, &def) };
            (2, item::Item::Series(again))
        }
        item::Item::Batch(wire) => {
            (3, item::Item::Batch(batch::to_wire(&batch::from_wire(wire, named).unwrap())))
        }
        item::Item::Progress(_) => (4, told),
        item::Item::Gap(wire) => {
            (5, item::Item::Gap(series::gap_to_wire(&series::gap_from_wire(wire).unwrap())))
        }
        item::Item::Lagged(_) => (6, told),
        item::Item::Life(wire) => {
            let life = series::life_from_wire(wire.life) as i32;
            (7, item::Item::Life(hedgerow_proto::farm::LifeChange { life, ..wire }))
        }
        item::Item::Bins(mut wire) => {
            for column in &mut wire.columns {
                let values: Columns = batch::columns_from_wire(column.values.take().unwrap()).unwrap();
                column.values = Some(batch::columns_to_wire(&values));
            }
            (8, item::Item::Bins(wire))
        }
        item::Item::End(_) => (9, told),
        item::Item::Epoch(wire) => {
            (10, item::Item::Epoch(series::epoch_to_wire(series::epoch_from_wire(Some(wire)).unwrap())))
        }
        item::Item::Alarm(mut wire) => {
            let keys = wire.paths.iter().map(|path| series::key_from_wire(path).unwrap());
            wire.paths = keys.map(|key| series::key_to_wire(&key)).collect();
            (11, item::Item::Alarm(wire))
        }
    };
    kinds[kind] += 1;
    told
}

#[test]
fn registrations_are_signed_as_the_vectors_say_and_altered_ones_refused() {
    let file = load("signed.json");
    let seed: [u8; 32] = unhex(file["seed"].as_str().unwrap()).try_into().unwrap();
    let key = SigningKey::from_bytes(&seed);
    assert_eq!(hex(key.verifying_key().as_bytes()), file["public_key"].as_str().unwrap());
    for (name, bytes, case) in cases(&file) {
        let offered = lookup::Signed::decode(&bytes[..]).unwrap();
        let opened = signed::open_registration(&offered);
        if let Some(refused) = case.get("refused") {
            assert_eq!(opened.unwrap_err().to_string(), refused.as_str().unwrap(), "{name}");
            continue;
        }
        let opened = opened.unwrap();
        assert_eq!(reflected("hedgerow.lookup.v1.Registration", &offered.body), case["decoded"], "{name}");
        assert_eq!(hex(&offered.body), case["body"].as_str().unwrap(), "{name}");
        assert_eq!(hex(&offered.signature), case["signature"].as_str().unwrap(), "{name}");
        if case.get("ours") != Some(&json!(false)) {
            assert_eq!(hex(&signed::sign_registration(&opened, &key).encode_to_vec()), hex(&bytes), "{name}");
        }
        let kept = signed::sign(signed::REGISTRATION, offered.body.to_vec(), &key);
        assert_eq!(kept, offered, "{name}: whoever signs these bytes gets this signature");
        assert!(registration::from_wire(lookup::Registration::decode(offered.body).unwrap()).is_ok());
    }
}

#[test]
fn documents_are_signed_as_the_vectors_say_and_altered_ones_refused() {
    let file = load("documents.json");
    let seed: [u8; 32] = unhex(file["seed"].as_str().unwrap()).try_into().unwrap();
    let key = SigningKey::from_bytes(&seed);
    for (name, bytes, case) in cases(&file) {
        let offered = lookup::Signed::decode(&bytes[..]).unwrap();
        let opened = signed::open_document(&offered);
        if let Some(refused) = case.get("refused") {
            assert_eq!(opened.unwrap_err().to_string(), refused.as_str().unwrap(), "{name}");
            continue;
        }
        let opened = opened.unwrap();
        assert_eq!(reflected("hedgerow.lookup.v1.Document", &offered.body), case["decoded"], "{name}");
        assert_eq!(hex(&offered.body), case["body"].as_str().unwrap(), "{name}");
        assert_eq!(hex(&offered.signature), case["signature"].as_str().unwrap(), "{name}");
        assert_eq!(opened.body.to_string(), case["body_sha256"].as_str().unwrap(), "{name}");
        assert_eq!(
            hex(&signed::sign_document(&opened.document, &key).encode_to_vec()),
            hex(&bytes),
            "{name}"
        );
    }
}

#[test]
fn deployments_mean_what_the_vectors_say() {
    let file = load("deployments.json");
    for (name, bytes, case) in cases(&file) {
        let read = deployment::decode(&bytes);
        if let Some(refused) = case.get("refused") {
            assert_eq!(read.unwrap_err().to_string(), refused.as_str().unwrap(), "{name}");
            continue;
        }
        assert_eq!(reflected("hedgerow.filter.v1.Deployment", &bytes), case["decoded"], "{name}");
        let read = read.unwrap();
        let written = deployment::encode(&read);
        if case["ours"] == true {
            assert_eq!(hex(&written), hex(&bytes), "{name}");
        }
        assert_eq!(deployment::decode(&written).unwrap(), read, "{name}");
    }
}

#[test]
fn epochs_have_one_form_on_the_wire_and_one_as_text() {
    let file = load("epochs.json");
    for (name, bytes, case) in cases(&file) {
        let epoch: Epoch = name.parse().unwrap();
        assert_eq!(epoch.to_string(), name);
        assert_eq!(hex(&series::epoch_to_wire(epoch).encode_to_vec()), hex(&bytes), "{name}");
        assert_eq!(reflected("hedgerow.common.v1.Epoch", &bytes), case["decoded"], "{name}");
        assert_eq!(series::epoch_from_wire(common::Epoch::decode(&bytes[..]).ok()).unwrap(), epoch);
    }
}

/// The page's worked example: a block of lines `HEX  what it says`, whose digits are those of the vector.
#[test]
fn the_page_explains_the_bytes_of_a_vector() {
    let page = folder().join("../../docs/reference/protocol.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = page.split("```hex\n").nth(1).unwrap().split("```").next().unwrap();
    let bytes = block.lines().map(|line| line.split("  ").next().unwrap());
    let digits: String = bytes.flat_map(|line| line.split_whitespace()).collect();
    let file = load("batches.json");
    let example = cases(&file).into_iter().find(|(name, ..)| *name == "the worked example of the page");
    assert_eq!(digits, hex(&example.unwrap().1));
}

fn check_in_python(folder: &Path) -> (bool, String) {
    let python = std::env::var_os("HEDGEROW_PYTHON").unwrap_or_else(|| "python3".into());
    let script = self::folder().join("check_batches.py");
    let check = Command::new(python).arg("-B").arg(script).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    (check.status.success(), said)
}

/// The same vectors, read by Python with nothing of ours.
#[test]
fn a_second_implementation_agrees() {
    let (agrees, said) = check_in_python(&folder());
    assert!(agrees && said.ends_with(" vectors decoded, 0 wrong\n"), "{said}");
}

#[test]
fn a_second_implementation_notices_what_is_wrong() {
    let wrong = std::env::temp_dir().join(format!("hedgerow-proto-vectors-{}", std::process::id()));
    std::fs::create_dir_all(&wrong).unwrap();
    for file in
        ["batches.json", "stream.json", "signed.json", "documents.json", "deployments.json", "epochs.json"]
    {
        let text = std::fs::read_to_string(folder().join(file)).unwrap();
        // A value, a document's name, a time, a registration's name, an epoch.
        let text = text.replace("\"f64\": \"3fe0000000000000\"", "\"f64\": \"3fe0000000000001\"");
        let text = text.replace("load/é", "load/e").replace("Platten über", "Platten uber");
        let text = text.replace("\"now_ms\": 17930", "\"now_ms\": 17931").replace("cern-t0/é", "cern-t0/e");
        std::fs::write(wrong.join(file), text.replace("\"start\": 2,", "\"start\": 3,")).unwrap();
    }
    let (agrees, said) = check_in_python(&wrong);
    std::fs::remove_dir_all(&wrong).unwrap();
    assert!(!agrees, "{said}");
    for file in
        ["batches.json", "stream.json", "signed.json", "documents.json", "deployments.json", "epochs.json"]
    {
        assert!(said.lines().any(|line| line.starts_with(file)), "{file} passed: {said}");
    }
}
