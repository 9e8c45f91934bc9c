//! `profile show`: what one profile measures, or its file.

use super::{Site, unknown};
use crate::outcome::{CommandError, Outcome};
use crate::output::Out;
use crate::output::table::{Align, Table};
use hedgerow_snmp_profile::library::SHIPPED;
use hedgerow_snmp_profile::profile::{Detect, Object, Piece, Profile, Template};

/// What one profile measures
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Print the file of a profile that comes with the program, to make one's own of it
    #[arg(long, conflicts_with = "config")]
    toml: bool,
    #[command(flatten)]
    site: Site,
}

/// Prints it.
///
/// # Errors
/// Where there is none of this name.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let (library, _) = args.site.profiles()?;
    let profile = library.get(&args.name).ok_or_else(|| unknown(&args.name, &library))?;
    let mut out = Out::new();
    if args.toml {
        let file = format!("{}.toml", args.name);
        let shipped = SHIPPED.iter().find(|(name, _)| *name == file);
        out.line(shipped.map(|(_, text)| text.trim_end()).unwrap_or_default())?;
    } else {
        out.lines(lines(profile))?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn lines(profile: &Profile) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", profile.name, profile.description)];
    let Detect { sys_object_id, serves } = &profile.detect;
    let list =
        |oids: &[hedgerow_snmp::Oid]| oids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !sys_object_id.is_empty() {
        lines.push(format!("for devices whose sysObjectID begins with {}", list(sys_object_id)));
    }
    if !serves.is_empty() {
        lines.push(format!("for agents that have something below {}", list(serves)));
    }
    if profile.detect == Detect::default() {
        lines.push("only where a configuration names it".to_owned());
    }
    lines.push(String::new());
    let mut table = Table::new(&[
        ("PARAMETER", Align::Left),
        ("KIND", Align::Left),
        ("UNIT", Align::Left),
        ("OBJECT", Align::Left),
        ("DESCRIPTION", Align::Left),
    ]);
    let mut row = |object: &Object, item: &str| {
        table.row([
            format!("{}{item}", object.parameter),
            object.kind.as_str().to_owned(),
            object.unit.clone(),
            object.name.clone(),
            object.description.clone(),
        ]);
    };
    profile.scalars.iter().for_each(|object| row(object, ""));
    for of in &profile.tables {
        let mut labels: Vec<String> = of.item.first().map(template).into_iter().collect();
        labels.extend(of.labels.iter().map(|(key, value)| format!("{key}={}", template(value))));
        let item = if labels.is_empty() { String::new() } else { format!("[{}]", labels.join(",")) };
        of.columns.iter().for_each(|object| row(object, &item));
    }
    if !table.is_empty() {
        lines.extend(table.lines());
    }
    if !profile.traps.is_empty() {
        let mut table =
            Table::new(&[("TRAP", Align::Left), ("STATE", Align::Left), ("DESCRIPTION", Align::Left)]);
        for trap in &profile.traps {
            let state = trap.state.as_ref().map(|state| state.parameter.to_string()).unwrap_or_default();
            table.row([trap.name.clone(), state, trap.description.clone()]);
        }
        lines.push(String::new());
        lines.extend(table.lines());
    }
    lines
}

/// As it is written: `{ifName}`, without the braces where it is nothing else.
fn template(template: &Template) -> String {
    if let [Piece::Of(source)] = template.0.as_slice() {
        return source.0.clone();
    }
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Of(source) => format!("{{{}}}", source.0),
    };
    template.0.iter().map(piece).collect()
}
