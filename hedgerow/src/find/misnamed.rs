//! Behind "no service matches": which term asks for what nobody has, mostly a slip. It never changes what is found.

use crate::near;
use hedgerow_client::directory::Facet;
use hedgerow_client::mesh::Mesh;
use hedgerow_model::template::{Field, Operation, Term};
use hedgerow_model::{Glob, Template};

/// Values of a key that are known here; where a key has more, nothing is said of a value.
const VALUES: u32 = 50;
/// Most keys that a lookup counts at a time; of more terms nothing is said.
const MAX_KEYS: usize = 64;

/// What no service has, of that for which the terms ask; nothing where no lookup counted.
pub async fn of(mesh: &Mesh, template: &Template) -> Vec<String> {
    let asked: Vec<&Term> = template.terms.iter().filter(|term| is_wanted(term)).take(MAX_KEYS).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let keys: Vec<String> = asked.iter().map(|term| term.key.clone()).collect();
    let facets = mesh.directory().facets(&Template::default(), &keys, VALUES).await;
    if facets.counted_by.is_none() {
        return Vec::new();
    }
    asked.iter().filter_map(|term| hint(term, &facets.facets)).collect()
}

/// Whether it asks for something that can be counted.
fn is_wanted(term: &Term) -> bool {
    let wanted = matches!(term.operation, Operation::Is(_) | Operation::Range(..) | Operation::Present);
    wanted && !matches!(Field::named(&term.key), Err(_) | Ok(Field::Id | Field::Name))
}

fn hint(term: &Term, facets: &[Facet]) -> Option<String> {
    let key = &term.key;
    let facet = facets.iter().find(|facet| Field::named(&facet.key) == Field::named(key));
    let Some(facet) = facet.filter(|facet| facet.distinct > 0) else {
        return Some(format!("no service has `{key}`; `hedgerow find --facets` tells what there is"));
    };
    let Operation::Is(values) = &term.operation else { return None };
    let known: Vec<&str> = facet.values.iter().map(|(value, _)| value.as_str()).collect();
    let matches =
        |value: &String| Glob::new(value).is_ok_and(|glob| known.iter().any(|known| glob.matches(known)));
    let is_whole = facet.distinct == known.len() as u64;
    let first = values.first().filter(|_| is_whole && !values.iter().any(matches))?;
    Some(format!("no service has {key}={first}{}", near::said(first, &known)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn facet(key: &str, values: &[&str], distinct: u64) -> Facet {
        let values = values.iter().map(|value| ((*value).to_owned(), 1)).collect();
        Facet { key: key.to_owned(), values, distinct, registrations: 2 }
    }

    #[test]
    fn a_slip_is_said_with_what_there_is_and_what_merely_finds_nothing_is_not() {
        let facets =
            [facet("kind", &["farm", "lookup"], 2), facet("country", &["CH"], 900), facet("grup", &[], 0)];
        let said = |text: &str| {
            let template = Template::parse(text).unwrap();
            let hints =
                template.terms.iter().filter(|term| is_wanted(term)).filter_map(|term| hint(term, &facets));
            hints.collect::<Vec<_>>().join("|")
        };
        assert_eq!(said("kind=farn"), "no service has kind=farn; did you mean farm?");
        assert_eq!(said("kind=printer"), "no service has kind=printer: expected one of farm, lookup");
        assert_eq!(said("has:grup"), "no service has `grup`; `hedgerow find --facets` tells what there is");
        assert!(said("cores=64.. grup=alice").contains("`cores`") && said("grup=alice").contains("`grup`"));
        for usual in
            ["kind=farm", "kind=f*", "kind=x,farm", "kind!=farn", "country=US", "!has:grup", "cern", "id=00*"]
        {
            assert_eq!(said(usual), "", "{usual}");
        }
    }
}
