//! A query as a tree, checked: what stands where it may, of the types it may.

use crate::functions::Function;
use crate::matcher::Matcher;

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Number(f64),
    Text(String),
    /// The newest value of each series.
    Instant(Selector),
    /// The values of each series in a range of time, in milliseconds.
    Range(Selector, i64),
    Subquery(Box<Subquery>),
    Minus(Box<Expr>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(&'static Function, Vec<Expr>),
}

/// Which series, and as seen from when.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    /// Its number within the query.
    pub(crate) id: usize,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) when: When,
}

/// From when something is seen: at a fixed time instead of that of the evaluation, and so many milliseconds before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct When {
    pub(crate) at: Option<At>,
    pub(crate) offset: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Start,
    End,
    Time(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Subquery {
    pub(crate) expr: Expr,
    pub(crate) range: i64,
    pub(crate) step: i64,
    pub(crate) when: When,
}

#[derive(Debug, Clone)]
pub(crate) struct Binary {
    pub(crate) op: Op,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
    /// 0 or 1 instead of leaving out.
    pub(crate) as_bool: bool,
    pub(crate) matching: Matching,
}

/// Which series of both sides belong together.
#[derive(Debug, Clone)]
pub(crate) struct Matching {
    pub(crate) keys: Keys,
    pub(crate) group: Option<Group>,
}

/// On one side there may be many; these labels are taken from the other.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) many: Side,
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The labels that count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Keys {
    Only(Vec<String>),
    AllBut(Vec<String>),
}

#[derive(Debug, Clone)]
pub(crate) struct Aggregate {
    pub(crate) op: Aggregator,
    pub(crate) param: Option<Expr>,
    pub(crate) expr: Expr,
    pub(crate) by: Keys,
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    And,
    Or,
    Unless,
}

impl Op {
    pub(crate) const ALL: [(&'static str, Self); 16] = [
        ("+", Self::Add),
        ("-", Self::Sub),
        ("*", Self::Mul),
        ("/", Self::Div),
        ("%", Self::Mod),
        ("^", Self::Pow),
        ("atan2", Self::Atan2),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        (">", Self::Greater),
        ("<", Self::Less),
        (">=", Self::GreaterOrEqual),
        ("<=", Self::LessOrEqual),
        ("and", Self::And),
        ("or", Self::Or),
        ("unless", Self::Unless),
    ];

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, op)| *op)
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }

    /// How tightly it binds; `^` the tightest.
    pub(crate) fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            op if op.compares() => 3,
            Self::Add | Self::Sub => 4,
            Self::Pow => 6,
            _ => 5,
        }
    }

    pub(crate) fn compares(self) -> bool {
        use Op::*;
        matches!(self, Equal | NotEqual | Greater | Less | GreaterOrEqual | LessOrEqual)
    }

    /// Whether it joins sets instead of values.
    pub(crate) fn of_sets(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// The value; of a comparison whether it holds, as 0 or 1.
    pub(crate) fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Mod => a % b,
            Self::Pow => a.powf(b),
            Self::Atan2 => a.atan2(b),
            Self::Equal => f64::from(u8::from(a == b)),
            Self::NotEqual => f64::from(u8::from(a != b)),
            Self::Greater => f64::from(u8::from(a > b)),
            Self::Less => f64::from(u8::from(a < b)),
            Self::GreaterOrEqual => f64::from(u8::from(a >= b)),
            Self::LessOrEqual => f64::from(u8::from(a <= b)),
            Self::And | Self::Or | Self::Unless => f64::NAN,
        }
    }
}

/// What is made of many series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregator {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
}

impl Aggregator {
    pub(crate) const ALL: [(&'static str, Self); 12] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("count", Self::Count),
        ("group", Self::Group),
        ("stddev", Self::Stddev),
        ("stdvar", Self::Stdvar),
        ("topk", Self::Topk),
        ("bottomk", Self::Bottomk),
        ("quantile", Self::Quantile),
        ("count_values", Self::CountValues),
    ];

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, op)| *op)
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }
}

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Scalar,
    Text,
    Vector,
    Matrix,
}

impl Type {
    /// The words of Prometheus.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Text => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

impl Expr {
    pub(crate) fn gives(&self) -> Type {
        match self {
            Self::Number(_) => Type::Scalar,
            Self::Text(_) => Type::Text,
            Self::Instant(_) | Self::Aggregate(_) => Type::Vector,
            Self::Range(..) | Self::Subquery(_) => Type::Matrix,
            Self::Minus(expr) => expr.gives(),
            Self::Binary(binary) if binary.left.gives() == Type::Scalar => binary.right.gives(),
            Self::Binary(_) => Type::Vector,
            Self::Call(function, _) => function.returns,
        }
    }
}
