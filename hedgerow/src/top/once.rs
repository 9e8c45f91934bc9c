//! One picture of the mesh, for who has no terminal: as tables, or as one object of JSON.

use super::app::App;
use super::app::{Screen, What};
use super::grid::{Field, Sheet};
use super::shell::Open;
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::table::{Align, Table};
use crate::output::{Out, say};
use hedgerow_views::alarms::Alarm;
use hedgerow_views::mesh::{Farm, GoneFarm, MeshName, Totals};
use hedgerow_views::{Coverage, SeenLookup, Views};
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// After everybody has answered, so long is waited for what is still on its way: newest values come right behind.
const GRACE: Duration = Duration::from_millis(1200);

/// The picture, for programs: parts of the frames of the views.
#[derive(Serialize)]
struct Picture<'a> {
    now: i64,
    mesh: MeshName,
    totals: Totals,
    farms: Vec<&'a Farm>,
    gone: Vec<&'a GoneFarm>,
    lookups: &'a [SeenLookup],
    alarms: Vec<&'a Alarm>,
    alarms_coverage: &'a Coverage,
    top: &'a hedgerow_views::top::TopFrame,
}

/// Looks once. `is_all`: farms and alarms are told to people, too.
///
/// # Errors
/// Where nobody reads.
pub async fn run(
    mut app: App,
    views: Views,
    patience: Duration,
    json: bool,
    is_all: bool,
) -> Result<Outcome, CommandError> {
    let (mut open, mut frames) = Open::new(views);
    let mesh = MeshName { name: open.mesh().name.clone(), id: open.mesh().id.to_string() };
    open.follow(&mut app);
    let late = Instant::now() + patience;
    let mut until = late;
    while let Ok(Some(frame)) = timeout_at(until, frames.recv()).await {
        open.give(&mut app, frame);
        until = match (app.is_settled(), until == late) {
            (true, true) => late.min(Instant::now() + GRACE),
            (true, false) => until,
            (false, _) => late,
        };
    }
    let mut out = Out::new();
    if json {
        let (seen, at) = (&app.mesh, now());
        let picture = Picture {
            now: at,
            mesh,
            totals: seen.totals,
            farms: seen.farms.values().collect(),
            gone: seen.gone.values().collect(),
            lookups: &seen.lookups,
            alarms: app.alarms.alarms.values().collect(),
            alarms_coverage: &app.alarms.told.coverage,
            top: &app.top.frame,
        };
        let text = serde_json::to_string(&picture).map_err(|error| CommandError::failed(&error))?;
        out.line(text)?;
    } else {
        let farms_and_alarms = [What::Farms, What::Alarms];
        for what in farms_and_alarms.into_iter().filter(|_| is_all) {
            out.lines(lines(&app.sheet(&Screen::new(what), now())))?;
            out.line("")?;
        }
        out.text(&app.question.predicate)?;
        out.lines(lines(&app.sheet(&app.tabs[super::app::TOP], now())))?;
    }
    out.flush()?;
    drop(out);
    Ok(standing(&mut app, is_all))
}

/// Says who is missing.
fn standing(app: &mut App, is_all: bool) -> Outcome {
    let mut said: Vec<String> = Vec::new();
    for tab in [super::app::TOP, 1].into_iter().take(if is_all { 2 } else { 1 }) {
        app.tab = tab;
        let (level, text) = app.standing(now());
        if level != "ok" && !said.contains(&text) {
            say(&text);
            said.push(text);
        }
    }
    if said.is_empty() { Outcome::Done } else { Outcome::InPart }
}

/// A table as text; without its last minutes, which are not waited for.
fn lines(sheet: &Sheet<'_>) -> Vec<String> {
    if sheet.keys.is_empty() {
        return sheet.empty.lines().map(|line| crate::output::safe::clean(line).into_owned()).collect();
    }
    let align = |is_right| if is_right { Align::Right } else { Align::Left };
    let head: Vec<_> = sheet.columns.iter().map(|column| (column.title, align(column.is_right))).collect();
    let mut table = Table::new(&head);
    for at in 0..sheet.keys.len() {
        table.row((sheet.row)(at).into_iter().map(|field| match field {
            Field::Text(text, _) => text,
            Field::Trend(_) => String::new(),
        }));
    }
    table.lines()
}
