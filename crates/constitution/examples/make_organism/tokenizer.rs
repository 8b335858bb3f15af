//! The organism's tokenizer: a word is a token, and so is a run of marks.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use trimtab_constitution::file::Constitution;
use trimtab_constitution::messages::{
    critique_messages, decision_messages, judge_messages, rationale_messages, revision_messages,
};
use trimtab_core::chat::{Message, Role};
use trimtab_organism::Sentence;
use trimtab_organism::Violation;
use trimtab_organism::critic;
use trimtab_organism::request::every;

pub(crate) const PAD: u32 = 0;
pub(crate) const START: u32 = 2;
pub(crate) const END: u32 = 3;
const SPECIAL: [&str; 4] = ["<pad>", "<unk>", "<|im_start|>", "<|im_end|>"];

/// Turns between tokens that no text can spell; blanks and line breaks are no tokens.
const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n\
    {{ message.content }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Words of the world, of the prompts, and of the default constitution, in order of the alphabet.
fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut add = |text: &str| words.extend(pieces(text));
    for role in ["system", "user", "assistant"] {
        add(role);
    }
    for sentence in Sentence::all() {
        add(&sentence.to_string());
    }
    for request in every() {
        add(&request.text);
    }
    for i in 0..3 {
        let all: Vec<(usize, Violation)> = Violation::ALL.iter().map(|&v| (i, v)).collect();
        add(&critic::critique(&all));
    }
    add(&critic::critique(&[]));
    let prompt = [Message::new(Role::User, "")];
    for principle in Constitution::embedded().principles() {
        let conversations = [
            critique_messages(&[], &prompt, "", principle),
            revision_messages(&[], &prompt, "", principle, Some("")),
            revision_messages(&[], &prompt, "", principle, None),
            judge_messages(&[], &prompt, ["", ""], principle),
            rationale_messages(&prompt, ["", ""], principle),
            decision_messages(&prompt, ["", ""], principle, "in A B"),
        ];
        for message in conversations.concat() {
            add(&message.content);
        }
    }
    words
}

/// As the pre-tokenizer `Whitespace` cuts: `\w+|[^\w\s]+`.
fn pieces(text: &str) -> Vec<String> {
    let class = |c: char| match c {
        c if c.is_whitespace() => 0,
        c if c.is_alphanumeric() || c == '_' => 1,
        _ => 2,
    };
    let mut pieces: Vec<String> = Vec::new();
    let mut last = 0;
    for c in text.chars() {
        let this = class(c);
        match pieces.last_mut() {
            Some(piece) if this == last && this != 0 => piece.push(c),
            _ if this != 0 => pieces.push(c.into()),
            _ => {}
        }
        last = this;
    }
    pieces
}

/// Writes `tokenizer.json` and `tokenizer_config.json`; gives the size of the vocabulary.
pub(crate) fn write(folder: &Path) -> Result<usize, Box<dyn Error>> {
    let all: Vec<String> = SPECIAL
        .map(str::to_owned)
        .into_iter()
        .chain(words())
        .collect();
    let vocab: Map<String, Value> = (all.iter().zip(0..))
        .map(|(word, id)| (word.clone(), Value::from(id)))
        .collect();
    let added: Vec<Value> = (SPECIAL.iter().enumerate())
        .map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
        "decoder": null, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
    });
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>", "pad_token": "<pad>", "unk_token": "<unk>",
        "clean_up_tokenization_spaces": false, "chat_template": TEMPLATE,
    });
    fs::write(folder.join("tokenizer.json"), format!("{tokenizer}\n"))?;
    fs::write(
        folder.join("tokenizer_config.json"),
        format!("{config:#}\n"),
    )?;
    Ok(all.len())
}
