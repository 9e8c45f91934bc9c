//! Whether what was read fits together; `Err`: what doesn't.

use crate::functions::Function;
use crate::syntax::{Aggregator, Binary, Expr, Type};

/// `matched`: `on` or `ignoring` was said.
pub(super) fn binary(binary: &Binary, matched: bool) -> Result<(), String> {
    let (left, right) = (binary.left.gives(), binary.right.gives());
    let vectors = left == Type::Vector && right == Type::Vector;
    if [left, right].iter().any(|given| !matches!(given, Type::Scalar | Type::Vector)) {
        return Err("binary expression must contain only scalar and instant vector types".to_owned());
    }
    if binary.op.compares() && !binary.as_bool && left == Type::Scalar && right == Type::Scalar {
        return Err("comparisons between scalars must use BOOL modifier".to_owned());
    }
    if binary.op.of_sets() && !vectors {
        return Err(format!("set operator {:?} not allowed in binary scalar expression", binary.op.as_str()));
    }
    if matched && !vectors {
        return Err("vector matching only allowed between instant vectors".to_owned());
    }
    Ok(())
}

pub(super) fn aggregate(op: Aggregator, args: &[Expr]) -> Result<(), String> {
    use Aggregator::{Bottomk, CountValues, Quantile, Topk};
    let name = op.as_str();
    let param = match op {
        Topk | Bottomk | Quantile => Some(Type::Scalar),
        CountValues => Some(Type::Text),
        _ => None,
    };
    let takes: Vec<Type> = param.into_iter().chain([Type::Vector]).collect();
    if args.len() != takes.len() {
        return Err(format!(
            "wrong number of arguments for aggregate expression {name:?}, expected {}, got {}",
            takes.len(),
            args.len()
        ));
    }
    types("aggregation", name, &takes, args)
}

pub(super) fn call(function: &Function, args: &[Expr]) -> Result<(), String> {
    let (name, most) = (function.name, function.takes.len());
    let least = most - function.optional - usize::from(function.repeats);
    let expected = if least < most || function.repeats { "at least " } else { "" };
    if args.len() < least {
        return Err(format!(
            "expected {expected}{least} argument(s) in call to {name:?}, got {}",
            args.len()
        ));
    }
    if args.len() > most && !function.repeats {
        return Err(format!("expected at most {most} argument(s) in call to {name:?}, got {}", args.len()));
    }
    types("call to function", name, function.takes, args)
}

/// The last of `takes` stands for all further ones.
fn types(of: &str, name: &str, takes: &[Type], args: &[Expr]) -> Result<(), String> {
    for (at, arg) in args.iter().enumerate() {
        let (wanted, given) = (takes[at.min(takes.len() - 1)], arg.gives());
        if wanted != given {
            let (wanted, given) = (wanted.as_str(), given.as_str());
            return Err(format!("expected type {wanted} in {of} {name:?}, got {given}"));
        }
    }
    Ok(())
}
