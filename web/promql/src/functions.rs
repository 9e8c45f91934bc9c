//! The functions: what they take and give, and of the simple ones what they do. This table is also the reference.

mod calendar;
mod window;

use crate::series::Window;
use crate::syntax::Type::{self, Matrix, Scalar, Text, Vector};

/// A function of PromQL.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: &'static [Type],
    /// How many of these, the last ones, may be left out.
    pub(crate) optional: usize,
    /// The last one may come any number of times, or not at all.
    pub(crate) repeats: bool,
    pub(crate) returns: Type,
    pub(crate) does: Does,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What a function does.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// One number of what a range shows.
    Window(fn(&Window<'_>) -> Option<f64>),
    /// The same, with a number given first or last, and the time of evaluation.
    WindowWith(fn(&Window<'_>, f64, i64) -> Option<f64>),
    /// The newest of what a range shows; the only one that keeps the name.
    Last,
    /// Another number of each.
    Each(fn(f64) -> f64),
    /// A part of the date that the number, Unix seconds, is in UTC.
    Calendar(fn(i64) -> f64),
    Absent,
    AbsentOverTime,
    Clamp,
    ClampMin,
    ClampMax,
    HistogramQuantile,
    LabelJoin,
    LabelReplace,
    Pi,
    Round,
    Scalar,
    /// By value; `true`: the largest first.
    Sort(bool),
    Time,
    Timestamp,
    Vector,
}

const fn function(name: &'static str, takes: &'static [Type], returns: Type, does: Does) -> Function {
    Function { name, takes, optional: 0, repeats: false, returns, does }
}

const fn window(name: &'static str, of: fn(&Window<'_>) -> Option<f64>) -> Function {
    function(name, &[Matrix], Vector, Does::Window(of))
}

const fn each(name: &'static str, of: fn(f64) -> f64) -> Function {
    function(name, &[Vector], Vector, Does::Each(of))
}

const fn calendar(name: &'static str, of: fn(i64) -> f64) -> Function {
    Function { optional: 1, ..function(name, &[Vector], Vector, Does::Calendar(of)) }
}

fn sign(value: f64) -> f64 {
    if value == 0.0 || value.is_nan() { value } else { value.signum() }
}

/// All that are known here, by name.
pub(crate) static ALL: &[Function] = &[
    each("abs", f64::abs),
    function("absent", &[Vector], Vector, Does::Absent),
    function("absent_over_time", &[Matrix], Vector, Does::AbsentOverTime),
    each("acos", f64::acos),
    each("acosh", f64::acosh),
    each("asin", f64::asin),
    each("asinh", f64::asinh),
    each("atan", f64::atan),
    each("atanh", f64::atanh),
    window("avg_over_time", window::mean),
    each("ceil", f64::ceil),
    window("changes", window::changes),
    function("clamp", &[Vector, Scalar, Scalar], Vector, Does::Clamp),
    function("clamp_max", &[Vector, Scalar], Vector, Does::ClampMax),
    function("clamp_min", &[Vector, Scalar], Vector, Does::ClampMin),
    each("cos", f64::cos),
    each("cosh", f64::cosh),
    window("count_over_time", window::count),
    calendar("day_of_month", calendar::day_of_month),
    calendar("day_of_week", calendar::day_of_week),
    calendar("day_of_year", calendar::day_of_year),
    calendar("days_in_month", calendar::days_in_month),
    each("deg", f64::to_degrees),
    window("delta", window::delta),
    window("deriv", window::deriv),
    each("exp", f64::exp),
    each("floor", f64::floor),
    function("histogram_quantile", &[Scalar, Vector], Vector, Does::HistogramQuantile),
    calendar("hour", calendar::hour),
    window("idelta", window::idelta),
    window("increase", window::increase),
    window("irate", window::irate),
    Function {
        repeats: true,
        ..function("label_join", &[Vector, Text, Text, Text], Vector, Does::LabelJoin)
    },
    function("label_replace", &[Vector, Text, Text, Text, Text], Vector, Does::LabelReplace),
    function("last_over_time", &[Matrix], Vector, Does::Last),
    each("ln", f64::ln),
    each("log10", f64::log10),
    each("log2", f64::log2),
    window("max_over_time", window::max),
    window("min_over_time", window::min),
    calendar("minute", calendar::minute),
    calendar("month", calendar::month),
    function("pi", &[], Scalar, Does::Pi),
    function("predict_linear", &[Matrix, Scalar], Vector, Does::WindowWith(window::predict_linear)),
    window("present_over_time", window::present),
    function("quantile_over_time", &[Scalar, Matrix], Vector, Does::WindowWith(window::quantile)),
    each("rad", f64::to_radians),
    window("rate", window::rate),
    window("resets", window::resets),
    Function { optional: 1, ..function("round", &[Vector, Scalar], Vector, Does::Round) },
    function("scalar", &[Vector], Scalar, Does::Scalar),
    each("sgn", sign),
    each("sin", f64::sin),
    each("sinh", f64::sinh),
    function("sort", &[Vector], Vector, Does::Sort(false)),
    function("sort_desc", &[Vector], Vector, Does::Sort(true)),
    each("sqrt", f64::sqrt),
    window("stddev_over_time", window::deviation),
    window("stdvar_over_time", window::variance),
    window("sum_over_time", window::sum),
    each("tan", f64::tan),
    each("tanh", f64::tanh),
    function("time", &[], Scalar, Does::Time),
    function("timestamp", &[Vector], Vector, Does::Timestamp),
    function("vector", &[Scalar], Vector, Does::Vector),
    calendar("year", calendar::year),
];

const NO_NATIVE: &str = "there are no native histograms here; of `_bucket` series take `histogram_quantile`";
const NO_TYPED_SORT: &str = "take `sort`, or sort where the answer is shown";
const BY_TOPK: &str = "take `topk` or `bottomk`";

/// What Prometheus knows and this server does not, and what to take instead.
pub(crate) static UNSUPPORTED: &[(&str, &str)] = &[
    ("double_exponential_smoothing", "take `avg_over_time`, `deriv` or `predict_linear`"),
    ("first_over_time", "take `offset`, as in `last_over_time(x[5m] offset 1h)`"),
    ("histogram_avg", NO_NATIVE),
    ("histogram_count", NO_NATIVE),
    ("histogram_fraction", NO_NATIVE),
    ("histogram_quantiles", "take `histogram_quantile` once for each"),
    ("histogram_stddev", NO_NATIVE),
    ("histogram_stdvar", NO_NATIVE),
    ("histogram_sum", NO_NATIVE),
    ("holt_winters", "take `avg_over_time`, `deriv` or `predict_linear`"),
    ("info", "join by `* on (…) group_left (…)`"),
    ("limit_ratio", BY_TOPK),
    ("limitk", BY_TOPK),
    ("mad_over_time", "take `stddev_over_time` or `quantile_over_time`"),
    ("sort_by_label", NO_TYPED_SORT),
    ("sort_by_label_desc", NO_TYPED_SORT),
    ("ts_of_first_over_time", "take a subquery of `timestamp`, as in `min_over_time(timestamp(x)[1h:1m])`"),
    ("ts_of_last_over_time", "take a subquery of `timestamp`, as in `max_over_time(timestamp(x)[1h:1m])`"),
    ("ts_of_max_over_time", "look at the chart of `x` and `max_over_time`"),
    ("ts_of_min_over_time", "look at the chart of `x` and `min_over_time`"),
];

/// The function of this name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    ALL.binary_search_by(|function| function.name.cmp(name)).ok().map(|at| &ALL[at])
}

/// What to take instead of a function, or an aggregation, that Prometheus knows.
pub(crate) fn instead(name: &str) -> Option<&'static str> {
    UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == name).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_nothing_twice() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(UNSUPPORTED.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(UNSUPPORTED.iter().all(|(name, _)| find(name).is_none()));
        assert!(ALL.iter().all(|function| std::ptr::eq(find(function.name).expect("itself"), function)));
    }
}
