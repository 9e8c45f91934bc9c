#![allow(clippy::unwrap_used)]
use super::*;

/// Made by `fixtures/make.py`.
const ORACLE: &str = include_str!("../../fixtures/expressions.txt");

fn number(text: &str) -> Option<f64> {
    (text != "-").then(|| text.parse().unwrap())
}

#[test]
fn expressions_mean_what_they_mean_to_python() {
    let mut world = Vec::new();
    let mut judged = 0;
    for line in ORACLE.lines() {
        let (first, rest) = line.split_once(' ').unwrap();
        let (second, rest) = rest.split_once(' ').unwrap();
        if first != "=" {
            let of = AGGREGATES.iter().find(|(name, _)| *name == second).map_or(Of::Newest, |(_, of)| *of);
            world.push((first.replace('~', " "), of, number(rest)));
            continue;
        }
        let expression = Expression::parse(rest).unwrap_or_else(|why| unreachable!("{rest}: {why}"));
        let read = |at: usize, of: Of| {
            let known = world.iter().find(|(name, what, _)| *name == expression.names[at] && *what == of);
            known.unwrap().2
        };
        assert_eq!(expression.value(read), number(second), "{rest}");
        judged += 1;
    }
    assert_eq!(judged, 300);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, expected) in [
        ("", "at character 1: expected a number, the name of a parameter, a function or `(`, found the end"),
        ("a +", "at character 4: expected a number, the name"),
        ("(a + b", "at character 7: expected `)`, found the end"),
        ("a b", "at character 3: expected an operator or the end, found `b`"),
        ("a > 1 > b", "at character 7: comparisons do not follow one another: join them with `and`"),
        ("é", "at character 1: expected a number, the name of a parameter, a function or `(`, found `é`"),
        ("\"é\" ?", "at character 5: expected an operator or the end, found `?`"),
        ("\"é", "at character 1: expected a `\"` that ends the name"),
        ("avg(a)", "at character 1: there is no function `avg`; there are: mean min max"),
        (
            "1 + mean(a + b)",
            "at character 10: `mean` takes the name of one parameter and nothing else, as mean(load1)",
        ),
        ("mean(2)", "at character 6: `mean` takes the name"),
        ("abs(a, b)", "at character 1: `abs` takes 1 values, found 2"),
        ("min(1)", "at character 1: `min` takes 2 to 16 values, found 1"),
        ("if(a, b)", "at character 1: `if` takes 3 values, found 2"),
        ("abs(a", "at character 6: expected `,` or `)`, found the end"),
        ("a = 1", "at character 3: expected an operator or the end, found `=`"),
        (
            "and a",
            "at character 1: expected a number, the name of a parameter, a function or `(`, found `and`",
        ),
        ("1e999", "at character 1: expected a number"),
    ] {
        let why = Expression::parse(text).unwrap_err();
        assert!(why.starts_with(expected), "{text}: {why}");
    }
}

#[test]
fn what_has_no_bounds_is_refused() {
    assert!(Expression::parse(&"(".repeat(1000)).unwrap_err().contains("expected at most 40 levels"));
    assert!(Expression::parse(&"-".repeat(1000)).unwrap_err().contains("expected at most 40 levels"));
    assert!(Expression::parse(&"not ".repeat(400)).unwrap_err().contains("expected at most 40 levels"));
    assert!(
        Expression::parse(&"a+".repeat(2000))
            .unwrap_err()
            .contains("it has 4000 bytes: expected at most 2000")
    );
    let long = "a+".repeat(900) + "a";
    assert_eq!(Expression::parse(&long).unwrap().value(|_, _| Some(1.0)), Some(901.0));
}

#[test]
fn operators_bind_as_they_do_elsewhere() {
    for (text, expected) in
        [("1 + 2 * 3", 7.0), ("8 / 2 / 2", 2.0), ("5 - 2 - 1", 2.0), ("-2 * 3", -6.0), ("2 - -3", 5.0)]
    {
        assert_eq!(Expression::parse(text).unwrap().value(|_, _| None), Some(expected), "{text}");
    }
    for (text, expected) in
        [("not 1 > 2", 1.0), ("!0 and 0", 0.0), ("1 or 0 and 0", 1.0), ("1 != 1", 0.0), ("!1 != 1", 1.0)]
    {
        assert_eq!(Expression::parse(text).unwrap().value(|_, _| None), Some(expected), "{text}");
    }
    assert_eq!(Expression::parse("android").unwrap().names, ["android"], "a word that begins as an operator");
}
