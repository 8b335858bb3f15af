//! Options' log-probabilities from what a server shows: the likeliest tokens at each position of a greedy reply, or
//! replies that are counted.
//!
//! **Likeliest tokens.** Along the reply, as long as what it says fits more than one option (`(`, a blank), a token that
//! fits exactly one option counts for that option:
//!
//! ```text
//! P(option) = Σ over positions, Σ over shown tokens that fit it alone: P(reply so far) · P(token | reply so far)
//! ```
//!
//! A text fits an option when, blanks at its start aside, it is a beginning of the option, or begins with the option and
//! goes on with neither letter nor digit. So ` A`, `A`, and `(A` after nothing or `A` after `(`, are the same choice. An
//! option that is not shown has at most what is left over, and at most what the least likely token shown has:
//! `min(log(1 - Σ shown), smallest shown)`, summed over those positions. How many tokens a server shows is up to it.
//!
//! **Counts.** A reply chooses an option when, blanks aside, it begins with it and goes on with neither letter nor digit:
//! not when it has the option's letter somewhere. `log P = ln((n + 1) / (all + options))`.

use trimtab_core::chat::{OptionLogProb, Token};

/// What single precision leaves of `1 - Σ shown` when nothing is left.
const ROUNDING: f64 = 1e-6;

/// Options' log-probabilities from the tokens of a greedy reply.
pub(crate) fn of_tokens(texts: &[String], tokens: &[Token]) -> Vec<OptionLogProb> {
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); texts.len()];
    let mut unseen: Vec<f64> = Vec::new();
    let mut said = String::new();
    let mut log_prob_said = 0.0;
    for token in tokens {
        let is_shown = token.top.iter().any(|(text, _)| *text == token.text);
        let itself = (!is_shown).then_some((&token.text, token.log_prob));
        let shown = token.top.iter().map(|(text, log_prob)| (text, *log_prob));
        let mut sum = 0.0;
        let mut smallest = 0.0_f64;
        for (text, log_prob) in shown.chain(itself) {
            sum += log_prob.exp();
            smallest = smallest.min(log_prob);
            if let Fit::One(option) = fit(&format!("{said}{text}"), texts) {
                found[option].push(log_prob_said + log_prob);
            }
        }
        let left = (1.0 - sum).max(ROUNDING).ln();
        unseen.push(log_prob_said + left.min(smallest));
        said += &token.text;
        log_prob_said += token.log_prob;
        if !matches!(fit(&said, texts), Fit::Several) {
            break;
        }
    }
    // Where nothing is shown at all, anything may be likely.
    let bound = if unseen.is_empty() {
        0.0
    } else {
        log_sum(&unseen).min(0.0)
    };
    (found.iter())
        .map(|found| match found.as_slice() {
            [] => OptionLogProb::AtMost(bound),
            found => OptionLogProb::Is(log_sum(found)),
        })
        .collect()
}

/// How long a greedy reply must be to tell options apart, in tokens: 1 where their first characters differ; else a token
/// may be as short as a character.
pub(crate) fn n_tokens_to_differ(texts: &[String]) -> u32 {
    let mut common: Option<Vec<char>> = None;
    for text in texts {
        let chars: Vec<char> = text.trim_start().chars().collect();
        common = Some(match common {
            None => chars,
            Some(common) => (common.into_iter().zip(chars))
                .take_while(|(a, b)| a == b)
                .map(|(a, _)| a)
                .collect(),
        });
    }
    let n_common = if texts.len() < 2 {
        0
    } else {
        common.map_or(0, |common| common.len())
    };
    (n_common as u32 + 1).min(16)
}

/// The option that a reply chooses.
pub(crate) fn chosen(reply: &str, texts: &[String]) -> Option<usize> {
    let reply = reply.trim_start();
    (texts.iter()).position(|text| begins_with(reply, text.trim()))
}

/// Log-probabilities from counts.
pub(crate) fn of_counts(counts: &[u32], n_other: u32) -> Vec<OptionLogProb> {
    let all = f64::from(counts.iter().sum::<u32>() + n_other);
    let of = |n: u32| ((f64::from(n) + 1.0) / (all + counts.len() as f64)).ln();
    counts.iter().map(|n| OptionLogProb::Is(of(*n))).collect()
}

enum Fit {
    None,
    One(usize),
    Several,
}

fn fit(said: &str, texts: &[String]) -> Fit {
    let said = said.trim_start();
    if said.is_empty() {
        return Fit::Several;
    }
    let mut fitting = texts.iter().enumerate().filter(|(_, text)| {
        let text = text.trim_start();
        text.starts_with(said) || begins_with(said, text)
    });
    match (fitting.next(), fitting.next()) {
        (None, _) => Fit::None,
        (Some((option, _)), None) => Fit::One(option),
        _ => Fit::Several,
    }
}

fn begins_with(said: &str, text: &str) -> bool {
    (said.strip_prefix(text))
        .is_some_and(|rest| !rest.chars().next().is_some_and(char::is_alphanumeric))
}

fn log_sum(log_probs: &[f64]) -> f64 {
    let most = log_probs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + log_probs.iter().map(|l| (l - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    /// The likeliest first.
    fn token(top: &[(&str, f64)]) -> Token {
        Token {
            text: top[0].0.into(),
            log_prob: top[0].1.ln(),
            top: top
                .iter()
                .map(|(text, p)| ((*text).to_owned(), p.ln()))
                .collect(),
        }
    }

    fn check(texts: &[&str], tokens: &[Token], expected: &[OptionLogProb]) {
        let found = of_tokens(&options(texts), tokens);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let same_kind = std::mem::discriminant(found) == std::mem::discriminant(expected);
            let near = (found.value().exp() - expected.value().exp()).abs() < 1e-9;
            assert!(same_kind && near, "{texts:?}: {found:?}, not {expected:?}");
        }
    }

    fn is(p: f64) -> OptionLogProb {
        OptionLogProb::Is(p.ln())
    }

    fn at_most(p: f64) -> OptionLogProb {
        OptionLogProb::AtMost(p.ln())
    }

    #[test]
    fn spellings_of_one_option_are_added() {
        let top = token(&[
            ("A", 0.5),
            (" A", 0.2),
            ("B", 0.1),
            ("A)", 0.05),
            ("Answer", 0.1),
        ]);
        check(&["A", "B"], &[top], &[is(0.75), is(0.1)]);
    }

    #[test]
    fn a_word_that_begins_with_an_options_letter_is_another_word() {
        let top = token(&[("Although", 0.6), ("B", 0.3)]);
        check(&["A", "B"], &[top], &[at_most(0.1), is(0.3)]);
    }

    #[test]
    fn what_is_not_shown_has_at_most_what_is_left_and_what_the_least_shown_has() {
        let left = token(&[("A", 0.9), ("The", 0.09)]);
        check(&["A", "B"], &[left], &[is(0.9), at_most(0.01)]);
        let least = token(&[("A", 0.5), ("The", 0.02)]);
        check(&["A", "B"], &[least], &[is(0.5), at_most(0.02)]);
        // Rounded up to more than 1: still a number.
        let more = token(&[("A", 1.0 + 1e-7)]);
        check(&["A", "B"], &[more], &[is(1.0 + 1e-7), at_most(ROUNDING)]);
        // A reply that ends before its first token.
        check(&["A", "B"], &[], &[at_most(1.0), at_most(1.0)]);
    }

    #[test]
    fn options_are_found_where_they_differ() {
        let tokens = [
            token(&[("(", 0.8), ("(A", 0.1), ("I", 0.05)]),
            token(&[("B", 0.75), ("A", 0.25)]),
            token(&[(")", 1.0)]),
        ];
        check(&["(A)", "(B)"], &tokens, &[is(0.8 * 0.25 + 0.1), is(0.6)]);
        let blank = [token(&[(" ", 0.9), ("A", 0.1)]), token(&[("B", 1.0)])];
        check(&["A", "B"], &blank, &[is(0.1), is(0.9)]);
        // What is shown after the reply has left the options says nothing of them.
        let left = [token(&[("The", 0.9), ("A", 0.06)]), token(&[("B", 1.0)])];
        check(&["A", "B"], &left, &[is(0.06), at_most(0.04)]);
    }

    #[test]
    fn beginnings_of_options_count_and_empty_tokens_do_not() {
        let top = token(&[("Yes", 0.5), ("N", 0.3), ("", 0.1)]);
        check(&["Yes", "No"], &[top], &[is(0.5), is(0.3)]);
        // A server that shows the token alone.
        let bare = Token {
            text: "A".into(),
            log_prob: 0.7_f64.ln(),
            top: Vec::new(),
        };
        check(&["A", "B"], &[bare], &[is(0.7), at_most(0.3)]);
    }

    #[test]
    fn as_many_tokens_as_it_takes() {
        let n = |texts: &[&str]| n_tokens_to_differ(&options(texts));
        assert_eq!(n(&["A", "B"]), 1);
        assert_eq!(n(&[" A", "B"]), 1);
        assert_eq!(n(&["(A)", "(B)"]), 2);
        assert_eq!(n(&["Answer: A", "Answer: B"]), 9);
        assert_eq!(n(&["Yes"]), 1);
    }

    #[test]
    fn a_reply_chooses_by_its_beginning_alone() {
        let check = |reply: &str, expected: Option<usize>| {
            assert_eq!(chosen(reply, &options(&["A", "B"])), expected, "{reply}");
        };
        check(" A", Some(0));
        check("B.", Some(1));
        check("A: because B is worse", Some(0));
        check("Because of all that, A", None);
        check("Absolutely B", None);
        check("a", None);
        check("", None);
        check("The response says 'B', so A", None);
    }

    #[test]
    fn counts_have_a_uniform_prior() {
        let log_probs = of_counts(&[3, 2], 5);
        assert_eq!(log_probs, [is(4.0 / 12.0), is(3.0 / 12.0)]);
        assert_eq!(of_counts(&[0, 0], 0), [is(0.5), is(0.5)]);
    }

    proptest! {
        #[test]
        fn shown_mass_is_at_most_all_and_every_number_is_finite(
            weights in proptest::collection::vec((0usize..6, 0.001..1.0f64), 1..8), n in 1usize..4,
        ) {
            let words = ["A", " A", "B", "(", "The", ""];
            let sum: f64 = weights.iter().map(|(_, w)| w).sum();
            let mut top: Vec<(&str, f64)> = Vec::new();
            for (word, weight) in weights {
                if !top.iter().any(|(text, _)| *text == words[word]) {
                    top.push((words[word], weight / sum));
                }
            }
            top.sort_by(|a, b| b.1.total_cmp(&a.1));
            let tokens = vec![token(&top); n];
            let found = of_tokens(&options(&["A", "B", "(A"]), &tokens);
            let mass: f64 = found.iter().filter_map(|l| match l {
                OptionLogProb::Is(l) => Some(l.exp()),
                OptionLogProb::AtMost(_) => None,
            }).sum();
            prop_assert!(mass <= 1.0 + 1e-9, "{mass}");
            prop_assert!(found.iter().all(|l| l.value().is_finite() && l.value() <= 1e-9));
        }
    }
}
