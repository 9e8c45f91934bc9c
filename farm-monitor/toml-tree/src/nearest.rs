//! Which known word was probably meant.

/// Longer words are not compared: nobody mistypes them, and comparing costs their product.
const MAX_COMPARED: usize = 64;

/// The nearest of `known`, if it is near: a third of its letters may be wrong, at least one.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    if word.len() > MAX_COMPARED {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().collect();
            (distance(&word, &letters), (letters.len() / 3).max(1), candidate)
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., candidate)| candidate)
}

/// How many letters are wrong, missing, too many, or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_does_not() {
        let known = ["period", "deadline", "targets", "targets_from", "command"];
        for (slip, meant) in
            [("peroid", "period"), ("comand", "command"), ("target", "targets"), ("Deadline", "deadline")]
        {
            assert_eq!(nearest(slip, known), Some(meant), "{slip}");
        }
        assert_eq!(nearest("retention", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("nagois", ["nagios", "json"]), Some("nagios"));
        assert_eq!(nearest("sha-265", ["SHA-1", "SHA-256"]), Some("SHA-256"));
    }
}
