//! Reports of small run folders, whose trees scripted models make.

use std::collections::BTreeMap;
use std::path::Path;

use trimtab_amplify::language::{
    Participants, ProblemTree, TreeConfig, amplify_all, answer_alone, sft_rows,
};
use trimtab_core::{Problem, Seed};
use trimtab_data::{Locations, load_problems};
use trimtab_llm_testkit::AmplifyScript;
use trimtab_run::amplification::{
    AmplificationDone, AmplificationFolder, Ceiling, IteratedAmplificationConfig, Trees,
};
use trimtab_run::experiment_file::load;
use trimtab_run::{Experiment, Manifest, MethodConfig, RowFolder, RunFolder, VariantManifest};

use crate::Report;

const RUN_ID: &str = "0123456789abcdef";
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
depth = 3
iterations = 2
ceiling = "supervised"
tree.most-questions = 12

[report]
resamples = 400
"#;

/// A run folder, as far as a report reads it.
struct Run {
    there: tempfile::TempDir,
    experiments: Vec<Experiment>,
}

impl Run {
    fn new(experiment: &str) -> Self {
        let there = tempfile::tempdir().unwrap();
        let file = there.path().join("experiment.toml");
        std::fs::write(&file, experiment).unwrap();
        let variants = load::<Experiment>(&file, &[]).unwrap();
        let run = Self {
            experiments: variants.iter().map(|v| v.config.clone()).collect(),
            there,
        };
        let manifest = Manifest {
            name: run.experiments[0].name.clone(),
            version: "0.1.0".into(),
            run_id: RUN_ID.into(),
            variants: (variants.into_iter())
                .map(|variant| VariantManifest {
                    label: variant.label,
                    experiment: variant.config,
                    data: None,
                })
                .collect(),
        };
        RowFolder::new(run.path().to_owned())
            .write_document("manifest.json", &manifest)
            .unwrap();
        run
    }

    /// With every seed of every method finished.
    fn finished(experiment: &str) -> Self {
        let run = Self::new(experiment);
        for (variant, experiment) in run.experiments.iter().enumerate() {
            for seed in experiment.seeds() {
                for method in &experiment.method {
                    run.method(variant, seed, experiment, method);
                }
            }
        }
        run
    }

    fn path(&self) -> &Path {
        self.there.path()
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

#[test]
fn two_iterations_on_a_terminal() {
    let text = Run::finished(TWO_ITERATIONS).report().terminal(100, false);
    insta::assert_snapshot!(text);
}
