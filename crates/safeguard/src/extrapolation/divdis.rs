//! Disagreeing heads: several generalisations of the same labels, and a label where they disagree to pick one (DivDis).
//!
//! Paper: Lee, Yao and Finn 2022, *Diversify and Disambiguate*, arXiv:2202.03418, sections 3.1–3.3.
//!
//! ```text
//! L = (1/H) Σ_h CE(source, head h) + λ₁ Σ_{i<j} MI(p_i, p_j) + λ₂ Σ_h KL(mean p_h ‖ prior)
//! MI(p_i, p_j) = Σ_ab J_ab ln(J_ab / (J_a· J_·b)),   J_ab = mean over the target batch of p_i(a|x) p_j(b|x)
//! ```
//!
//! Heads share a trunk; each is a logit of the answer 1. The source is labelled, the target is not. The prior is the share of
//! the answer 1 in the source. Labels are asked where heads are furthest apart, Σ_{i<j} |p_i − p_j|; the head that gives the
//! labels the greatest likelihood is kept.
//!
//! World: the answer is the sign of one feature (the principle); a second, larger one agrees with it in the source always and
//! in the target by chance; the rest is noise. Where the second is not there, or the target is like the source, heads have
//! nothing to disagree on and no label helps: both are figures of the trial.
//!
//! In: features `[dim, n]`, answers. Out: probabilities of the answer 1, `[heads, n]`.
//! Differs from the paper: MI is of two answers; one label an acquisition, of the most disputed samples first.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{
    Distribution, Fitted, Judgement, Lesson, NamedFeatures, Question, Seed, Student, Supervisor,
    SupervisorError,
};
use trimtab_probe::{Mlp, MlpOptions, Slopes};
use trimtab_stats::{log_sigmoid, sigmoid};

use super::{ExtrapolationError, share};
use crate::columns;
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// Abscissas of the curve over labels.
const MOST_LABELS: usize = 8;

/// Disagreeing heads, and the world they are tried in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DivDisConfig {
    /// Heads on the trunk.
    pub heads: usize,
    /// Units of the trunk's hidden layer.
    pub hidden: usize,
    /// Weight λ₁ of the mutual information between heads.
    pub diversity: f64,
    /// Weight λ₂ of the divergence of a head's mean prediction from the prior.
    pub balance: f64,
    /// Labels asked of the target, to pick a head.
    pub labels: usize,
    /// How networks are trained.
    pub training: MlpOptions,
    /// The embedded world.
    pub world: SpuriousWorld,
}

impl Default for DivDisConfig {
    fn default() -> Self {
        Self {
            heads: 2,
            hidden: 32,
            diversity: 10.0,
            balance: 10.0,
            labels: 1,
            training: MlpOptions::default(),
            world: SpuriousWorld::default(),
        }
    }
}

impl DivDisConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require(
            "heads",
            self.heads,
            (2..=16).contains(&self.heads),
            "from 2 to 16",
        )?;
        require("hidden", self.hidden, self.hidden > 0, "at least 1")?;
        for (key, value) in [("diversity", self.diversity), ("balance", self.balance)] {
            let fits = value.is_finite() && value >= 0.0;
            require(key, value, fits, "a number that is not below 0")?;
        }
        let most = self.world.n_target;
        let fits = (1..=most).contains(&self.labels);
        require(
            "labels",
            self.labels,
            fits,
            "at least 1, and no more than the target has",
        )?;
        training(&self.training)?;
        self.world.check().map_err(|error| error.within("world"))
    }
}

/// Checks how a network is trained.
fn training(options: &MlpOptions) -> Result<(), ConfigError> {
    let MlpOptions {
        epochs,
        batch_size,
        learning_rate,
        weight_decay,
        ..
    } = *options;
    require("training.epochs", epochs, epochs > 0, "at least 1")?;
    require(
        "training.batch-size",
        batch_size,
        batch_size > 1,
        "at least 2",
    )?;
    let fits = learning_rate.is_finite() && learning_rate > 0.0;
    require(
        "training.learning-rate",
        learning_rate,
        fits,
        "a number above 0",
    )?;
    let fits = weight_decay.is_finite() && weight_decay >= 0.0;
    require(
        "training.weight-decay",
        weight_decay,
        fits,
        "a number that is not below 0",
    )
}

/// A principle, and a feature that goes with it until it does not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpuriousWorld {
    /// Labelled samples of the source.
    pub n_source: usize,
    /// Samples of the target without labels.
    pub n_target: usize,
    /// Samples of the target on which accuracy is measured.
    pub n_test: usize,
    /// Features that say nothing.
    pub n_nuisance: usize,
    /// How much larger the spurious feature is than the principle.
    pub spurious_scale: f64,
}

impl Default for SpuriousWorld {
    fn default() -> Self {
        Self {
            n_source: 4000,
            n_target: 4000,
            n_test: 2000,
            n_nuisance: 6,
            spurious_scale: 3.0,
        }
    }
}

impl SpuriousWorld {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, n) in [
            ("n-source", self.n_source),
            ("n-target", self.n_target),
            ("n-test", self.n_test),
        ] {
            require(key, n, n >= 2, "at least 2")?;
        }
        let scale = self.spurious_scale;
        let fits = scale.is_finite() && scale >= 0.0;
        require(
            "spurious-scale",
            scale,
            fits,
            "a number that is not below 0",
        )
    }

    /// Samples: features `[2 + n_nuisance, n]`, and answers by the principle.
    pub fn draw(&self, n: usize, spurious: Spurious, seed: Seed) -> (DMatrix<f64>, Vec<bool>) {
        let mut stream = seed.stream();
        let mut features = DMatrix::zeros(2 + self.n_nuisance, n);
        let mut answers = Vec::with_capacity(n);
        for mut column in features.column_iter_mut() {
            column[0] = 2.0 * stream.next_f64() - 1.0;
            let answer = column[0] > 0.0;
            let size = self.spurious_scale * (0.5 + stream.next_f64());
            // Drawn in any case, so that worlds differ in this feature alone.
            let by_chance = stream.next_f64() < 0.5;
            let sign = |positive: bool| if positive { size } else { -size };
            column[1] = match spurious {
                Spurious::Agrees => sign(answer),
                Spurious::ByChance => sign(by_chance),
                Spurious::Absent => 0.0,
            };
            for value in column.iter_mut().skip(2) {
                *value = 0.5 * stream.next_normal();
            }
            answers.push(answer);
        }
        (features, answers)
    }
}

/// What the spurious feature does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spurious {
    /// It has the sign of the answer.
    Agrees,
    /// Its sign is a coin's.
    ByChance,
    /// It is 0.
    Absent,
}

/// A trunk with heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads {
    network: Mlp,
}

impl Heads {
    /// Trains heads that agree on the source, and are made to disagree on the target.
    ///
    /// # Panics
    ///
    /// When there are no samples, or not as many answers as source samples: the caller checks its input.
    pub fn fit(
        source: &DMatrix<f64>,
        answers: &[f64],
        target: &DMatrix<f64>,
        config: &DivDisConfig,
        seed: Seed,
    ) -> Self {
        assert_eq!(source.ncols(), answers.len(), "an answer a sample");
        let prior = answers.iter().sum::<f64>() / answers.len() as f64;
        let widths = [source.nrows(), config.hidden, config.heads];
        let mut network = Mlp::initial(&widths, seed);
        // As many source samples as target samples a step: both are passed over in one order, the shorter more than once.
        let n = source.ncols().max(target.ncols());
        let places = DMatrix::zeros(1, n);
        let options = &config.training;
        network.train_by(&places, options, seed, &mut |network, batch, into| {
            let own: Vec<usize> = batch.iter().map(|&at| at % source.ncols()).collect();
            let trace = network.trace(source.select_columns(&own));
            let labels: Vec<f64> = own.iter().map(|&at| answers[at]).collect();
            let (mut loss, slope) = cross_entropy(trace.outputs(), &labels);
            network.backward(&trace, &Slopes::of_outputs(loss, slope), into);

            let own: Vec<usize> = batch.iter().map(|&at| at % target.ncols()).collect();
            let trace = network.trace(target.select_columns(&own));
            let p = trace.outputs().map(sigmoid);
            let (information, mut slope) = mutual_information(&p);
            let (divergence, of_divergence) = prior_divergence(&p, prior);
            slope *= config.diversity;
            slope += of_divergence * config.balance;
            slope.zip_apply(&p, |slope, p| *slope *= p * (1.0 - p));
            let apart = config.diversity * information + config.balance * divergence;
            network.backward(&trace, &Slopes::of_outputs(apart, slope), into);
            loss += apart;
            loss
        });
        Self { network }
    }

    /// Probabilities of the answer 1: `[heads, n]`.
    pub fn probabilities(&self, features: &DMatrix<f64>) -> DMatrix<f64> {
        self.network.outputs(features).map(sigmoid)
    }

    /// The head under which labelled samples are likeliest; the first among equals.
    ///
    /// # Panics
    ///
    /// When there are not as many answers as samples: a bug in the caller.
    pub fn pick(&self, features: &DMatrix<f64>, answers: &[f64]) -> usize {
        assert_eq!(features.ncols(), answers.len(), "an answer a sample");
        let logits = self.network.outputs(features);
        let log_likelihood = |head: usize| -> f64 {
            (logits.row(head).iter().zip(answers))
                .map(|(&z, &y)| y * log_sigmoid(z) + (1.0 - y) * log_sigmoid(-z))
                .sum()
        };
        let all: Vec<f64> = (0..logits.nrows()).map(log_likelihood).collect();
        (1..all.len()).fold(
            0,
            |best, head| if all[head] > all[best] { head } else { best },
        )
    }
}

/// The samples on which heads are furthest apart, the most disputed first.
pub fn most_disputed(probabilities: &DMatrix<f64>, n: usize) -> Vec<usize> {
    let disputes: Vec<f64> = (probabilities.column_iter())
        .map(|p| {
            let pairs = (0..p.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            pairs.map(|(i, j)| (p[i] - p[j]).abs()).sum()
        })
        .collect();
    let mut order: Vec<usize> = (0..disputes.len()).collect();
    order.sort_by(|&a, &b| disputes[b].total_cmp(&disputes[a]).then(a.cmp(&b)));
    order.truncate(n);
    order
}

/// Mean over heads and samples of the cross-entropy, in nats, and its slope by the logits `[heads, n]`.
fn cross_entropy(logits: &DMatrix<f64>, answers: &[f64]) -> (f64, DMatrix<f64>) {
    let scale = 1.0 / logits.len() as f64;
    let mut loss = 0.0;
    let mut slope = logits.clone();
    for (mut column, &y) in slope.column_iter_mut().zip(answers) {
        for z in column.iter_mut() {
            loss -= scale * (y * log_sigmoid(*z) + (1.0 - y) * log_sigmoid(-*z));
            *z = scale * (sigmoid(*z) - y);
        }
    }
    (loss, slope)
}

/// What keeps logarithms of empty cells finite.
const TINY: f64 = 1e-12;

/// Σ_{i<j} MI(p_i, p_j), in nats, of probabilities `[heads, n]`, and its slope by them.
fn mutual_information(p: &DMatrix<f64>) -> (f64, DMatrix<f64>) {
    let n = p.ncols() as f64;
    let mut total = 0.0;
    let mut slope = DMatrix::zeros(p.nrows(), p.ncols());
    let means: DVector<f64> = p.column_mean();
    for i in 0..p.nrows() {
        for j in 0..i {
            let both = p.row(i).dot(&p.row(j)) / n;
            let (a, b) = (means[i], means[j]);
            let joint = [[1.0 - a - b + both, b - both], [a - both, both]];
            let log_ratio = |of_i: usize, of_j: usize| {
                let marginal = [1.0 - a, a][of_i] * [1.0 - b, b][of_j];
                ((joint[of_i][of_j] + TINY) / (marginal + TINY)).ln()
            };
            let cells = [(0, 0), (0, 1), (1, 0), (1, 1)];
            let ratios = cells.map(|(of_i, of_j)| log_ratio(of_i, of_j));
            let [none, only_j, only_i, both_log] = ratios;
            total += (cells.iter().zip(ratios))
                .map(|(&(of_i, of_j), ratio)| joint[of_i][of_j] * ratio)
                .sum::<f64>();
            // The slope of MI by a cell of the joint is its log ratio, up to a constant that cancels between answers.
            for sample in 0..p.ncols() {
                let (p_i, p_j) = (p[(i, sample)], p[(j, sample)]);
                slope[(i, sample)] +=
                    (p_j * (both_log - only_j) + (1.0 - p_j) * (only_i - none)) / n;
                slope[(j, sample)] +=
                    (p_i * (both_log - only_i) + (1.0 - p_i) * (only_j - none)) / n;
            }
        }
    }
    (total, slope)
}

/// Σ_h KL(mean p_h ‖ prior), in nats, and its slope by the probabilities `[heads, n]`.
fn prior_divergence(p: &DMatrix<f64>, prior: f64) -> (f64, DMatrix<f64>) {
    let prior = prior.clamp(TINY, 1.0 - TINY);
    let mut total = 0.0;
    let mut slope = DMatrix::zeros(p.nrows(), p.ncols());
    for (head, mean) in p.column_mean().iter().enumerate() {
        let mean = mean.clamp(TINY, 1.0 - TINY);
        let [up, down] = [(mean / prior).ln(), ((1.0 - mean) / (1.0 - prior)).ln()];
        total += mean * up + (1.0 - mean) * down;
        slope.row_mut(head).fill((up - down) / p.ncols() as f64);
    }
    (total, slope)
}

/// One head, trained on the source alone.
fn empirical_risk(
    source: &DMatrix<f64>,
    answers: &[f64],
    config: &DivDisConfig,
    seed: Seed,
) -> Heads {
    let mut network = Mlp::initial(&[source.nrows(), config.hidden, 1], seed);
    network.train(source, &config.training, seed, &mut |batch, trace| {
        let labels: Vec<f64> = batch.iter().map(|&at| answers[at]).collect();
        let (loss, slope) = cross_entropy(trace.outputs(), &labels);
        Slopes::of_outputs(loss, slope)
    });
    Heads { network }
}

/// How often each head is right.
fn accuracies(heads: &Heads, features: &DMatrix<f64>, answers: &[bool]) -> Vec<Option<f64>> {
    let p = heads.probabilities(features);
    (p.row_iter())
        .map(|row| share(row.iter().zip(answers).map(|(&p, &y)| (p > 0.5) == y)))
        .collect()
}

/// One world, solved both ways.
struct Solved {
    without: Option<f64>,
    heads: Vec<Option<f64>>,
    /// Accuracy after so many labels (from 1), asked where heads disagree and at random.
    active: Vec<Option<f64>>,
    random: Vec<Option<f64>>,
    /// Mean over the target of the greatest distance between two heads.
    dispute: f64,
}

/// What source, target and test of a world are like.
#[derive(Debug, Clone, Copy)]
struct Setting {
    source: Spurious,
    target: Spurious,
    test: Spurious,
}

fn solve(
    config: &DivDisConfig,
    setting: Setting,
    seed: Seed,
) -> Result<Solved, ExtrapolationError> {
    let world = &config.world;
    let draw = |n, spurious, name| world.draw(n, spurious, seed.child(name));
    let (source, source_answers) = draw(world.n_source, setting.source, "source");
    let (target, target_answers) = draw(world.n_target, setting.target, "target");
    let (test, test_answers) = draw(world.n_test, setting.test, "test");
    if source_answers
        .iter()
        .all(|&answer| answer == source_answers[0])
    {
        return Err(ExtrapolationError::OneAnswer {
            what: "source labels",
            n: source_answers.len(),
        });
    }
    let numbers =
        |answers: &[bool]| -> Vec<f64> { answers.iter().map(|&y| f64::from(y)).collect() };
    let answers = numbers(&source_answers);
    let erm = empirical_risk(&source, &answers, config, seed.child("networks"));
    let heads = Heads::fit(&source, &answers, &target, config, seed.child("networks"));

    let n_asked = config.labels.max(MOST_LABELS.min(world.n_target));
    let p = heads.probabilities(&target);
    let active = most_disputed(&p, n_asked);
    let mut random: Vec<usize> = (0..world.n_target).collect();
    seed.child("random labels").stream().shuffle(&mut random);
    let by_head = accuracies(&heads, &test, &test_answers);
    let after = |asked: &[usize]| -> Vec<Option<f64>> {
        (1..=n_asked)
            .map(|n| {
                let asked = &asked[..n];
                let said: Vec<f64> = asked
                    .iter()
                    .map(|&at| f64::from(target_answers[at]))
                    .collect();
                by_head[heads.pick(&target.select_columns(asked), &said)]
            })
            .collect()
    };
    let dispute = p.column_iter().map(|p| p.max() - p.min()).sum::<f64>() / p.ncols() as f64;
    Ok(Solved {
        without: accuracies(&erm, &test, &test_answers)[0],
        active: after(&active),
        random: after(&random),
        heads: by_head,
        dispute,
    })
}

/// Tries disagreeing heads against empirical risk minimisation in the embedded world.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, and where the source has one answer only.
pub fn trial(config: &DivDisConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let shifted = Setting {
        source: Spurious::Agrees,
        target: Spurious::ByChance,
        test: Spurious::ByChance,
    };
    let unshifted = Setting {
        target: Spurious::Agrees,
        ..shifted
    };
    let absent = Setting {
        source: Spurious::Absent,
        target: Spurious::Absent,
        test: Spurious::Absent,
    };
    let mut trial = Trial::default();
    let figure = |measure: &str, without: Arm, with: Arm, labels: [usize; 2]| Figure {
        measure: measure.into(),
        unit: Unit::Share,
        better: Better::Higher,
        without,
        with,
        cost: Cost {
            of: "labels of the target".into(),
            without: labels[0] as f64,
            with: labels[1] as f64,
        },
    };
    let n_labels = config.labels;
    let picked = "head picked where heads disagree";
    let rows = [
        ("shifted target", shifted, "accuracy on the shifted target"),
        (
            "pool like the source",
            unshifted,
            "accuracy on the shifted target, unlabelled pool like the source",
        ),
        (
            "no spurious feature",
            absent,
            "accuracy where there is no spurious feature",
        ),
    ];
    for (row, setting, measure) in rows {
        let solved = solve(config, setting, seed)?;
        let active = solved.active[n_labels - 1];
        trial.figures.push(figure(
            measure,
            Arm::new("empirical risk minimisation", solved.without),
            Arm::new(picked, active),
            [0, n_labels],
        ));
        let mut cell = |column: &str, value: Option<f64>| {
            trial.measures.push(Measure::new(
                "heads by world",
                row,
                column,
                Unit::Share,
                value,
            ));
        };
        let known: Vec<f64> = solved.heads.iter().flatten().copied().collect();
        cell("best head", known.iter().copied().reduce(f64::max));
        cell("worst head", known.iter().copied().reduce(f64::min));
        cell("distance of heads", Some(solved.dispute));
        if row == "shifted target" {
            trial.figures.push(figure(
                "accuracy on the shifted target, by where labels are asked",
                Arm::new("head picked by random labels", solved.random[n_labels - 1]),
                Arm::new(picked, active),
                [n_labels, n_labels],
            ));
            for (name, values) in [
                ("where heads disagree", solved.active),
                ("at random", solved.random),
            ] {
                trial.curves.push(Curve {
                    plot: "accuracy by labels".into(),
                    name: name.into(),
                    x: "labels of the target".into(),
                    y: "accuracy on the shifted target".into(),
                    unit: Unit::Share,
                    points: (1..).map(f64::from).zip(values).take(MOST_LABELS).collect(),
                });
            }
        }
    }
    Ok(trial)
}

/// Disagreeing heads over frozen features, for questions of two answers: learns the source from a lesson, reads the target's
/// features, and asks an overseer about the most disputed of its questions.
pub struct DivDisStudent {
    /// What it is called.
    pub name: String,
    /// Features of all questions.
    pub features: NamedFeatures,
    /// Questions of the target, without labels.
    pub target: Vec<Question>,
    /// Who is asked about the most disputed of them.
    pub overseer: Box<dyn Supervisor>,
    /// Heads, labels, training; its world is not used.
    pub config: DivDisConfig,
}

/// Why heads cannot be taught.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum Unteachable {
    #[error("questions have {0} answers, heads are of two")]
    Answers(usize),
    #[error("there is no target")]
    NoTarget,
    #[error("none of the {0} questions asked of the overseer was decided")]
    NothingSaid(usize),
}

impl Student for DivDisStudent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Fitted, SupervisorError> {
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| SupervisorError::Fit {
            name: self.name.clone(),
            source,
        };
        if lesson.labels.n_answers() != 2 {
            return Err(fail(Box::new(Unteachable::Answers(
                lesson.labels.n_answers(),
            ))));
        }
        if self.target.is_empty() {
            return Err(fail(Box::new(Unteachable::NoTarget)));
        }
        // Labels come in the order of the questions, some of which may have none.
        let mut ids = lesson.labels.ids().iter().peekable();
        let labelled: Vec<&Question> = (lesson.questions.iter())
            .filter(|question| ids.next_if(|id| **id == question.id).is_some())
            .collect();
        let source = columns(&self.features, labelled)?;
        let target = columns(&self.features, &self.target)?;
        let answers: Vec<f64> = lesson.labels.rows().map(|row| row[1]).collect();
        let heads = Heads::fit(&source, &answers, &target, &self.config, lesson.seed);

        let asked = most_disputed(&heads.probabilities(&target), self.config.labels);
        let questions: Vec<Question> = asked.iter().map(|&at| self.target[at].clone()).collect();
        let said = self.overseer.judge(&questions)?;
        let cost = said
            .iter()
            .fold(trimtab_core::Cost::default(), |sum, said| sum + said.cost);
        let (places, labels): (Vec<usize>, Vec<f64>) = (asked.iter().zip(&said))
            .filter_map(|(&at, said)| Some((at, said.verdict.decided()?.probabilities()[1])))
            .unzip();
        if places.is_empty() {
            return Err(fail(Box::new(Unteachable::NothingSaid(said.len()))));
        }
        let head = heads.pick(&target.select_columns(&places), &labels);
        let options = &self.config.training;
        let n = source.ncols().max(target.ncols());
        let loss = {
            let logits = heads.network.outputs(&source);
            cross_entropy(&logits, &answers).0
        };
        Ok(Fitted {
            student: Box::new(PickedHead {
                name: self.name.clone(),
                features: NamedFeatures {
                    name: self.features.name.clone(),
                    table: Arc::clone(&self.features.table),
                },
                heads,
                head,
            }),
            n_steps: options.n_steps(n),
            loss,
            converged: true,
            cost,
        })
    }
}

/// The head that was picked.
struct PickedHead {
    name: String,
    features: NamedFeatures,
    heads: Heads,
    head: usize,
}

impl Supervisor for PickedHead {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let p = self
            .heads
            .probabilities(&columns(&self.features, questions)?);
        (questions.iter().zip(p.row(self.head).iter()))
            .map(|(question, &p)| {
                let distribution =
                    Distribution::new(&[1.0 - p, p]).map_err(|source| SupervisorError::Judge {
                        name: self.name.clone(),
                        source: Box::new(source),
                    })?;
                Ok(Judgement::decided(question.id.clone(), distribution))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::{
        AnswerIdx, AnswerKey, AnswerSet, FeatureTable, GroundTruth, SampleId, TrainingLabels,
        Workplace,
    };

    fn small() -> DivDisConfig {
        DivDisConfig {
            world: SpuriousWorld {
                n_source: 600,
                n_target: 600,
                n_test: 500,
                n_nuisance: 2,
                ..SpuriousWorld::default()
            },
            training: MlpOptions {
                epochs: 100,
                ..MlpOptions::default()
            },
            hidden: 16,
            ..DivDisConfig::default()
        }
    }

    /// MI as it reads, from the joint summed sample by sample.
    fn slow_mutual_information(p: &DMatrix<f64>) -> f64 {
        let mut total = 0.0;
        for i in 0..p.nrows() {
            for j in i + 1..p.nrows() {
                let cell = |a: bool, b: bool| -> f64 {
                    let of = |p: f64, yes: bool| if yes { p } else { 1.0 - p };
                    let products = p.column_iter().map(|p| of(p[i], a) * of(p[j], b));
                    products.sum::<f64>() / p.ncols() as f64
                };
                for a in [false, true] {
                    for b in [false, true] {
                        let joint = cell(a, b);
                        let (row, column) = (
                            cell(a, false) + cell(a, true),
                            cell(false, b) + cell(true, b),
                        );
                        total += joint * (joint / (row * column)).ln();
                    }
                }
            }
        }
        total
    }

    #[track_caller]
    fn check_slope(of: impl Fn(&DMatrix<f64>) -> (f64, DMatrix<f64>), at: &DMatrix<f64>) {
        let (_, slope) = of(at);
        for k in 0..at.len() {
            let moved = |by: f64| {
                let mut moved = at.clone();
                moved[k] += by;
                of(&moved).0
            };
            let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!(
                (slope[k] - difference).abs() < 1e-6,
                "{} {difference}",
                slope[k]
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn slopes_and_information_are_as_they_read(seed: u64, heads in 2..4usize, n in 2..6usize, prior in 0.1..0.9f64) {
            let mut stream = Seed(seed).stream();
            let p = DMatrix::from_fn(heads, n, |_, _| 0.05 + 0.9 * stream.next_f64());
            let (information, _) = mutual_information(&p);
            prop_assert!((information - slow_mutual_information(&p)).abs() < 1e-9);
            prop_assert!(information > -1e-12);
            check_slope(mutual_information, &p);
            check_slope(|p| prior_divergence(p, prior), &p);
            let labels: Vec<f64> = (0..n).map(|_| stream.next_f64()).collect();
            let logits = DMatrix::from_fn(heads, n, |_, _| stream.next_normal());
            check_slope(|logits| cross_entropy(logits, &labels), &logits);
        }

        #[test]
        fn heads_that_say_the_same_of_every_sample_share_nothing_but_their_mean(p in 0.05..0.95f64, n in 1..6usize) {
            // Constant predictions are independent, however equal.
            let constant = DMatrix::from_element(2, n, p);
            prop_assert!(mutual_information(&constant).0.abs() < 1e-9);
        }
    }

    #[test]
    fn certain_heads_that_agree_share_one_bit() {
        let p = DMatrix::from_row_slice(2, 4, &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert!((mutual_information(&p).0 - std::f64::consts::LN_2).abs() < 1e-9);
        let p = DMatrix::from_row_slice(2, 4, &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        assert!(mutual_information(&p).0.abs() < 1e-9);
    }

    #[test]
    fn the_most_disputed_come_first() {
        let p = DMatrix::from_row_slice(2, 3, &[0.5, 0.1, 0.9, 0.5, 0.9, 0.6]);
        assert_eq!(most_disputed(&p, 2), [1, 2]);
    }

    #[test]
    fn one_label_where_heads_disagree_is_enough_and_the_source_alone_is_not() {
        for seed in 0..5 {
            let trial = trial(&small(), Seed(seed)).unwrap();
            let headline = &trial.figures[0];
            assert!(headline.without.value.unwrap() <= 0.60, "{headline:?}");
            assert!(headline.with.value.unwrap() >= 0.90, "{headline:?}");
            // Twins that cannot help: no disagreement to be had.
            let [unshifted, absent] = [2, 3].map(|at| &trial.figures[at]);
            assert!(unshifted.with.value.unwrap() < 0.85, "{unshifted:?}");
            let gain = absent.with.value.unwrap() - absent.without.value.unwrap();
            assert!(gain.abs() < 0.05, "{absent:?}");
        }
    }

    #[test]
    fn without_the_information_term_no_label_helps() {
        // The classical mistake: heads that differ by their first weights only.
        let config = DivDisConfig {
            diversity: 0.0,
            ..small()
        };
        let trial = trial(&config, Seed(0)).unwrap();
        assert!(trial.figures[0].with.value.unwrap() < 0.75);
    }

    #[test]
    fn the_student_learns_the_principle_from_one_judgement() {
        let config = small();
        let world = &config.world;
        let (source, source_answers) = world.draw(300, Spurious::Agrees, Seed(1));
        let (target, target_answers) = world.draw(300, Spurious::ByChance, Seed(2));
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let question = |at: usize| Question {
            id: SampleId::new(&format!("q{at}")),
            text: "".into(),
            answers: answers.clone(),
            candidates: None,
        };
        let questions: Vec<Question> = (0..600).map(question).collect();
        let ids: Vec<SampleId> = questions.iter().map(|q| q.id.clone()).collect();
        let values = source
            .iter()
            .chain(target.iter())
            .map(|&x| x as f32)
            .collect();
        let table = FeatureTable::from_f32(&ids, source.nrows(), values).unwrap();
        let all: Vec<bool> = source_answers
            .iter()
            .chain(&target_answers)
            .copied()
            .collect();
        let key = AnswerKey::new(
            ids.iter()
                .cloned()
                .zip(all.iter().map(|&y| AnswerIdx(usize::from(y)))),
        )
        .unwrap();
        let student = DivDisStudent {
            name: "heads".into(),
            features: NamedFeatures {
                name: "world".into(),
                table: Arc::new(table),
            },
            target: questions[300..].to_vec(),
            overseer: Box::new(GroundTruth::new(key.clone())),
            config,
        };
        let labels = TrainingLabels::from_key(&questions[..300], &key).unwrap();
        let lesson = Lesson {
            questions: &questions[..300],
            labels: &labels,
            validation: None,
            seed: Seed(3),
            workplace: Workplace::none(),
        };
        let fitted = student.learn(&lesson).unwrap();
        let judged = fitted.student.judge(&questions[300..]).unwrap();
        let right = judged
            .iter()
            .zip(&target_answers)
            .filter(|(judged, answer)| {
                judged.verdict.decided().unwrap().answer() == AnswerIdx(usize::from(**answer))
            });
        assert!(right.count() >= 270);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let wrong = DivDisConfig {
            heads: 1,
            ..DivDisConfig::default()
        };
        assert_eq!(
            wrong.check().unwrap_err().to_string(),
            "heads is 1: from 2 to 16"
        );
        let world = SpuriousWorld {
            n_test: 0,
            ..SpuriousWorld::default()
        };
        let wrong = DivDisConfig {
            world,
            ..DivDisConfig::default()
        };
        assert_eq!(wrong.check().unwrap_err().key, "world.n-test");
    }
}
