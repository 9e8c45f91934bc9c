//! How long a value takes from the hub's front door to a subscriber, over gRPC on loopback.
//!
//! Each value is the moment at which it was handed in, so every one that arrives tells its own latency. One farm with its
//! cache on disk, batches of 200 values at an even rate, and some subscribers that each decode everything.

use hedgerow_collect::front_door::{FrontDoor, OriginId};
use hedgerow_collect::script::KeeperCommand;
use hedgerow_farm_monitor::farm::{Farm, FarmOptions};
use hedgerow_filter_host::compile::Compiler;
use hedgerow_model::{BatchBuilder, Kind, Labels, Name, Predicate, SeriesDef, SeriesId, SeriesKey, Value};
use hedgerow_proto::convert::{batch, predicate};
use hedgerow_proto::farm::farm_client::FarmClient;
use hedgerow_proto::farm::{SubscribeRequest, item};
use hedgerow_proto::stream::StreamMessage;
use hedgerow_service::access::Access;
use hedgerow_service::clock::unix_millis;
use hedgerow_service::drain::drain;
use hedgerow_service::listener::{Reach, bind};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

const VALUES_PER_SECOND: usize = 10_000;
const BATCH: usize = 200;
const SECONDS: usize = 10;
/// Values of one measurement.
pub const EXPECTED: usize = VALUES_PER_SECOND * SECONDS;

/// Measures with one and with ten subscribers.
pub async fn run() -> Result<String, String> {
    let mut table = String::from(
        "| subscribers | values received | p50 ms | p99 ms | worst ms |\n|---|---|---|---|---|\n",
    );
    for subscribers in [1, 10] {
        let mut latencies = measure(subscribers).await?;
        latencies.sort_by(f64::total_cmp);
        let at =
            |share: usize| latencies.get((latencies.len() * share / 1000).min(latencies.len() - 1)).copied();
        let (Some(p50), Some(p99), Some(worst)) = (at(500), at(990), latencies.last()) else {
            return Err("nothing arrived".to_owned());
        };
        let _ = writeln!(table, "| {subscribers} | {} | {p50:.1} | {p99:.1} | {worst:.1} |", latencies.len());
    }
    Ok(table)
}

async fn measure(subscribers: usize) -> Result<Vec<f64>, String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    std::fs::write(folder.path().join("farm.toml"), "[farm]\nname = \"bench\"\n")
        .map_err(|e| e.to_string())?;
    let listener = bind(([127, 0, 0, 1], 0).into(), Reach::Loopback).map_err(|e| e.to_string())?;
    let (stop, drained) = drain();
    let farm = Farm::start(FarmOptions {
        config: folder.path().to_owned(),
        folder: folder.path().to_owned(),
        host: "bench".to_owned(),
        listener,
        access: Access::new("none", "none"),
        token: None,
        mesh: None,
        lookups: Vec::new(),
        keeper: KeeperCommand { program: "/proc/self/exe".into(), args: vec!["__keeper".into()] },
        compiler: Compiler::InProcess,
        drain: drained,
    })
    .await
    .map_err(|e| e.to_string())?;
    let begun = Instant::now();
    let mut readers = Vec::new();
    for _ in 0..subscribers {
        let stream = subscribed(&farm.address().to_string()).await?;
        readers.push(tokio::spawn(read(stream, begun, EXPECTED)));
    }
    feed(&farm.front_door(), begun).await?;
    let mut latencies = Vec::new();
    for reader in readers {
        latencies.extend(reader.await.map_err(|e| e.to_string())??);
    }
    stop.begin();
    farm.drained().await;
    Ok(latencies)
}

/// Hands in values for some seconds, at an even rate: each is the moment at which it is.
pub async fn feed(door: &Arc<dyn FrontDoor>, begun: Instant) -> Result<(), String> {
    let (origin, ids) = series(door)?;
    let pause = Duration::from_secs_f64(BATCH as f64 / VALUES_PER_SECOND as f64);
    let mut ticks = tokio::time::interval(pause);
    for _ in 0..EXPECTED / BATCH {
        ticks.tick().await;
        give(door, origin, &ids, begun.elapsed().as_secs_f64())?;
    }
    Ok(())
}

/// The series of a batch.
pub fn series(door: &Arc<dyn FrontDoor>) -> Result<(OriginId, Vec<SeriesId>), String> {
    let origin = door.origin("bench");
    let mut ids = Vec::new();
    for at in 0..BATCH {
        let name = |text: &str| Name::new(text).map_err(|e| e.to_string());
        let def = SeriesDef {
            key: SeriesKey {
                cluster: name("bench")?,
                node: name("n")?,
                parameter: name(&format!("p{at}"))?,
                labels: Labels::none(),
            },
            kind: Kind::Gauge,
            unit: "s".to_owned(),
            source: "bench".to_owned(),
            interval: None,
            lifetime: None,
            description: String::new(),
        };
        ids.push(door.declare(origin, &def).map_err(|e| e.to_string())?);
    }
    Ok((origin, ids))
}

/// Hands in a batch: this value of each series.
pub fn give(door: &Arc<dyn FrontDoor>, origin: OriginId, ids: &[SeriesId], value: f64) -> Result<(), String> {
    let mut builder = BatchBuilder::new();
    let time = unix_millis();
    for id in ids {
        builder.push(*id, time, Value::F64(value), None);
    }
    let accepted = door.accept(origin, builder.build());
    if accepted.accepted != ids.len() as u64 {
        return Err(format!("refused: {:?}", accepted.refused));
    }
    Ok(())
}

/// A subscription to what is fed. It is admitted when this returns: what is handed in before would be history.
pub async fn subscribed(address: &str) -> Result<tonic::Streaming<StreamMessage>, String> {
    let endpoint =
        tonic::transport::Endpoint::from_shared(format!("http://{address}")).map_err(|e| e.to_string())?;
    let client = FarmClient::new(endpoint.connect().await.map_err(|e| e.to_string())?);
    let wanted = Predicate::parse("*/bench").map_err(|e| e.to_string())?;
    let request =
        SubscribeRequest { predicate: Some(predicate::to_wire(&wanted)), ..SubscribeRequest::default() };
    let mut client = client.max_decoding_message_size(16 << 20);
    Ok(client.subscribe(request).await.map_err(|e| e.to_string())?.into_inner())
}

/// The latencies of so many values of a subscription, in milliseconds.
pub async fn read(
    mut stream: tonic::Streaming<StreamMessage>,
    begun: Instant,
    expected: usize,
) -> Result<Vec<f64>, String> {
    let mut latencies = Vec::with_capacity(expected);
    while latencies.len() < expected {
        let message = stream.message().await.map_err(|e| e.to_string())?.ok_or("the stream ended")?;
        let now = begun.elapsed().as_secs_f64();
        for item in message.decode_items() {
            if let Some(item::Item::Batch(wire)) = item.map_err(|e| e.to_string())?.item {
                let values =
                    batch::columns_from_wire(wire.values.unwrap_or_default()).map_err(|e| e.to_string())?;
                latencies.extend(values.f64s().iter().map(|handed_in| (now - handed_in) * 1000.0));
            }
        }
    }
    Ok(latencies)
}
