//! Bins, a row a series, as tables and JSON want them.

use hedgerow_client::sample::BinSet;
use hedgerow_model::{SeriesDef, Value};
use std::sync::Arc;

/// Each series with its aggregates, in the order asked. A series that is not known is left out.
pub fn rows(bins: &BinSet) -> impl Iterator<Item = (Arc<SeriesDef>, Vec<(&'static str, Value)>)> + '_ {
    bins.series.iter().enumerate().filter_map(|(at, id)| {
        let value = |columns: &hedgerow_model::Columns| (at < columns.len()).then(|| columns.get(at));
        let aggregates = bins.columns.iter();
        let aggregates =
            aggregates.filter_map(|(aggregate, columns)| Some((aggregate.as_str(), value(columns)?)));
        Some((bins.table.get(*id)?, aggregates.collect()))
    })
}
