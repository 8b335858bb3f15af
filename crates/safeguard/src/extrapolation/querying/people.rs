//! Active querying whose labels people give: what is chosen waits until somebody has said what it is.
//!
//! ```text
//! said so far ──► both ways to choose, replayed batch by batch ──► what waits, or what came of it
//! label of a sample = what most of the first k people said who answered; none where they are divided, or all passed
//! ```
//!
//! The chosen batch and one at random go side by side, mixed by lot, and neither goes on before both batches are answered: the same people
//! answer both on the same days, and what is asked does not say why. A sample that both chose is asked once. One that gets no label was
//! asked all the same: it counts towards the budget, and in every table.
//!
//! In: features and the data's labels, which measure and never teach; for every sample what people said of it, in the order in which it came.
//! Out: samples that wait, or the trial. The same answers give the same choices: nothing else is kept between calls.

use std::collections::BTreeMap;

use trimtab_core::Seed;

use super::{
    Acquisition, FeaturesInput, Ground, Learner, QueryingConfig, ceiling, ceiling_row, efficiency,
    headlines, with_constant,
};
use crate::extrapolation::{ExtrapolationError, same_length, share};
use crate::{Measure, Trial, Unit};

/// What one person said of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PersonSaid {
    /// The answer; none where they could not say.
    pub answer: Option<bool>,
    /// Seconds that they took.
    pub secs: f64,
}

/// What people have said so far.
#[derive(Debug, Clone, Copy)]
pub struct PeopleInput<'a> {
    /// Of each sample of the pool, in the order in which it came: each of another person.
    pub said: &'a [Vec<PersonSaid>],
    /// How many people are asked about a sample.
    pub raters: usize,
}

impl PeopleInput<'_> {
    fn waits(&self, at: usize) -> bool {
        self.said[at].len() < self.raters
    }

    /// What most of those said who were asked and answered.
    fn label(&self, at: usize) -> Option<bool> {
        let asked = self.said[at].iter().take(self.raters);
        let balance: i64 = asked
            .filter_map(|said| said.answer)
            .map(|yes| if yes { 1 } else { -1 })
            .sum();
        (balance != 0).then_some(balance > 0)
    }
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Asking {
    /// Samples that were asked about so far, those that wait among them, in the order in which they came up.
    pub asked: Vec<usize>,
    /// What is next.
    pub next: Next,
}

/// What is next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// People are to be asked about these.
    Ask(Vec<usize>),
    /// The budget is spent, and this came of it.
    Finished(Trial),
}

/// Chooses as far as what people said allows.
///
/// # Errors
///
/// [`ExtrapolationError`] when the features or labels do not fit, or a setting makes no sense.
pub fn ask_people(
    config: &QueryingConfig,
    input: &FeaturesInput<'_>,
    people: &PeopleInput<'_>,
    seed: Seed,
) -> Result<Asking, ExtrapolationError> {
    config.check()?;
    input.check()?;
    same_length(
        "samples that people spoke of",
        people.said.len(),
        input.labels.len(),
    )?;
    let ground = Ground {
        config,
        features: &with_constant(input.features),
        test_features: &with_constant(input.test_features),
        test_labels: input.test_labels,
    };
    // The seed of other annotators' trials: choices at random are the same.
    let seed = seed.child("labels");
    let n = input.labels.len();
    let mut learners = [Acquisition::Random, config.acquisition]
        .map(|acquisition| Learner::new(config, acquisition, n, seed));
    let mut asked: Vec<usize> = Vec::new();
    for round in 0_u32.. {
        let mut batch: Vec<usize> = Vec::new();
        for at in learners.iter().flat_map(|learner| &learner.batch) {
            if !asked.contains(at) && !batch.contains(at) {
                batch.push(*at);
            }
        }
        if learners.iter().all(|learner| learner.batch.is_empty()) {
            break;
        }
        // In the order of their places first, so that the lot alone says who comes when.
        batch.sort_unstable();
        let mixed = seed.child("order").child(&format!("round {round}"));
        mixed.stream().shuffle(&mut batch);
        let waiting: Vec<usize> = (batch.iter().copied())
            .filter(|&at| people.waits(at))
            .collect();
        asked.extend(batch);
        if !waiting.is_empty() {
            return Ok(Asking {
                asked,
                next: Next::Ask(waiting),
            });
        }
        for learner in &mut learners {
            if !learner.batch.is_empty() {
                learner.take(ground, |at| people.label(at));
            }
        }
    }
    let [random, own] = learners.map(Learner::learnt);
    let mut trial = Trial::default();
    let [ceiling, target] = ceiling(ground, input.labels);
    headlines(&mut trial, config.acquisition, [&random, &own], target, "");
    for (acquisition, learnt) in [(Acquisition::Random, &random), (config.acquisition, &own)] {
        efficiency(&mut trial, acquisition, [&random, learnt], target, "");
    }
    ceiling_row(&mut trial, ceiling, "");
    for (row, samples) in [
        ("chosen at random", &random.asked),
        (
            &*format!("chosen by {}", config.acquisition.name()),
            &own.asked,
        ),
        ("both, what they share once", &asked),
    ] {
        what_it_took(&mut trial, row, samples, people, input.labels);
    }
    Ok(Asking {
        asked,
        next: Next::Finished(trial),
    })
}

/// What was asked and said of `samples`.
fn what_it_took(
    trial: &mut Trial,
    row: &str,
    samples: &[usize],
    people: &PeopleInput<'_>,
    labels: &[bool],
) {
    let said = || samples.iter().flat_map(|&at| &people.said[at]);
    let answers = || {
        let of =
            |&at: &usize| (people.said[at].iter()).filter_map(move |said| Some((at, said.answer?)));
        samples.iter().flat_map(of)
    };
    let n_labels = (samples.iter())
        .filter(|&&at| people.label(at).is_some())
        .count();
    let secs: f64 = said().map(|said| said.secs).sum();
    let mut cell = |column: &str, unit, value: Option<f64>| {
        (trial.measures).push(Measure::new("people", row, column, unit, value));
    };
    cell("questions", Unit::Count, Some(samples.len() as f64));
    cell(
        "of the pool",
        Unit::Share,
        Some(samples.len() as f64 / labels.len() as f64),
    );
    cell(
        "times somebody was asked",
        Unit::Count,
        Some(said().count() as f64),
    );
    cell(
        "could not say",
        Unit::Share,
        share(said().map(|said| said.answer.is_none())),
    );
    cell("labels", Unit::Count, Some(n_labels as f64));
    cell("seconds of people", Unit::Number, Some(secs));
    cell(
        "seconds a label",
        Unit::Number,
        (n_labels > 0).then(|| secs / n_labels as f64),
    );
    cell(
        "answers not as in the data",
        Unit::Share,
        share(answers().map(|(at, answer)| answer != labels[at])),
    );
    cell(
        "labels not as in the data",
        Unit::Share,
        share(samples.iter().filter_map(|&at| {
            let label = people.label(at)?;
            Some(label != labels[at])
        })),
    );
    cell("two raters differ", Unit::Share, differing(answers()));
}

/// The share of pairs of answers to one sample that are not the same.
fn differing(answers: impl Iterator<Item = (usize, bool)>) -> Option<f64> {
    let mut by_sample: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for (at, answer) in answers {
        by_sample.entry(at).or_default()[usize::from(answer)] += 1;
    }
    let pairs = |n: usize| n * n.saturating_sub(1) / 2;
    let (mut n_pairs, mut n_differ) = (0, 0);
    for [no, yes] in by_sample.into_values() {
        n_pairs += pairs(no + yes);
        n_differ += no * yes;
    }
    (n_pairs > 0).then(|| n_differ as f64 / n_pairs as f64)
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;
    use proptest::prelude::*;

    use super::*;

    /// Samples on a line, right where they are positive, and a test set like them.
    struct Line {
        features: DMatrix<f64>,
        labels: Vec<bool>,
        groups: Vec<usize>,
    }

    impl Line {
        fn new(n: usize, seed: Seed) -> Self {
            let mut stream = seed.stream();
            let features = DMatrix::from_fn(2, n, |_, _| stream.next_normal());
            Self {
                labels: features
                    .column_iter()
                    .map(|x| x[0] + 0.2 * x[1] > 0.0)
                    .collect(),
                features,
                groups: vec![0; n],
            }
        }

        fn input(&self) -> FeaturesInput<'_> {
            FeaturesInput {
                features: &self.features,
                labels: &self.labels,
                groups: &self.groups,
                test_features: &self.features,
                test_labels: &self.labels,
                test_groups: &self.groups,
                novel: None,
            }
        }
    }

    fn config(acquisition: Acquisition) -> QueryingConfig {
        QueryingConfig {
            acquisition,
            batch: 4,
            start: 6,
            budget: 24,
            ..QueryingConfig::default()
        }
    }

    fn cell(trial: &Trial, table: &str, row: &str, column: &str) -> Option<f64> {
        let is = |m: &&Measure| m.table == table && m.row == row && m.column == column;
        trial.measures.iter().find(is).unwrap().value
    }

    /// Asks until the budget is spent; `says` what the k-th person says of a sample.
    fn asked(
        config: &QueryingConfig,
        line: &Line,
        raters: usize,
        mut says: impl FnMut(usize, usize) -> Option<bool>,
        mut patience: impl FnMut(usize) -> usize,
    ) -> (Vec<usize>, Trial, usize) {
        let mut said = vec![Vec::new(); line.labels.len()];
        for n_calls in 1.. {
            let people = PeopleInput {
                said: &said,
                raters,
            };
            let asking = ask_people(config, &line.input(), &people, Seed(3)).unwrap();
            match asking.next {
                Next::Finished(trial) => return (asking.asked, trial, n_calls),
                Next::Ask(waiting) => {
                    assert!(!waiting.is_empty());
                    let n = patience(waiting.len()).clamp(1, waiting.len());
                    for at in waiting.into_iter().take(n) {
                        let who = said[at].len();
                        assert!(who < raters, "asked once too often");
                        said[at].push(PersonSaid {
                            answer: says(at, who),
                            secs: 2.0,
                        });
                    }
                }
            }
        }
        unreachable!("it asks until it ends");
    }

    #[test]
    fn people_who_say_what_the_data_say_give_the_figures_of_the_data() {
        let line = Line::new(80, Seed(1));
        let config = config(Acquisition::DOptimal);
        let (asked, trial, _) = asked(
            &config,
            &line,
            1,
            |at, _| Some(line.labels[at]),
            |waiting| waiting,
        );
        let mut whole = Trial::default();
        super::super::label_efficiency(
            &mut whole,
            &config,
            &line.input(),
            "",
            Seed(3).child("labels"),
        );
        assert_eq!(trial.figures, whole.figures);
        for curve in &trial.curves {
            assert!(whole.curves.contains(curve), "{}", curve.name);
        }
        let both = "both, what they share once";
        let people = |row, column| cell(&trial, "people", row, column);
        assert_eq!(people(both, "questions"), Some(asked.len() as f64));
        assert!(asked.len() > 24 && asked.len() <= 2 * 24 - 6);
        assert_eq!(people(both, "labels not as in the data"), Some(0.0));
        assert_eq!(people("chosen at random", "seconds of people"), Some(48.0));
        assert_eq!(people("chosen by D-optimal", "of the pool"), Some(0.3));
        assert_eq!(people(both, "two raters differ"), None);
    }

    #[test]
    fn what_gets_no_label_was_asked_and_is_counted_and_never_taught() {
        let line = Line::new(80, Seed(1));
        // Two of three differ, or pass: of samples with an even place there is no label.
        let says = |at: usize, who: usize| match (at % 2, who) {
            (0, 0) => Some(true),
            (0, 1) => Some(false),
            (0, _) => None,
            _ => Some(line.labels[at]),
        };
        let (asked, trial, _) = asked(&config(Acquisition::Entropy), &line, 3, says, |waiting| {
            waiting
        });
        let people = |column| cell(&trial, "people", "both, what they share once", column);
        let n_even = asked.iter().filter(|&&at| at % 2 == 0).count() as f64;
        let n = asked.len() as f64;
        assert_eq!(people("labels"), Some(n - n_even));
        assert_eq!(people("times somebody was asked"), Some(3.0 * n));
        assert_eq!(people("could not say"), Some(n_even / (3.0 * n)));
        assert_eq!(people("labels not as in the data"), Some(0.0));
        let pairs = n_even + 3.0 * (n - n_even);
        assert_eq!(people("two raters differ"), Some(n_even / pairs));
        let random = cell(&trial, "people", "chosen at random", "questions");
        assert_eq!(random, Some(24.0), "the budget is of questions");
    }

    #[test]
    fn nobody_can_say_and_it_ends_all_the_same() {
        let line = Line::new(40, Seed(2));
        let (_, trial, _) = asked(
            &config(Acquisition::Bald),
            &line,
            1,
            |_, _| None,
            |waiting| waiting,
        );
        let people = |column| cell(&trial, "people", "both, what they share once", column);
        assert_eq!(people("labels"), Some(0.0));
        assert_eq!(people("could not say"), Some(1.0));
        assert_eq!(people("seconds a label"), None);
        assert_eq!(people("labels not as in the data"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However few answers come between two calls, the choices and the figures are those of people who answer at once.
        #[test]
        fn waiting_changes_nothing(seed: u64, raters in 1..=3_usize, which in 0..6_usize) {
            let line = Line::new(60, Seed(seed));
            let config = config(Acquisition::ALL[which]);
            let says = |at: usize, who: usize| {
                let luck = Seed(seed).child(&format!("{at} {who}")).0 % 10;
                (luck > 0).then_some(line.labels[at] == (luck > 1))
            };
            let (wanted, trial, _) = asked(&config, &line, raters, says, |waiting| waiting);
            let mut stream = Seed(seed).child("patience").stream();
            let (got, same, n_calls) = asked(&config, &line, raters, says, |waiting| stream.below(waiting) + 1);
            prop_assert_eq!(&got, &wanted);
            prop_assert_eq!(same, trial);
            prop_assert!(n_calls >= 5);
            let mut distinct = got.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), got.len(), "nothing is asked twice");
        }
    }
}
