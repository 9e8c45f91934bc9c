//! What an agent or the way to it did wrong, in the words of `last_error`: different failures are different words, and
//! objects have the names that their MIBs give them.

use super::plan::Plan;
use super::rows::NamedRows;
use super::sweep::{Absent, Cell, Column, Problem, Swept};
use crate::module::{CollectError, Run};
use hedgerow_snmp::ask::NO_SUCH_NAME;
use hedgerow_snmp::{AskError, Counts};

/// Why there is no answer. `what` was asked for; empty where nothing in particular was.
pub(super) fn of_asking(error: &AskError, what: &str) -> CollectError {
    let text = if what.is_empty() { error.to_string() } else { format!("{what}: {error}") };
    match error {
        AskError::TimedOut { .. } => CollectError::TimedOut(text),
        AskError::Unreachable(_) => CollectError::Unreachable(text),
        AskError::Refused(_) => CollectError::RefusedCredentials(text),
        AskError::Status { status: NO_SUCH_NAME, .. } => CollectError::NoSuchObject(text),
        AskError::Status { .. } => CollectError::BadAnswer(text),
        AskError::NotAskable(_) => CollectError::Failed(text),
    }
}

/// How the agent says that it has not got `what`.
pub(super) fn of_absence(absent: Absent, what: String) -> CollectError {
    match absent {
        Absent::Object => CollectError::NoSuchObject(what),
        Absent::Instance => CollectError::NoSuchInstance(what),
        Absent::End => CollectError::EndOfMibView(what),
    }
}

/// Tells of the problems of a sweep, and counts those that only its reader can see.
pub(super) fn tell(run: &mut dyn Run, counts: &Counts, plan: &Plan, problems: &[Problem]) {
    for problem in problems {
        match problem {
            Problem::Asking { at, error } => run.part_failed(&plan.name_of(at), of_asking(error, "")),
            Problem::NotIncreasing { column, after, came } => {
                counts.not_increasing.add_one();
                let (after, came) = (plan.name_of(after), plan.name_of(came));
                let what = format!("{came} comes behind {after}: the agent's table is not in order");
                run.part_failed(&plan.name_of(column), CollectError::BadAnswer(what));
            }
            Problem::Endless { column, rows } => {
                counts.endless.add_one();
                let what = format!("has no end, or more than {rows} rows (max_rows): nothing of it is taken");
                run.part_failed(&plan.name_of(column), CollectError::BadAnswer(what));
            }
            Problem::TooLong { requests } => {
                let what = format!("is not at its end after {requests} requests: the rest was not read");
                run.part_failed("sweep", CollectError::BadAnswer(what));
            }
        }
    }
}

/// Tells of rows that have no name in this run.
pub(super) fn tell_names(run: &mut dyn Run, table: &str, named: &NamedRows) {
    if named.nameless > 0 {
        let what =
            format!("the names of {} rows were not read: they are left out of this run", named.nameless);
        run.part_failed(table, CollectError::TimedOut(what));
    }
    if let Some(first) = named.refused.first() {
        let more = named.refused.len() - 1;
        let more = if more > 0 { format!(" (and {more} more rows)") } else { String::new() };
        run.part_failed(table, CollectError::BadAnswer(format!("{first}{more}")));
    }
}

/// Tells what an agent has not got of the profiles that were asked of it by name.
pub(super) fn tell_absent(run: &mut dyn Run, plan: &Plan, swept: &Swept) {
    for (at, profile) in plan.profiles.iter().enumerate() {
        let part = format!("profile {}", profile.name);
        let (absent, some) = absent_of(plan, at, swept);
        if !some && !absent.is_empty() {
            let what = "the agent has nothing of it".to_owned();
            run.part_failed(&part, of_absence(of_all(&absent), what));
            continue;
        }
        for (why, name) in absent {
            run.part_failed(&part, of_absence(why, name));
        }
    }
}

/// How the agent says that it has nothing of a profile: in its own word, where it has one for all of it.
fn of_all(absent: &[(Absent, String)]) -> Absent {
    let scalars = absent.iter().any(|(_, name)| name.ends_with(".0"));
    let first = absent.first().map_or(Absent::Object, |(why, _)| *why);
    match first {
        _ if absent.iter().any(|(why, _)| *why != first) => Absent::Object,
        // To a walk it is how every table ends that is not there.
        Absent::End if !scalars => Absent::Object,
        same => same,
    }
}

/// What is absent of the profile at `profile`; and whether anything of it is there, or may be.
fn absent_of(plan: &Plan, profile: usize, swept: &Swept) -> (Vec<(Absent, String)>, bool) {
    let (mut absent, mut some) = (Vec::new(), false);
    let Some(of) = plan.profiles.get(profile) else { return (absent, some) };
    for scalar in plan.scalars.iter().filter(|scalar| scalar.profile == profile) {
        let why = |at: usize| match swept.scalars.get(at) {
            Some(Cell::Absent(why)) => Some(*why),
            _ => None,
        };
        let both = why(scalar.at).filter(|_| scalar.instead.is_none_or(|at| why(at).is_some()));
        match (both, of.scalars.get(scalar.object)) {
            (Some(why), Some(object)) => absent.push((why, format!("{}.0", object.name))),
            _ => some = true,
        }
    }
    let tables = plan.tables.iter().zip(&swept.tables).filter(|(table, _)| table.profile == profile);
    for (table, read) in tables {
        let why = |at: usize| match read.columns.get(at) {
            Some(Column::Absent(why)) => Some(*why),
            Some(_) => None,
            // Not wanted any more, because it was not needed.
            None => Some(Absent::Object),
        };
        let has_rows = !read.rows.is_empty();
        some |= has_rows || read.columns.contains(&Column::Part);
        let objects = plan.table(table).map_or(&[][..], |table| &table.columns);
        for ((main, instead), object) in table.columns.iter().zip(objects) {
            if let Some(why) = why(*main).filter(|_| instead.is_none_or(|at| why(at).is_some())) {
                absent.push((why, object.name.clone()));
            }
        }
        // A table without rows has no objects that could be missing.
        if !has_rows && some {
            let names: Vec<&String> = objects.iter().map(|object| &object.name).collect();
            absent.retain(|(_, name)| !names.contains(&name));
        }
    }
    (absent, some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_without_anything_of_a_profile_is_quoted_where_it_has_one_word_for_it() {
        use Absent::{End, Instance, Object};
        let of = |absent: &[(Absent, &str)]| {
            of_all(&absent.iter().map(|(why, name)| (*why, (*name).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(of(&[(Instance, "sysName.0"), (Instance, "ifInOctets")]), Instance);
        assert_eq!(of(&[(End, "sysName.0"), (End, "sysContact.0")]), End);
        assert_eq!(of(&[(Object, "sysName.0"), (Instance, "sysContact.0")]), Object);
        assert_eq!(of(&[(End, "ifInOctets"), (End, "ifOutOctets")]), Object, "a table that is not there");
    }
}
