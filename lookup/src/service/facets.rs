//! The call Facets: what is asked, checked and bounded, and the answer.

use super::{MAX_PAGE_BYTES, compile};
use crate::index::{Facet, FacetKeys};
use crate::lookup::Inner;
use hedgerow_model::template::Field;
use hedgerow_proto::convert::registration::id_to_wire;
use hedgerow_proto::lookup::{FacetsRequest, FacetsResponse, facets_response};
use tonic::Status;

/// Most fields in one answer; more keys are refused, and where none are named, of the attributes those are given that
/// most registrations have.
pub const MAX_FACETS: usize = 64;
/// Most values of each; asked for more, so many are given.
pub const MAX_FACET_VALUES: usize = 1000;
const USUAL_VALUES: usize = 100;

/// Answers it.
pub fn answer(lookup: &Inner, request: &FacetsRequest) -> Result<FacetsResponse, Status> {
    let template = compile(request.template.clone())?;
    let keys = keys(&request.keys)?;
    let limit = match usize::try_from(request.limit) {
        Ok(0) => USUAL_VALUES,
        Ok(limit) => limit.min(MAX_FACET_VALUES),
        Err(_) => MAX_FACET_VALUES,
    };
    let (total, facets) = lookup.act(|directory, now| directory.facets(now, &template, keys, limit));
    // Together no more than a page: long texts leave room for fewer values.
    let room = MAX_PAGE_BYTES / facets.len().max(1);
    let mut facets: Vec<_> = facets.into_iter().map(|facet| to_wire(facet, room)).collect();
    facets.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(FacetsResponse { facets, total, lookup_id: id_to_wire(lookup.id) })
}

fn keys(asked: &[String]) -> Result<FacetKeys, Status> {
    if asked.len() > MAX_FACETS {
        return Err(Status::invalid_argument(format!("keys: {}, at most {MAX_FACETS}", asked.len())));
    }
    if asked.is_empty() {
        return Ok(FacetKeys::Every(MAX_FACETS));
    }
    let mut fields = Vec::new();
    for key in asked {
        let field = Field::named(key).map_err(|fault| Status::invalid_argument(format!("keys: {fault}")))?;
        if matches!(field, Field::Id | Field::Name) {
            let expected = "expected kind, group, version, api or an attribute: find lists names and ids";
            return Err(Status::invalid_argument(format!("keys: `{key}` is not counted; {expected}")));
        }
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Ok(FacetKeys::Named(fields))
}

fn to_wire(facet: Facet, room: usize) -> facets_response::Facet {
    let mut bytes = 0;
    let values = facet.values.into_iter().take_while(|count| {
        bytes += count.value.len();
        bytes <= room
    });
    let values = values
        .map(|count| facets_response::Count { value: count.value, registrations: count.registrations })
        .collect();
    facets_response::Facet {
        key: facet.field.key(),
        values,
        distinct: facet.distinct,
        registrations: facet.registrations,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{Author, mesh};
    use crate::{Lookup, LookupOptions};
    use hedgerow_model::registration::Id;
    use hedgerow_proto::convert::template;
    use hedgerow_proto::lookup::lookup_server::Lookup as _;
    use hedgerow_proto::lookup::{RegisterRequest, lookup_server};
    use tonic::Request;

    async fn facets(
        lookup: &Lookup,
        template: &str,
        keys: &[&str],
        limit: u32,
    ) -> Result<FacetsResponse, String> {
        let template = Some(template::to_wire(&template.parse().unwrap()));
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let request = FacetsRequest { template, keys, limit };
        let service = crate::LookupService(std::sync::Arc::clone(&lookup.0));
        let answer = service.facets(Request::new(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned())
    }

    fn short(answer: &FacetsResponse) -> Vec<String> {
        let one = |facet: &facets_response::Facet| {
            let values = facet.values.iter().map(|count| format!(" {}:{}", count.value, count.registrations));
            let values: String = values.collect();
            format!("{} {}/{}{values}", facet.key, facet.registrations, facet.distinct)
        };
        answer.facets.iter().map(one).collect()
    }

    #[tokio::test]
    async fn values_are_counted_over_what_matches_the_most_frequent_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = LookupOptions::new(folder.path().to_owned(), Id([0x77; 16]));
        options.mesh = Some(mesh());
        let lookup = Lookup::open(options).unwrap();
        let service = crate::LookupService(std::sync::Arc::clone(&lookup.0));
        for n in 1..=5 {
            let mut author = Author::new(n);
            author.registration.attributes.insert("cores".into(), (n / 2).to_string());
            if n == 5 {
                author.registration.attributes.insert("kind".into(), "x".repeat(1000));
                author.registration.groups.push("cms".into());
            }
            let request = RegisterRequest { registration: Some(author.signed(1, 0)), asked_ms: 60_000 };
            lookup_server::Lookup::register(&service, Request::new(request)).await.unwrap();
        }
        let all = facets(&lookup, "", &[], 0).await.unwrap();
        assert_eq!(all.total, 5);
        let long = "x".repeat(1000);
        let expected = [
            "api 5/1 hedgerow.farm.v1:5",
            &format!("attr.kind 1/1 {long}:1"),
            "cores 5/3 1:2 2:2 0:1",
            "country 5/1 CH:5",
            "group 5/2 alice:5 cms:1",
            "kind 5/1 farm:5",
            "version 5/1 0.1.0:5",
        ];
        assert_eq!(short(&all), expected);
        let few = facets(&lookup, "cores=1..", &["group", "cores", "none", "attr.cores"], 1).await.unwrap();
        assert_eq!(
            (few.total, short(&few)),
            (4, vec!["cores 4/2 1:2".into(), "group 4/2 alice:4".into(), "none 0/0".into()])
        );
        let refused = async |keys: &[&str]| facets(&lookup, "", keys, 0).await.unwrap_err();
        assert!(refused(&["name"]).await.contains("`name` is not counted; expected kind, group"));
        assert!(refused(&["a b"]).await.contains("key `a b`: expected 1 to 64 of"));
        assert_eq!(refused(&["x"; 65]).await, "keys: 65, at most 64");
    }
}
