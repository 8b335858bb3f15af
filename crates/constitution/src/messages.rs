//! The prompts of the method, and the conversations that they make.
//!
//! Paper: Bai et al. 2022, arXiv:2212.08073, sections 3.1 and 4.1. Differs from the paper: models that chat, so that a
//! critique and a revision are asked for by the user's next message, and a judge is asked in one message; our words; no
//! examples unless they are switched on.
//!
//! ```text
//! critique    [examples] prompt, reply, request                        → critique
//! revision    [examples] prompt, reply, request, critique, request     → revision
//!             [examples] prompt, reply, request                        → revision, without critique
//! judgement   [examples] prompt and two replies between tags, question → A or B
//!             the same, "think"; rationale, question                   → A or B, with reasons
//! ```
//!
//! What models and users wrote is bounded by tags where it is quoted, and loses any tag of ours that it holds: see
//! `trimtab_prompt::fenced`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::{Message, Role};
use trimtab_prompt::{Prompt, fenced};

use crate::file::{Example, PreferenceExample};
use crate::principle::Principle;

/// The names of the tags that quote something.
const TAGS: [&str; 5] = ["reply_a", "reply_b", "system", "user", "assistant"];

/// What a judge answers: the first reply is the better one, or the second.
pub const OPTIONS: [&str; 2] = ["A", "B"];

/// Whether a revision comes after a critique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CritiqueStep {
    /// A critique first, then the revision.
    #[default]
    Ask,
    /// The revision at once: the paper's ablation.
    Skip,
}

trimtab_prompt::prompts! { "constitution":
    /// Asks for a critique of the last reply.
    critique = "critique.v1";
    /// Asks for a revision after a critique.
    revision = "revision.v1";
    /// Asks for a revision without one.
    revision_only = "revision-only.v1";
    /// Asks which of two replies is better.
    judge = "judge.v1";
    /// Asks to think about it first.
    judge_rationale = "judge-rationale.v1";
    /// Asks for the decision after that.
    judge_decision = "judge-decision.v1";
}

fn rendered(prompt: &Prompt, values: &[(&str, &str)]) -> Message {
    let text = trimtab_prompt::rendered(prompt, values);
    // An example of no stated principle begins with its request.
    Message::new(Role::User, text.trim_start())
}

fn words(of: Option<&String>) -> &str {
    of.map_or("", String::as_str)
}

/// Examples of critique and revision, as what was said before, with their critiques or without.
pub fn example_messages(examples: &[Example], critique: CritiqueStep) -> Vec<Message> {
    let mut messages = Vec::new();
    for example in examples {
        let principle = Principle {
            id: String::new(),
            topic: String::new(),
            text: String::new(),
            critique_request: Some(example.critique_request.clone()),
            revision_request: Some(example.revision_request.clone()),
            preference_question: None,
        };
        let critique = match critique {
            CritiqueStep::Ask => Some(example.critique.as_str()),
            CritiqueStep::Skip => None,
        };
        let prompt = turns(&example.before, &example.prompt);
        let reply = &example.reply;
        messages.extend(revision_messages(&[], &prompt, reply, &principle, critique));
        messages.push(Message::new(Role::Assistant, example.revision.as_str()));
    }
    messages
}

/// Examples of preferences under `principle`, as what was said before. The better reply is A and B in turn.
pub fn preference_example_messages(
    examples: &[PreferenceExample],
    principle: &Principle,
) -> Vec<Message> {
    let mut messages = Vec::new();
    for (i, example) in examples.iter().enumerate() {
        let prompt = turns(&example.before, &example.prompt);
        let (replies, better) = if i % 2 == 0 {
            ([example.better.as_str(), &example.worse], OPTIONS[0])
        } else {
            ([example.worse.as_str(), &example.better], OPTIONS[1])
        };
        messages.extend(judge_messages(&[], &prompt, replies, principle));
        messages.push(Message::new(Role::Assistant, better));
    }
    messages
}

fn turns(before: &[String], prompt: &str) -> Vec<Message> {
    let roles = [Role::User, Role::Assistant].into_iter().cycle();
    (before.iter().map(String::as_str).chain([prompt]))
        .zip(roles)
        .map(|(text, role)| Message::new(role, text))
        .collect()
}

/// Asks for a critique of `reply` to `prompt`. `examples` go in front.
pub fn critique_messages(
    examples: &[Message],
    prompt: &[Message],
    reply: &str,
    principle: &Principle,
) -> Vec<Message> {
    let request = rendered(
        &Prompts::embedded().critique,
        &[
            ("principle", &principle.text),
            ("request", words(principle.critique_request.as_ref())),
        ],
    );
    let reply = Message::new(Role::Assistant, reply);
    with_examples(examples, prompt, [reply, request])
}

/// Asks for a revision of `reply` to `prompt`, after `critique` or without one.
pub fn revision_messages(
    examples: &[Message],
    prompt: &[Message],
    reply: &str,
    principle: &Principle,
    critique: Option<&str>,
) -> Vec<Message> {
    let prompts = Prompts::embedded();
    let request = words(principle.revision_request.as_ref());
    let Some(critique) = critique else {
        let request = rendered(
            &prompts.revision_only,
            &[("principle", &principle.text), ("request", request)],
        );
        let reply = Message::new(Role::Assistant, reply);
        return with_examples(examples, prompt, [reply, request]);
    };
    let mut messages = critique_messages(examples, prompt, reply, principle);
    messages.push(Message::new(Role::Assistant, critique));
    messages.push(rendered(&prompts.revision, &[("request", request)]));
    messages
}

/// Asks which of two replies to `prompt` is better under `principle`: `replies[0]` is shown as A.
pub fn judge_messages(
    examples: &[Message],
    prompt: &[Message],
    replies: [&str; 2],
    principle: &Principle,
) -> Vec<Message> {
    let judge = &Prompts::embedded().judge;
    with_examples(examples, &[], [compare(judge, prompt, replies, principle)])
}

/// The same, asking for reasons first.
pub fn rationale_messages(
    prompt: &[Message],
    replies: [&str; 2],
    principle: &Principle,
) -> Vec<Message> {
    let judge = &Prompts::embedded().judge_rationale;
    vec![compare(judge, prompt, replies, principle)]
}

/// Asks for the decision, reasons having been given.
pub fn decision_messages(
    prompt: &[Message],
    replies: [&str; 2],
    principle: &Principle,
    rationale: &str,
) -> Vec<Message> {
    let question = words(principle.preference_question.as_ref());
    let mut messages = rationale_messages(prompt, replies, principle);
    messages.push(Message::new(Role::Assistant, rationale));
    let decide = &Prompts::embedded().judge_decision;
    messages.push(rendered(decide, &[("question", question)]));
    messages
}

fn compare(
    judge: &Prompt,
    prompt: &[Message],
    [first, second]: [&str; 2],
    principle: &Principle,
) -> Message {
    let conversation: Vec<String> = prompt.iter().map(quoted).collect();
    rendered(
        judge,
        &[
            ("conversation", &conversation.join("\n\n")),
            ("first", &fenced(first, &TAGS)),
            ("second", &fenced(second, &TAGS)),
            ("principle", &principle.text),
            ("question", words(principle.preference_question.as_ref())),
        ],
    )
}

/// One message between tags.
fn quoted(message: &Message) -> String {
    let tag = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    format!("<{tag}>\n{}\n</{tag}>", fenced(&message.content, &TAGS))
}

fn with_examples<const N: usize>(
    examples: &[Message],
    prompt: &[Message],
    then: [Message; N],
) -> Vec<Message> {
    let mut messages = [examples, prompt].concat();
    messages.extend(then);
    messages
}
