//! Annotated pairs of Inverse Constitutional AI (Findeis et al. 2024, arXiv:2406.06560), version 2: one JSON document.
//!
//! ```text
//! { metadata: { version, default_annotator }, comparisons: [{ id, prompt, response_a: { text }, response_b: { text },
//!   annotations: { ANNOTATOR: { pref: "a" | "b" } }, metadata: { p_chosen } }], annotators: { ANNOTATOR: { name, type } } }
//! ```
//!
//! Each judge is an annotator. Which reply is A is drawn by the row's id. A prompt of one message stands as it is, a longer
//! one as a dialogue (`dialogue.rs`).
//! When reading, the preference is the default annotator's if there is one with a preference; else that of most
//! annotators, with their share as the soft label. The document is in memory as a whole.

use std::borrow::Borrow;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trimtab_core::PreferencePair;
use trimtab_core::chat::{Message, Role};

use super::container::{Unfinished, unwritable};
use super::dialogue::{prompt_text, read_prompt};
use super::fault::{PreferenceError, RowFault};
use crate::dataset::drawn;

#[derive(Serialize, Deserialize)]
struct Response {
    text: String,
}

#[derive(Serialize)]
struct Comparison<'p> {
    id: &'p str,
    prompt: String,
    response_a: Response,
    response_b: Response,
    annotations: Map<String, Value>,
    metadata: Value,
}

fn prompt(messages: &[Message]) -> Option<String> {
    if let [message] = messages
        && message.role == Role::User
        && read_prompt(&message.content) == messages
    {
        return Some(message.content.clone());
    }
    prompt_text(messages)
}

/// Writes pairs; returns how many.
pub(super) fn export<P: Borrow<PreferencePair>>(
    pairs: impl IntoIterator<Item = P>,
    file: &Path,
) -> Result<u64, PreferenceError> {
    let failed = unwritable(file);
    let (unfinished, mut out) = Unfinished::open(file).map_err(&failed)?;
    let mut judges: Vec<String> = Vec::new();
    let mut n = 0;
    let head = "{\"metadata\":{\"version\":\"2.0\",\"default_annotator\":\"judge-1\",\
                \"available_metadata_keys_per_comparison\":[\"p_chosen\"]},\n\"comparisons\":[";
    out.write_all(head.as_bytes()).map_err(&failed)?;
    for pair in pairs {
        let pair = pair.borrow();
        let comparison = comparison(pair, &mut judges).map_err(|fault| {
            let id = pair.id.clone();
            PreferenceError::Unwritable { id, fault }
        })?;
        let comma: &[u8] = if n == 0 { b"\n" } else { b",\n" };
        out.write_all(comma).map_err(&failed)?;
        serde_json::to_writer(&mut out, &comparison).map_err(|error| failed(error.into()))?;
        n += 1;
    }
    let annotators: Map<String, Value> = (judges.iter().enumerate())
        .map(|(i, name)| (annotator(i), json!({"name": name, "type": "unknown"})))
        .collect();
    let tail = format!("\n],\n\"annotators\":{}}}\n", Value::Object(annotators));
    out.write_all(tail.as_bytes()).map_err(&failed)?;
    unfinished.finish(out).map_err(&failed)?;
    Ok(n)
}

fn annotator(judge: usize) -> String {
    format!("judge-{}", judge + 1)
}

fn comparison<'p>(
    pair: &'p PreferencePair,
    judges: &mut Vec<String>,
) -> Result<Comparison<'p>, RowFault> {
    if !(0.5..=1.0).contains(&pair.p_chosen) {
        return Err(RowFault::PChosen(pair.p_chosen));
    }
    let known = judges.iter().position(|judge| *judge == pair.judge);
    let judge = known.unwrap_or_else(|| {
        judges.push(pair.judge.clone());
        judges.len() - 1
    });
    let (a, b, pref) = match drawn("order", &pair.id, 2) {
        0 => (&pair.chosen, &pair.rejected, "a"),
        _ => (&pair.rejected, &pair.chosen, "b"),
    };
    let response = |text: &str| Response {
        text: text.to_owned(),
    };
    Ok(Comparison {
        id: &pair.id,
        prompt: prompt(&pair.prompt).ok_or(RowFault::NotStandard)?,
        response_a: response(a),
        response_b: response(b),
        annotations: Map::from_iter([(annotator(judge), json!({"pref": pref}))]),
        metadata: json!({"p_chosen": pair.p_chosen.to_string()}),
    })
}

/// The parts of a document that are read.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    annotators: Map<String, Value>,
    pub(super) comparisons: Vec<Value>,
}

impl Document {
    /// The pair of a comparison.
    pub(super) fn pair(&self, comparison: &Value, row: usize) -> Result<PreferencePair, RowFault> {
        let text = |path: &str, expected: &'static str| {
            let found = comparison.pointer(path).and_then(Value::as_str);
            found.ok_or_else(|| RowFault::WrongType {
                column: path.trim_start_matches('/').replace('/', "."),
                expected,
            })
        };
        let a = text("/response_a/text", "a text").or_else(|_| text("/text_a", "a text"))?;
        let b = text("/response_b/text", "a text").or_else(|_| text("/text_b", "a text"))?;
        let prompt = comparison.get("prompt").and_then(Value::as_str);
        let votes: Vec<(&String, bool)> = (comparison.get("annotations"))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(annotator, said)| match said.get("pref")?.as_str()? {
                "a" | "text_a" => Some((annotator, true)),
                "b" | "text_b" => Some((annotator, false)),
                _ => None,
            })
            .collect();
        let default = self
            .metadata
            .get("default_annotator")
            .and_then(Value::as_str);
        let by_default = (votes.iter()).find(|(annotator, _)| Some(annotator.as_str()) == default);
        let said_p = (comparison.pointer("/metadata/p_chosen")).and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        });
        let n_a = votes.iter().filter(|(_, a)| *a).count();
        let share = n_a.max(votes.len() - n_a) as f64 / votes.len().max(1) as f64;
        let (a_wins, judge, p_chosen) = match (by_default, votes.as_slice()) {
            (Some((annotator, a)), _) | (None, [(annotator, a)]) => {
                (*a, self.name(annotator), said_p.unwrap_or(1.0))
            }
            (None, votes) if 2 * n_a != votes.len() => {
                let judge = format!("{} annotators", votes.len());
                (2 * n_a > votes.len(), judge, share)
            }
            (None, votes) => {
                let n_votes = votes.len();
                return Err(RowFault::Undecided { n_votes });
            }
        };
        if !(0.5..=1.0).contains(&p_chosen) {
            return Err(RowFault::PChosen(p_chosen));
        }
        let (chosen, rejected) = if a_wins { (a, b) } else { (b, a) };
        let id = comparison.get("id").and_then(Value::as_str);
        Ok(PreferencePair {
            id: id.map_or_else(|| format!("row-{row}"), str::to_owned),
            prompt: read_prompt(prompt.unwrap_or_default()),
            chosen: chosen.to_owned(),
            rejected: rejected.to_owned(),
            p_chosen,
            judge,
        })
    }

    fn name(&self, annotator: &str) -> String {
        let about = self.annotators.get(annotator);
        let name = about.and_then(|about| about.get("name")?.as_str());
        name.unwrap_or(annotator).to_owned()
    }
}
