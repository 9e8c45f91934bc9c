//! `find`: which services there are, as all lookups together know them; which values they have; and each change.

mod doubts;
mod facets;
pub mod misnamed;
mod watch;

use crate::client::{ClientOptions, as_known, some_lookup_answered, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::events::plural;
use crate::output::table::{Align, Table};
use crate::output::{Out, amount, json, say};
use crate::question::wrong;
use hedgerow_client::directory::FIND_PATIENCE;
use hedgerow_client::directory::{Found, Service};
use hedgerow_model::Template;
use hedgerow_shown::services::{ServiceLine as Line, urls};
use std::borrow::Cow;

const AFTER: &str = "\
Examples:
  hedgerow find
  hedgerow find kind=farm 'name=cern-*'
  hedgerow find group=alice 'country!=CH' cores=64.. has:gpu
  hedgerow find kind=lookup --json
  hedgerow find --watch kind=farm                 who comes, changes and goes; Ctrl-C ends it
  hedgerow find --facets=group,country kind=farm  which groups and countries there are";

/// Find services: farms, lookups and whatever else is registered
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Terms that must all hold: kind=farm, group=alice, 'name=cern-*', 'country!=CH', cores=64.., has:gpu; a bare word
    /// is a name
    #[arg(value_name = "TEMPLATE")]
    template: Vec<String>,
    /// Then tell each change, as a line with its time
    #[arg(long)]
    watch: bool,
    /// Which values the services have, counted, instead of the services: of these keys (kind, group, version, api, or
    /// attributes), or of all
    #[arg(long, value_name = "KEY,KEY", num_args = 0.., require_equals = true, value_delimiter = ',', conflicts_with = "watch")]
    facets: Option<Vec<String>>,
    /// With --watch: notices about lookups as JSON objects with an `event` field, too; implies --json
    #[arg(long, requires = "watch", help_heading = "Client options")]
    events: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks all lookups.
///
/// # Errors
/// Where none answers.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let text = args.template.join(" ");
    let template = Template::parse(&text).map_err(|error| wrong("template", &text, &error))?;
    template.compile().map_err(|fault| CommandError::Misuse(format!("template: {fault}")))?;
    if let Some(text) = template.no_id() {
        let expected = "32 hex digits in lower case, or a pattern as in 'id=d458*'";
        return Err(CommandError::Misuse(format!("template: `{text}` is no id: expected {expected}")));
    }
    if let Some(url) =
        args.template.iter().find(|word| word.starts_with("http://") || word.starts_with("https://"))
    {
        let text =
            format!("template: `{url}` was taken for a name: to ask a lookup there, write --lookup {url}");
        return Err(CommandError::Misuse(text));
    }
    facets::check(args.facets.as_deref().unwrap_or_default())?;
    crate::runtime::client(async {
        let mesh = args.client.mesh(FIND_PATIENCE).await?;
        if args.watch {
            return watch::run(args, &mesh, &template).await;
        }
        match &args.facets {
            Some(keys) => {
                facets::run(args, &mesh, &template, keys).await.map(|outcome| as_known(&mesh, outcome))
            }
            None => {
                let found = mesh.directory().find(&template).await;
                let outcome = tell(args, &found)?;
                if found.services.is_empty() && !args.client.json {
                    let cut = split_value(&args.template.join(" "));
                    say(&format!("no service matches{cut}"));
                    misnamed::of(&mesh, &template).await.iter().for_each(|hint| say(hint));
                }
                Ok(as_known(&mesh, outcome))
            }
        }
    })
}

fn tell(args: &Args, found: &Found) -> Result<Outcome, CommandError> {
    some_lookup_answered(found)?;
    let mut out = Out::new();
    if args.client.json {
        for service in &found.services {
            out.line(json::line(&Line::of(service))?)?;
        }
    } else if !found.services.is_empty() {
        out.lines(table(found).lines())?;
    }
    out.flush()?;
    doubts::names(&found.services).for_each(|warning| say(&warning));
    found.services.iter().flat_map(doubts::of).for_each(|warning| say(&warning));
    // What another lookup knew, too, is not missing; whether there was more, nobody can say.
    if found.stale_since.is_none() {
        for (url, error) in &found.missing {
            say(&unanswered(url, error));
        }
    }
    if found.refused > 0 {
        let what = "were altered, of another mesh or under another key, and left out";
        say(&format!("{} {what}", plural(found.refused, "registration")));
    }
    Ok(if found.stale_since.is_some() { Outcome::InPart } else { Outcome::Done })
}

/// Behind a complaint: that a value was perhaps cut at a space.
fn split_value(template: &str) -> String {
    let words: Vec<&str> = template.split_whitespace().collect();
    let cut = |pair: &[&str]| match pair {
        [term, word] => {
            let (key, value) = term.split_once('=')?;
            let bare = |text: &str| !text.is_empty() && !text.contains(['=', ':', '"', '*', '!']);
            (bare(value) && bare(word)).then(|| {
                format!("; `{word}` was taken for a name: quote a value with a space, as in '{key}=\"{value} {word}\"'")
            })
        }
        _ => None,
    };
    words.windows(2).find_map(cut).unwrap_or_default()
}

fn table(found: &Found) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("ENDPOINT", Align::Left),
        ("GROUPS", Align::Left),
        ("VERSION", Align::Left),
        ("STATE", Align::Left),
        ("LEASE", Align::Right),
        ("LOOKUPS", Align::Right),
        ("ATTRIBUTES", Align::Left),
    ]);
    for service in &found.services {
        let said = &service.registration;
        let attributes: Vec<String> =
            said.attributes.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
        table.row([
            service.shown.to_string(),
            said.kind.clone(),
            urls(said).join(" "),
            said.groups.iter().map(|group| quoted(group)).collect::<Vec<_>>().join(" "),
            said.version.clone(),
            state(service),
            amount::age(i64::try_from(service.remaining.as_millis()).unwrap_or(i64::MAX)),
            service.lookups.len().to_string(),
            attributes.join(" "),
        ]);
    }
    table
}

/// As it is to be typed in a template, where white space would end it.
fn quoted(value: &str) -> Cow<'_, str> {
    if value.contains(char::is_whitespace) { format!("\"{value}\"").into() } else { value.into() }
}

/// The word of its state; and whether something else has its identity.
fn state(service: &Service) -> String {
    let word = service.state.as_str();
    if service.copy.is_some() { format!("{word}, copied") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::split_value;

    #[test]
    fn a_value_that_was_cut_at_a_space_is_pointed_out() {
        let hint = split_value("kind=farm city=New York");
        assert!(hint.contains("`York`") && hint.contains("'city=\"New York\"'"), "{hint}");
        for whole in
            ["", "cern-*", "kind=farm group=alice", "city=\"New York\"", "kind=farm has:gpu", "kind=farm c*"]
        {
            assert_eq!(split_value(whole), "", "{whole}");
        }
    }
}
