//! `filter deploy`: a filter, signed by this user, to all lookups that answer; then what the farms make of it.

use super::component::Component;
use super::local::{self, Taken};
use super::owner;
use super::parameters::{Given, ParameterArgs};
use super::shown::{self, Line};
use crate::client::{ClientOptions, unanswered};
use crate::find::misnamed;
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::{Zone, now};
use crate::output::safe::in_a_line;
use crate::output::{Out, json, say};
use hedgerow_client::documents::Published;
use hedgerow_client::filters::{AtFarm, Deploy, Deployed, DeployedAt};
use hedgerow_client::mesh::{FARM_PATIENCE, Mesh};
use hedgerow_farm_monitor::config::RESERVED_CLUSTER;
use hedgerow_model::deployment::{Capability, Deployment};
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{Template, UnixMillis, duration, moment, name};
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two looks at the farms.
const LOOK: Duration = Duration::from_millis(200);

const AFTER: &str = "\
What is deployed stands at the lookups: farms that are away now, or come later,
take it then. Deployed again under the same name, it replaces what was there.
Before it is signed it is taken here, as a farm takes it: what is wrong with it,
its parameters or its grants is said at once.

Examples:
  hedgerow filter deploy threshold-alarm --as disk-full --set above=0.9 \\
      --on '*/hosts/*/disk_used' --to 'group=alice' --grant alarms
  hedgerow filter deploy ./mine.wasm --until 7d";

/// Deploy a filter: to all farms, those that are away included, or to those of a template
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A filter that is shipped, by its name, or a file of yours, as ./mine.wasm
    #[arg(value_name = "NAME|FILE.wasm")]
    what: String,
    /// The name of the deployment, and the cluster of what it emits [default: that of the filter]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// Which farms, as in `find`: 'group=alice cores=64..' [default: all]
    #[arg(long, value_name = "TEMPLATE")]
    to: Vec<String>,
    /// Remove it then: 7d (from now), 2026-12-24, "2026-12-24 14:00", RFC 3339
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// What it may do beside: alarms, history, action:NAME; may be given several times
    #[arg(long, value_name = "WHAT")]
    grant: Vec<String>,
    /// Begin from nothing, instead of from the state of what it replaces
    #[arg(long)]
    fresh: bool,
    /// Leave it to the farms to say what is wrong with it
    #[arg(long)]
    no_check: bool,
    /// A description, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// How long to wait until the farms that answer have taken it
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = crate::client::duration)]
    wait: Duration,
    #[command(flatten)]
    client: ClientOptions,
}

/// Deploys.
///
/// # Errors
/// Why no lookup took it.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let component = Component::read(&args.what)?;
    let (deploy, predicates) = deploy(args, &component)?;
    own_output(&deploy.name, &predicates).iter().for_each(|hint| say(hint));
    crate::runtime::client(async {
        let mesh = args.client.mesh_to_change(FARM_PATIENCE).await?;
        let author = mesh.author(owner::identity()?);
        let published = mesh.deploy(&author, &deploy).await?;
        if !args.client.json {
            tell(&published, &deploy, &args.client.zone())?;
        }
        for (url, error) in published.missing() {
            say(&format!("{}; it is carried there later", unanswered(url, error)));
        }
        let serial = published.document.document.serial;
        let deployed = taken(
            &mesh,
            &deploy.name,
            |at| at.document.key() == published.document.key() && at.document.document.serial >= serial,
            args.wait,
        )
        .await;
        let Some(ours) = deployed.deployments.iter().find(|at| at.document.key() == published.document.key())
        else {
            return Err(CommandError::Failed(format!(
                "`{}` was taken back, or replaced, by somebody else",
                deploy.name
            )));
        };
        let mut out = Out::new();
        if args.client.json {
            out.line(json::line(&Line::of(ours))?)?;
        } else if !ours.farms.is_empty() {
            out.lines(shown::farms(&ours.farms).lines())?;
        }
        out.flush()?;
        let outcome = say_who_lacks(ours);
        if ours.farms.is_empty() {
            misnamed::of(&mesh, &deploy.deployment.farms).await.iter().for_each(|hint| say(hint));
        }
        Ok(outcome)
    })
}

/// What is to be deployed, and the patterns that it reads, where they are known.
fn deploy(args: &Args, component: &Component) -> Result<(Deploy, Vec<String>), CommandError> {
    let (grants, actions) = grants(&args.grant)?;
    let given = args.parameters.given()?;
    let (component_name, component_version, parameters, predicates) = if args.no_check {
        (component.name.clone(), String::new(), given.object(), Vec::new())
    } else {
        let Taken { description, parameters, .. } = checked(component, given, &grants)?;
        (description.name, description.version, parameters, description.predicates)
    };
    let deployed_as = args.name.clone().unwrap_or_else(|| component_name.clone());
    name::check(&deployed_as).map_err(|error| CommandError::Misuse(format!("--as: {error}")))?;
    if deployed_as == RESERVED_CLUSTER {
        return Err(CommandError::Misuse(format!(
            "--as {deployed_as}: that is the cluster of what a farm says of itself, and no farm takes a filter under it: \
             expected another name"
        )));
    }
    let to = args.to.join(" ");
    let farms = Template::parse(&to).map_err(|error| crate::question::wrong("--to", &to, &error))?;
    farms.compile().map_err(|fault| CommandError::Misuse(format!("--to: {fault}")))?;
    let now = now();
    let ends_ms = args.until.as_deref().map(|text| until(text, now, &args.client.zone())).transpose()?;
    let deployment = Deployment {
        farms,
        component_name,
        component_version,
        parameters,
        grants,
        actions,
        fresh: args.fresh,
        description: args.description.clone(),
    };
    deployment.check().map_err(|error| CommandError::Misuse(error.to_string()))?;
    let component = component.bytes.clone().into();
    Ok((Deploy { name: deployed_as, component, deployment, signed_ms: now, ends_ms }, predicates))
}

/// It, if it takes the parameters and is granted what it asks for.
fn checked(
    component: &Component,
    given: Given,
    grants: &BTreeSet<Capability>,
) -> Result<Taken, CommandError> {
    let taken = local::taken(component, given).map_err(|error| {
        let hint = if error.is_of_this_machine() { "; --no-check leaves that to the farms" } else { "" };
        CommandError::Failed(format!("{}{hint}", in_a_line(&error.to_string())))
    })?;
    let description = &taken.description;
    let lacking = description.capabilities.iter().filter(|wanted| !grants.contains(wanted));
    let lacking: Vec<&str> = lacking
        .map(|wanted| match wanted {
            Capability::Alarms => "--grant alarms",
            Capability::Actions => "--grant action:NAME",
            Capability::History => "--grant history",
        })
        .collect();
    if lacking.is_empty() {
        return Ok(taken);
    }
    let lacking = lacking.join(" ");
    Err(CommandError::Misuse(format!("{} asks for more than it is granted: add {lacking}", description.name)))
}

/// Says which patterns name the cluster of what it emits itself: of that it is never given anything.
fn own_output(name: &str, predicates: &[String]) -> Vec<String> {
    let names_own = |text: &&String| {
        PathPattern::parse(text).is_ok_and(|pattern| pattern.cluster.literal() == Some(name))
    };
    let hint = |text: &String| {
        format!(
            "{text} names the cluster `{name}`, which is that of its own output: it is never given what it emits itself; \
             with another name (--as) it reads what others write there"
        )
    };
    predicates.iter().filter(names_own).map(hint).collect()
}

/// What it is granted, and the actions among that.
fn grants(words: &[String]) -> Result<(BTreeSet<Capability>, BTreeSet<String>), CommandError> {
    let (mut grants, mut actions) = (BTreeSet::new(), BTreeSet::new());
    for word in words {
        let wrong =
            || CommandError::Misuse(format!("--grant {word}: expected alarms, history or action:NAME"));
        if let Some(action) = word.strip_prefix("action:") {
            name::check(action).map_err(|_| wrong())?;
            actions.insert(action.to_owned());
            grants.insert(Capability::Actions);
        } else {
            let plain = Capability::parse(word).filter(|capability| *capability != Capability::Actions);
            grants.insert(plain.ok_or_else(wrong)?);
        }
    }
    Ok((grants, actions))
}

/// A duration from now, or a moment.
pub fn until(text: &str, now: UnixMillis, zone: &Zone) -> Result<UnixMillis, CommandError> {
    let wrong = |problem: &str| {
        CommandError::Misuse(format!(
            "--until {text}: {problem}: expected 7d, 2026-12-24, \"2026-12-24 14:00\" or RFC 3339"
        ))
    };
    let at = if let Ok(from_now) = duration::parse(text) {
        now.checked_add(i64::try_from(from_now.as_millis()).unwrap_or(i64::MAX))
    } else {
        match moment::parse(text).ok_or_else(|| wrong("no such time"))? {
            moment::Moment::At(at) => Some(at),
            moment::Moment::Local(local) => zone.resolve(&local),
        }
    };
    let at = at.ok_or_else(|| wrong("there is no such time"))?;
    if at <= now { Err(wrong("it is over")) } else { Ok(at) }
}

/// Says what was done.
fn tell(published: &Published, deploy: &Deploy, zone: &Zone) -> Result<(), CommandError> {
    let Deployment { component_name, component_version, farms, grants, actions, .. } = &deploy.deployment;
    let document = &published.document.document;
    let at = published.at.iter().filter(|(_, taken)| taken.is_ok()).count();
    let mut out = Out::new();
    out.text(&format!(
        "{} is deployed as {}, serial {}, to {}; {at} of {} lookups have it",
        format!("{component_name} {component_version}").trim_end(),
        document.name,
        document.serial,
        shown::to(farms),
        published.at.len()
    ))?;
    let mut more = vec![format!("owner {}", published.document.owner)];
    let granted =
        grants.iter().filter(|grant| **grant != Capability::Actions).map(|grant| grant.as_str().to_owned());
    let granted: Vec<String> =
        granted.chain(actions.iter().map(|action| format!("action:{action}"))).collect();
    more.extend((!granted.is_empty()).then(|| format!("granted {}", granted.join(", "))));
    more.extend(document.ends_ms.map(|end| format!("until {}", zone.print(end))));
    out.text(&format!("  {}", more.join("; ")))?;
    out.flush()?;
    Ok(())
}

/// Asks the farms until none of those that answer has still to take it, or for as long as `wait`.
async fn taken(mesh: &Mesh, name: &str, ours: impl Fn(&DeployedAt) -> bool, wait: Duration) -> Deployed {
    let names = [name.to_owned()];
    let end = tokio::time::Instant::now() + wait;
    loop {
        let deployed = mesh.deployed(&names, now()).await;
        let on_its_way = deployed
            .deployments
            .iter()
            .find(|deployed| ours(deployed))
            .is_none_or(|deployed| deployed.farms.iter().any(AtFarm::is_on_its_way));
        if !on_its_way || tokio::time::Instant::now() >= end {
            return deployed;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Names the farms that have not taken it.
fn say_who_lacks(deployed: &DeployedAt) -> Outcome {
    let lacking: Vec<&AtFarm> = deployed.farms.iter().filter(|at| !at.has_taken()).collect();
    if deployed.farms.is_empty() {
        say("no farm matches now; those that come take it then");
    }
    if lacking.is_empty() {
        return Outcome::Done;
    }
    let names: Vec<String> = lacking.iter().map(|at| format!("{} ({})", at.farm, shown::state(at))).collect();
    say(&format!(
        "{} of {} farms have not taken it: {}",
        lacking.len(),
        deployed.farms.len(),
        names.join(", ")
    ));
    Outcome::InPart
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_end_is_a_time_to_come() {
        let zone = Zone::new(true);
        let until = |text: &str| until(text, 1_000_000, &zone).map_err(|error| error.to_string());
        assert_eq!(until("7d"), Ok(1_000_000 + 7 * 86_400_000));
        assert_eq!(until("1970-01-02"), Ok(86_400_000));
        assert_eq!(until("1970-01-01T01:00:00+00:30"), Ok(1_800_000));
        assert!(until("1970-01-01").unwrap_err().contains("it is over"));
        assert!(until("christmas").unwrap_err().contains("expected 7d"));
    }

    #[test]
    fn a_pattern_of_its_own_output_is_told() {
        let patterns = ["*/load/*/x", "*/*/*/x", "oak/{load,b}/*", "*/loads/*"].map(str::to_owned);
        let hints = own_output("load", &patterns);
        assert!(hints.len() == 1 && hints[0].starts_with("*/load/*/x names the cluster `load`"), "{hints:?}");
    }

    #[test]
    fn grants_are_named_and_actions_one_by_one() {
        let grants = |words: &[&str]| {
            grants(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
                .map_err(|e| e.to_string())
        };
        let (all, actions) = grants(&["alarms", "action:restart", "history"]).unwrap();
        assert_eq!((all.len(), actions.len()), (3, 1));
        for wrong in ["actions", "action:", "files"] {
            assert!(
                grants(&[wrong]).unwrap_err().contains("expected alarms, history or action:NAME"),
                "{wrong}"
            );
        }
    }
}
