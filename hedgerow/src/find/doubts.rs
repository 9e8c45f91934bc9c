//! What people should know of the names and identities that they are shown: that several have one.

use super::urls;
use crate::output::safe::clean;
use hedgerow_client::directory::Service;
use hedgerow_model::registration::{Id, Registration};

/// Which names several services have.
pub fn names(services: &[Service]) -> impl Iterator<Item = String> {
    let twins = services.iter().filter(|service| *service.shown != *service.registration.name);
    let mut names: Vec<_> = twins.map(|service| clean(&service.registration.name)).collect();
    names.dedup();
    names.into_iter().map(|name| {
        format!("warning: several services are called {name}: shown as {name}~ and the start of their ids")
    })
}

/// What people should know of the identity of a service, if anything.
pub fn of(service: &Service) -> impl Iterator<Item = String> {
    dispute(service).into_iter().chain(copied(service))
}

/// That another process runs with its identity, and where both are.
fn copied(service: &Service) -> Option<String> {
    let place = |urls: Vec<&str>| match urls[..] {
        [] => "an address that it does not tell".to_owned(),
        _ => clean(&urls.join(" and ")).into_owned(),
    };
    let other = service.copy.as_ref()?.iter().map(String::as_str).collect();
    Some(format!(
        "warning: two processes run with the identity of {} ({}): shown is the one at {}; the other is at {}: stop one of them",
        clean(&service.shown),
        service.registration.id,
        place(urls(&service.registration)),
        place(other)
    ))
}

/// That lookups hold two services under one id, and who they are.
fn dispute(service: &Service) -> Option<String> {
    let rival = service.rivals.first()?;
    let who = |said: &Registration, lookups: &[Id]| {
        let lookups: Vec<String> = lookups.iter().map(|id| id.short().to_string()).collect();
        format!("at {} (held by lookup {})", clean(&urls(said).join(" ")), lookups.join(" and "))
    };
    Some(format!(
        "warning: lookups disagree about the key of {}: shown is the one {}; another, which is a forgery if that is not, is {}",
        clean(&service.shown),
        who(&service.registration, &service.lookups),
        who(&rival.registration, &rival.lookups)
    ))
}
