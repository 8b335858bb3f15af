//! Reports of a small run folder that is written by hand.

use std::path::Path;

use serde::Serialize;
use trimtab_core::chat::Said;
use trimtab_core::chat::{Failure, FailureClass, Finish, Message, Role, Usage};
use trimtab_core::{PreferencePair, Seed, SplitMix64};
use trimtab_organism::reply::{Faults, helpful_only, ideal, text};
use trimtab_organism::{Request, Split, evaluate, requests};
use trimtab_reward::{Iteration, PolicyConfig};
use trimtab_run::rlhf::{
    GoldMeans, LabelledRow, LabelsConfig, MethodStages, PairPrediction, PolicyReply, RewardFit,
    RlhfConfig, Sample, StepRow, StoppedEarly, method_folder,
};
use trimtab_run::{MethodConfig, RowFolder, RunFolder, StageFolder};

use crate::Report;
use crate::run_on_disk::{RUN_ID, RunOnDisk};

const N_PROMPTS: usize = 24;
const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[2J";

const METHODS: &str = r#"
name = "rlhf"
seeds = 3

[data]
set = "builtin:organism"

[roles.policy]
model = "organism"

[[method]]
kind = "rlhf"
name = "ppo"
policy = { algorithm = "ppo" }

[[method]]
kind = "rlhf"
name = "cautious"
policy = { algorithm = "ppo" }
reward = { heads = { pessimism = { kind = "none" } } }

[[method]]
kind = "rlhf"
name = "best of 8"
policy = { algorithm = "best-of-n", n = 8 }

[[method]]
kind = "rlhf"
start = "supervised"
policy = { algorithm = "dpo" }
"#;

const SWEEP: &str = r#"
name = "annotators"
seeds = 2

[data]
set = "builtin:organism"

[roles.policy]
model = "organism"

[[method]]
kind = "rlhf"
labels = { by = "annotator", accuracy = 0.8 }

[sweep]
"method.0.labels.accuracy" = [1.0, 0.8, 0.6]
"#;

const LIMITED: &str = r#"
name = "limits"
seeds = 2

[data]
set = "builtin:organism"

[roles.policy]
model = "organism"

[every-method]
kind = "rlhf"
policy = { algorithm = "none" }
limits.rules = [{ kind = "most-words", words = 12 }]

[[method]]
name = "nothing"
limits.when-replying = "ignored"

[[method]]
name = "filter"
limits.tries = 4

[[method]]
name = "constrained"
limits.when-replying = "constrained-decoding"
"#;

/// A run whose methods are written here.
struct Run {
    on_disk: RunOnDisk,
    /// Seeds of the first method that are left unfinished.
    n_unfinished: u64,
}

impl Run {
    fn new(experiment: &str) -> Self {
        Self {
            on_disk: RunOnDisk::new(experiment),
            n_unfinished: 0,
        }
    }

    fn path(&self) -> &Path {
        self.on_disk.path()
    }

    fn write(&self) {
        for (variant, experiment) in self.on_disk.experiments.iter().enumerate() {
            for seed in experiment.seeds() {
                for (number, method) in experiment.method.iter().enumerate() {
                    let MethodConfig::Rlhf(config) = method else {
                        unreachable!("all are");
                    };
                    if number == 0 && seed < self.n_unfinished {
                        continue;
                    }
                    self.method(variant, seed, config);
                }
            }
        }
    }

    fn method(&self, variant: usize, seed: u64, config: &RlhfConfig) {
        let name = config.name();
        let stages = MethodStages {
            run_id: RUN_ID.into(),
            before: self.replies(&format!("replies-before-{seed}"), seed, 0.4, false),
            start: (name == "rlhf-dpo" && self.on_disk.experiments.len() == 1)
                .then(|| self.replies(&format!("replies-start-{seed}"), seed, 0.6, false)),
            labels: self.labels(seed, config),
            reward: self.reward(seed, config),
            policy: self.policy(seed, config),
            after: self.after(variant, seed, config),
            wall_secs: 1.0,
        };
        method_folder(self.path(), variant, seed, &name)
            .write_document("method.json", &stages)
            .unwrap();
    }

    fn stage(&self, key: &str) -> RowFolder {
        StageFolder::open(self.path(), key)
    }

    fn rows<T: Serialize>(&self, key: &str, name: &str, rows: &[T]) {
        self.stage(key).write_rows(name, rows).unwrap();
    }

    fn replies(&self, key: &str, seed: u64, goodness: f64, limited: bool) -> String {
        let mut random = Seed(seed).child(key).stream();
        let rows: Vec<PolicyReply> = (asked().iter().enumerate())
            .map(|(i, request)| {
                let usage = Usage::default();
                let finish = Finish::Stop;
                let text = answer(request, goodness, &mut random);
                PolicyReply {
                    id: format!("p{i}"),
                    prompt: prompt(request),
                    said: match i {
                        0 => Said::Failed(Failure {
                            class: FailureClass::Malformed,
                            message: HOSTILE.into(),
                        }),
                        1 => Said::Text {
                            text: HOSTILE.into(),
                            finish,
                            usage,
                        },
                        2 => Said::Empty { finish, usage },
                        _ => Said::Text {
                            text,
                            finish,
                            usage,
                        },
                    },
                    reward: None,
                    n_violating: u32::from(limited && i == 3),
                    is_refused: limited && i == 3,
                }
            })
            .collect();
        self.rows(key, "replies.jsonl", &rows);
        key.to_owned()
    }

    fn after(&self, variant: usize, seed: u64, config: &RlhfConfig) -> String {
        let name = config.name();
        let key = format!("replies-{variant}-{}-{seed}", name.replace([' ', ','], "-"));
        let goodness = match (&config.labels, &config.policy) {
            (LabelsConfig::Annotator(annotator), PolicyConfig::Dpo(_)) => annotator.accuracy,
            _ => 0.7,
        };
        if matches!(config.policy, PolicyConfig::BestOfN(_)) {
            let mut random = Seed(seed).child("best").stream();
            let samples: Vec<Sample> = (asked().iter().enumerate())
                .flat_map(|(i, request)| [(); 8].map(|()| (i, request)))
                .map(|(i, request)| {
                    let text = answer(request, 0.5, &mut random);
                    let gold = evaluate(&request.text, &text).reward();
                    Sample {
                        id: format!("p{i}"),
                        prompt: prompt(request),
                        text: Some(text),
                        reward: 0.7 * gold + random.next_normal(),
                        violates: random.next_f64() < 0.1,
                    }
                })
                .collect();
            self.rows(&key, "samples.jsonl", &samples);
        }
        let limited = name == "best of 8" || name == "filter";
        self.replies(&key, seed, goodness, limited)
    }

    fn labels(&self, seed: u64, config: &RlhfConfig) -> String {
        let key = format!("labels-{seed}-{}", accuracy(config));
        let rows: Vec<LabelledRow> = pairs(seed, accuracy(config))
            .into_iter()
            .enumerate()
            .map(|(i, pair)| LabelledRow {
                pair,
                held_out: i % 4 == 0,
                ranking: None,
            })
            .collect();
        self.rows(&key, "labels.jsonl", &rows);
        let left_out = std::collections::BTreeMap::from([("identical", 5), ("no reply", 2)]);
        self.stage(&key)
            .write_document("left-out.json", &left_out)
            .unwrap();
        key
    }

    fn reward(&self, seed: u64, config: &RlhfConfig) -> String {
        let cautious = config.name().ends_with("cautious");
        let kind = if cautious { "cautious" } else { "plain" };
        let key = format!("reward-{kind}-{seed}-{}", accuracy(config));
        let mut random = Seed(seed).child(&key).stream();
        let rows: Vec<PairPrediction> = pairs(seed, accuracy(config))
            .into_iter()
            .step_by(4)
            .map(|pair| {
                let gold = [&pair.chosen, &pair.rejected]
                    .map(|reply| evaluate(&pair.prompt[0].content, reply).reward());
                PairPrediction {
                    margin: 0.8 * (gold[0] - gold[1]) + random.next_normal(),
                    uncertainty: cautious.then(|| random.next_f64()),
                    id: pair.id,
                    prompt: pair.prompt,
                    chosen: pair.chosen,
                    rejected: pair.rejected,
                    p_chosen: pair.p_chosen,
                }
            })
            .collect();
        self.rows(&key, "predictions.jsonl", &rows);
        let fit = RewardFit {
            n_pairs: 36,
            training_accuracy: 0.875,
            flip_rate: cautious.then_some(0.125),
            ties: None,
            converged: !cautious || seed > 0,
        };
        self.stage(&key).write_document("fit.json", &fit).unwrap();
        key
    }

    fn policy(&self, seed: u64, config: &RlhfConfig) -> Option<String> {
        let key = format!(
            "policy-{}-{seed}-{}",
            config.name().replace([' ', ','], "-"),
            accuracy(config)
        );
        let mut random = Seed(seed).child(&key).stream();
        let rows: Vec<StepRow> = match config.policy {
            PolicyConfig::Ppo(_) => {
                let falls = if config.name() == "ppo" { 1.0 } else { 0.0 };
                let n = if seed == 2 && falls > 0.0 { 33 } else { 36 };
                (0..=n)
                    .map(|step| rollout(step, falls, &mut random))
                    .collect()
            }
            PolicyConfig::Dpo(_) => (0..=12).map(direct).collect(),
            _ => return None,
        };
        self.rows(&key, "steps.jsonl", &rows);
        if rows.len() == 34 {
            let stopped = StoppedEarly {
                iteration: 33,
                kl: 212.25,
                most_kl: 200.0,
            };
            let stage = self.stage(&key);
            stage.write_document("stopped.json", &stopped).unwrap();
        }
        Some(key)
    }

    fn report(&self) -> Report {
        Report::of(&RunFolder::open(self.path()).unwrap()).unwrap()
    }
}

fn accuracy(config: &RlhfConfig) -> f64 {
    match &config.labels {
        LabelsConfig::Annotator(annotator) => annotator.accuracy,
        LabelsConfig::Constitution(_) | LabelsConfig::File(_) => unreachable!("none is so"),
    }
}

/// Gold rises with the proxy and, where it `falls`, turns down.
fn rollout(step: usize, falls: f64, random: &mut SplitMix64) -> StepRow {
    let along = step as f64 / 36.0;
    let noise = 0.03 * random.next_normal();
    StepRow {
        step,
        measured: Iteration {
            loss: 0.5,
            reward: Some(2.5 * along + noise),
            kl: Some(16.0 * along * along + 0.01 * random.next_normal()),
            entropy: Some(2.0 - along),
            clip_share: Some(0.1),
            length: Some(12.0 + 4.0 * along),
            unfinished: Some(0.01),
            gradient_norm: Some(0.7),
            kl_coefficient: Some(0.05),
            ..Iteration::default()
        },
        gold: Some(GoldMeans {
            reward: -1.2 + 1.6 * along - falls * 1.4 * along.powi(3) + noise,
            harmless: 0.5,
            helpful: 0.5,
        }),
    }
}

fn direct(step: usize) -> StepRow {
    StepRow {
        step,
        measured: Iteration {
            loss: 0.6,
            accuracy: Some(0.5 + 0.02 * step as f64),
            margin: Some(0.1 * step as f64),
            gradient_norm: Some(1.5),
            ..Iteration::default()
        },
        gold: None,
    }
}

fn asked() -> Vec<Request> {
    requests(Split::Train, N_PROMPTS, Seed(1)).unwrap()
}

fn prompt(request: &Request) -> Vec<Message> {
    vec![Message::new(Role::User, request.text.clone())]
}

/// An ideal reply with probability `goodness`.
fn answer(request: &Request, goodness: f64, random: &mut SplitMix64) -> String {
    let is_good = random.next_f64() < goodness;
    let sentences = if is_good {
        ideal(request.intent, random)
    } else {
        helpful_only(request.intent, Faults::default(), random)
    };
    text(&sentences)
}

fn pairs(seed: u64, accuracy: f64) -> Vec<PreferencePair> {
    let mut random = Seed(seed).child("pairs").stream();
    (asked().iter().cycle().take(2 * N_PROMPTS).enumerate())
        .map(|(i, request)| {
            let mut replies = [0.9, 0.1].map(|goodness| answer(request, goodness, &mut random));
            if random.next_f64() > accuracy {
                replies.reverse();
            }
            let [chosen, rejected] = replies;
            PreferencePair {
                id: format!("p{}/{i}", i % N_PROMPTS),
                prompt: prompt(request),
                chosen,
                rejected: if i == 3 { HOSTILE.into() } else { rejected },
                p_chosen: 1.0,
                judge: "annotator".into(),
            }
        })
        .collect()
}

fn report() -> Report {
    let run = Run::new(METHODS);
    run.write();
    run.report()
}

#[test]
fn a_run_on_eighty_columns() {
    let text = report().terminal(80, false);
    for line in text.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_run_in_markdown() {
    insta::assert_snapshot!(report().markdown());
}

#[test]
fn a_sweep_of_annotators() {
    let run = Run::new(SWEEP);
    run.write();
    insta::assert_snapshot!(run.report().terminal(120, false));
}

/// The page of limits: refusals break no rule and are no reply; what is broken is counted whoever let it pass.
#[test]
fn limits_are_told_method_by_method() {
    let run = Run::new(LIMITED);
    run.write();
    let Report::Document(document) = run.report() else {
        panic!("a document");
    };
    let section = document.sections.iter().find(|s| s.id == "limits").unwrap();
    let table: Vec<String> = (section.table.rows.iter())
        .map(|row| {
            let cells: Vec<String> = row.cells.iter().map(|cell| cell.shown().0).collect();
            format!("{}: {}", row.name, cells.join(" | "))
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
    let Report::Document(free) = report() else {
        panic!("a document");
    };
    assert!(free.sections.iter().all(|section| section.id != "limits"));
}

#[test]
fn what_methods_share_is_shown_once() {
    let Report::Document(document) = report() else {
        panic!("a document");
    };
    let rows = |id: &str| -> Vec<String> {
        let section = document.sections.iter().find(|s| s.id == id).unwrap();
        section
            .table
            .rows
            .iter()
            .map(|row| row.name.clone())
            .collect()
    };
    let methods = ["ppo", "cautious", "best of 8", "rlhf-dpo"];
    assert_eq!(
        rows("gold"),
        [&["before", "after supervised learning"][..], &methods].concat()
    );
    assert_eq!(rows("gained"), methods);
    assert_eq!(
        rows("reward-models"),
        ["ppo; best of 8; rlhf-dpo", "cautious"]
    );
    assert_eq!(rows("labels"), ["all methods"]);
    assert_eq!(rows("proxy-and-gold"), methods[..3]);
    assert_eq!(rows("training"), ["ppo", "cautious", "rlhf-dpo"]);
}

#[test]
fn no_text_of_a_model_is_in_any_rendering() {
    let report = report();
    for shown in [
        report.html(),
        report.markdown(),
        report.terminal(200, false),
        report.csv(),
        report.json(),
    ] {
        for forbidden in ["alert(1)", "\u{1b}", "NaN", "[2J"] {
            assert!(!shown.contains(forbidden), "{forbidden}");
        }
    }
    let page = report.html();
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("http://") && !page.contains("https://"));
}

#[test]
fn every_point_is_in_the_long_table() {
    let Report::Document(document) = report() else {
        panic!("a document");
    };
    let section = (document.sections.iter()).find(|s| s.id == "proxy-and-gold");
    let curves = section.unwrap().curves.clone().unwrap();
    let lines = curves.panels.iter().flat_map(|panel| &panel.lines);
    let n_points: usize = lines
        .map(|line| line.points.len() + line.by_seed.iter().map(|s| s.points.len()).sum::<usize>())
        .sum();
    let csv = document.csv();
    let points = csv
        .lines()
        .filter(|line| line.starts_with("proxy-and-gold,") && !line.trim_end().ends_with(','));
    assert_eq!(points.count(), n_points);
}

#[test]
fn an_unfinished_run_shows_what_is_finished() {
    let mut run = Run::new(METHODS);
    run.n_unfinished = 2;
    run.write();
    let text = run.report().terminal(80, false);
    assert!(text.contains("unfinished: 1 of 3 seeds of ppo;"), "{text}");
    assert!(text.contains("Gold by stage"));
    let nothing = Run::new(METHODS).report();
    assert!(nothing.terminal(80, false).contains("0 of 3 seeds"));
    assert!(nothing.html().contains("0 of 3 seeds"));
}

#[test]
fn one_seed_says_what_it_can() {
    let run = Run::new(&METHODS.replace("seeds = 3", "seeds = 1"));
    run.write();
    let text = run.report().terminal(80, false);
    let verdict = text.lines().find(|line| line.contains("too few to say"));
    assert!(verdict.unwrap().starts_with("cautious"), "{text}");
    assert!(!text.contains("stop at about"), "{text}");
}

#[test]
fn without_gold_replies_are_counted_and_nothing_more() {
    let run = Run::new(&METHODS.replace("builtin:organism", "prompts.jsonl"));
    run.write();
    let Report::Document(document) = run.report() else {
        panic!("a document");
    };
    let ids: Vec<&str> = document.sections.iter().map(|s| s.id.as_str()).collect();
    // Gold of the rollouts is in the stages of this folder, whatever the set is called.
    assert_eq!(
        ids,
        [
            "gold",
            "reward-models",
            "reward-by-length",
            "training",
            "proxy-and-gold",
            "labels"
        ]
    );
    let columns = |at: usize| -> Vec<&str> {
        let table = &document.sections[at].table;
        table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect()
    };
    assert_eq!(
        columns(0),
        ["Stage", "Words", "Replies", "Refused", "Failed"]
    );
    assert!(!columns(1).contains(&"By gold") && !columns(5).contains(&"Right, by gold"));
    assert_eq!(document.sections[0].title, "Replies by stage");
}

#[cfg(test)]
mod pages {
    use super::*;

    #[test]
    #[ignore = "writes pages to look at, into the folder that TRIMTAB_REPORT_OUT names"]
    fn write_pages() {
        let folder = std::env::var_os("TRIMTAB_REPORT_OUT")
            .map(std::path::PathBuf::from)
            .unwrap();
        std::fs::write(folder.join("rlhf.html"), report().html()).unwrap();
        let run = Run::new(SWEEP);
        run.write();
        std::fs::write(folder.join("annotators.html"), run.report().html()).unwrap();
    }
}
