//! Which values the services have, counted by the lookups. Counts of several lookups cannot be added, as most services are
//! with all of them: the answer is that of the lookup that counted most, and those that counted otherwise are named.

use super::{Directory, FIND_PATIENCE};
use crate::channel::in_time;
use crate::error::ClientError;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hedgerow_model::Template;
use hedgerow_model::registration::Id;
use hedgerow_proto::convert;
use hedgerow_proto::lookup::{FacetsRequest, FacetsResponse};

/// Which values the services that match have.
#[derive(Debug, Clone, Default)]
pub struct Facets {
    /// The lookup that counted; `None`: none answered.
    pub counted_by: Option<(String, Option<Id>)>,
    /// How many services match there.
    pub total: u64,
    /// Ordered by key.
    pub facets: Vec<Facet>,
    /// Lookups that counted otherwise, with how many services match there.
    pub others: Vec<(String, u64)>,
    /// Lookups that did not answer, and why.
    pub missing: Vec<(String, ClientError)>,
}

/// The values of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// `kind`, `group`, `version`, `api`, or an attribute.
    pub key: String,
    /// With how many services each; the most frequent first.
    pub values: Vec<(String, u64)>,
    /// How many values there are in all.
    pub distinct: u64,
    /// How many services have any.
    pub registrations: u64,
}

const TRIED: &str = "count the values of services";

pub(super) async fn facets(
    directory: &Directory,
    template: &Template,
    keys: &[String],
    limit: u32,
) -> Facets {
    let template = convert::template::to_wire(template);
    let request = FacetsRequest { template: Some(template), keys: keys.to_vec(), limit };
    let strangers = directory.strangers().await;
    let _ = tokio::time::timeout(FIND_PATIENCE, directory.found_all()).await;
    let (connections, _) = directory.connections();
    let asking = connections.into_iter().map(|lookup| {
        let request = request.clone();
        async move {
            let mut client = lookup.lookup();
            let answer = in_time(TRIED, lookup.url(), FIND_PATIENCE, client.facets(request)).await;
            (lookup.url().to_owned(), answer)
        }
    });
    let mut asking: FuturesUnordered<_> = asking.collect();
    let (mut answers, mut missing) = (Vec::new(), strangers);
    while let Some((url, answer)) = asking.next().await {
        match answer {
            Ok(answer) => answers.push((url, answer.into_inner())),
            Err(error) => missing.push((url, error)),
        }
    }
    Facets { missing, ..counted_most(answers) }
}

fn counted_most(mut answers: Vec<(String, FacetsResponse)>) -> Facets {
    // Of equals the first by address, so that the same lookup answers each time.
    answers.sort_by(|(a_url, a), (b_url, b)| (b.total, a_url).cmp(&(a.total, b_url)));
    let mut answers = answers.into_iter();
    let Some((url, most)) = answers.next() else { return Facets::default() };
    let total = most.total;
    let facets = most.facets.into_iter().map(|facet| Facet {
        key: facet.key,
        values: facet.values.into_iter().map(|count| (count.value, count.registrations)).collect(),
        distinct: facet.distinct,
        registrations: facet.registrations,
    });
    Facets {
        counted_by: Some((url, Id::from_slice(&most.lookup_id))),
        total,
        facets: facets.collect(),
        others: answers.map(|(url, other)| (url, other.total)).filter(|(_, other)| *other != total).collect(),
        missing: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_lookup_that_counted_most_answers_and_those_that_differ_are_named() {
        let answer = |url: &str, total| {
            (url.to_owned(), FacetsResponse { total, lookup_id: vec![1; 16].into(), ..Default::default() })
        };
        let facets = counted_most(vec![answer("c", 3), answer("b", 5), answer("a", 5), answer("d", 4)]);
        assert_eq!(facets.counted_by.unwrap(), ("a".to_owned(), Some(Id([1; 16]))));
        assert_eq!(facets.others, [("d".to_owned(), 4), ("c".to_owned(), 3)]);
        assert_eq!(counted_most(vec![]).counted_by, None);
    }
}
