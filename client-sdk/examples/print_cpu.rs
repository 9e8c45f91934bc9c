//! Prints what every farm of the local mesh says about its processors: the last minute, then live.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use hedgerow_client::{Mesh, MeshOptions, Predicate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mesh = Mesh::connect(MeshOptions::default()).await?;
    let mut samples = mesh.subscribe(&Predicate::parse("*/*/*/cpu* since=1m")?).samples();
    while let Some(sample) = samples.next().await {
        let key = &sample.series.key;
        println!(
            "{} {}/{}/{} {:?} {:?}",
            sample.time, sample.farm, key.node, key.parameter, key.labels, sample.value
        );
    }
    Ok(())
}
