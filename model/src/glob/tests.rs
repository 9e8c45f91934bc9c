#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// Matches by trying everything: slow, obvious, and only for short texts.
fn naive(tokens: &[Token], name: &[char]) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return name.is_empty() };
    match token {
        Token::Text(text) => {
            let text: Vec<char> = text.chars().collect();
            name.strip_prefix(text.as_slice()).is_some_and(|name| naive(rest, name))
        }
        Token::One => name.split_first().is_some_and(|(_, name)| naive(rest, name)),
        Token::Run => (0..=name.len()).any(|skip| naive(rest, &name[skip..])),
        Token::Alternatives(all) => all.iter().any(|one| naive(&[one.as_slice(), rest].concat(), name)),
    }
}

fn tokens() -> impl Strategy<Value = Vec<Token>> {
    let simple = prop_oneof![
        "[abé*,\\\\{ ]{1,2}".prop_map(Token::Text),
        Just(Token::One),
        Just(Token::Run),
        Just(Token::Run)
    ];
    let alternatives = prop::collection::vec(prop::collection::vec(simple.clone(), 0..3), 2..4);
    prop::collection::vec(prop_oneof![4 => simple, 1 => alternatives.prop_map(Token::Alternatives)], 1..6)
}

proptest! {
    #[test]
    fn matching_agrees_with_trying_everything(tokens in tokens(), name in "[abé*,\\\\{ ]{0,8}") {
        let chars: Vec<char> = name.chars().collect();
        let wanted = naive(&tokens, &chars);
        let glob = Glob::compile(tokens);
        prop_assert_eq!(glob.matches(&name), wanted, "{:?}", glob);
        // `{,}` alone says nothing and is refused.
        prop_assume!(glob.as_str().chars().any(|c| !"{,}".contains(c)));
        let read = Glob::new(glob.as_str()).unwrap();
        prop_assert_eq!(read.matches(&name), wanted, "{:?} in normal form {:?}", glob, read);
        prop_assert_eq!(Glob::new(read.as_str()).unwrap(), read);
    }

    #[test]
    fn both_ways_of_matching_agree(tokens in tokens(), name in "[ab]{0,10}") {
        let glob = Glob::compile(tokens);
        prop_assert!(glob.0.program.agrees_with_itself(&name));
    }

    #[test]
    fn an_exact_glob_matches_its_name_only(name in "\\PC{1,40}", other in "\\PC{1,40}") {
        let glob = Glob::new(Glob::exact(&name).as_str()).unwrap();
        prop_assert_eq!(glob.literal(), Some(name.as_str()));
        prop_assert!(glob.matches(&name));
        prop_assert_eq!(glob.matches(&other), name == other);
    }

    #[test]
    fn any_text_is_read_or_refused_within_it(text in "[ab*?{},\\\\\\[\\]= /\u{1}é]{0,30}") {
        if let Err(error) = Glob::new(&text) {
            prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at));
        }
    }
}

#[test]
fn long_programs_with_braces_match_as_short_ones() {
    for many in [1, 9, 10, 11, 12, 20, 21, 22, 60] {
        // Six steps each: the ends of words of 64 steps fall on each of them.
        let glob = Glob::new(&("{a,bé}".repeat(many.min(31)) + &"x?".repeat(many))).unwrap();
        let name = |left: usize| {
            let braces = many.min(31);
            "bé".repeat(left) + &"a".repeat(braces - left) + &"xy".repeat(many)
        };
        for left in [0, 1, many.min(31) / 2, many.min(31)] {
            let name = name(left);
            assert!(glob.matches(&name), "{glob} {name}");
            assert!(!glob.matches(&format!("{name}x")) && !glob.matches(&name[..name.len() - 1]));
            assert!(!glob.matches(&name.replacen('x', "y", 1)));
        }
    }
}

#[test]
fn hostile_patterns_cost_steps_times_characters() {
    let name = "a".repeat(255);
    // Backtracking over every `*` or brace would outlive this test by ages.
    for pattern in ["*a".repeat(250) + "b", "{a,aa,*}".repeat(20) + "b", "{*,?*}".repeat(31) + "b"] {
        assert!(!Glob::new(&pattern).unwrap().matches(&name));
    }
}

#[test]
fn a_glob_in_its_field_takes_slashes_brackets_and_commas_as_they_are() {
    let glob = Glob::new("/run/[a]=b, c/*").unwrap();
    assert!(glob.matches("/run/[a]=b, c/d"));
    assert_eq!(glob.as_str(), "/run/[a]=b, c/*");
    assert_eq!(Glob::exact("a,b").as_str(), "a,b");
}

#[test]
fn what_a_glob_is_can_be_asked() {
    assert!(Glob::any().is_any() && Glob::new("**").unwrap().is_any());
    assert!(!Glob::new("?*").unwrap().is_any());
    assert_eq!(Glob::new("a\\*b").unwrap().literal(), Some("a*b"));
    assert_eq!(Glob::new("{a}").unwrap().literal(), Some("a"));
    assert_eq!(Glob::any().literal(), None);
}

#[test]
fn limits_hold_to_the_byte() {
    assert!(Glob::new(&"x".repeat(1024)).is_ok());
    assert!(Glob::new(&"x".repeat(1025)).is_err());
    assert!(Glob::new(&format!("{{{}}}", "a,".repeat(63))).is_ok());
    assert!(Glob::new(&format!("{{{}}}", "a,".repeat(64))).is_err());
    assert!(Glob::new("").is_err());
}
