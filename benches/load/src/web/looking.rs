//! What browsers cost that look: on the same views, and on as many different ones.

use super::browser::Browser;
use super::site::{Fed, Site};
use crate::numbers::{median, spread};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Farms, each of 200 series.
const FARMS: usize = 2;
const EVERY: Duration = Duration::from_secs(1);
/// Before it is measured: the first, whole frames are over.
const SETTLE: Duration = Duration::from_secs(4);
/// How long is looked, and how often.
const LOOK: Duration = Duration::from_secs(8);
const ROUNDS: usize = 3;
const BROWSERS: [usize; 3] = [1, 10, 100];
/// Goal: what one more browser on the same views may cost, in milliseconds of processor time a second, that is 0.2 %.
const GOAL_MS: f64 = 2.0;

/// What was seen of so many browsers.
struct Seen {
    browsers: usize,
    cpu_ms: Vec<f64>,
    own_mib: f64,
    upstream: usize,
    frames: f64,
    kib: f64,
}

/// Measures, and writes the section of the page.
pub async fn run() -> Result<String, String> {
    let site = Arc::new(Site::start(FARMS).await?);
    let fed = Arc::new(AtomicBool::new(true));
    let feeding = tokio::spawn(feed(Arc::clone(&site), Arc::clone(&fed)));
    let none = looked(&site, 0, false).await?;
    let mut page = format!(
        "## Browsers\n\n{FARMS} farms, {} series, each a value a second. A browser has two views open over one WebSocket: a table of all newest values, and a chart \
         of 50 series over five minutes, drawn on. \"Same\": all browsers have the same two views; \"different\": each has two of its own, of the same size. \
         CPU and memory (resident, without pages of files) are those of the page's server; upstream subscriptions are counted at the farms; bytes and frames are those \
         that one browser gets. {ROUNDS} looks of {} s, medians.\n\n\
         | views | browsers | ms CPU a second | least–most | for each browser | MiB | upstream subscriptions | frames/s | KiB/s |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        FARMS * 200,
        LOOK.as_secs()
    );
    let idle = median(none.cpu_ms.clone());
    let _ = writeln!(
        page,
        "| – | 0 | {idle:.1} | {} | | {:.1} | {} | | |",
        spread(&none.cpu_ms, 1),
        none.own_mib,
        none.upstream
    );
    let mut each = Vec::new();
    for differ in [false, true] {
        for browsers in BROWSERS {
            let seen = looked(&site, browsers, differ).await?;
            page.push_str(&row(&seen, differ, idle));
            if !differ {
                each.push((browsers as f64, median(seen.cpu_ms.clone())));
            }
        }
    }
    fed.store(false, Relaxed);
    feeding.await.map_err(|error| error.to_string())??;
    if let Ok(site) = Arc::try_unwrap(site) {
        site.end().await;
    }
    if let [(few, first), .., (many, last)] = each[..] {
        let more = (last - first) / (many - few);
        let met = if more <= GOAL_MS { "met" } else { "**missed**" };
        let _ = writeln!(
            page,
            "\nOne more browser on the same views costs {more:.2} ms CPU a second (goal, near zero, taken as ≤ {GOAL_MS}: {met}).\n"
        );
    }
    Ok(page)
}

fn row(seen: &Seen, differ: bool, idle: f64) -> String {
    let Seen { browsers, cpu_ms, own_mib, upstream, frames, kib } = seen;
    let (cpu, views) = (median(cpu_ms.clone()), if differ { "different" } else { "same" });
    format!(
        "| {views} | {browsers} | {cpu:.1} | {} | {:.2} | {own_mib:.1} | {upstream} | {frames:.1} | {kib:.1} |\n",
        spread(cpu_ms, 1),
        (cpu - idle) / *browsers as f64
    )
}

/// Gives each series a value a second.
async fn feed(site: Arc<Site>, goes_on: Arc<AtomicBool>) -> Result<(), String> {
    let mut ticks = tokio::time::interval(EVERY);
    let begun = Instant::now();
    while goes_on.load(Relaxed) {
        ticks.tick().await;
        let value = begun.elapsed().as_secs_f64().sin();
        site.farms.iter().try_for_each(|farm: &Fed| farm.give(value))?;
    }
    Ok(())
}

/// The views of browser number `of`: its own, or everybody's.
fn views(of: usize) -> [String; 2] {
    [
        format!(r#"{{"kind":"latest","predicate":"*/bench","limit":{}}}"#, 2000 + of),
        format!(
            r#"{{"kind":"chart","predicate":"*/bench/n/p?","from":-300000,"pixels":600,"max_series":{}}}"#,
            50 + of
        ),
    ]
}

async fn looked(site: &Site, count: usize, differ: bool) -> Result<Seen, String> {
    // What lingers of the browsers before is over.
    site.subscribed(0, 0).await?;
    let mut browsers = Vec::new();
    for number in 0..count {
        browsers.push(Browser::open(&site.host, &views(if differ { number } else { 0 })).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let came = || {
        let sum = |of: fn(&Browser) -> u64| browsers.iter().map(of).sum::<u64>() as f64;
        (sum(|one| one.came.frames.load(Relaxed)), sum(|one| one.came.bytes.load(Relaxed)))
    };
    let (mut cpu_ms, before, begun) = (Vec::new(), came(), Instant::now());
    for _ in 0..ROUNDS {
        let (cpu, begun) = (site.cpu()?, Instant::now());
        tokio::time::sleep(LOOK).await;
        let spent = site.cpu()?.saturating_sub(cpu).as_secs_f64();
        cpu_ms.push(spent * 1e3 / begun.elapsed().as_secs_f64());
    }
    if browsers.iter().any(|browser| !browser.looks()) {
        return Err("a view was refused or has ended".to_owned());
    }
    let (after, seconds) = (came(), begun.elapsed().as_secs_f64());
    let each = seconds * count.max(1) as f64;
    Ok(Seen {
        browsers: count,
        cpu_ms,
        own_mib: site.memory()?.own as f64 / f64::from(1 << 20),
        upstream: site.subscribed(0, usize::MAX).await?,
        frames: (after.0 - before.0) / each,
        kib: (after.1 - before.1) / 1024.0 / each,
    })
}
