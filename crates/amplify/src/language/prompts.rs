//! What is asked, word by word.
//!
//! ```text
//! decompose  question                                  → sub-questions, or the answer
//! next       question, what was asked so far           → a sub-question, or the answer
//! compose    question, what was asked                  → the answer
//! answer     a question                                → the answer: all that the assistant ever sees
//! choose     question, what was asked, its answers     → a letter (`supervisor.rs`)
//! ```
//!
//! A question and what it came to stand between tags, and lose any tag of ours that they bring along: see
//! `trimtab_prompt::fenced`.

use std::fmt::Write as _;

use trimtab_core::chat::{Message, Role};
use trimtab_prompt::{fenced, rendered};

use super::reply::Reply;
use super::text::Text;
use crate::tree::{Answered, Exchange};

/// The names of the tags that quote questions and answers.
const TAGS: [&str; 7] = [
    "question",
    "asked",
    "came_to",
    "answer",
    "system",
    "user",
    "assistant",
];

/// The names of the tags inside a question that is made of a text and its labels, or a prompt and its replies.
const INNER_TAGS: [&str; 2] = ["text", "prompt"];

trimtab_prompt::prompts! { "amplify":
    /// Asks for sub-questions, all at once.
    decompose = "decompose.v1";
    /// Asks for the next sub-question, or the answer.
    next = "next.v1";
    /// Asks for the answer, sub-questions having been answered.
    compose = "compose.v1";
    /// Asks the assistant.
    answer = "answer.v1";
    /// Asks which of some answers is right, sub-questions having been answered.
    choose = "choose.v1";
    /// Puts a text and its labels as a question.
    classify = "classify.v1";
    /// Puts a prompt and replies to it as a question.
    compare = "compare.v1";
}

/// `text` of the data or of a model, where it stands between tags.
pub(crate) fn quoted(text: &str) -> String {
    fenced(text, &TAGS).into_owned()
}

/// The same inside a question.
pub(crate) fn quoted_inside(text: &str) -> String {
    let replies =
        super::supervisor::LETTERS.map(|letter| format!("reply_{}", letter.to_lowercase()));
    let mut tags: Vec<&str> = replies.iter().map(String::as_str).collect();
    tags.extend(INNER_TAGS);
    fenced(text, &tags).into_owned()
}

fn user(text: String) -> Vec<Message> {
    vec![Message::new(Role::User, text)]
}

/// Asks for sub-questions of `question`.
pub fn decompose_messages(question: &Text, most: u32) -> Vec<Message> {
    let values = [
        ("question", &*quoted(question.as_str())),
        ("most", &most.to_string()),
    ];
    user(rendered(&Prompts::embedded().decompose, &values))
}

/// Asks for the next sub-question of `question`, of `left` at most, or its answer.
pub fn next_messages(
    question: &Text,
    exchanges: &[Exchange<Text, Reply>],
    left: u32,
) -> Vec<Message> {
    let left = match left {
        1 => "one more".to_owned(),
        n => format!("{n} more"),
    };
    let values = [
        ("question", &*quoted(question.as_str())),
        ("exchanges", &exchanges_in_words(exchanges)),
        ("left", &left),
    ];
    user(rendered(&Prompts::embedded().next, &values))
}

/// Asks for the answer to `question`, from what its sub-questions came to.
pub fn compose_messages(question: &Text, exchanges: &[Exchange<Text, Reply>]) -> Vec<Message> {
    let values = [
        ("question", &*quoted(question.as_str())),
        ("exchanges", &exchanges_in_words(exchanges)),
    ];
    user(rendered(&Prompts::embedded().compose, &values))
}

/// Asks the assistant, who sees nothing else.
pub fn answer_messages(question: &Text) -> Vec<Message> {
    let values = [("question", &*quoted(question.as_str()))];
    user(rendered(&Prompts::embedded().answer, &values))
}

/// What was asked and what it came to, as an expert reads it.
pub(crate) fn exchanges_in_words(exchanges: &[Exchange<Text, Reply>]) -> String {
    let exchanges = exchanges
        .iter()
        .map(|Exchange { question, answer }| (question, answer));
    in_words(exchanges)
}

/// The same of any questions and what they came to.
pub(crate) fn in_words<'a>(
    exchanges: impl Iterator<Item = (&'a Text, &'a Answered<Reply>)>,
) -> String {
    let mut out = String::new();
    for (question, answer) in exchanges {
        let came_to = match answer {
            Ok(reply) => quoted(&reply.answer),
            Err(unanswered) => format!("({})", unanswered.in_words()),
        };
        let question = quoted(question.as_str());
        let _infallible = write!(
            out,
            "<asked>\n{question}\n</asked>\n<came_to>\n{came_to}\n</came_to>\n\n"
        );
    }
    if out.is_empty() {
        return "Nothing has been asked yet.".into();
    }
    out.truncate(out.trim_end().len());
    out
}
