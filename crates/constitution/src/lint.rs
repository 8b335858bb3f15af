//! What may be wrong with a constitution, beyond what makes it unreadable.
//!
//! | kind | rule |
//! |---|---|
//! | duplicate | two rules share three quarters of their content words (Jaccard) |
//! | contradiction | two rules about the same words, one of which forbids what the other asks: a heuristic |
//! | over-long | a text of more than 60 words, a request of more than 80 |
//! | preachy | words that ask for moralising, which over-trained policies then do |
//! | missing | a stage asks for something that the principle lacks |
//!
//! All are heuristics of English text, and say so: they point at what to read again, and never stop a run. The words of
//! preachiness after Bai et al. 2022, section 4.3, where principles against them mended it.

use std::collections::BTreeSet;

use crate::file::Constitution;
use crate::principle::Principle;

/// Something to read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which principle: its id.
    pub principle: String,
    /// What kind of thing.
    pub kind: FindingKind,
    /// What it is, in a sentence.
    pub message: String,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// Says what another principle says.
    Duplicate,
    /// May ask for what another forbids.
    Contradiction,
    /// Longer than models follow well.
    OverLong,
    /// Asks for moralising.
    Preachy,
    /// Lacks what a stage asks.
    Missing,
}

const LONGEST_TEXT: usize = 60;
const LONGEST_REQUEST: usize = 80;

/// The least overlap of duplicates.
const DUPLICATE: f64 = 0.75;

/// The least overlap of contradictions, negations apart.
const SAME_MATTER: f64 = 0.5;

/// Words that ask for moralising, by their beginnings.
const PREACHY: [&str; 14] = [
    "lecture",
    "condemn",
    "scold",
    "admonish",
    "sinful",
    "wicked",
    "shameful",
    "immoral",
    "moralis",
    "moraliz",
    "repent",
    "deplor",
    "reprimand",
    "virtuous",
];

/// Words that turn a rule around.
const NEGATIONS: [&str; 14] = [
    "not", "no", "never", "don't", "doesn't", "avoid", "avoids", "without", "refuse", "refuses",
    "less", "least", "fewer", "nobody",
];

/// Words that say little of what a rule is about.
const FUNCTION_WORDS: [&str; 58] = [
    "a",
    "an",
    "the",
    "is",
    "are",
    "be",
    "it",
    "its",
    "that",
    "this",
    "and",
    "or",
    "of",
    "to",
    "in",
    "on",
    "for",
    "with",
    "by",
    "as",
    "at",
    "from",
    "which",
    "who",
    "what",
    "where",
    "so",
    "than",
    "more",
    "most",
    "should",
    "must",
    "always",
    "do",
    "does",
    "can",
    "could",
    "would",
    "will",
    "may",
    "has",
    "have",
    "your",
    "you",
    "they",
    "them",
    "their",
    "somebody",
    "anyone",
    "good",
    "better",
    "reply",
    "replies",
    "response",
    "responses",
    "answer",
    "assistant",
    "please",
];

/// What to read again in `constitution`, principle by principle.
pub fn lint(constitution: &Constitution) -> Vec<Finding> {
    let principles = constitution.principles();
    let mut findings = Vec::new();
    for (i, principle) in principles.iter().enumerate() {
        of_one(principle, &mut findings);
        for earlier in &principles[..i] {
            of_two(earlier, principle, &mut findings);
        }
    }
    findings
}

fn of_one(principle: &Principle, findings: &mut Vec<Finding>) {
    let mut found = |kind, message| {
        findings.push(Finding {
            principle: principle.id.clone(),
            kind,
            message,
        });
    };
    let texts = [
        ("text", Some(&principle.text), LONGEST_TEXT),
        (
            "critique-request",
            principle.critique_request.as_ref(),
            LONGEST_REQUEST,
        ),
        (
            "revision-request",
            principle.revision_request.as_ref(),
            LONGEST_REQUEST,
        ),
        (
            "preference-question",
            principle.preference_question.as_ref(),
            LONGEST_REQUEST,
        ),
    ];
    for (key, text, longest) in texts {
        let Some(text) = text else {
            let message = format!("no `{key}`: the stage that asks it cannot run");
            found(FindingKind::Missing, message);
            continue;
        };
        let n = text.split_whitespace().count();
        if n > longest {
            let message = format!("`{key}` has {n} words, more than {longest}");
            found(FindingKind::OverLong, message);
        }
        // A rule against moralising may name it.
        if words(text).any(|word| NEGATIONS.contains(&word.as_str())) {
            continue;
        }
        let preachy = words(text).find(|word| PREACHY.iter().any(|p| word.starts_with(p)));
        if let Some(word) = preachy {
            let message = format!("`{key}` says {word:?}, which may be learnt as moralising");
            found(FindingKind::Preachy, message);
        }
    }
}

fn of_two(earlier: &Principle, principle: &Principle, findings: &mut Vec<Finding>) {
    let [a, b] = [earlier, principle].map(|p| content(&p.text));
    let turned = |p: &Principle| {
        words(&p.text)
            .filter(|word| NEGATIONS.contains(&word.as_str()))
            .count()
            % 2
            == 1
    };
    let overlap = jaccard(&a, &b);
    let other = &earlier.id;
    let (kind, message) = if turned(earlier) != turned(principle) && overlap >= SAME_MATTER {
        let shared: Vec<&str> = a.intersection(&b).map(String::as_str).collect();
        let message = format!(
            "may contradict {other:?}: both are about {}, and one of them says not to (a heuristic)",
            shared.join(", ")
        );
        (FindingKind::Contradiction, message)
    } else if overlap >= DUPLICATE {
        let message = format!(
            "says what {other:?} says: {:.0} % of their words are the same",
            100.0 * overlap
        );
        (FindingKind::Duplicate, message)
    } else {
        return;
    };
    findings.push(Finding {
        principle: principle.id.clone(),
        kind,
        message,
    });
}

fn words(text: &str) -> impl Iterator<Item = String> {
    (text.split(|c: char| !c.is_alphanumeric() && c != '\''))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn content(text: &str) -> BTreeSet<String> {
    words(text)
        .filter(|word| {
            !FUNCTION_WORDS.contains(&word.as_str()) && !NEGATIONS.contains(&word.as_str())
        })
        .collect()
}

fn jaccard(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let union = a.union(b).count();
    if union == 0 {
        return 0.0;
    }
    a.intersection(b).count() as f64 / union as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::ConstitutionFile;

    fn principle(id: &str, text: &str) -> Principle {
        Principle {
            id: id.into(),
            topic: "t".into(),
            text: text.into(),
            critique_request: Some("c".into()),
            revision_request: Some("r".into()),
            preference_question: Some("p".into()),
        }
    }

    fn found(principles: Vec<Principle>) -> Vec<(String, FindingKind)> {
        let file = ConstitutionFile {
            version: 1,
            name: "n".into(),
            principles,
            examples: vec![],
            preference_examples: vec![],
        };
        (lint(&Constitution::new(file).unwrap()).into_iter())
            .map(|finding| (finding.principle, finding.kind))
            .collect()
    }

    fn pair(a: &str, b: &str) -> Vec<(String, FindingKind)> {
        found(vec![principle("a", a), principle("b", b)])
    }

    #[test]
    fn the_default_has_nothing_to_read_again() {
        assert_eq!(lint(Constitution::embedded()), []);
    }

    #[test]
    fn two_rules_are_compared() {
        let b = |kind| vec![("b".to_owned(), kind)];
        assert_eq!(
            pair(
                "A good reply protects private data.",
                "Replies should protect; private data."
            ),
            []
        );
        assert_eq!(
            pair(
                "A good reply keeps private data private.",
                "The reply keeps private data."
            ),
            b(FindingKind::Duplicate)
        );
        assert_eq!(
            pair(
                "Mention the risks of medicines.",
                "Do not mention the risks of medicines."
            ),
            b(FindingKind::Contradiction)
        );
        assert_eq!(pair("The.", "A."), []);
    }

    #[test]
    fn one_rule_is_read() {
        let a = |kind| vec![("a".to_owned(), kind)];
        let one = |text: &str| found(vec![principle("a", text)]);
        assert_eq!(one("Condemn wrongdoing."), a(FindingKind::Preachy));
        assert_eq!(one("Help, and do not lecture."), []);
        assert_eq!(one(&"word ".repeat(61)), a(FindingKind::OverLong));
        assert_eq!(one(&"word ".repeat(60)), []);
        let mut lacking = principle("a", "Be kind.");
        lacking.preference_question = None;
        assert_eq!(found(vec![lacking]), a(FindingKind::Missing));
    }
}
