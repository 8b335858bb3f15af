//! What constitutional AI made of its prompts: gold after each stage, form of the revisions, what became of the pairs,
//! how the judge judges, what each principle does, and what the calls cost.
//!
//! Everything is read from the files of the run folder, a row at a time. Seeds are pooled; intervals take prompts as
//! clusters, so that several replies to one prompt count as what they are. A reply that failed is neither harmless nor
//! helpful, and stays in the denominator.

use std::collections::BTreeMap;

use trimtab_constitution::hygiene::{Blemish, HygieneCounts};
use trimtab_constitution::judgement::Order;
use trimtab_constitution::measure::principle_rows;
use trimtab_constitution::supervised::hygiene_counts;
use trimtab_constitution::{Dialogue, LabelledPair, PairOutcome, SampledPair};
use trimtab_core::AnswerIdx;
use trimtab_core::chat::{Message, Reading};
use trimtab_organism::critic::{Choice, better};
use trimtab_organism::{Gold, Helpfulness, Principle, evaluate};
use trimtab_run::constitutional_ai::{
    Author, ConstitutionalAiConfig, HeldOutReply, MethodFolder, ORGANISM,
};
use trimtab_run::{Experiment, MethodConfig, RunFolder};
use trimtab_stats::{
    BothOrders, Clusters, HumanAgreement, Lengths, Level, OrderEffect, Preferred, Said, Slope,
    Verbosity, Winner, clustered_share,
};

use crate::calls::calls;
use crate::document::{Cell, Column, Document, OnAxis, Row, Section, Table};
use crate::prompt_numbers::PromptNumbers;
use crate::summarise::SummaryError;

/// Measures a run of constitutional AI.
///
/// # Errors
///
/// [`SummaryError`] when a file of the run cannot be read.
pub fn describe(folder: &RunFolder) -> Result<Document, SummaryError> {
    let manifest = folder.manifest();
    let report = manifest.variants[0].experiment.report;
    let level = Level::new(report.level).map_err(SummaryError::from)?;
    let mut notices = Vec::new();
    let mut sections = Vec::new();
    let mut n_measured = 0;
    let several = manifest.variants.len() > 1;
    for (variant, of_variant) in manifest.variants.iter().enumerate() {
        let experiment = &of_variant.experiment;
        for method in &experiment.method {
            let MethodConfig::ConstitutionalAi(config) = method else {
                continue;
            };
            let mut parts = vec![config.name()];
            if several {
                parts.insert(0, of_variant.label.clone());
            }
            if experiment.method.len() == 1 && !several {
                parts.clear();
            }
            let measured = Measured::read(folder, variant, experiment, config)?;
            let planned = experiment.seeds as usize;
            if measured.n_seeds < planned {
                notices.push(format!(
                    "unfinished: {} of {planned} seeds{}; run the same file again to finish",
                    measured.n_seeds,
                    if parts.is_empty() {
                        String::new()
                    } else {
                        format!(" of {}", parts.join(", "))
                    },
                ));
            }
            let of = Of {
                number: n_measured,
                name: parts.join(", "),
            };
            n_measured += 1;
            sections.extend(measured.sections(&of, level, report.resamples));
        }
    }
    sections.extend(calls(folder)?);
    Ok(Document {
        name: manifest.name.clone(),
        run_id: manifest.run_id.clone(),
        version: manifest.version.clone(),
        sentence: sentence(&manifest.variants[0].experiment),
        notices,
        sections,
        level: report.level,
        interval_method: "Wilson's for shares, with the effective number of prompts; the bootstrap over prompts for offsets in log-odds; seeds pooled".into(),
    })
}

fn sentence(experiment: &Experiment) -> String {
    let role = |name: &str| experiment.roles.get(name).map(|role| role.model.name());
    let assistant = role(Experiment::ASSISTANT).unwrap_or_default();
    let judge = role(Experiment::JUDGE).unwrap_or_else(|| "itself".into());
    format!(
        "Constitutional AI on prompts of {}: {assistant} criticises and revises its replies, and pairs are judged by {judge}; {}",
        experiment.data.set,
        crate::text::plural(experiment.seeds as usize, "seed", "seeds"),
    )
}

/// What one method made under all finished seeds.
#[derive(Default)]
struct Measured {
    n_seeds: usize,
    prompts: PromptNumbers,
    /// Gold of replies, by stage.
    gold: Vec<(String, Replies)>,
    hygiene: BTreeMap<u32, HygieneCounts>,
    left_out: BTreeMap<String, usize>,
    n_dialogues: usize,
    n_ended_early: usize,
    n_samples_failed: usize,
    pairs: Vec<Pair>,
    labelled: Vec<LabelledPair>,
    has_gold: bool,
}

/// Replies of one stage.
#[derive(Default)]
struct Replies {
    prompts: Vec<usize>,
    seeds: Vec<usize>,
    /// Harmless, helpful and read at all, where gold is known.
    harmless: Vec<bool>,
    helpful: Vec<bool>,
    grammatical: Vec<bool>,
    n_failed: usize,
}

impl Replies {
    fn push(&mut self, prompt: usize, seed: usize, asked: &[Message], reply: Option<&str>) {
        self.prompts.push(prompt);
        self.seeds.push(seed);
        let asked = asked.last().map_or("", |message| message.content.as_str());
        let gold = reply.map(|reply| evaluate(asked, reply));
        self.n_failed += usize::from(gold.is_none());
        let is = |what: fn(&Gold) -> bool| gold.as_ref().is_some_and(what);
        self.harmless.push(is(|gold| gold.harmless));
        self.helpful.push(is(|gold| {
            matches!(gold.helpfulness, Helpfulness::Offers | Helpfulness::Answers)
        }));
        self.grammatical.push(is(|gold| gold.grammatical));
    }

    fn share(&self, of: &[bool], level: Level) -> Cell {
        let clusters = Clusters::new(self.prompts.iter().copied());
        let Some(interval) = clustered_share(of, &clusters, level) else {
            return Cell::absent("none");
        };
        let n_seeds = self.seeds.iter().max().map_or(0, |most| most + 1);
        let by_seed = (0..n_seeds).filter_map(|seed| {
            let own = || self.seeds.iter().zip(of).filter(move |(s, _)| **s == seed);
            let n = own().count();
            (n > 0).then(|| own().filter(|(_, is)| **is).count() as f64 / n as f64)
        });
        Cell::ShareWithin {
            interval,
            by_seed: by_seed.collect(),
        }
    }
}

/// A judged pair, as far as the judge's report needs it.
struct Pair {
    prompt: usize,
    outcome: PairOutcome,
    orders: BothOrders,
    lengths: Lengths,
    mass: Option<f64>,
    /// Whether the first reply is the better one by gold, and what the judge says.
    gold: Option<bool>,
    first_is_better: Option<bool>,
}

impl Measured {
    fn read(
        folder: &RunFolder,
        variant: usize,
        experiment: &Experiment,
        config: &ConstitutionalAiConfig,
    ) -> Result<Self, SummaryError> {
        let has_gold = experiment.data.set == ORGANISM;
        let mut all = Self {
            has_gold,
            ..Self::default()
        };
        let mut gold: BTreeMap<Stage, Replies> = BTreeMap::new();
        for seed in experiment.seeds() {
            let of_seed = MethodFolder::new(folder.path(), variant, seed, &config.name());
            // What an earlier experiment left in this folder is none of this one's.
            let done = of_seed.done()?;
            let Some(done) = done.filter(|done| done.run_id == folder.manifest().run_id) else {
                continue;
            };
            let number = all.n_seeds;
            all.n_seeds += 1;
            for (why, n) in done.left_out {
                *all.left_out.entry(why).or_default() += n;
            }
            let mut dialogues: Vec<Dialogue> = Vec::new();
            of_seed
                .files()
                .for_each("dialogues.jsonl", |dialogue: Dialogue| {
                    dialogues.push(dialogue);
                })?;
            for counts in hygiene_counts(&dialogues) {
                add(all.hygiene.entry(counts.round).or_default(), &counts);
            }
            all.n_dialogues += dialogues.len();
            all.n_ended_early += dialogues.iter().filter(|d| d.ended_by().is_some()).count();
            if has_gold {
                for dialogue in &dialogues {
                    let prompt = all.prompts.of(&dialogue.id);
                    for round in 0..=config.supervised.n_rounds {
                        let replies = gold.entry(Stage::Round(round)).or_default();
                        replies.push(prompt, number, &dialogue.prompt, dialogue.reply(round));
                    }
                }
            }
            let prompts = &mut all.prompts;
            of_seed
                .files()
                .for_each("replies.jsonl", |reply: HeldOutReply| {
                    if has_gold {
                        let prompt = prompts.of(&reply.id);
                        let replies = gold
                            .entry(Stage::HeldOut(reply.by == Author::Tuned))
                            .or_default();
                        replies.push(prompt, number, &reply.prompt, reply.said.text());
                    }
                })?;
            let n_failed = &mut all.n_samples_failed;
            of_seed
                .files()
                .for_each("samples.jsonl", |sampled: SampledPair| {
                    *n_failed += usize::from(sampled.pair().is_none());
                })?;
            let mut labelled = Vec::new();
            of_seed
                .files()
                .for_each("pairs.jsonl", |pair: LabelledPair| labelled.push(pair))?;
            for pair in &labelled {
                let id = pair
                    .id
                    .rsplit_once('/')
                    .map_or(pair.id.as_str(), |(prompt, _)| prompt);
                let prompt = all.prompts.of(id);
                all.pairs.push(judged(pair, prompt, has_gold));
            }
            all.labelled.extend(labelled);
        }
        all.gold = (gold.into_iter())
            .map(|(stage, replies)| (stage.name(), replies))
            .collect();
        Ok(all)
    }

    fn sections(&self, of: &Of, level: Level, resamples: u32) -> Vec<Section> {
        let title = |text: &str| of.title(text);
        let mut sections = Vec::new();
        if !self.gold.is_empty() {
            sections.push(Section {
                id: of.id("gold"),
                title: title("Gold after each stage"),
                text: "What the world's own grammar says of the replies: no model is asked. Held-out prompts are in no training row.".into(),
                table: self.gold_table(level),
                curves: None,
            });
        }
        if self.n_dialogues > 0 {
            sections.push(Section {
                id: of.id("revisions"),
                title: title("Form of critiques and revisions"),
                text: format!(
                    "{}; {} ended early, because a step gave no text. Left out of the training rows: {}.",
                    crate::text::plural(self.n_dialogues, "dialogue", "dialogues"),
                    self.n_ended_early,
                    if self.left_out.is_empty() {
                        "none".into()
                    } else {
                        let each = self.left_out.iter().map(|(why, n)| format!("{n} {why}"));
                        each.collect::<Vec<_>>().join(", ")
                    },
                ),
                table: self.hygiene_table(),
                curves: None,
            });
        }
        if !self.pairs.is_empty() {
            sections.push(Section {
                id: of.id("outcomes"),
                title: title("What became of the pairs"),
                text: format!(
                    "Every pair is counted; of {} more, a reply was no text.",
                    self.n_samples_failed
                ),
                table: self.outcome_table(),
                curves: None,
            });
            sections.push(Section {
                id: of.id("judge"),
                title: title("The judge"),
                text: "How the judge judges, whatever it judges: by order, by length, by how sure it is of answering at all.".into(),
                table: self.judge_table(level, resamples),
                curves: None,
            });
            sections.push(Section {
                id: of.id("principles"),
                title: title("Principles"),
                text: "What each principle says by itself.".into(),
                table: principles(&self.labelled, self.has_gold),
                curves: None,
            });
        }
        sections
    }

    fn gold_table(&self, level: Level) -> Table {
        let row = |(stage, replies): &(String, Replies)| Row {
            name: stage.clone(),
            cells: vec![
                replies.share(&replies.harmless, level),
                replies.share(&replies.helpful, level),
                replies.share(&replies.grammatical, level),
                Cell::count(replies.harmless.len()),
                Cell::count(replies.n_failed),
            ],
        };
        Table {
            columns: vec![
                Column::new("Stage", ""),
                Column::new(
                    "Harmless",
                    "Share of replies without a sentence that violates anything.",
                )
                .on_axis(OnAxis::Own),
                Column::new(
                    "Helpful",
                    "Share of replies that do what was asked, or offer what may be had instead.",
                )
                .on_axis(OnAxis::Own),
                Column::new(
                    "Grammatical",
                    "Share of replies whose every sentence is one of the world's.",
                )
                .spare(2),
                Column::new("Replies", "How many.").spare(1),
                Column::new(
                    "Failed",
                    "Replies that are no text; neither harmless nor helpful.",
                )
                .spare(3),
            ],
            rows: self.gold.iter().map(row).collect(),
        }
    }

    fn hygiene_table(&self) -> Table {
        let found: Vec<Blemish> = (Blemish::ALL.into_iter())
            .filter(|blemish| {
                self.hygiene.values().any(|counts| {
                    counts.in_critiques.contains_key(blemish)
                        || counts.in_revisions.contains_key(blemish)
                })
            })
            .collect();
        let mut columns = vec![
            Column::new("Round", ""),
            Column::new("Texts", "How many."),
            Column::new("No text", "Steps that gave none: refused, empty or failed."),
        ];
        columns.extend(
            (found.iter().enumerate())
                .map(|(i, blemish)| Column::new(blemish.name(), meaning(*blemish)).spare(i as u8)),
        );
        let mut rows = Vec::new();
        for (round, counts) in &self.hygiene {
            let kinds = [
                ("critiques", counts.n_critiques, &counts.in_critiques),
                ("revisions", counts.n_revisions, &counts.in_revisions),
            ];
            for (kind, n, blemishes) in kinds {
                if n == 0 {
                    continue;
                }
                let mut cells = vec![Cell::count(n), Cell::count(counts.n_without_text)];
                cells.extend(
                    found.iter().map(|blemish| {
                        Cell::share(blemishes.get(blemish).copied().unwrap_or(0), n)
                    }),
                );
                rows.push(Row {
                    name: if *round == 0 {
                        "first replies".into()
                    } else {
                        format!("{kind} {round}")
                    },
                    cells,
                });
            }
        }
        Table { columns, rows }
    }

    fn outcome_table(&self) -> Table {
        let rows = PairOutcome::ALL.into_iter().map(|outcome| {
            let n = self
                .pairs
                .iter()
                .filter(|pair| pair.outcome == outcome)
                .count();
            Row {
                name: outcome.name().into(),
                cells: vec![Cell::count(n), Cell::share(n, self.pairs.len())],
            }
        });
        Table {
            columns: vec![
                Column::new("Outcome", ""),
                Column::new("Pairs", "How many."),
                Column::new("Share", "Of all pairs that were judged."),
            ],
            rows: rows.collect(),
        }
    }

    /// How often the judge is right, where gold knows.
    fn agreement_with_gold(&self, level: Level) -> Vec<(&'static str, Cell, usize)> {
        let known: Vec<(&Pair, bool)> = (self.pairs.iter())
            .filter_map(|pair| Some((pair, pair.gold?)))
            .collect();
        let of = |first: bool| AnswerIdx(usize::from(!first));
        let said: Vec<_> = (known.iter())
            .map(|(pair, _)| pair.first_is_better.map(of))
            .collect();
        let gold: Vec<_> = known.iter().map(|(_, gold)| of(*gold)).collect();
        let clusters = Clusters::new(known.iter().map(|(pair, _)| pair.prompt));
        let Some(agreement) = HumanAgreement::new(&said, &gold, &clusters, level) else {
            return Vec::new();
        };
        let kappa = Cell::number_within(agreement.kappa, "one answer");
        vec![
            (
                "right, by gold",
                Cell::share_within(Some(agreement.agreement)),
                agreement.n,
            ),
            ("kappa with gold", kappa, agreement.n),
        ]
    }

    fn judge_table(&self, level: Level, resamples: u32) -> Table {
        let prompts = Clusters::new(self.pairs.iter().map(|pair| pair.prompt));
        let orders: Vec<BothOrders> = self.pairs.iter().map(|pair| pair.orders).collect();
        let order = OrderEffect::new(
            &orders,
            &prompts,
            &crate::summarise::resampler(resamples),
            level,
        );
        let lengths: Vec<Lengths> = self.pairs.iter().map(|pair| pair.lengths).collect();
        let verbosity = Verbosity::new(&lengths, &prompts, level);
        let mut rows = vec![
            (
                "flips with the order",
                Cell::share_within(order.flips),
                order.n_pairs - order.n_failed - order.n_tied,
            ),
            (
                "of these, the first place wins",
                Cell::share_within(order.first_of_flips),
                order.n_flips,
            ),
            (
                "order effect, nats",
                Cell::number_within(order.offset, "no log-probabilities"),
                order.n_log_odds,
            ),
            (
                "the longer reply wins",
                Cell::share_within(verbosity.longer_wins),
                verbosity.n_pairs - verbosity.n_failed - verbosity.n_tied - verbosity.n_equal,
            ),
            (
                "verbosity slope, logits per factor e",
                match verbosity.slope {
                    Slope::Fitted { slope, .. } => Cell::number_within(Some(slope), ""),
                    Slope::Separated => Cell::absent("separated"),
                    Slope::TooLittle => Cell::absent("too little"),
                },
                verbosity.n_pairs - verbosity.n_failed - verbosity.n_tied,
            ),
        ];
        let masses: Vec<f64> = self.pairs.iter().filter_map(|pair| pair.mass).collect();
        if !masses.is_empty() {
            let mean = masses.iter().sum::<f64>() / masses.len() as f64;
            rows.push((
                "option mass, mean",
                Cell::Share { share: mean },
                masses.len(),
            ));
        }
        rows.extend(self.agreement_with_gold(level));
        Table {
            columns: vec![
                Column::new("Measure", ""),
                Column::new(
                    "Value",
                    "Shares in per cent. A positive order effect favours what stands first; a positive slope favours length.",
                ),
                Column::new("Pairs", "On which it is measured."),
            ],
            rows: rows
                .into_iter()
                .map(|(name, cell, n)| Row {
                    name: name.into(),
                    cells: vec![cell, Cell::count(n)],
                })
                .collect(),
        }
    }
}

/// Which of several methods sections are of.
struct Of {
    number: usize,
    /// Empty where there is only one.
    name: String,
}

impl Of {
    fn title(&self, text: &str) -> String {
        if self.name.is_empty() {
            text.to_owned()
        } else {
            format!("{text} ({})", self.name)
        }
    }

    /// An anchor that no other section has.
    fn id(&self, of: &str) -> String {
        match self.number {
            0 => of.to_owned(),
            number => format!("{of}-{}", number + 1),
        }
    }
}

/// Stages whose replies are measured, in the order of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Round(u32),
    HeldOut(bool),
}

impl Stage {
    fn name(self) -> String {
        match self {
            Self::Round(0) => "first replies".into(),
            Self::Round(round) => format!("revision {round}"),
            Self::HeldOut(false) => "held out, before tuning".into(),
            Self::HeldOut(true) => "held out, tuned".into(),
        }
    }
}

fn add(sum: &mut HygieneCounts, more: &HygieneCounts) {
    sum.round = more.round;
    sum.n_critiques += more.n_critiques;
    sum.n_revisions += more.n_revisions;
    sum.n_without_text += more.n_without_text;
    for (to, from) in [
        (&mut sum.in_critiques, &more.in_critiques),
        (&mut sum.in_revisions, &more.in_revisions),
    ] {
        for (blemish, n) in from {
            *to.entry(*blemish).or_default() += n;
        }
    }
}

fn judged(pair: &LabelledPair, prompt: usize, has_gold: bool) -> Pair {
    let [first, second] = &pair.replies;
    let preferred = match (pair.outcome, pair.first_is_better()) {
        (PairOutcome::Decided | PairOutcome::Inconsistent, Some(true)) => Some(Preferred::First),
        (PairOutcome::Decided | PairOutcome::Inconsistent, Some(false)) => Some(Preferred::Second),
        (PairOutcome::Tie | PairOutcome::Identical, _) => Some(Preferred::Tie),
        _ => None,
    };
    let masses: Vec<f64> = (pair.judgements.iter())
        .filter_map(|judgement| match &judgement.reading {
            Reading::LogProbs(read) | Reading::LittleMass(read) => Some(read.mass),
            _ => None,
        })
        .collect();
    let asked = pair
        .prompt
        .last()
        .map_or("", |message| message.content.as_str());
    Pair {
        prompt,
        outcome: pair.outcome,
        orders: both_orders(pair),
        lengths: Lengths {
            first: first.chars().count(),
            second: second.chars().count(),
            preferred,
        },
        mass: (!masses.is_empty()).then(|| masses.iter().sum::<f64>() / masses.len() as f64),
        gold: has_gold.then(|| gold(asked, [first, second])).flatten(),
        first_is_better: pair.first_is_better(),
    }
}

/// Whether the first of two replies is the better one, by the world's grammar; `None` where neither is.
fn gold(asked: &str, replies: [&str; 2]) -> Option<bool> {
    better(asked, replies, Principle::Overall).map(|choice| choice == Choice::A)
}

/// Both orders of a pair, in log-odds of the first reply where they were read, means over principles.
fn both_orders(pair: &LabelledPair) -> BothOrders {
    let said = |order: Order| {
        let own: Vec<_> = pair
            .judgements
            .iter()
            .filter(|j| j.order == order)
            .collect();
        let mean =
            |of: Vec<f64>| (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64);
        let log_odds: Option<Vec<f64>> = own.iter().map(|j| j.log_odds()).collect();
        if let Some(mean) = log_odds.and_then(mean) {
            return Said::LogOdds(mean);
        }
        match mean(own.iter().filter_map(|j| j.p()).collect()) {
            Some(p) if p > 0.5 => Said::Winner(Winner::A),
            Some(p) if p < 0.5 => Said::Winner(Winner::B),
            Some(_) => Said::Winner(Winner::Tie),
            None => Said::Nothing,
        }
    };
    BothOrders {
        a_first: said(Order::Given),
        b_first: said(Order::Swapped),
    }
}

fn meaning(blemish: Blemish) -> &'static str {
    match blemish {
        Blemish::Preface => "It begins by announcing itself.",
        Blemish::Unchanged => "The revision is the reply that it should mend.",
        Blemish::Boilerplate => "A stock refusal or comfort.",
        Blemish::Confused => "A critique that is a revision, or a revision that is a critique.",
        Blemish::Collapsed => "Far shorter than what it revises.",
        Blemish::Cut => "As long as it may be, and so without its end.",
    }
}

fn principles(labelled: &[LabelledPair], has_gold: bool) -> Table {
    let by_gold = |pair: &LabelledPair| {
        let asked = pair
            .prompt
            .last()
            .map_or("", |message| message.content.as_str());
        let [first, second] = &pair.replies;
        has_gold.then(|| gold(asked, [first, second])).flatten()
    };
    let rows = principle_rows(labelled, by_gold).into_iter().map(|row| {
        let mut cells = vec![
            Cell::count(row.n),
            Cell::share(row.n_decides, row.n),
            Cell::share(row.n_agrees_with_label, row.n_with_label),
            Cell::share(row.n_winner_changes, row.n_left_out),
        ];
        if has_gold {
            cells.push(Cell::share(
                row.n_agrees_with_reference,
                row.n_with_reference,
            ));
        }
        Row {
            name: row.principle,
            cells,
        }
    });
    let mut columns = vec![
        Column::new("Principle", ""),
        Column::new("Pairs", "Pairs that it was asked about."),
        Column::new("Decides", "Of these, pairs on which it names a better reply, the same in every order."),
        Column::new("Agrees", "Of the pairs that it and the label both decide, those on which they agree."),
        Column::new("Changes", "Of the pairs with other principles too, those whose winner changes when it is left out.").spare(1),
    ];
    if has_gold {
        columns.push(Column::new(
            "Right",
            "Of the pairs that it and gold both decide, those on which they agree.",
        ));
    }
    Table {
        columns,
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_several_methods_have_anchors_of_their_own() {
        let of = |number, name: &str| Of {
            number,
            name: name.into(),
        };
        assert_eq!(of(0, "").id("gold"), "gold");
        assert_eq!(of(1, "b").id("gold"), "gold-2");
        assert_eq!(of(0, "").title("Gold"), "Gold");
        assert_eq!(of(1, "b").title("Gold"), "Gold (b)");
    }
}
