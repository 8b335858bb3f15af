//! What is read of a reply: sub-questions, an answer, or why there is neither.
//!
//! Models are asked for lines that begin with `Question:` or `Answer:`, and read leniently: in any case, in bold, numbered, in tags,
//! with the text on the next line; an answer also where mathematics have it by custom (`\boxed{…}`, `####`, "the answer is"), and
//! questions as a list. What a reply that is cut short ends in is not read: half a number is another number.

use trimtab_core::chat::{Said, bounded};

use super::reply::Reply;
use super::text::{Text, folded};
use crate::tree::Answered;
use crate::unanswered::Unanswered;

/// Sub-questions of one reply that are kept, asked or not.
const MOST_QUESTIONS: usize = 64;

/// The longest reply that is kept where nothing could be read from it, in bytes.
const KEPT_BYTES: usize = 2000;

/// What an expert says that may still ask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Move {
    /// Sub-questions; one at least.
    Ask(Vec<Text>),
    /// An answer, or why there is none.
    Answer(Answered<Reply>),
}

/// Sub-questions that do not depend on each other, or an answer without any. An answer beside questions is none: nobody has
/// answered those.
pub(crate) fn decomposition(said: &Said) -> Move {
    let Some(text) = said.text() else {
        return Move::Answer(Err(unsaid(said)));
    };
    let parts = parts(text, said.is_cut());
    let mut questions: Vec<Text> = (parts.tagged.iter())
        .filter(|part| part.tag == Tag::Question)
        .map(|part| Text::cut(part.text))
        .collect();
    if parts.tagged.is_empty() {
        questions = parts.listed.iter().map(|text| Text::cut(text)).collect();
    }
    questions.truncate(MOST_QUESTIONS);
    if questions.is_empty() {
        return Move::Answer(answered(text, parts.answer()));
    }
    Move::Ask(questions)
}

/// The next sub-question, or the answer: whichever comes first. What follows a question is a guess at what it comes to.
pub(crate) fn next(said: &Said) -> Move {
    let Some(text) = said.text() else {
        return Move::Answer(Err(unsaid(said)));
    };
    let parts = parts(text, said.is_cut());
    match parts.tagged.first() {
        Some(part) if part.tag == Tag::Question => Move::Ask(vec![Text::cut(part.text)]),
        _ => Move::Answer(answered(text, parts.answer())),
    }
}

/// The answer.
pub(crate) fn answer(said: &Said) -> Answered<Reply> {
    let text = said.text().ok_or_else(|| unsaid(said))?;
    answered(text, parts(text, said.is_cut()).answer())
}

fn answered(text: &str, answer: Option<&str>) -> Answered<Reply> {
    match answer {
        None => Err(Unanswered::Unparsed {
            reply: bounded(text, KEPT_BYTES),
        }),
        Some(answer) if is_not_known(answer) => Err(Unanswered::DontKnow),
        Some(answer) => Ok(Reply::new(text, answer)),
    }
}

/// Why there is no text.
fn unsaid(said: &Said) -> Unanswered {
    match said {
        Said::Text { text, .. } => Unanswered::Unparsed {
            reply: bounded(text, KEPT_BYTES),
        },
        Said::Empty { .. } => Unanswered::Nothing,
        Said::Refused { text, .. } => Unanswered::Refused {
            reply: bounded(text, KEPT_BYTES),
        },
        Said::Failed(failure) => Unanswered::Error {
            message: bounded(&failure.to_string(), KEPT_BYTES),
        },
    }
}

fn is_not_known(answer: &str) -> bool {
    let answer = folded(answer.trim_matches(|c: char| !c.is_alphanumeric())).replace('’', "'");
    [
        "not known",
        "unknown",
        "it is not known",
        "i don't know",
        "i do not know",
        "idk",
        "cannot be known",
        "cannot be determined",
        "cannot be answered",
        "not enough information",
    ]
    .contains(&&*answer)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Question,
    Answer,
}

#[derive(Debug)]
struct Part<'t> {
    tag: Tag,
    text: &'t str,
}

/// What stands in a reply.
#[derive(Debug)]
struct Parts<'t> {
    /// Lines with a tag, in order.
    tagged: Vec<Part<'t>>,
    /// Items of a list that are questions.
    listed: Vec<&'t str>,
    /// What is an answer by custom.
    customary: Option<&'t str>,
}

impl<'t> Parts<'t> {
    /// The last answer: earlier ones are on the way to it.
    fn answer(&self) -> Option<&'t str> {
        let tagged = (self.tagged.iter()).rfind(|part| part.tag == Tag::Answer);
        let answer = tagged.map(|part| part.text).or(self.customary)?;
        Some(boxed(answer).unwrap_or(answer))
    }
}

fn parts(text: &str, is_cut: bool) -> Parts<'_> {
    // The end of what is cut may lack its end.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let text = if is_cut { whole } else { text };
    let mut tagged: Vec<Part<'_>> = Vec::new();
    let mut listed = Vec::new();
    let mut waiting = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some((tag, rest)) = tag(line) {
            let rest = bare(rest);
            waiting = rest.is_empty().then_some(tag);
            if !rest.is_empty() {
                tagged.push(Part { tag, text: rest });
            }
            continue;
        }
        if let Some(tag) = waiting.take() {
            tagged.push(Part {
                tag,
                text: bare(line),
            });
        } else if let Some(item) = item(line) {
            listed.push(item);
        }
    }
    Parts {
        tagged,
        listed,
        customary: customary(text),
    }
}

/// The tag that a line begins with, and what follows it.
fn tag(line: &str) -> Option<(Tag, &str)> {
    let line = line.trim();
    for (open, close, tag) in [
        ("<question>", "</question>", Tag::Question),
        ("<answer>", "</answer>", Tag::Answer),
    ] {
        if let Some(inside) = line.strip_prefix(open) {
            return Some((tag, inside.strip_suffix(close).unwrap_or(inside)));
        }
    }
    let (name, rest) = line.split_once(':')?;
    let name: String = (name.chars())
        .map(|c| {
            if c.is_alphabetic() {
                c.to_ascii_lowercase()
            } else {
                ' '
            }
        })
        .collect();
    let words: Vec<&str> = name.split_whitespace().collect();
    let tag = match words[..] {
        ["question" | "subquestion"] | ["sub" | "smaller" | "next", "question"] => Tag::Question,
        ["answer"]
        | ["final" | "the" | "my", "answer"]
        | ["the", "final", "answer"]
        | ["the", "answer", "is"]
        | ["the", "final", "answer", "is"] => Tag::Answer,
        _ => return None,
    };
    Some((tag, rest))
}

/// Without what only sets it off.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '`' | '_'))
}

/// A question in a list.
fn item(line: &str) -> Option<&str> {
    let line = line.trim();
    let unmarked = line.trim_start_matches(|c: char| {
        c.is_ascii_digit() || c.is_whitespace() || matches!(c, '-' | '*' | '•' | '.' | ')')
    });
    let text = bare(unmarked);
    (unmarked.len() < line.len() && text.ends_with('?')).then_some(text)
}

/// The last answer that is one by custom.
fn customary(text: &str) -> Option<&str> {
    let hashes = (text.lines().rev()).find_map(|line| line.trim().strip_prefix("####"));
    let after = |words: &str| {
        let last = text.trim_end().lines().last()?;
        let start = last.to_ascii_lowercase().rfind(words)? + words.len();
        last.get(start..)
    };
    let found = (hashes.or_else(|| boxed(text))).or_else(|| after("answer is "));
    found.map(bare).filter(|answer| !answer.is_empty())
}

/// What stands in the last `\boxed{…}`.
fn boxed(text: &str) -> Option<&str> {
    let (_, inside) = text.rsplit_once("\\boxed{")?;
    let mut open = 1_u32;
    for (i, c) in inside.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(inside[..i].trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::chat::{Failure, FailureClass, Finish, Usage};

    fn said(text: &str) -> Said {
        Said::Text {
            text: text.trim().to_owned(),
            finish: Finish::Stop,
            usage: Usage::default(),
        }
    }

    fn cut(text: &str) -> Said {
        Said::Text {
            text: text.to_owned(),
            finish: Finish::Length,
            usage: Usage::default(),
        }
    }

    fn questions(reply: &str) -> Vec<String> {
        match decomposition(&said(reply)) {
            Move::Ask(questions) => questions.iter().map(Text::to_string).collect(),
            Move::Answer(_) => Vec::new(),
        }
    }

    #[test]
    fn answers_are_read_however_they_are_set() {
        for reply in [
            "Answer: 18",
            "answer : 18",
            "16 − 3 − 4 = 9, and 9 × 2 = 18.\n\n**Answer:** 18",
            "**Final answer: 18**",
            "The answer is: 18",
            "Answer:\n\n18",
            "<answer>18</answer>",
            "1. Answer: `18`",
            "Answer: 9\nNo.\nAnswer: 18",
            "Nine a day.\n#### 18",
            "So \\boxed{18} it is",
            "Answer: \\boxed{18}",
            "So the answer is 18",
        ] {
            let answer = answer(&said(reply)).unwrap();
            assert_eq!(answer.answer, "18", "{reply:?}");
            assert_eq!(answer.text, reply.trim());
        }
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        for reply in [
            "18",
            "Answer:",
            "An answer would be nice: 18",
            "Question: What is 9 × 2?",
        ] {
            let answer = answer(&said(reply));
            let reply = reply.to_owned();
            assert_eq!(answer, Err(Unanswered::Unparsed { reply }));
        }
        for reply in [
            "Answer: not known",
            "Answer: I don’t know.",
            "Answer: **Unknown**",
        ] {
            assert_eq!(answer(&said(reply)), Err(Unanswered::DontKnow), "{reply}");
        }
        let (usage, text) = (Usage::default(), "I would rather not".to_owned());
        let finish = Finish::Stop;
        assert_eq!(
            answer(&Said::Empty { finish, usage }),
            Err(Unanswered::Nothing)
        );
        let reply = text.clone();
        let refused = Said::Refused { text, usage };
        assert_eq!(answer(&refused), Err(Unanswered::Refused { reply }));
        let failed = Said::Failed(Failure {
            class: FailureClass::Unavailable,
            message: "down".into(),
        });
        let message = "down".into();
        assert_eq!(answer(&failed), Err(Unanswered::Error { message }));
    }

    #[test]
    fn the_end_of_what_is_cut_is_not_read() {
        assert!(answer(&cut("So it is\nAnswer: 12")).is_err());
        assert_eq!(answer(&cut("Answer: 12\nFor th")).unwrap().answer, "12");
        let Move::Ask(asked) =
            decomposition(&cut("Question: What is 3 + 4?\nQuestion: What is 5 ×"))
        else {
            unreachable!()
        };
        assert_eq!(asked, [Text::new("What is 3 + 4?")]);
    }

    #[test]
    fn sub_questions_are_read_however_they_are_set() {
        for reply in [
            "Question: What is 3 + 4?\nQuestion: What is 5 × 6?",
            "Two parts:\n\n1. **Question:** What is 3 + 4?\n2. **Question:** What is 5 × 6?",
            "Question 1: What is 3 + 4?\nSub-question 2: What is 5 × 6?\nAnswer: 9",
            "<question>What is 3 + 4?</question>\n<question>What is 5 × 6?</question>",
            "- What is 3 + 4?\n- What is 5 × 6?",
            "1) What is 3 + 4?\n2) *What is 5 × 6?*\nThat is all.",
            "Question:\nWhat is 3 + 4?\nQuestion:\nWhat is 5 × 6?",
        ] {
            assert_eq!(
                questions(reply),
                ["What is 3 + 4?", "What is 5 × 6?"],
                "{reply:?}"
            );
        }
    }

    #[test]
    fn who_asks_nothing_answers_or_says_nothing() {
        let Move::Answer(answer) = decomposition(&said("It is plain.\nAnswer: 7")) else {
            unreachable!()
        };
        assert_eq!(answer.unwrap().answer, "7");
        for reply in ["Hm.", "What is it?", "Question:"] {
            assert!(matches!(
                decomposition(&said(reply)),
                Move::Answer(Err(Unanswered::Unparsed { .. }))
            ));
        }
    }

    #[test]
    fn in_turn_the_first_line_counts() {
        let reply =
            "I should know the sum.\nQuestion: What is 3 + 4?\nAnswer: 7\nQuestion: What is 7 × 2?";
        assert_eq!(
            next(&said(reply)),
            Move::Ask(vec![Text::new("What is 3 + 4?")])
        );
        let Move::Answer(Ok(answer)) = next(&said("Answer: 7\nQuestion: Really?")) else {
            unreachable!()
        };
        assert_eq!(answer.answer, "7");
    }

    #[test]
    fn as_many_questions_are_kept_as_a_tree_may_hold() {
        let many = "Question: Why?\n".repeat(500);
        assert_eq!(questions(&many).len(), MOST_QUESTIONS);
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_read_or_not(text: String) {
            for said in [said(&text), cut(&text)] {
                let _answer = answer(&said);
                let _move = next(&said);
                if let Move::Ask(questions) = decomposition(&said) {
                    prop_assert!(!questions.is_empty());
                }
            }
        }

        #[test]
        fn the_line_that_is_asked_for_is_read(before in "[a-z .\n]{0,30}", answer_text in "[a-z0-9]{1,12}") {
            prop_assume!(!is_not_known(&answer_text));
            let reply = said(&format!("{before}\nAnswer: {answer_text}"));
            prop_assert_eq!(answer(&reply).unwrap().answer, answer_text);
        }
    }
}
