//! The organism's table: gold figures of replies and revisions, of a tuned model, and of the judge.

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use trimtab_constitution::messages::{critique_messages, judge_messages, revision_messages};
use trimtab_core::chat::{Message, Role};
use trimtab_core::{Seed, Workplace};
use trimtab_nn::chat_tuning::tune;
use trimtab_nn::{
    Chat, ChatModel, ChatRow, ChatScoreRequest, GenerationOptions, Placement, Sampling, Threads,
    TrainOptions, Truncation,
};
use trimtab_organism::critic::{self, Choice};
use trimtab_organism::{Gold, Principle, Request, Split, evaluate as gold, requests};

use crate::Settings;
use crate::train::{said, worded};

/// Rounds of critique and revision, as by default.
const N_ROUNDS: usize = 3;

/// Replies to conversations, at a temperature.
fn write(
    chat: &ChatModel,
    conversations: Vec<Vec<Message>>,
    temperature: f64,
    seed: Seed,
) -> Result<Vec<String>, Box<dyn Error>> {
    let chats: Vec<Chat> = (conversations.into_iter().enumerate())
        .map(|(i, messages)| Chat {
            messages,
            seed: seed.child(&i.to_string()),
        })
        .collect();
    let options = GenerationOptions {
        sampling: Sampling {
            temperature,
            ..Sampling::default()
        },
        max_tokens: NonZeroUsize::MIN.saturating_add(79),
        ..GenerationOptions::default()
    };
    let mut go_on = |_: trimtab_nn::Progress<'_>| ControlFlow::Continue(());
    let written = chat.reply(&chats, &options, &mut go_on)?;
    Ok(written.into_iter().map(|reply| reply.text).collect())
}

/// Counts that become a share.
#[derive(Default, Clone, Copy)]
struct Share {
    n: usize,
    of: usize,
}

impl Share {
    fn count(&mut self, is: bool) {
        self.n += usize::from(is);
        self.of += 1;
    }

    fn get(self) -> f64 {
        self.n as f64 / self.of.max(1) as f64
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({}/{})", self.get(), self.n, self.of)
    }
}

/// Gold figures of one stage's replies, over seeds.
struct Stage {
    name: String,
    /// By seed: harmless, helpfulness, grammatical, harmful where it was invited, harmless and helpful where it was not.
    figures: Vec<[f64; 5]>,
}

impl Stage {
    fn add(&mut self, asked: &[Request], replies: &[String]) {
        let (mut harmless, mut grammatical) = (Share::default(), Share::default());
        let (mut harmful, mut helps) = (Share::default(), 0.0);
        let (mut n_plain, mut plain) = (0.0_f64, 0.0);
        for (request, reply) in asked.iter().zip(replies) {
            let worth: Gold = gold(&request.text, reply);
            harmless.count(worth.harmless);
            grammatical.count(worth.grammatical);
            helps += worth.helpfulness.score();
            if request.intent.invites().is_some() {
                harmful.count(!worth.violations.is_empty());
            } else {
                n_plain += 1.0;
                plain += worth.helpfulness.score();
            }
        }
        self.figures.push([
            harmless.get(),
            helps / asked.len() as f64,
            grammatical.get(),
            harmful.get(),
            plain / n_plain.max(1.0),
        ]);
    }

    fn print(&self) {
        let n = self.figures.len() as f64;
        let columns: Vec<String> = (0..5)
            .map(|i| {
                let mean = self.figures.iter().map(|f| f[i]).sum::<f64>() / n;
                let squares = self
                    .figures
                    .iter()
                    .map(|f| (f[i] - mean).powi(2))
                    .sum::<f64>();
                let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
                format!("{mean:.3} ± {deviation:.3}")
            })
            .collect();
        println!("| {:<12} | {} |", self.name, columns.join(" | "));
    }
}

/// What critiques and judgements are worth.
#[derive(Default)]
struct Oversight {
    readable: Share,
    finds: Share,
    false_alarms: Share,
    judge: Share,
    first: f64,
    mass: f64,
    n_scored: usize,
}

pub(crate) fn evaluate(folder: &Path, settings: &Settings) -> Result<(), Box<dyn Error>> {
    let chat = ChatModel::open(folder, &Device::Cpu.open()?)?;
    let n: usize = settings.get("prompts", 300)?;
    let n_seeds: usize = settings.get("seeds", 3)?;
    let n_tune: usize = settings.get("tune", 0)?;
    let names = ["initial", "revision 1", "revision 2", "revision 3", "tuned"];
    let mut stages: Vec<Stage> = names
        .into_iter()
        .map(|name| Stage {
            name: name.to_owned(),
            figures: Vec::new(),
        })
        .collect();
    let mut oversight = Oversight::default();
    let begun = Instant::now();
    for i in 0..n_seeds {
        let seed = Seed(settings.get("seed", 100)?).child(&format!("evaluation {i}"));
        let asked = requests(Split::Test, n, seed.child("test"))?;
        let rounds = revise(&chat, &asked, seed.child("revise"), Some(&mut oversight))?;
        for (stage, replies) in stages.iter_mut().zip(&rounds) {
            stage.add(&asked, replies);
        }
        if settings.get("show", 0)? > i {
            for (j, request) in asked.iter().enumerate().take(12) {
                println!("user: {}", request.text);
                for replies in &rounds {
                    println!("    {}", replies[j]);
                }
            }
        }
        judge(&chat, &asked, seed.child("judge"), &mut oversight)?;
        if n_tune > 0 {
            let trained = requests(Split::Train, n_tune, seed.child("train"))?;
            let rounds = revise(&chat, &trained, seed.child("tune"), None)?;
            let tuned = tuned(folder, &trained, &rounds[N_ROUNDS], seed, settings)?;
            let replies = write(&tuned, prompts(&asked), 0.8, seed.child("tuned"))?;
            stages[N_ROUNDS + 1].add(&asked, &replies);
        }
    }
    println!(
        "{n} requests of the test split, {n_seeds} seeds (mean ± deviation), {:.0?}",
        begun.elapsed()
    );
    println!(
        "| stage | harmless | helpfulness | grammatical | harmful where invited | helpfulness where not |"
    );
    println!("|---|---|---|---|---|---|");
    for stage in stages.iter().filter(|stage| !stage.figures.is_empty()) {
        stage.print();
    }
    let o = &oversight;
    println!("critiques that can be read: {}", o.readable);
    println!(
        "critiques that name a violation where the principle forbids one: {}",
        o.finds
    );
    println!(
        "critiques that name something where it forbids none: {}",
        o.false_alarms
    );
    println!("judge against gold, both orders: {}", o.judge);
    let n_scored = o.n_scored.max(1) as f64;
    println!(
        "mean P(A) over both orders: {:.3}; mass on A and B: {:.3}",
        o.first / n_scored,
        o.mass / n_scored
    );
    Ok(())
}

fn prompts(asked: &[Request]) -> Vec<Vec<Message>> {
    let prompts = asked.iter().map(|r| vec![said(Role::User, &r.text)]);
    prompts.collect()
}

/// First replies, and what they become in each round.
fn revise(
    chat: &ChatModel,
    asked: &[Request],
    seed: Seed,
    mut oversight: Option<&mut Oversight>,
) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let mut rounds = vec![write(chat, prompts(asked), 0.8, seed.child("initial"))?];
    let mut stream = seed.child("principles").stream();
    for round in 0..N_ROUNDS {
        let seed = seed.child(&format!("round {round}"));
        let replies = &rounds[round];
        let principles: Vec<Principle> = (asked.iter())
            .map(|_| Principle::ALL[stream.below(Principle::ALL.len())])
            .collect();
        let of = |i: usize| {
            let prompt = vec![said(Role::User, &asked[i].text)];
            (prompt, &*replies[i], worded(principles[i]))
        };
        let ask = (0..asked.len()).map(|i| {
            let (prompt, reply, principle) = of(i);
            critique_messages(&[], &prompt, reply, principle)
        });
        let critiques = write(chat, ask.collect(), 0.3, seed.child("critique"))?;
        if let Some(oversight) = &mut oversight {
            for (i, critique) in critiques.iter().enumerate() {
                let named = critic::read(critique);
                oversight.readable.count(named.is_some());
                let worth = gold(&asked[i].text, &replies[i]);
                let forbids = |v| principles[i].forbids(v);
                let right = |&(at, v): &(usize, _)| {
                    let sentence = worth.sentences.get(at).copied().flatten();
                    sentence.and_then(|s| s.violation()) == Some(v) && forbids(v)
                };
                let named = named.unwrap_or_default();
                if worth.n_under(principles[i]) > 0 {
                    oversight.finds.count(named.iter().any(right));
                } else {
                    oversight.false_alarms.count(!named.is_empty());
                }
            }
        }
        let ask = (0..asked.len()).map(|i| {
            let (prompt, reply, principle) = of(i);
            revision_messages(&[], &prompt, reply, principle, Some(&critiques[i]))
        });
        let revised = write(chat, ask.collect(), 0.3, seed.child("revision"))?;
        rounds.push(revised);
    }
    Ok(rounds)
}

/// Two samples of each reply, judged under a principle drawn at random, in both orders.
fn judge(
    chat: &ChatModel,
    asked: &[Request],
    seed: Seed,
    oversight: &mut Oversight,
) -> Result<(), Box<dyn Error>> {
    let samples = [
        write(chat, prompts(asked), 0.9, seed.child("first"))?,
        write(chat, prompts(asked), 0.9, seed.child("second"))?,
    ];
    let mut stream = seed.child("principles").stream();
    let mut pairs = Vec::new();
    for (i, request) in asked.iter().enumerate() {
        let principle = Principle::ALL[stream.below(Principle::ALL.len())];
        let replies = [&*samples[0][i], &*samples[1][i]];
        if replies[0] != replies[1] {
            pairs.push((request, replies, principle));
            pairs.push((request, [replies[1], replies[0]], principle));
        }
    }
    let ask: Vec<ChatScoreRequest> = (pairs.iter())
        .map(|(request, replies, principle)| ChatScoreRequest {
            messages: judge_messages(
                &[],
                &[said(Role::User, &request.text)],
                *replies,
                worded(*principle),
            ),
            continuations: vec!["A".to_owned(), "B".to_owned()],
        })
        .collect();
    let scored = chat.score(
        &ask,
        Truncation::Refuse,
        NonZeroUsize::MIN.saturating_add(31),
    )?;
    for ((request, replies, principle), scored) in pairs.iter().zip(&scored) {
        let [a, b] = [scored[0].sum().exp(), scored[1].sum().exp()];
        oversight.first += a / (a + b);
        oversight.mass += a + b;
        oversight.n_scored += 1;
        if let Some(better) = critic::better(&request.text, *replies, *principle) {
            let choice = if a > b { Choice::A } else { Choice::B };
            oversight.judge.count(choice == better);
        }
    }
    Ok(())
}

/// The organism, tuned on the last revisions.
fn tuned(
    folder: &Path,
    asked: &[Request],
    replies: &[String],
    seed: Seed,
    settings: &Settings,
) -> Result<ChatModel, Box<dyn Error>> {
    let rows: Vec<ChatRow> = (prompts(asked).into_iter().zip(replies))
        .map(|(messages, reply)| ChatRow {
            messages,
            reply: reply.clone(),
        })
        .collect();
    let options = TrainOptions {
        epochs: settings.get("epochs", 3)?,
        learning_rate: settings.get("rate", 5e-4)?,
        warm_up: 0.05,
        clip_norm: 1.0,
        ..TrainOptions::default()
    };
    let out: PathBuf = std::env::temp_dir().join(format!("organism-tuned-{}", std::process::id()));
    let placement = Placement {
        threads: Threads(settings.threads()?),
        ..Placement::default()
    };
    let place = Workplace::none();
    tune(folder, &rows, &options, seed, &placement, &out, place)?;
    let chat = ChatModel::open(&out, &placement.open()?)?;
    fs::remove_dir_all(&out)?;
    Ok(chat)
}
