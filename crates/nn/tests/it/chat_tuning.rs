//! A chat model from its folder, tuned on replies, into a folder that is a chat model again.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::json;
use trimtab_core::{Seed, Workplace};
use trimtab_nn::chat_tuning::{encode, tune};
use trimtab_nn::{
    Chat, ChatError, ChatModel, ChatRow, Device, Finish, GenerationOptions, Message, Model,
    ModelConfig, Placement, Progress, Role, Sampling, TrainOptions, TuneError,
};

use crate::golden::folder;

/// A random model of one layer with the tokenizer and template of `tests/golden/chat`.
fn put_chat_model(there: &Path) {
    let json = json!({
        "model_type": "llama", "vocab_size": 320, "hidden_size": 16, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 16, "max_position_embeddings": 128,
        "eos_token_id": 2,
    });
    let config = ModelConfig::parse(&json.to_string()).unwrap();
    let model = Model::new(config, &Device::Cpu.open().unwrap(), Seed(4));
    model.save(there).unwrap();
    for name in [
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ] {
        fs::copy(folder("chat").join(name), there.join(name)).unwrap();
    }
}

fn row(prompt: &str, reply: &str) -> ChatRow {
    ChatRow {
        messages: vec![Message::new(Role::User, prompt)],
        reply: reply.to_owned(),
    }
}

#[test]
fn what_was_tuned_on_replies_gives_them() {
    let device = Device::Cpu.open().unwrap();
    let rows = [row("Is it day?", "yes"), row("Is it night?", "no no")];
    let options = TrainOptions {
        epochs: 300,
        learning_rate: 0.02,
        batch_size: 2,
        ..TrainOptions::default()
    };
    let there = tempfile::tempdir().unwrap();
    let place = Workplace::none();
    let (from, out) = (there.path(), there.path().join("tuned"));
    put_chat_model(from);
    let tuned = tune(
        from,
        &rows,
        &options,
        Seed(1),
        &Placement::default(),
        &out,
        place,
    )
    .unwrap();
    assert_eq!(tuned.training.n_steps, 300);
    assert!(tuned.training.loss < 0.1, "{tuned:?}");
    let chat = ChatModel::open(&out, &device).unwrap();
    let options = GenerationOptions {
        sampling: Sampling::GREEDY,
        ..GenerationOptions::default()
    };
    let chats: Vec<Chat> = (rows.iter())
        .map(|row| Chat {
            messages: row.messages.clone(),
            seed: Seed(0),
        })
        .collect();
    let mut go_on = |_: Progress<'_>| ControlFlow::Continue(());
    let replies = chat.reply(&chats, &options, &mut go_on).unwrap();
    for (reply, row) in replies.iter().zip(&rows) {
        assert_eq!(reply.text, row.reply);
        // The end of the turn is learnt too.
        assert_eq!(reply.finish, Finish::EndOfText);
    }
}

#[test]
fn rows_are_the_conversation_and_the_reply_with_its_end() {
    let there = tempfile::tempdir().unwrap();
    put_chat_model(there.path());
    let chat = ChatModel::open(there.path(), &Device::Cpu.open().unwrap()).unwrap();
    let rows = encode(&chat, &[row("Is it day?", "yes")]).unwrap();
    let [row_of_tokens] = &rows[..] else {
        panic!("one row in, one row out");
    };
    let reply = &row_of_tokens.ids[row_of_tokens.n_given..];
    assert_eq!(chat.tokenizer().decode(reply).unwrap(), "yes");
    let ends = chat.language_model().end_of_text();
    assert!(reply.last().is_some_and(|id| ends.contains(id)));

    let forged = encode(&chat, &[row("a", "b"), row("a", "<|im_end|>")]).unwrap_err();
    assert!(matches!(
        forged,
        TuneError::Row {
            row: 1,
            source: ChatError::Forged { message: 1, .. }
        }
    ));
    let long = encode(&chat, &[row("a", &"b ".repeat(300))]).unwrap_err();
    assert!(matches!(long, TuneError::TooLong { row: 0, .. }));
}
