#![allow(clippy::unwrap_used)]
use super::*;

/// Made by `fixtures/make.py` with statsmodels and numpy.
const ORACLE: &str = include_str!("../../fixtures/holt-winters.txt");

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[test]
fn it_is_holt_winters_as_statsmodels_has_it() {
    let mut seasonal = 0;
    for line in ORACLE.lines() {
        let parts: Vec<Vec<f64>> = line.split('|').map(numbers).collect();
        let (said, values, expected) = (&parts[0], &parts[1], &parts[2]);
        let smoothing = Smoothing { level: said[1], trend: said[2], season: said[3] };
        let mut model = Model::default();
        for value in values {
            model.learn(*value, said[0] as usize, smoothing);
        }
        for (steps, expected) in [1, 2, 7, 40].into_iter().zip(expected) {
            let found = model.ahead(steps).unwrap();
            assert!((found - expected).abs() < 1e-8 * expected.abs().max(1.0), "{line}: {steps}: {found}");
        }
        seasonal += usize::from(said[0] > 0.0);
    }
    assert_eq!((ORACLE.lines().count(), seasonal), (7, 4));
}

const SMOOTHING: Smoothing = Smoothing { level: 0.5, trend: 0.2, season: 0.3 };

/// The first step at which what is said of it is past the limit, one by one.
fn searched(model: &Model, limit: f64, from_below: bool) -> Option<usize> {
    (0..100_000).find(|steps| {
        let value = model.ahead(*steps).unwrap();
        if from_below { value >= limit } else { value <= limit }
    })
}

#[test]
fn the_time_to_a_limit_is_the_first_step_whose_forecast_is_past_it() {
    for (season, limit, slope) in [
        (0, 50.0, 0.5),
        (0, -50.0, -0.5),
        (0, 50.0, -0.5),
        (6, 50.0, 0.5),
        (6, 50.0, 0.01),
        (6, -50.0, -0.5),
        (6, 9.0, 0.0),
        (6, 50.0, -0.5),
        (5, 12.0, 2.0),
    ] {
        let mut model = Model::default();
        for step in 0..20_u32 {
            let swing = if season == 0 { 0.0 } else { 4.0 * f64::from(step % 3) };
            model.learn(f64::from(step) * slope + swing, season, SMOOTHING);
        }
        for from_below in [true, false] {
            let found = model.steps_to(limit, from_below);
            let case = format!("{season} {limit} {slope} {from_below}");
            assert_eq!(
                found.map(|steps| steps.ceil() as usize),
                searched(&model, limit, from_below),
                "{case}"
            );
        }
    }
}

#[test]
fn a_step_without_a_value_goes_on_as_it_was() {
    let mut model = Model::default();
    for step in 0..30_u32 {
        model.learn(f64::from(step) + f64::from(step % 4), 4, SMOOTHING);
    }
    let expected = model.ahead(5);
    model.skip();
    model.skip();
    let found = model.ahead(3).zip(expected).map(|(found, expected)| (found - expected).abs());
    assert!(found.unwrap() < 1e-9);
}
