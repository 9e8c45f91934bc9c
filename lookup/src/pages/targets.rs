//! What Prometheus is to scrape: the registrations that match, in the form of its HTTP service discovery.
//!
//! Prometheus keeps its last list when the answer is an error, and drops every target that a good answer lacks. So what is
//! unconfirmed or suspect stays in, and a lookup that may lack services answers an error rather than a short list.

use crate::lookup::Inner;
use crate::service::{MAX_PAGE, MAX_PAGE_BYTES, matcher, wire};
use crate::watchers::Sight;
use hedgerow_model::registration::{Endpoint, Registration};
use hedgerow_model::template::{Matcher, Template};
use hedgerow_proto::lookup::LeaseState;
use hedgerow_service::http::exposition::label_names;
use hedgerow_service::http::{Answer, Query};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Without a template: everything that serves /metrics.
const DEFAULT_TEMPLATE: &str = "kind=farm,lookup";
/// A lookup that began with less than it had is not asked before: every service renews within a third of the term that it
/// asks for, 60 s mostly, and registers again where it is not known.
pub const SETTLING: Duration = Duration::from_secs(60);
/// Bytes of one answer; with more it is refused, and a template narrows it.
const MAX_BYTES: usize = 64 << 20;
const META: &str = "__meta_hedgerow_";

/// The answer to `/prometheus/sd`.
pub fn answer(lookup: &Inner, query: &Query) -> Answer {
    let template = match query.only("template") {
        Ok(given) => given.unwrap_or(DEFAULT_TEMPLATE),
        Err(error) => return Answer::Wrong(error.to_string()),
    };
    let parsed = Template::parse(template).map_err(|error| error.to_string());
    let matcher = match parsed.and_then(|parsed| matcher(&parsed)) {
        Ok(matcher) => matcher,
        Err(problem) => return Answer::Wrong(format!("template `{template}`: {problem}")),
    };
    if lookup.closing.is_cancelled() {
        return Answer::NotNow("this lookup is closing".to_owned());
    }
    if lookup.is_settling(&lookup.status()) {
        let seconds = SETTLING.as_secs();
        return Answer::NotNow(format!(
            "this lookup has just started with an empty directory: until services had {seconds} s to register again, what is \
             missing may be there"
        ));
    }
    list(lookup, &matcher).map_or_else(Answer::Wrong, Answer::Json)
}

fn list(lookup: &Inner, matcher: &Matcher) -> Result<String, String> {
    let mut text = "[".to_owned();
    let mut after = None;
    loop {
        let page = lookup.act(|directory, now| directory.find(now, matcher, after, MAX_PAGE, MAX_PAGE_BYTES));
        for group in page.sights.iter().filter_map(|sight| group(sight, lookup.epoch)) {
            text.push_str(if text.len() == 1 { "\n" } else { ",\n" });
            text.push_str(&group.to_string());
            if text.len() > MAX_BYTES {
                return Err(format!(
                    "more than {MAX_BYTES} bytes of targets: expected a template that narrows them"
                ));
            }
        }
        after = page.sights.last().map(|sight| sight.entry.registration.id);
        if !page.more || after.is_none() {
            text.push_str("\n]\n");
            return Ok(text);
        }
    }
}

/// The target group of a registration; `None`: it cannot be reached directly.
fn group(sight: &Sight, epoch: u64) -> Option<Value> {
    let service = &sight.entry.registration;
    let (scheme, target) = service.endpoints.iter().find_map(direct)?;
    let state = match wire::held(sight, epoch, Duration::ZERO).state() {
        LeaseState::Unspecified => "unknown",
        LeaseState::Live => "live",
        LeaseState::Unconfirmed => "unconfirmed",
        LeaseState::Suspect => "suspect",
    };
    let mut labels = labels(service);
    labels.insert(format!("{META}state"), state.into());
    labels.insert("__scheme__".to_owned(), scheme.into());
    Some(json!({ "targets": [target], "labels": labels }))
}

fn labels(service: &Registration) -> Map<String, Value> {
    // Commas on both sides, as Prometheus writes lists: `.*,alice,.*` matches wherever it stands.
    let groups = service.groups.join(",");
    let groups = if groups.is_empty() { groups } else { format!(",{groups},") };
    let own = [
        ("id", service.id.to_string()),
        ("kind", service.kind.clone()),
        ("name", service.name.clone()),
        ("mesh", service.mesh.name.clone()),
        ("groups", groups),
        ("version", service.version.clone()),
    ];
    let own = own.into_iter().map(|(key, text)| (key.to_owned(), text));
    let keys: Vec<&str> = service.attributes.keys().map(String::as_str).collect();
    let attributes = label_names(&keys).into_iter().zip(service.attributes.values());
    let attributes = attributes.map(|(key, text)| (format!("attribute_{key}"), text.clone()));
    own.chain(attributes).map(|(key, text)| (format!("{META}{key}"), text.into())).collect()
}

/// Scheme and `HOST:PORT` of an endpoint that needs no relay.
fn direct(endpoint: &Endpoint) -> Option<(&'static str, String)> {
    if endpoint.via_relay.is_some() {
        return None;
    }
    let url: http::Uri = endpoint.url.parse().ok()?;
    let (scheme, port) = match url.scheme_str()? {
        "http" => ("http", 80),
        "https" => ("https", 443),
        _ => return None,
    };
    Some((scheme, format!("{}:{}", url.host()?, url.port_u16().unwrap_or(port))))
}
