//! A debater and a judge in one: by counting words, so that debates of scripted models have an outcome that is not drawn.
//!
//! The debater quotes the sentence of the passage that shares most words with its answer and its question, or one time in five the
//! next, so that its speeches differ where it is asked again. The judge believes
//! the side whose quotes, of those that stand in the text, share more words with its answer. One reply in so many breaks a rule of
//! form: has no tags, or declines.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use trimtab_core::Seed;

use crate::request_view::RequestView;
use crate::script::Scripted;

/// Debates and judges, by what is asked.
pub fn debate(request: &RequestView) -> Scripted {
    let last = request.last_message();
    if last.contains("Answer with A or B") {
        let p = p_of_a(last);
        return Scripted::tokens(&[&[("A", 0.95 * p), ("B", 0.95 * (1.0 - p)), ("The", 0.05)]]);
    }
    if last.contains("per cent sign") {
        return Scripted::text(format!("{:.0} %", 100.0 * p_of_a(last)));
    }
    if last.contains("Write your questions") {
        return Scripted::text("Where in the text does it say so?");
    }
    let drawn = Seed(request.hash).stream().below(20);
    if drawn == 0 {
        return Scripted::text("I would rather not say it in tags.");
    }
    let own = line_after(last, "Your answer: ");
    let passage = between(last, "<passage>\n", "\n</passage>");
    let wanted: BTreeSet<String> = words(&format!(
        "{own} {}",
        between(last, "<question>\n", "\n</question>")
    ));
    let mut sentences: Vec<&str> = (passage.split_inclusive(['.', '!', '?', '\n']))
        .map(str::trim)
        .filter(|sentence| sentence.split_whitespace().count() >= 5)
        .collect();
    sentences.sort_by_key(|sentence| Reverse(words(sentence).intersection(&wanted).count()));
    let found = sentences.get(usize::from(drawn.is_multiple_of(4)));
    let quote = found
        .or(sentences.first())
        .map_or_else(String::new, |sentence| {
            let short: Vec<&str> = sentence.split_whitespace().take(40).collect();
            format!(" The text says <quote>{}</quote>.", short.join(" "))
        });
    Scripted::text(format!(
        "<thinking>What speaks for it?</thinking><argument>The answer is: {own}.{quote}</argument>"
    ))
}

/// How much more the quotes of A share with answer A than those of B with answer B.
fn p_of_a(asked: &str) -> f64 {
    let shared = |letter: &str, tags: &[&str]| -> f64 {
        let answer = words(line_after(asked, &format!("Answer {letter}: ")));
        let mut quotes = String::new();
        for tag in tags {
            for said in asked.split(&format!("<{tag} round")).skip(1) {
                let said = said.split("\n</").next().unwrap_or_default();
                for (quote, after) in said
                    .split('“')
                    .skip(1)
                    .filter_map(|rest| rest.split_once('”'))
                {
                    if after.starts_with(" [in the text]") {
                        quotes.push_str(quote);
                        quotes.push(' ');
                    }
                }
            }
        }
        let n = answer.len().max(1) as f64;
        words(&quotes).intersection(&answer).count() as f64 / n
    };
    let score = shared("A", &["debater_a", "consultant", "consultant_a"])
        - shared("B", &["debater_b", "consultant", "consultant_b"]);
    1.0 / (1.0 + (-3.0 * score).exp())
}

fn words(text: &str) -> BTreeSet<String> {
    (text.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.len() > 2)
        .map(str::to_lowercase)
        .collect()
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let from = text.split_once(open).map_or("", |(_, rest)| rest);
    from.split_once(close).map_or(from, |(inside, _)| inside)
}

fn line_after<'t>(text: &'t str, start: &str) -> &'t str {
    between(text, start, "\n")
}
