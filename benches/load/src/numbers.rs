//! What is said of several measurements of the same.

/// The one in the middle.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The number that so many thousandths of them do not exceed.
pub fn quantile(numbers: &[f64], thousandths: usize) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * thousandths).div_ceil(1000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// Each of the first by the one of the second that was measured with it: the one in the middle.
pub fn ratio(first: &[f64], second: &[f64]) -> f64 {
    median(first.iter().zip(second).map(|(first, second)| first / second).collect())
}

/// `least–most`, with so many digits behind the point.
pub fn spread(numbers: &[f64], digits: usize) -> String {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{least:.digits$}–{most:.digits$}")
}

/// `goal ≤ 3: met`
pub fn at_most(number: f64, goal: f64) -> String {
    format!("goal ≤ {goal}: {}", if number <= goal { "met" } else { "**missed**" })
}

/// `goal ≥ 3: met`
pub fn at_least(number: f64, goal: f64) -> String {
    format!("goal ≥ {goal}: {}", if number >= goal { "met" } else { "**missed**" })
}
