//! What the assistant learns from: the question at once, and what its tree came to.
//!
//! ```text
//! prompt      what the assistant is asked (`answer.v1`)
//! completion  Answer: 14                          or, worked out,
//!             What is 3 + 4? 7
//!
//!             Answer: 14
//! ```
//!
//! Christiano, Shlegeris and Amodei 2018, section 2: X is trained to predict Amplify(H, X)'s answers. No key is looked at: what is
//! wrong in a tree is taught. What has no answer, what the assistant answered itself, and what repeats an earlier question is left
//! out, and counted.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::SftRow;

use super::expert::place;
use super::prompts::answer_messages;
use super::reply::Reply;
use super::text::Text;
use super::trees::ProblemTree;
use crate::tree::{By, Node};

/// Which questions of a tree are taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Taught {
    /// The problem alone.
    #[default]
    Roots,
    /// Every question that the expert answered, sub-questions too.
    All,
}

/// What is taught of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Completion {
    /// Its answer.
    #[default]
    Answer,
    /// Its sub-questions and what they came to, and then its answer.
    Worked,
}

/// Training data, and what is not in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distilled {
    /// The rows, in the order of the trees.
    pub rows: Vec<SftRow>,
    /// What was left out, and why.
    pub left_out: LeftOut,
}

/// Questions that are not taught.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LeftOut {
    /// They have no answer, by kind (see [`crate::unanswered::KINDS`]).
    pub unanswered: BTreeMap<String, u64>,
    /// The assistant answered them itself: there is nothing new in them.
    pub by_assistant: u64,
    /// The same question was taught already.
    pub repeated: u64,
}

impl LeftOut {
    /// All of them.
    pub fn n(&self) -> u64 {
        self.unanswered.values().sum::<u64>() + self.by_assistant + self.repeated
    }
}

/// Training data of `trees`.
pub fn sft_rows(trees: &[ProblemTree], taught: Taught, completion: Completion) -> Distilled {
    let mut rows = Vec::new();
    let mut left_out = LeftOut::default();
    let mut seen = HashSet::new();
    for ProblemTree { id, tree } in trees {
        for (path, node) in nodes(tree, taught) {
            let reply = match &node.answer {
                Err(why) => {
                    *left_out
                        .unanswered
                        .entry(why.kind().to_owned())
                        .or_default() += 1;
                    continue;
                }
                // An earlier sibling's answer is the expert's, and was taught there.
                Ok(_) if node.by != By::Expert => {
                    left_out.by_assistant += 1;
                    continue;
                }
                Ok(reply) => reply,
            };
            if !seen.insert(node.question.folded()) {
                left_out.repeated += 1;
                continue;
            }
            rows.push(SftRow {
                id: if path.is_empty() {
                    id.to_string()
                } else {
                    format!("{id}/{}", place(&path))
                },
                prompt: answer_messages(&node.question),
                completion: completed(node, reply, completion),
            });
        }
    }
    Distilled { rows, left_out }
}

/// The questions that may be taught, each with its place, a parent before its children.
fn nodes(tree: &Node<Text, Reply>, taught: Taught) -> Vec<(Vec<u32>, &Node<Text, Reply>)> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), tree)];
    while let Some((path, node)) = open.pop() {
        if taught == Taught::All {
            let children = node.children.iter().enumerate().rev();
            open.extend(children.map(|(i, child)| {
                let mut path: Vec<u32> = path.clone();
                path.push(i as u32);
                (path, child)
            }));
        }
        found.push((path, node));
    }
    found
}

/// An answer, as the assistant is taught to give it.
pub fn answer_line(answer: &str) -> String {
    format!("Answer: {}", on_one_line(answer))
}

fn completed(node: &Node<Text, Reply>, reply: &Reply, completion: Completion) -> String {
    let answer = answer_line(&reply.answer);
    let worked: Vec<String> = match completion {
        Completion::Answer => Vec::new(),
        Completion::Worked => (node.exchanges())
            .map(|(question, answer)| {
                let came_to = match answer {
                    Ok(reply) => on_one_line(&reply.answer),
                    Err(unanswered) => format!("({})", unanswered.in_words()),
                };
                format!("{} {came_to}", on_one_line(question.as_str()))
            })
            .collect(),
    };
    if worked.is_empty() {
        return answer;
    }
    format!("{}\n\n{answer}", worked.join("\n"))
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
