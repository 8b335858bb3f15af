//! A method of a run and all that was answered in it, under every finished seed, beside what is right.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use trimtab_amplify::language::ProblemTree;
use trimtab_amplify::language::measure::{Measured, Outcome, measure, outcomes};
use trimtab_amplify::language::text::Text;
use trimtab_core::{Problem, ProblemKey, SampleId, SftRow};
use trimtab_data::expressions;
use trimtab_run::amplification::{
    self, AmplificationDone, AmplificationFolder, IteratedAmplificationConfig, Trees,
};
use trimtab_run::{Experiment, MethodConfig, RunFolder};
use trimtab_stats::Clusters;

use crate::summarise::SummaryError;

/// What any question of a set comes to.
pub(super) type Evaluator = fn(&str) -> Option<String>;

/// One method of one variant.
pub(super) struct Method<'a> {
    /// What it is called in this report.
    name: String,
    /// Whether it is the only one.
    is_alone: bool,
    /// The variant, where there are several.
    pub(super) variant: Option<&'a str>,
    pub(super) config: &'a IteratedAmplificationConfig,
    /// Finished seeds; one at least.
    pub(super) seeds: Vec<FinishedSeed>,
    /// Who answered, in reading order.
    pub(super) answers: Vec<Answers>,
    pub(super) key: Rc<ProblemKey>,
    pub(super) evaluator: Option<Evaluator>,
    /// The problem of every item, numbered over seeds. An item is a held-out problem under a seed, seed after seed.
    pub(super) of_item: Vec<usize>,
}

/// A seed whose files are whole.
pub(super) struct FinishedSeed {
    pub(super) seed: u64,
    pub(super) held_out: Vec<Problem>,
    pub(super) done: AmplificationDone,
    pub(super) folder: AmplificationFolder,
}

/// What one of those who answer made of the held-out problems.
pub(super) struct Answers {
    pub(super) of: Trees,
    /// What their row is called.
    pub(super) name: String,
    /// Whether they are an earlier method's, and have a row there.
    is_repeated: bool,
    /// By seed, in the order of the held-out problems.
    pub(super) by_seed: Vec<Vec<ProblemTree>>,
    /// Of every item.
    pub(super) outcomes: Vec<Outcome>,
}

impl Answers {
    /// All trees, an item each.
    pub(super) fn trees(&self) -> impl Iterator<Item = &ProblemTree> {
        self.by_seed.iter().flatten()
    }

    /// Whether an item is right.
    pub(super) fn right(&self) -> Vec<bool> {
        let is_right = |outcome: &Outcome| *outcome == Outcome::Right;
        self.outcomes.iter().map(is_right).collect()
    }

    /// The same as numbers.
    pub(super) fn rights(&self) -> Vec<f64> {
        let number = |right: bool| f64::from(u8::from(right));
        self.right().into_iter().map(number).collect()
    }
}

impl Method<'_> {
    /// What the row of `of` is called: of a method among several, its amplified row bears the name of the method alone.
    fn row(&self, of: Trees) -> String {
        let after = |k: u32| match k {
            0 if self.config.iterations == 1 => String::new(),
            0 => ", untaught".into(),
            1 => ", taught once".into(),
            2 => ", taught twice".into(),
            k => format!(", taught {k} times"),
        };
        match of {
            Trees::Expert => self.named("expert alone"),
            Trees::Alone(k) => self.named(&format!("assistant alone{}", after(k))),
            Trees::Amplified(k) if self.is_alone => format!("amplified{}", after(k)),
            Trees::Amplified(k) => format!("{}{}", self.name, after(k)),
            Trees::Training(k) => self.named(&format!("to learn from{}", after(k))),
            Trees::Supervised => self.named("supervised"),
        }
    }

    /// A row's name with the method's, where there are several.
    pub(super) fn named(&self, row: &str) -> String {
        if self.is_alone {
            row.to_owned()
        } else {
            format!("{}: {row}", self.name)
        }
    }

    /// Who answered, without those who answered alike in an earlier method.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Answers> {
        self.answers.iter().filter(|answers| !answers.is_repeated)
    }

    pub(super) fn answers(&self, of: Trees) -> Option<&Answers> {
        self.answers.iter().find(|answers| answers.of == of)
    }

    /// The expert's trees with the help of every assistant that there was, and what that assistant answers alone.
    pub(super) fn amplified(&self) -> impl Iterator<Item = (u32, &Answers)> {
        (self.answers.iter()).filter_map(|answers| match answers.of {
            Trees::Amplified(k) => Some((k, answers)),
            _ => None,
        })
    }

    /// All problems that are held out, seed after seed: an item each.
    pub(super) fn held_out(&self) -> impl Iterator<Item = &Problem> {
        self.seeds.iter().flat_map(|seed| &seed.held_out)
    }

    /// How many items there are.
    pub(super) fn n_items(&self) -> usize {
        self.of_item.len()
    }

    /// Items of one problem.
    pub(super) fn clusters(&self) -> Clusters {
        Clusters::new(self.of_item.iter().copied())
    }

    /// Measures the trees of `answers` whose problem `is_wanted`.
    pub(super) fn measured(
        &self,
        answers: &Answers,
        is_wanted: impl Fn(&Problem) -> bool,
    ) -> Result<Measured, SummaryError> {
        let (mut trees, mut problems) = (Vec::new(), Vec::new());
        for (problem, tree) in self.held_out().zip(answers.trees()) {
            if is_wanted(problem) {
                problems.push(problem.clone());
                trees.push(tree.clone());
            }
        }
        let by_text = self.evaluator;
        let evaluate = |question: &Text| by_text.and_then(|of| of(question.as_str()));
        let evaluator = by_text.is_some().then_some(&evaluate as _);
        Ok(measure(&trees, &problems, &self.key, evaluator)?)
    }

    /// The training rows of one iteration under a seed.
    pub(super) fn n_rows(seed: &FinishedSeed, k: u32) -> Result<usize, SummaryError> {
        let mut n = 0;
        let name = amplification::rows_file(k);
        (seed.folder.files()).for_each(&name, |_: SftRow| n += 1)?;
        Ok(n)
    }
}

/// Every method with a finished seed, in the order of the experiment, and what a reader must know first.
pub(super) fn methods(run: &RunFolder) -> Result<(Vec<Method<'_>>, Vec<String>), SummaryError> {
    let manifest = run.manifest();
    let several_variants = manifest.variants.len() > 1;
    let (mut methods, mut notices) = (Vec::new(), Vec::new());
    for (variant, of_variant) in manifest.variants.iter().enumerate() {
        let experiment = &of_variant.experiment;
        let key = amplification::key(run.path(), variant)?.unwrap_or_default();
        let key = (key.into_iter()).map(|(id, answer)| (id, answer.into()));
        let key = Rc::new(ProblemKey::new(key)?);
        for method in &experiment.method {
            let MethodConfig::IteratedAmplification(config) = method else {
                continue;
            };
            let label = several_variants.then_some(of_variant.label.as_str());
            let name = match label {
                Some(label) => format!("{label}, {}", config.name()),
                None => config.name(),
            };
            let seeds = finished(run, variant, experiment, config)?;
            if seeds.len() < experiment.seeds as usize {
                notices.push(format!(
                    "unfinished: {} of {} of {name}; run the same file again to finish",
                    seeds.len(),
                    crate::text::plural(experiment.seeds as usize, "seed", "seeds"),
                ));
            }
            if seeds.is_empty() {
                continue;
            }
            methods.push(Method {
                name,
                is_alone: !several_variants && experiment.method.len() == 1,
                variant: label,
                config,
                answers: answers(config, &seeds, &key)?,
                key: Rc::clone(&key),
                evaluator: (experiment.data.set == trimtab_data::EXPRESSIONS)
                    .then_some(expressions::answer_of),
                of_item: numbered(&seeds),
                seeds,
            });
        }
    }
    name_rows(&mut methods);
    Ok((methods, notices))
}

/// Names rows. The expert and the untaught assistant answer the same in methods that differ in decomposition alone: those have one
/// row, which bears the name of no method where it is that of all.
fn name_rows(methods: &mut [Method<'_>]) {
    for at in 0..methods.len() {
        for i in 0..methods[at].answers.len() {
            let (method, own) = (&methods[at], &methods[at].answers[i]);
            let of = own.of;
            let is_same = |other: &&Method<'_>| {
                let theirs = other.answers(of);
                other.variant == method.variant
                    && theirs.is_some_and(|theirs| theirs.by_seed == own.by_seed)
            };
            let may_be_shared = matches!(of, Trees::Expert | Trees::Alone(0));
            let is_repeated = may_be_shared && methods[..at].iter().any(|m| is_same(&m));
            let of_variant = methods.iter().filter(|m| m.variant == method.variant);
            let n_others = of_variant.clone().count() - 1;
            let is_of_all =
                may_be_shared && n_others > 0 && of_variant.filter(is_same).count() == n_others + 1;
            let name = match (is_of_all, of, method.variant) {
                (false, ..) => method.row(of),
                (true, Trees::Expert, None) => "expert alone".into(),
                (true, _, None) => "assistant alone".into(),
                (true, Trees::Expert, Some(label)) => format!("{label}: expert alone"),
                (true, _, Some(label)) => format!("{label}: assistant alone"),
            };
            let own = &mut methods[at].answers[i];
            own.name = name;
            own.is_repeated = is_repeated;
        }
    }
}

fn finished(
    run: &RunFolder,
    variant: usize,
    experiment: &Experiment,
    config: &IteratedAmplificationConfig,
) -> Result<Vec<FinishedSeed>, SummaryError> {
    let mut seeds = Vec::new();
    for seed in experiment.seeds() {
        let folder = AmplificationFolder::new(run.path(), variant, seed, &config.name());
        // What an earlier experiment left in this folder is none of this one's.
        let done = (folder.done()?).filter(|done| done.run_id == run.manifest().run_id);
        if let Some(done) = done {
            seeds.push(FinishedSeed {
                seed,
                held_out: folder.held_out()?,
                done,
                folder,
            });
        }
    }
    Ok(seeds)
}

fn answers(
    config: &IteratedAmplificationConfig,
    seeds: &[FinishedSeed],
    key: &ProblemKey,
) -> Result<Vec<Answers>, SummaryError> {
    let iterations = (0..config.iterations).flat_map(|k| [Trees::Alone(k), Trees::Amplified(k)]);
    let all = std::iter::once(Trees::Expert).chain(iterations);
    let mut answers = Vec::new();
    for of in all.chain([Trees::Supervised]) {
        if of == Trees::Supervised && config.ceiling == amplification::Ceiling::None {
            continue;
        }
        let (mut by_seed, mut came_to) = (Vec::new(), Vec::new());
        for seed in seeds {
            let trees = joined(seed, of)?;
            came_to.extend(outcomes(&trees, key)?);
            by_seed.push(trees);
        }
        answers.push(Answers {
            of,
            name: String::new(),
            is_repeated: false,
            by_seed,
            outcomes: came_to,
        });
    }
    Ok(answers)
}

/// The trees of a seed's held-out problems, in the order of those.
fn joined(seed: &FinishedSeed, of: Trees) -> Result<Vec<ProblemTree>, SummaryError> {
    let mut by_id: HashMap<SampleId, ProblemTree> = (seed.folder.trees(of)?.into_iter())
        .map(|tree| (tree.id.clone(), tree))
        .collect();
    (seed.held_out.iter())
        .map(|Problem { id, .. }| {
            by_id.remove(id).ok_or_else(|| SummaryError::NoTree {
                file: seed.folder.files().path().join(of.file()),
                id: id.clone(),
            })
        })
        .collect()
}

/// Problems of all seeds by number: one that two seeds hold out has one number.
fn numbered(seeds: &[FinishedSeed]) -> Vec<usize> {
    let mut numbers: BTreeMap<&SampleId, usize> = BTreeMap::new();
    (seeds.iter().flat_map(|seed| &seed.held_out))
        .map(|problem| {
            let next = numbers.len();
            *numbers.entry(&problem.id).or_insert(next)
        })
        .collect()
}
