//! What it takes to answer programs where there are many farms.

use super::browser::get;
use super::site::Site;
use crate::numbers::{median, quantile};
use std::fmt::Write as _;

/// Farms, each of 200 series with some values.
const FARMS: usize = 200;
const VALUES: usize = 5;
const ASKED: usize = 20;

/// What is asked, in words and as it is sent.
const QUESTIONS: [(&str, &str); 7] = [
    ("farms", "/api/v1/farms"),
    ("newest value of one series of each farm", "/api/v1/query?predicate=*/bench/n/p7"),
    ("newest values of all series", "/api/v1/query?predicate=*/bench"),
    ("all values of all series, CSV", "/api/v1/query?predicate=*/bench%20since%3D1h&format=csv"),
    ("1,000 of all series", "/api/v1/series?predicate=*/bench&limit=1000"),
    ("tree: farms", "/api/v1/tree"),
    ("PromQL: a sum over the farms", "/prometheus/api/v1/query?query=sum(p7)"),
];

/// Measures, and writes the section of the page.
pub async fn run() -> Result<String, String> {
    let site = Site::start(FARMS).await?;
    for value in 0..VALUES {
        site.farms.iter().try_for_each(|farm| farm.give(value as f64))?;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut page = format!(
        "## Many farms\n\n{FARMS} farms with {} series; each question {ASKED} times, one after the other, the first left out. CPU and memory (the most resident so far) \
         are those of the page's server; the farms, which answer too, are on the other processor.\n\n\
         | asked | KiB | p50 ms | p95 ms | ms CPU | MiB |\n|---|---|---|---|---|---|\n",
        FARMS * 200
    );
    for (words, path) in QUESTIONS {
        let first = get(&site.host, path).await?;
        let (cpu, mut took) = (site.cpu()?, Vec::new());
        for _ in 0..ASKED {
            took.push(get(&site.host, path).await?.took.as_secs_f64() * 1e3);
        }
        let cpu = site.cpu()?.saturating_sub(cpu).as_secs_f64() * 1e3 / ASKED as f64;
        let _ = writeln!(
            page,
            "| {words} | {:.1} | {:.1} | {:.1} | {cpu:.1} | {:.0} |",
            first.bytes as f64 / 1024.0,
            median(took.clone()),
            quantile(&took, 950),
            site.memory()?.peak as f64 / f64::from(1 << 20),
        );
    }
    site.end().await;
    page.push('\n');
    Ok(page)
}
