//! The second part: what dead, big and lossy agents cost those that are well, through the real collection engine. And, for
//! the first, what collection as a whole costs.

use super::agents::Agents;
use super::figures::Figures;
use super::polling::spent;
use super::site::Site;
use super::{AGENTS, COLUMNS, ROWS};
use crate::numbers::quantile;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// How often agents are asked.
const PERIOD: Duration = Duration::from_secs(10);
/// Cycles, the first included.
const CYCLES: u32 = 6;
/// How often agents are asked where CPU is measured, and cycles before that begins.
const BUSY: (Duration, u32) = (Duration::from_secs(2), 2);
/// What is to be held: how much later than among healthy agents.
const GOAL: f64 = 1.1;

/// What is measured at the same time: words, options of the agents, how many are dead, whether the last is big. The first of
/// each group is what the others are compared with.
const GROUPS: [&[Setting]; 3] = [
    &[
        ("all well", &[], 0, false),
        ("10 % dead", &["--dead", "50"], 50, false),
        ("30 % dead", &["--dead", "150"], 150, false),
    ],
    &[("all well", &[], 0, false), ("one with 5,000 rows", &["--big", "5000"], 0, true)],
    &[("all well", &[], 0, false), (LOSSY, &["--loss", "0.05"], 0, false)],
];

/// The case in which only values count that are missed.
const LOSSY: &str = "5 % of replies lost";

type Setting = (&'static str, &'static [&'static str], usize, bool);

/// What one case came to, of the agents that live and are small.
#[derive(Default)]
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
        "## Completion\n\n{AGENTS} agents × {} values every {} s through schedule, pool and module as configured by default; \
         {CYCLES} cycles from the start of the collection. From an agent's tick to its last value at the front door, of the \
         agents that live and are small, in milliseconds. Each group runs at the same time, every collection and its agents \
         in processes of their own.\n\n\
         | case | p50 | p99 | worst | p99, first cycle | p99 to all well | values missed | turns with wrong values |\n\
         |---|---|---|---|---|---|---|---|\n",
        COLUMNS.len() * ROWS,
        PERIOD.as_secs(),
    );
    let mut notes = String::new();
    for group in GROUPS {
        let cases = futures_util::future::try_join_all(group.iter().map(in_process)).await?;
        let well = cases.first().map_or(f64::NAN, |case| quantile(&case.all, 990));
        for ((words, _, _, has_big), case) in group.iter().zip(&cases) {
            row(&mut page, words, case, well);
            if *has_big {
                let _ = writeln!(notes, "\nThe agent with 5,000 rows took {:.0} ms at most.", case.big);
            }
        }
    }
    Ok(page + &notes + "\n")
}

fn row(page: &mut String, words: &str, case: &Case, well: f64) {
    let p99 = quantile(&case.all, 990);
    let ratio = p99 / well;
    let verdict = match words {
        // Who loses replies has to ask again.
        LOSSY => format!("{ratio:.2}"),
        _ if ratio <= GOAL => format!("{ratio:.2} (goal ≤ {GOAL}: met)"),
        _ => format!("{ratio:.2} (goal ≤ {GOAL}: **missed**)"),
    };
    let missed = if case.missed == 0 { "0".to_owned() } else { format!("**{}**", case.missed) };
    let _ = writeln!(
        page,
        "| {words} | {:.1} | {p99:.1} | {:.1} | {:.1} | {verdict} | {missed} | {} |",
        quantile(&case.all, 500),
        quantile(&case.all, 1000),
        quantile(&case.first, 990),
        case.wrong,
    );
}

/// Starts agents, and a process that collects from them.
async fn in_process((_, options, dead, has_big): &Setting) -> Result<Case, String> {
    let rows = ROWS.to_string();
    let options: Vec<&str> = ["--rows", &rows].into_iter().chain(options.iter().copied()).collect();
    let agents = Agents::start(AGENTS, &options).await?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("__farm").arg(agents.file()).args([dead.to_string(), has_big.to_string()]);
    let output = command.output().await.map_err(|error| format!("cannot start a collection: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Case::read(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| "a collection said nothing".to_owned())
}

impl Case {
    fn text(&self) -> String {
        let numbers = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        let Self { first, all, missed, wrong, big } = self;
        format!("{missed} {wrong} {big}\n{}\n{}", numbers(first), numbers(all))
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut words = lines.next()?.split(' ');
        let (missed, wrong) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let big = words.next()?.parse().ok()?;
        let mut numbers =
            || lines.next()?.split(' ').map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>();
        Some(Self { first: numbers()?, all: numbers()?, missed, wrong, big })
    }
}

/// The process that collects: TARGETS DEAD HAS-BIG.
pub async fn collection(args: &[String]) -> Result<String, String> {
    let [targets, dead, has_big] = args else { return Err("expected TARGETS DEAD HAS-BIG".to_owned()) };
    let (Ok(dead), Ok(has_big)) = (dead.parse(), has_big.parse()) else {
        return Err("expected a number, and true or false".to_owned());
    };
    measure(targets, dead, has_big).await.map(|case| case.text())
}

async fn measure(targets: &str, dead: usize, has_big: bool) -> Result<Case, String> {
    let site = Site::start(targets, PERIOD).await?;
    tokio::time::sleep(PERIOD * CYCLES).await;
    // Ticks of the last period had no whole one.
    let until = Instant::now();
    let turns = site.finish(until).await;
    let expected = (ROWS * COLUMNS.len()) as u64;
    let mut case = Case::default();
    for (number, turns) in turns.into_iter().enumerate() {
        // As `hedgerow-sim` spreads them.
        let is_dead = (0..dead).any(|one| one * AGENTS / dead == number);
        let is_big = has_big && number == AGENTS - 1;
        let right = turns.iter().find(|turn| turn.values == expected).map(|turn| turn.checksum);
        let whole = turns.iter().filter(|turn| turn.tick + PERIOD <= until);
        for turn in whole.filter(|_| !is_dead) {
            let took = turn.took.map(|took| took.as_secs_f64() * 1000.0);
            if is_big {
                case.big = case.big.max(took.unwrap_or(f64::INFINITY));
                continue;
            }
            case.missed += expected.saturating_sub(turn.values);
            let is_wrong =
                turn.values > expected || (turn.values == expected && Some(turn.checksum) != right);
            case.wrong += u64::from(is_wrong);
            case.all.extend(took);
            case.first.extend(took.filter(|_| turn.is_first));
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
    for turn in turns.iter().flat_map(|turns| turns.iter().rev().skip(1).take(cycles)) {
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
