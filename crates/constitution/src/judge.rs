//! Judging pairs of replies under principles.
//!
//! Papers: Bai et al. 2022, arXiv:2212.08073, section 4.1 (a principle drawn per comparison, soft labels from the
//! log-probabilities of the options, ensembles of principles, chain of thought with clamping); Lee et al. 2023,
//! arXiv:2309.00267, section 3.1 (both orders); the founding post (A or B in words, as a setting).
//!
//! In: pairs, a constitution, a model that chats. Out: one [`LabelledPair`] a pair, with every judgement that went into its
//! label. A judgement that cannot be read is kept, and leaves its principle out of the label; where no principle is left,
//! the pair has an outcome and no label. Nothing is ever set to one half for want of an answer.
//!
//! Differs from the papers: both orders by default, combined by mean log-odds (`label.rs`); a reply that the judge never
//! considered among its likeliest tokens is no answer (`least-mass`); identical replies are not asked about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::chat::{
    Ask, ChatModel, Fallback, Message, OnProgress, Outcome, Reading, Reads, Request, Said, Usage,
    ask_rows,
};
use trimtab_core::setting::{ConfigError, Sampling, require};

use crate::file::Constitution;
use crate::judgement::{Order, OrderJudgement, outcome};
use crate::label::{Combine, OrderEffect, mean};
use crate::labelled::{LabelledPair, PairOutcome, PrincipleScore, label};
use crate::messages::{
    OPTIONS, Prompts, decision_messages, judge_messages, preference_example_messages,
    rationale_messages,
};
use crate::principle::Principle;
use crate::supervised::{Examples, StageError, distinct};

/// How pairs are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgeConfig {
    /// What is read of the judge: `"log-probs"` of A and B, or its `"text"`.
    pub reads: Reads,
    /// What to do with a judge that gives no log-probabilities: `"fail"`, or `{ sample = 8 }` replies and count.
    pub without_log_probs: Fallback,
    /// Which principles a pair is judged under.
    pub principles: JudgedUnder,
    /// In which order replies are shown.
    pub orders: Orders,
    /// How the judgements of a pair become one label. Words are always combined by mean probability.
    pub combine: Combine,
    /// Whether the judge reasons first.
    pub reasons: Reasons,
    /// The temperature of reasons, from 0 to 2; 0 takes the likeliest token.
    pub reasons_temperature: f64,
    /// The longest reasons, in tokens.
    pub reasons_max_tokens: u32,
    /// The temperature of an answer in words.
    pub text_temperature: f64,
    /// The longest answer in words, in tokens.
    pub text_max_tokens: u32,
    /// Labels are kept between these two. Default: 0.4 and 0.6 where the judge reasons first, since its answers are then
    /// near certain; else not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamp: Option<[f64; 2]>,
    /// A label this near to one half, or nearer, is a tie; from 0 to below 0.5.
    pub tie_margin: f64,
    /// With less probability than this on A and B together, the judge did not answer; from 0 to 1.
    pub least_mass: f64,
    /// Whether the constitution's examples go in front; not where the judge reasons first.
    pub examples: Examples,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self {
            reads: Reads::default(),
            without_log_probs: Fallback::default(),
            principles: JudgedUnder::default(),
            orders: Orders::default(),
            combine: Combine::default(),
            reasons: Reasons::default(),
            reasons_temperature: 0.0,
            reasons_max_tokens: 256,
            text_temperature: 0.1,
            text_max_tokens: 10,
            clamp: None,
            tie_margin: 0.0,
            least_mass: 0.01,
            examples: Examples::default(),
        }
    }
}

/// Which principles a pair is judged under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedUnder {
    /// One, drawn for each pair.
    #[default]
    Drawn,
    /// All, combined.
    All,
}

/// In which order replies are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Orders {
    /// Both: twice the calls, and the order effect is known and taken out.
    #[default]
    Both,
    /// One, drawn for each pair and principle.
    Random,
}

/// Whether the judge reasons first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reasons {
    /// It answers at once.
    #[default]
    None,
    /// It writes its reasons, and is then asked for its answer.
    First,
}

impl JudgeConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Fallback::Sample(n) = self.without_log_probs {
            require("without-log-probs.sample", n, n > 0, "at least 1")?;
        }
        self.reasons_sampling().check("reasons-")?;
        self.text_sampling().check("text-")?;
        if let Some([low, high]) = self.clamp {
            let fits = (0.0..0.5).contains(&low) && high > 0.5 && high <= 1.0;
            let expected = "two probabilities, one below and one above 0.5";
            require("clamp", format!("[{low}, {high}]"), fits, expected)?;
        }
        let margin = self.tie_margin;
        let fits = (0.0..0.5).contains(&margin);
        require("tie-margin", margin, fits, "from 0 to below 0.5")?;
        let mass = self.least_mass;
        require(
            "least-mass",
            mass,
            (0.0..=1.0).contains(&mass),
            "from 0 to 1",
        )
    }

    fn reasons_sampling(&self) -> Sampling {
        Sampling {
            temperature: self.reasons_temperature,
            max_tokens: self.reasons_max_tokens,
        }
    }

    fn text_sampling(&self) -> Sampling {
        Sampling {
            temperature: self.text_temperature,
            max_tokens: self.text_max_tokens,
        }
    }

    /// What labels are kept between.
    pub fn clamped_to(&self) -> Option<[f64; 2]> {
        let reasons = (self.reasons == Reasons::First).then_some([0.4, 0.6]);
        self.clamp.or(reasons)
    }
}

/// Two replies to one prompt, not judged yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyPair {
    /// Unique among those judged together.
    pub id: String,
    /// The conversation so far; the last message is not the assistant's.
    pub prompt: Vec<Message>,
    /// The two replies.
    pub replies: [String; 2],
}

/// One judgement to be made.
struct Case<'a> {
    pair: &'a ReplyPair,
    place: usize,
    principle: &'a Principle,
    order: Order,
}

impl Case<'_> {
    fn shown(&self) -> [&str; 2] {
        let [first, second] = &self.pair.replies;
        match self.order {
            Order::Given => [first, second],
            Order::Swapped => [second, first],
        }
    }

    fn seed(&self, seed: Seed, what: &str) -> Seed {
        let order = match self.order {
            Order::Given => "given",
            Order::Swapped => "swapped",
        };
        let name = format!("{what} {} {order}", self.principle.id);
        seed.child(&self.pair.id).child(&name)
    }
}

/// Judges all `pairs`: one label each, in their order.
///
/// # Errors
///
/// [`StageError`]; what the model answered before is lost unless the model keeps it.
pub fn judge(
    config: &JudgeConfig,
    constitution: &Constitution,
    model: &dyn ChatModel,
    pairs: &[ReplyPair],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<LabelledPair>, StageError> {
    config.check()?;
    constitution.require("preference-question", |p| p.preference_question.as_ref())?;
    distinct(pairs.iter().map(|pair| pair.id.as_str()))?;

    let cases = cases(config, constitution, pairs, seed);
    let rationales = rationales(config, model, &cases, seed, &mut *on_progress)?;
    let readings = readings(
        config,
        constitution,
        model,
        &cases,
        &rationales,
        seed,
        on_progress,
    )?;

    let mut judgements: Vec<Vec<OrderJudgement>> = pairs.iter().map(|_| Vec::new()).collect();
    let prompts = Prompts::embedded();
    let prompt = match config.reasons {
        Reasons::None => &prompts.judge,
        Reasons::First => &prompts.judge_rationale,
    };
    for ((case, rationale), reading) in cases.iter().zip(rationales).zip(readings) {
        judgements[case.place].push(OrderJudgement {
            principle: case.principle.id.clone(),
            order: case.order,
            prompt_sha256: prompt.sha256().to_owned(),
            rationale,
            reading,
        });
    }
    let judge = model.name();
    Ok((pairs.iter().zip(judgements))
        .map(|(pair, judgements)| labelled(config, constitution, &judge, pair, judgements))
        .collect())
}

/// Every judgement that is to be made, pair by pair.
fn cases<'a>(
    config: &JudgeConfig,
    constitution: &'a Constitution,
    pairs: &'a [ReplyPair],
    seed: Seed,
) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for (place, pair) in pairs.iter().enumerate() {
        let [first, second] = &pair.replies;
        if first == second {
            continue;
        }
        let seed = seed.child(&pair.id);
        let all = constitution.principles();
        let under = match config.principles {
            JudgedUnder::All => all,
            JudgedUnder::Drawn => {
                let drawn = seed.child("principle").stream().below(all.len());
                &all[drawn..=drawn]
            }
        };
        for principle in under {
            let drawn = seed.child(&format!("order {}", principle.id));
            let orders: &[Order] = match config.orders {
                Orders::Both => &[Order::Given, Order::Swapped],
                Orders::Random if drawn.stream().below(2) == 0 => &[Order::Given],
                Orders::Random => &[Order::Swapped],
            };
            cases.extend(orders.iter().map(|&order| Case {
                pair,
                place,
                principle,
                order,
            }));
        }
    }
    cases
}

/// What the judge thinks of each case, where it is asked to.
fn rationales(
    config: &JudgeConfig,
    model: &dyn ChatModel,
    cases: &[Case<'_>],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<Option<Said>>, StageError> {
    if config.reasons == Reasons::None {
        return Ok(cases.iter().map(|_| None).collect());
    }
    let request = |case: &Case<'_>| {
        let seed = case.seed(seed, "reasons");
        Request {
            messages: rationale_messages(&case.pair.prompt, case.shown(), case.principle),
            ask: Ask::Reply(config.reasons_sampling().seeded(seed).generation()),
            sample_idx: 0,
            seed,
        }
    };
    let outcomes = ask_rows(model, "reasons", cases, request, on_progress)?;
    Ok((outcomes.into_iter().map(Said::from)).map(Some).collect())
}

/// What the judge answers in each case. Where it was asked for reasons and gave none, it is not asked again.
fn readings(
    config: &JudgeConfig,
    constitution: &Constitution,
    model: &dyn ChatModel,
    cases: &[Case<'_>],
    rationales: &[Option<Said>],
    seed: Seed,
    on_progress: OnProgress<'_>,
) -> Result<Vec<Reading>, StageError> {
    let mut readings: Vec<Option<Reading>> = (rationales.iter())
        .map(|rationale| without_reasons(rationale.as_ref()?))
        .collect();
    let asked: Vec<usize> = (0..cases.len())
        .filter(|&i| readings[i].is_none())
        .collect();
    let request = |&i: &usize| {
        let case = &cases[i];
        let (prompt, principle) = (&case.pair.prompt, case.principle);
        let rationale = rationales[i].as_ref().and_then(Said::text);
        let messages = if let Some(rationale) = rationale {
            decision_messages(prompt, case.shown(), principle, rationale)
        } else {
            let examples = match config.examples {
                Examples::Off => &[],
                Examples::On => constitution.preference_examples(),
            };
            let examples = preference_example_messages(examples, principle);
            judge_messages(&examples, prompt, case.shown(), principle)
        };
        let seed = case.seed(seed, "judgement");
        Request {
            messages,
            ask: ask(config, seed),
            sample_idx: 0,
            seed,
        }
    };
    let outcomes = ask_rows(model, "judgement", &asked, request, on_progress)?;
    for (i, outcome) in asked.into_iter().zip(outcomes) {
        readings[i] = Some(read(config, outcome));
    }
    let all = readings.into_iter().collect::<Option<_>>();
    Ok(all.expect("every case was read, before it was asked or after"))
}

/// What stands for an answer where reasons were asked for and none came.
fn without_reasons(rationale: &Said) -> Option<Reading> {
    match rationale {
        Said::Text { .. } => None,
        Said::Empty { .. } => Some(Reading::Unparsed {
            reply: String::new(),
            usage: Usage::default(),
        }),
        Said::Refused { text, .. } => Some(Reading::Refused {
            reply: text.clone(),
            usage: Usage::default(),
        }),
        Said::Failed(failure) => Some(Reading::Failed(failure.clone())),
    }
}

fn ask(config: &JudgeConfig, seed: Seed) -> Ask {
    match config.reads {
        Reads::LogProbs => config.without_log_probs.ask(&OPTIONS),
        Reads::Text => Ask::Reply(config.text_sampling().seeded(seed).generation()),
    }
}

fn read(config: &JudgeConfig, outcome: Outcome) -> Reading {
    match config.reads {
        Reads::LogProbs => Reading::of_options(outcome, config.least_mass),
        Reads::Text => Reading::of_text(outcome),
    }
}

/// The pair with its label.
fn labelled(
    config: &JudgeConfig,
    constitution: &Constitution,
    judge: &str,
    pair: &ReplyPair,
    judgements: Vec<OrderJudgement>,
) -> LabelledPair {
    let mut labelled = LabelledPair {
        id: pair.id.clone(),
        prompt: pair.prompt.clone(),
        replies: pair.replies.clone(),
        outcome: PairOutcome::Identical,
        p: None,
        p_judged: None,
        order_effect: None,
        combine: config.combine,
        clamp: config.clamped_to(),
        judgements,
        judge: judge.to_owned(),
        constitution_sha256: constitution.sha256().to_owned(),
    };
    let scores = labelled.by_principle();
    let p = label(&scores, config.combine);
    let effects: Vec<OrderEffect> = scores
        .iter()
        .filter_map(PrincipleScore::order_effect)
        .collect();
    let each = |part: fn(&OrderEffect) -> f64| mean(&effects.iter().map(part).collect::<Vec<_>>());
    let effect = each(|e| e.preference).zip(each(|e| e.order));
    labelled.order_effect = effect.map(|(preference, order)| OrderEffect { preference, order });
    labelled.p_judged = p;
    labelled.p = p.map(|p| match labelled.clamp {
        Some([low, high]) => p.clamp(low, high),
        None => p,
    });
    labelled.outcome = match p {
        Some(_) if labelled.flips() == Some(true) => PairOutcome::Inconsistent,
        Some(p) if (p - 0.5).abs() <= config.tie_margin => PairOutcome::Tie,
        Some(_) => PairOutcome::Decided,
        None => (labelled.judgements.iter())
            .map(|judgement| outcome(&judgement.reading))
            .find(|&outcome| outcome != PairOutcome::Decided)
            .unwrap_or(PairOutcome::Identical),
    };
    labelled
}
