//! The belief: a slider where there are scripts, a list where there are none, from A at the left to B at the right.
//!
//! ```text
//! score = 1 + log2 p    bits, p the belief in the answer that is right: 0 at one half, 0.93 at 95 %, −3.32 at 5 %
//! ```
//!
//! a proper score: nobody does better, in expectation, than by saying what they believe.

use maud::{Markup, html};
use trimtab_run::people::Percent;

/// What one half means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// On the way: that one does not know.
    Allowed,
    /// Nothing: a judgement leans to one side.
    Refused,
    /// That two replies are equally good.
    Tie,
    /// That one cannot say.
    CannotSay,
}

impl Half {
    fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Tie => "tie",
            Self::CannotSay => "cannot-say",
        }
    }

    /// What it is called where it is an answer, and its key.
    fn answer(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Allowed | Self::Refused => None,
            Self::Tie => Some(("Tie", "t")),
            Self::CannotSay => Some(("Cannot say", "c")),
        }
    }
}

/// The number keys, in the order of the keyboard, and the belief in A that each means.
pub(super) const KEYS: [(&str, u8); 10] = [
    ("1", 95),
    ("2", 85),
    ("3", 75),
    ("4", 65),
    ("5", 55),
    ("6", 45),
    ("7", 35),
    ("8", 25),
    ("9", 15),
    ("0", 5),
];

/// The score of a belief in what turns out right, in bits.
pub(super) fn score(percent: Percent) -> f64 {
    1.0 + (f64::from(percent.get()) / 100.0).log2()
}

/// `A 70 %`, of what is leant to.
pub(super) fn words(percent: Percent) -> String {
    if percent.is_half() {
        "50 : 50".into()
    } else if percent.get() > 50 {
        format!("A {} %", percent.get())
    } else {
        format!("B {} %", percent.of_b().get())
    }
}

/// What goes into the form. `question` says what is asked.
pub(super) fn field(question: &str, half: Half, chosen: Option<Percent>) -> Markup {
    let is_offered = |percent: &Percent| half != Half::Refused || !percent.is_half();
    let option = |percent: Percent| match half.answer() {
        Some((name, _)) if percent.is_half() => name.into(),
        _ => words(percent),
    };
    html! {
        fieldset class="belief" data-half=(half.name()) data-half-name=[half.answer().map(|(name, _)| name)] {
            legend { (question) }
            div class="plain" {
                select name="belief" required aria-label=(question) {
                    option value="" { "Choose …" }
                    @for percent in Percent::all().rev().filter(is_offered) {
                        option value=(percent.get()) selected[chosen == Some(percent)] { (option(percent)) }
                    }
                }
            }
            div class="sliding" hidden {
                output class="value" { "not set yet" }
                div class="row" {
                    span class="end" aria-hidden="true" { "A" }
                    // From left to right: A certain to B certain.
                    input class="slider" type="range" min="5" max="95" step="5" value="50" aria-label=(question);
                    span class="end" aria-hidden="true" { "B" }
                }
                div class="keys" {
                    @for (key, percent) in KEYS {
                        button type="button" class="key" data-percent=(percent) title={ "Key " (key) } {
                            span class="number" { (percent.max(100 - percent)) }
                            kbd { (key) }
                        }
                    }
                }
                @if let Some((name, key)) = half.answer() {
                    button type="button" class="key tie" data-percent="50" title={ "Key " (key) } {
                        span class="number" { (name) }
                        kbd { (key) }
                    }
                }
                p class="payoff" aria-live="polite" { "Drag the slider or press a number." }
            }
        }
    }
}

/// How judgements are scored.
pub(super) fn how_scored() -> Markup {
    html! {
        details class="scoring" {
            summary { "How it is scored" }
            p {
                "The score is 1 + log₂ of the belief in the answer that is right, in bits. You do best by saying what you believe."
            }
            table {
                thead { tr { th scope="col" { "Belief" } th scope="col" { "if right" } th scope="col" { "if wrong" } } }
                tbody {
                    @for percent in Percent::all().filter(|percent| [55, 65, 75, 85, 95].contains(&percent.get())) {
                        tr {
                            th scope="row" { (percent.get()) " %" }
                            td { (signed(score(percent))) }
                            td { (signed(score(percent.of_b()))) }
                        }
                    }
                }
            }
        }
    }
}

/// `+0.85`, `−2.32`.
pub(super) fn signed(value: f64) -> String {
    if value < 0.0 {
        format!("−{:.2}", -value)
    } else {
        format!("+{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_beliefs_from_a_to_b_without_one_half() {
        let percents: Vec<Percent> = (KEYS.iter())
            .map(|(_, percent)| Percent::try_from(*percent).unwrap())
            .collect();
        assert!(percents.is_sorted_by(|a, b| a > b));
        assert!(percents.iter().all(|percent| !percent.is_half()));
        for (one, other) in percents.iter().zip(percents.iter().rev()) {
            assert_eq!(one.of_b(), *other);
        }
    }

    #[test]
    fn scores_are_bits_about_one_half() {
        let at = |percent: u8| signed(score(Percent::try_from(percent).unwrap()));
        assert_eq!([at(50), at(95), at(5)], ["+0.00", "+0.93", "−3.32"]);
    }
}
