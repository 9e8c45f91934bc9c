use super::kinds::duration;
use super::*;
use crate::Millis;

#[derive(Debug, PartialEq)]
struct Settings {
    above: f64,
    top: i64,
    hold: Millis,
    on: Vec<String>,
    by: String,
    alarm: bool,
    below: Option<f64>,
    cuts: Vec<f64>,
}

fn read(text: &str) -> Result<(Settings, String), String> {
    let mut parameters = Parameters::parse(text)?;
    let p = &mut parameters;
    let settings = Settings {
        above: p.number("above", "The \"bound\".").required(),
        top: p.whole("top", "How many.").at_least(0.0).at_most(100.0).or(3),
        hold: p.duration("hold", "How long.").at_least(1000.0).or("1m30s"),
        on: p.texts("on", "Which.").or(&["*/hosts"]),
        by: p.text("by", "Grouped.").one_of(&["node", "cluster"]).or("node"),
        alarm: p.flag("alarm", "Raise.").or(false),
        below: p.number("below", "Other bound.").optional(),
        cuts: p.numbers("cuts", "Where.").at_least(0.0).or(&[0.5]),
    };
    Ok((settings, parameters.finish()?))
}

#[test]
fn defaults_hold_where_nothing_is_given() {
    let (settings, schema) = read(r#"{"above": 0.5}"#).unwrap();
    let expected = Settings {
        above: 0.5,
        top: 3,
        hold: 90_000,
        on: vec!["*/hosts".into()],
        by: "node".into(),
        alarm: false,
        below: None,
        cuts: vec![0.5],
    };
    assert_eq!(settings, expected);
    let Ok(Json::Object(members)) = Json::parse(&schema) else {
        unreachable!("the schema is JSON: {schema}")
    };
    assert_eq!(members.last().unwrap().1, Json::List(vec![Json::Text("above".into())]));
    assert!(schema.contains(
        r#""top":{"type":"integer","minimum":0,"maximum":100,"description":"How many.","default":3}"#
    ));
    assert!(
        schema.contains(r#""cuts":{"type":"array","items":{"type":"number","minimum":0},"description":"#),
        "{schema}"
    );
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    for (given, expected) in [
        ("{}", "the parameter `above` is missing: The \"bound\"."),
        (r#"{"above":"x"}"#, "the parameter `above`: expected a number, found a text"),
        (r#"{"above":1,"top":1.5}"#, "the parameter `top`: expected a whole number, found a number"),
        (r#"{"above":1,"top":101}"#, "the parameter `top`: expected at most 100"),
        (r#"{"above":1,"hold":"5"}"#, "the parameter `hold`: expected a duration, as 30s, 5m, 1h30m"),
        (r#"{"above":1,"hold":"5ms"}"#, "the parameter `hold`: expected at least 1 seconds"),
        (
            r#"{"above":1,"hold":"9999999999w"}"#,
            "the parameter `hold`: expected a duration, as 30s, 5m, 1h30m",
        ),
        (r#"{"above":1,"by":"x"}"#, "the parameter `by`: expected one of node cluster"),
        (r#"{"above":1,"on":[1]}"#, "the parameter `on`: expected a text, found a number"),
        (r#"{"above":1,"cuts":[1,-1]}"#, "the parameter `cuts`: expected at least 0"),
        ("[]", "parameters are a list: expected an object"),
    ] {
        assert_eq!(read(given).unwrap_err(), expected, "{given}");
    }
    let unknown = read(r#"{"above":1,"abvoe":2}"#).unwrap_err();
    assert!(unknown.starts_with("there is no parameter `abvoe`; there are: above top hold"), "{unknown}");
}

#[test]
fn one_value_is_a_list_of_one() {
    let (settings, _) = read(r#"{"above":1,"on":"x/*","cuts":2}"#).unwrap();
    assert_eq!((settings.on, settings.cuts), (vec!["x/*".to_owned()], vec![2.0]));
}

#[test]
fn durations_are_read() {
    assert_eq!(
        ["30s", "1h30m", "2d", "0s", "1w2ms"].map(duration),
        [30_000, 5_400_000, 172_800_000, 0, 604_800_002].map(Some)
    );
    assert_eq!(["", "5", "s", "5x", "-5s", "1.5s", "99999999999999999999s"].map(duration), [None; 7]);
}
