//! The second part: what dead, big and lossy agents cost those that are well, through the real collection engine. And, for
//! the first, what collection as a whole costs.

use super::agents::Agents;
use super::figures::{Figures, quantile};
use super::polling::spent;
use super::site::Site;
use super::{AGENTS, COLUMNS, ROWS};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How often agents are asked.
const PERIOD: Duration = Duration::from_secs(10);
/// Cycles, the first included.
const CYCLES: u32 = 6;
/// How often agents are asked where CPU is measured, and cycles before that begins.
const BUSY: (Duration, u32) = (Duration::from_secs(2), 2);
/// What is to be held: how much later than among healthy agents.
const GOAL: f64 = 1.1;

/// What is measured: words, options of the agents, how many are dead, whether the last is big.
const CASES: [(&str, &[&str], usize, bool); 5] = [
    ("all well", &[], 0, false),
    ("10 % dead", &["--dead", "50"], 50, false),
    ("30 % dead", &["--dead", "150"], 150, false),
    ("one with 5,000 rows", &["--big", "5000"], 0, true),
    ("5 % of replies lost", &["--loss", "0.05"], 0, false),
];

/// What one case came to, of the agents that live and are small.
struct Case {
    /// Milliseconds from tick to last value: of the first cycle, and of all.
    first: Vec<f64>,
    all: Vec<f64>,
    /// Values that did not come in their period.
    missed: u64,
    /// Turns whose values were not the right ones.
    wrong: u64,
    /// Milliseconds that the big one took, at most.
    big: f64,
}

/// Measures, and writes the section of the page.
pub async fn run() -> Result<String, String> {
    let mut page = format!(
        "## Completion\n\n{AGENTS} agents × {} values every {} s through schedule, pool and module as configured by default; {CYCLES} cycles \
         from the start of the collection. From an agent's tick to its last value at the front door, of the agents that live and are small, in \
         milliseconds.\n\n| case | p50 | p99 | worst | p99, first cycle | p99 to all well | values missed | wrong |\n|---|---|---|---|---|---|---|---|\n",
        COLUMNS.len() * ROWS,
        PERIOD.as_secs(),
    );
    let mut well = f64::NAN;
    let mut notes = String::new();
    for (words, options, dead, has_big) in CASES {
        let case = measure(options, dead, has_big).await?;
        let p99 = quantile(&case.all, 990);
        if well.is_nan() {
            well = p99;
        }
        let verdict = if p99 / well <= GOAL { "met" } else { "**missed**" };
        let missed = if case.missed == 0 { "0".to_owned() } else { format!("**{}**", case.missed) };
        let _ = writeln!(
            page,
            "| {words} | {:.1} | {p99:.1} | {:.1} | {:.1} | {:.2} (goal ≤ {GOAL}: {verdict}) | {missed} | {} |",
            quantile(&case.all, 500),
            quantile(&case.all, 1000),
            quantile(&case.first, 990),
            p99 / well,
            case.wrong,
        );
        if has_big {
            let _ = writeln!(notes, "\nThe agent with 5,000 rows took {:.0} ms at most.", case.big);
        }
    }
    Ok(page + &notes + "\n")
}

async fn measure(options: &[&str], dead: usize, has_big: bool) -> Result<Case, String> {
    let rows = ROWS.to_string();
    let options: Vec<&str> = ["--rows", &rows].iter().chain(options).copied().collect();
    let agents = Agents::start(AGENTS, &options).await?;
    let file = agents.file();
    let site = Site::start(&file.to_string_lossy(), PERIOD).await?;
    tokio::time::sleep(PERIOD * CYCLES).await;
    // Ticks of the last period had no whole one.
    let until = Instant::now();
    let turns = site.finish(until).await;
    let mut case = Case { first: Vec::new(), all: Vec::new(), missed: 0, wrong: 0, big: 0.0 };
    for (number, turns) in turns.into_iter().enumerate() {
        // As `hedgerow-sim` spreads them.
        let is_dead = (0..dead).any(|one| one * AGENTS / dead == number);
        let is_big = has_big && number == AGENTS - 1;
        let right = turns.last().map(|turn| turn.checksum);
        for (cycle, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.tick + PERIOD <= until) {
            let took = turn.took.map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0);
            if is_big {
                case.big = case.big.max(took);
                continue;
            }
            if is_dead {
                continue;
            }
            let expected = (ROWS * COLUMNS.len()) as u64;
            case.missed += expected.saturating_sub(turn.values);
            case.wrong += u64::from(
                turn.values > expected || (turn.values == expected && Some(turn.checksum) != right),
            );
            if !took.is_nan() {
                case.all.push(took);
                if cycle == 0 {
                    case.first.push(took);
                }
            }
        }
    }
    Ok(case)
}

/// Collects so many cycles, after some that are not measured: what the whole of collection takes.
pub async fn busy(targets: &str, cycles: usize) -> Result<Figures, String> {
    let (period, before) = BUSY;
    let site = Site::start(targets, period).await?;
    // The first ticks stand off the grid.
    tokio::time::sleep(period * (before + 1)).await;
    let (cpu, begun, had, sent) = (spent(), Instant::now(), site.values(), site.sent());
    tokio::time::sleep(period * u32::try_from(cycles).unwrap_or_default()).await;
    let (cpu, wall, came) = (spent().saturating_sub(cpu), begun.elapsed(), site.values() - had);
    let requests = site.sent() - sent;
    let turns = site.finish(Instant::now()).await;
    let (mut values, mut checksum) = (0, 0u64);
    for turn in turns.iter().flat_map(|turns| turns.iter().skip(1).take(cycles)) {
        values += turn.values;
        checksum = checksum.wrapping_add(turn.checksum);
    }
    // What came in the measured time may be some turns more or less than whole cycles.
    let share = values as f64 / came.max(1) as f64;
    Ok(Figures {
        values,
        checksum,
        requests: (requests as f64 * share) as u64,
        cpu: cpu.mul_f64(share),
        wall,
    })
}
