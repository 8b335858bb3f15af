//! Reports of small run folders, whose trees scripted models make.

use std::collections::BTreeMap;
use std::path::Path;

use trimtab_amplify::language::{
    Participants, ProblemTree, Reply, Text, TreeConfig, amplify_all, answer_alone, sft_rows,
};
use trimtab_amplify::{Node, Unanswered};
use trimtab_core::{Problem, Seed};
use trimtab_data::{Locations, load_problems};
use trimtab_llm_testkit::AmplifyScript;
use trimtab_run::amplification::{
    AmplificationDone, AmplificationFolder, Ceiling, IteratedAmplificationConfig, Trees,
};
use trimtab_run::{Experiment, MethodConfig, RowFolder, RunFolder};

use crate::Report;
use crate::run_on_disk::{RUN_ID, RunOnDisk};

const N_HELD_OUT: usize = 40;
const N_WORKED_ON: usize = 20;

const TWO_ITERATIONS: &str = r#"
name = "amplify"
seeds = 2

[data]
set = "builtin:expressions"

[roles]
expert.model = "openai:scripted@http://127.0.0.1:1/v1"
assistant.model = "openai:scripted@http://127.0.0.1:1/v1"

[[method]]
kind = "iterated-amplification"
depth = 2
iterations = 2
ceiling = "supervised"
tree.most-questions = 12

[report]
resamples = 400
"#;

/// A run whose methods are written here.
struct Run {
    on_disk: RunOnDisk,
}

impl Run {
    fn new(experiment: &str) -> Self {
        Self {
            on_disk: RunOnDisk::new(experiment),
        }
    }

    /// With every seed of every method finished.
    fn finished(experiment: &str) -> Self {
        let run = Self::new(experiment);
        for (variant, experiment) in run.on_disk.experiments.iter().enumerate() {
            for seed in experiment.seeds() {
                for method in &experiment.method {
                    run.method(variant, seed, experiment, method);
                }
            }
        }
        run
    }

    fn path(&self) -> &Path {
        self.on_disk.path()
    }

    fn method(&self, variant: usize, seed: u64, experiment: &Experiment, method: &MethodConfig) {
        let MethodConfig::IteratedAmplification(config) = method else {
            unreachable!("all are");
        };
        let set = load_problems(&experiment.data, &Locations::new("."));
        let set = set.unwrap().unwrap();
        let key: BTreeMap<_, _> = (set.problems.iter())
            .map(|p| (p.id.clone(), set.key.answer(&p.id).unwrap().to_owned()))
            .collect();
        RowFolder::new(self.path().join("amplification"))
            .write_document(&format!("{variant}-key.json"), &key)
            .unwrap();
        // Seeds hold out some of the same.
        let from = 10 * seed as usize;
        let held_out = &set.problems[from..from + N_HELD_OUT];
        let worked_on = &set.problems[from + N_HELD_OUT..from + N_HELD_OUT + N_WORKED_ON];

        let folder = AmplificationFolder::new(self.path(), variant, seed, &config.name());
        let files = folder.files();
        let write = |of: Trees, trees: Vec<ProblemTree>| {
            files.write_rows(&of.file(), &trees).unwrap();
        };
        files.write_rows("held-out.jsonl", held_out).unwrap();
        let untaught = AmplifyScript {
            seed: Seed(seed),
            ..AmplifyScript::with_everything()
        };
        write(Trees::Expert, alone(config, untaught, held_out));
        let mut left_out = Vec::new();
        for k in 0..config.iterations {
            let taught = AmplifyScript {
                nested_errors: 0.5 / f64::from(k + 1),
                ..untaught
            };
            write(Trees::Alone(k), alone(config, taught, held_out));
            write(Trees::Amplified(k), amplified(config, taught, held_out));
            if k + 1 == config.iterations {
                break;
            }
            let trees = amplified(config, taught, worked_on);
            let distilled = sft_rows(&trees, config.taught, config.completion);
            write(Trees::Training(k), trees);
            files
                .write_rows(&format!("rows-{k}.jsonl"), &distilled.rows)
                .unwrap();
            left_out.push(distilled.left_out);
        }
        if config.ceiling == Ceiling::Supervised {
            let taught = AmplifyScript::with_errors(0.02);
            write(Trees::Supervised, alone(config, taught, held_out));
        }
        let done = AmplificationDone {
            run_id: RUN_ID.into(),
            data_sha256: set.sha256.clone(),
            prompt_files: BTreeMap::new(),
            left_out,
            wall_secs: 1.0,
            models: BTreeMap::new(),
        };
        files.write_document("done.json", &done).unwrap();
    }

    fn report(&self) -> Report {
        Report::of(&RunFolder::open(self.path()).unwrap()).unwrap()
    }
}

fn alone(
    config: &IteratedAmplificationConfig,
    script: AmplifyScript,
    problems: &[Problem],
) -> Vec<ProblemTree> {
    let tree: &TreeConfig = &config.tree;
    answer_alone(
        tree,
        &script.model("scripted"),
        problems,
        Seed(0),
        &mut |_| {},
    )
    .unwrap()
}

fn amplified(
    config: &IteratedAmplificationConfig,
    script: AmplifyScript,
    problems: &[Problem],
) -> Vec<ProblemTree> {
    let model = script.model("scripted");
    let participants = Participants {
        expert: &model,
        assistant: &model,
    };
    let how = config.amplification();
    amplify_all(&how, participants, problems, Seed(0), &mut |_| {}).unwrap()
}

const SWEEP: &str = r#"
name = "depths"
seeds = 1

[data]
set = "builtin:expressions"

[roles]
expert.model = "openai:scripted@http://127.0.0.1:1/v1"
assistant.model = "openai:scripted@http://127.0.0.1:1/v1"

[[method]]
kind = "iterated-amplification"
name = "at once"

[[method]]
kind = "iterated-amplification"
name = "in turn"
tree.decomposition = "in-turn"

[sweep]
"method.0.depth" = [1, 2]

[report]
resamples = 400
"#;

#[test]
fn no_line_is_wider_than_the_terminal() {
    for experiment in [TWO_ITERATIONS, SWEEP] {
        let text = Run::finished(experiment).report().terminal(80, false);
        for line in text.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
        }
    }
}

#[test]
fn methods_share_the_rows_that_they_have_in_common() {
    let csv = Run::finished(SWEEP).report().csv();
    let rows: Vec<&str> = (csv.lines())
        .filter_map(|line| line.strip_prefix("accuracy,"))
        .filter(|line| line.contains(",Accuracy,"))
        .collect();
    let names: Vec<&str> = rows
        .iter()
        .map(|line| line.split(",Accuracy,").next().unwrap())
        .collect();
    insta::assert_snapshot!(names.join("\n"));
}

#[test]
fn what_is_unfinished_is_said_first() {
    let run = Run::finished(TWO_ITERATIONS);
    let done = |seed: u64| {
        let folder = AmplificationFolder::new(run.path(), 0, seed, "amplified at once, depth 2");
        folder.files().path().join("done.json")
    };
    std::fs::remove_file(done(1)).unwrap();
    let text = run.report().terminal(80, false);
    assert!(text.contains("Unfinished: 1 of 2 seeds") || text.contains("unfinished: 1 of 2 seeds"));
    assert!(text.contains("What the assistant is taught"), "{text}");
    // What another experiment left there is none of this one's.
    let other = std::fs::read_to_string(done(0))
        .unwrap()
        .replace(RUN_ID, "f00");
    std::fs::write(done(0), other).unwrap();
    let text = run.report().terminal(80, false);
    assert!(text.contains("nfinished: 0 of 2 seeds"), "{text}");
    assert!(!text.contains("What the assistant is taught"), "{text}");
    // Not even begun.
    let text = Run::new(TWO_ITERATIONS).report().terminal(80, false);
    assert!(text.contains("nfinished: 0 of 2 seeds"), "{text}");
}

#[test]
fn a_tree_that_is_not_there_is_an_error_with_its_file() {
    let run = Run::finished(TWO_ITERATIONS);
    let folder = AmplificationFolder::new(run.path(), 0, 0, "amplified at once, depth 2");
    let file = folder.files().path().join("alone-1.jsonl");
    let trees = std::fs::read_to_string(&file).unwrap();
    let (_, without_the_first) = trees.split_once('\n').unwrap();
    std::fs::write(&file, without_the_first).unwrap();
    let error = Report::of(&RunFolder::open(run.path()).unwrap()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("alone-1.jsonl: no tree of the problem"),
        "{text}"
    );
}

#[test]
fn hostile_and_endless_trees_are_shown_within_bounds() {
    const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[2J | `x`\n\n# no heading";
    let run = Run::finished(TWO_ITERATIONS);
    for seed in 0..2 {
        let folder = AmplificationFolder::new(run.path(), 0, seed, "amplified at once, depth 2");
        let mut trees = folder.trees(Trees::Amplified(1)).unwrap();
        for ProblemTree { tree, .. } in &mut trees {
            tree.question = Text::new(&format!("{HOSTILE}{}", "long ".repeat(10_000)));
            tree.answer = Err(Unanswered::Unparsed {
                reply: HOSTILE.into(),
            });
            let child = Node {
                question: Text::new(HOSTILE),
                answer: Ok(Reply::new(HOSTILE, HOSTILE)),
                children: Vec::new(),
                ..tree.clone()
            };
            let mut chain = child.clone();
            for _ in 0..16 {
                chain = Node {
                    children: vec![chain],
                    ..child.clone()
                };
            }
            tree.children = vec![chain; 50];
        }
        folder
            .files()
            .write_rows(&Trees::Amplified(1).file(), &trees)
            .unwrap();
    }
    let report = run.report();
    let [terminal, html, markdown, csv] = [
        report.terminal(80, false),
        report.html(),
        report.markdown(),
        report.csv(),
    ];
    for text in [&terminal, &html, &markdown, &csv] {
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("more"), "{text}");
        assert!(text.len() < 400_000, "{} bytes", text.len());
    }
    assert!(!html.contains("<script>alert"));
    assert!(!markdown.contains("\n# no heading"));
    assert!(terminal.contains("821 questions more"), "{terminal}");
}

#[test]
fn two_iterations_on_a_terminal() {
    let text = Run::finished(TWO_ITERATIONS).report().terminal(100, false);
    insta::assert_snapshot!(text);
}
