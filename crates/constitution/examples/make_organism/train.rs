//! Training from nothing: replies, critiques, revisions and judgements, in one model.
//!
//! Batches are of lessons (everything after the request is learnt, or, where the reply was revised before, everything after
//! the request for a critique) and of judgements (the letter is learnt) in turn: in one batch the many tokens of lessons
//! would drown the letters.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use trimtab_constitution::file::Constitution;
use trimtab_constitution::messages::{
    decision_messages, judge_messages, rationale_messages, revision_messages,
};
use trimtab_constitution::principle::Principle;
use trimtab_core::chat::{Message, Role};
use trimtab_core::{Schedule, Seed, TrainingStep, Workplace};
use trimtab_nn::train::Order;
use trimtab_nn::{
    ChatModel, ChatTemplate, Device, Ending, LanguageModel, Model, ModelConfig, Operations,
    Precision, Threads, Tokenizer, TrainOptions, TuningRow,
};
use trimtab_organism::corpus::{Mixture, Origin, comparison, lesson};
use trimtab_organism::request::Request;
use trimtab_organism::{Split, requests};

use crate::{Settings, tokenizer};

/// The longest conversation, in tokens.
const CONTEXT: usize = 512;
/// Of judgements, one in so many comes after reasons.
const WITH_REASONS: usize = 3;
/// Of lessons, one in so many has no critique.
const WITHOUT_CRITIQUE: usize = 16;

/// The principle's words.
pub(crate) fn worded(principle: trimtab_organism::Principle) -> &'static Principle {
    let principles = Constitution::embedded().principles();
    let found = principles.iter().find(|p| p.id == principle.id());
    found.expect("the default constitution has the world's eight principles")
}

pub(crate) fn said(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

/// A conversation, of which so many messages are given.
type Conversation = (Vec<Message>, usize);

fn lesson_of(request: &Request, i: usize, mixture: &Mixture, seed: Seed) -> Conversation {
    let lesson = lesson(request, mixture, seed);
    let prompt = [said(Role::User, &lesson.request)];
    let principle = worded(lesson.principle);
    let critique = (!i.is_multiple_of(WITHOUT_CRITIQUE)).then_some(&*lesson.critique);
    let mut all = revision_messages(&[], &prompt, &lesson.reply, principle, critique);
    all.push(said(Role::Assistant, &lesson.revision));
    let given = match lesson.origin {
        Origin::Initial => 1,
        Origin::Revised => 3,
    };
    (all, given)
}

fn judgement_of(request: &Request, i: usize, mixture: &Mixture, seed: Seed) -> Conversation {
    let c = comparison(request, mixture, seed);
    let prompt = [said(Role::User, &c.request)];
    let replies = [&*c.replies[0], &*c.replies[1]];
    let principle = worded(c.principle);
    let (mut all, given) = if i.is_multiple_of(WITH_REASONS) {
        let all = decision_messages(&prompt, replies, principle, &c.rationale);
        let given = rationale_messages(&prompt, replies, principle).len();
        (all, given)
    } else {
        let all = judge_messages(&[], &prompt, replies, principle);
        let given = all.len();
        (all, given)
    };
    all.push(said(Role::Assistant, c.choice.letter()));
    (all, given)
}

/// A Llama that knows nothing, with the tokenizer in `folder`.
fn start(folder: &Path, vocab: usize, settings: &Settings) -> Result<Model, Box<dyn Error>> {
    let width: usize = settings.get("width", 128)?;
    let heads: usize = settings.get("heads", 4)?;
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocab,
        "hidden_size": width, "num_hidden_layers": settings.get("layers", 4_usize)?,
        "num_attention_heads": heads, "num_key_value_heads": heads,
        "intermediate_size": width * 3, "hidden_act": "silu", "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
        "attention_bias": false, "mlp_bias": false, "initializer_range": 0.03,
        "bos_token_id": tokenizer::START, "eos_token_id": tokenizer::END,
        "pad_token_id": tokenizer::PAD, "torch_dtype": "float32",
    });
    fs::write(folder.join("config.json"), format!("{config:#}\n"))?;
    let config = ModelConfig::parse(&config.to_string())?;
    let seed = Seed(settings.get("seed", 0)?).child("start");
    let mut model = Model::new(config, &Device::Cpu.open()?, seed);
    let threads = Threads(settings.threads()?);
    model.transformer = model
        .transformer
        .with_operations(Operations::Fused, threads);
    Ok(model)
}

pub(crate) fn train(folder: &Path, settings: &Settings) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let vocab = tokenizer::write(folder)?;
    let mut model = start(folder, vocab, settings)?;
    let chat = ChatModel::new(
        LanguageModel::new(&model)?,
        Tokenizer::open(folder, vocab, CONTEXT)?,
        ChatTemplate::open(folder, None)?,
    );
    let seed = Seed(settings.get("seed", 0)?);
    let (n_rows, batch): (usize, usize) =
        (settings.get("rows", 20_000)?, settings.get("batch", 32)?);
    let all = requests(Split::Train, 5000, seed.child("requests"))?;
    let mixture = Mixture::default();
    let mut stream = seed.child("draw").stream();
    let begun = Instant::now();
    let rows = (0..n_rows)
        .map(|i| {
            let request = &all[stream.below(all.len())];
            let own = seed.child(&format!("row {i}"));
            let is_lesson = (i / batch).is_multiple_of(2);
            let make = if is_lesson { lesson_of } else { judgement_of };
            let (messages, given) = make(request, i, &mixture, own);
            let ids = chat.encode(&messages, Ending::LastMessage)?;
            let n_given = chat.encode(&messages[..given], Ending::Reply)?.len();
            Ok(TuningRow { ids, n_given })
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    println!(
        "vocabulary {vocab}, {n_rows} rows, the longest of {:?} tokens, made in {:.1?}",
        rows.iter().map(|row| row.ids.len()).max(),
        begun.elapsed(),
    );
    let options = TrainOptions {
        epochs: 1,
        batch_size: batch,
        micro_batch_size: batch,
        learning_rate: settings.get("rate", 3e-3)?,
        schedule: Schedule::Cosine,
        warm_up: 0.03,
        weight_decay: 0.01,
        betas: [0.9, 0.98],
        clip_norm: 1.0,
        order: Order::AsGiven,
        ..TrainOptions::default()
    };
    let begun = Instant::now();
    let sums = std::sync::Mutex::new([0.0_f64; 2]);
    let on_step = |_: &str, step: &TrainingStep| {
        const EVERY: usize = 100;
        if let Ok(mut sums) = sums.lock() {
            sums[step.step % 2] += step.loss;
            if (step.step + 1).is_multiple_of(EVERY) {
                let [lessons, judgements] = sums.map(|sum| sum / (EVERY / 2) as f64);
                let time = begun.elapsed().as_secs_f64();
                println!(
                    "step {} of {}: lessons {lessons:.4}, judgements {judgements:.4}, {time:.0} s",
                    step.step + 1,
                    step.n_steps,
                );
                *sums = [0.0; 2];
            }
        }
    };
    let tuned = model.tune(&rows, &options, seed, &Workplace::new(&on_step, None))?;
    println!("{tuned:?} in {:.0?}", begun.elapsed());
    model.save_as(folder, Precision::Float16)?;
    Ok(())
}
