//! What is new: distances from what is known, as p-values, and a combinator that asks a person about it.
//!
//! Papers: Lee et al. 2018, arXiv:1807.03888, for the distance; Ren et al. 2021, arXiv:2106.09022, for the relative one; p-values as in
//! [`trimtab_stats::ConformalScores`].
//!
//! ```text
//! MD_c(x) = (x − μ_c)ᵀ S⁻¹ (x − μ_c)      S pooled within classes          MD_0(x) likewise, of one class of all
//! Mahalanobis  min_c MD_c(x)              relative  min_c MD_c(x) − MD_0(x)
//! ```
//!
//! Covariances are shrunk towards their mean variance, by a hundredth, so that features that never vary do no harm. In: features `[dim, n]` and the class
//! of each. Out: scores, greater where newer; p-values.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Judgement, NamedFeatures, Provenance, Question, Supervisor, SupervisorError};
use trimtab_stats::ConformalScores;

use crate::columns;

/// How distance is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// From the nearest class.
    Mahalanobis,
    /// From the nearest class, less that from all of them.
    #[default]
    Relative,
}

/// A normal distribution, up to what is constant.
#[derive(Debug, Clone)]
struct Normal {
    factor: Cholesky<f64, Dyn>,
}

impl Normal {
    /// From deviations from means, `[dim, n]`.
    fn of(deviations: &DMatrix<f64>) -> Self {
        let dim = deviations.nrows();
        let mut covariance = deviations * deviations.transpose() / deviations.ncols().max(1) as f64;
        let mean = covariance.trace() / dim as f64;
        covariance *= 0.99;
        for k in 0..dim {
            covariance[(k, k)] += 0.01 * mean + 1e-12;
        }
        Self {
            factor: Cholesky::new(covariance).expect("a shrunk covariance is positive"),
        }
    }

    /// The squared distance of each deviation, `[dim, n]`.
    fn distances(&self, deviations: &DMatrix<f64>) -> Vec<f64> {
        let solved = self.factor.solve(deviations);
        solved
            .column_iter()
            .zip(deviations.column_iter())
            .map(|(a, b)| a.dot(&b))
            .collect()
    }
}

fn less(features: &DMatrix<f64>, mean: &DVector<f64>) -> DMatrix<f64> {
    let mut out = features.clone();
    for mut column in out.column_iter_mut() {
        column -= mean;
    }
    out
}

/// What is known.
#[derive(Debug, Clone)]
pub struct Known {
    means: Vec<DVector<f64>>,
    within: Normal,
    mean: DVector<f64>,
    all: Normal,
}

impl Known {
    /// From features `[dim, n]` and the class of each; classes without a sample are left out.
    ///
    /// # Panics
    ///
    /// When there are no samples, or not as many classes: a bug in the caller.
    pub fn fit(features: &DMatrix<f64>, classes: &[usize]) -> Self {
        assert!(features.ncols() > 0, "nothing is known");
        assert_eq!(features.ncols(), classes.len(), "a class a sample");
        let mut named: Vec<usize> = classes.to_vec();
        named.sort_unstable();
        named.dedup();
        let mut within = features.clone();
        let mut means = Vec::with_capacity(named.len());
        for class in named {
            let own: Vec<usize> = (0..classes.len())
                .filter(|&at| classes[at] == class)
                .collect();
            let mean = features.select_columns(&own).column_mean();
            for at in own {
                let mut column = within.column_mut(at);
                column -= &mean;
            }
            means.push(mean);
        }
        let mean = features.column_mean();
        Self {
            all: Normal::of(&less(features, &mean)),
            within: Normal::of(&within),
            means,
            mean,
        }
    }

    /// How new each sample is.
    pub fn scores(&self, features: &DMatrix<f64>, distance: Distance) -> Vec<f64> {
        let mut nearest = vec![f64::INFINITY; features.ncols()];
        for mean in &self.means {
            let distances = self.within.distances(&less(features, mean));
            for (nearest, distance) in nearest.iter_mut().zip(distances) {
                *nearest = nearest.min(distance);
            }
        }
        match distance {
            Distance::Mahalanobis => nearest,
            Distance::Relative => {
                let all = self.all.distances(&less(features, &self.mean));
                nearest
                    .iter()
                    .zip(all)
                    .map(|(nearest, all)| nearest - all)
                    .collect()
            }
        }
    }
}

/// What is known, and scores of known samples that it was not made of.
#[derive(Debug, Clone)]
pub struct NoveltyGate {
    known: Known,
    distance: Distance,
    calibration: ConformalScores,
}

impl NoveltyGate {
    /// A gate calibrated on samples `[dim, n]` that `known` was not made of.
    pub fn new(known: Known, distance: Distance, calibration: &DMatrix<f64>) -> Self {
        let calibration = ConformalScores::new(known.scores(calibration, distance));
        Self {
            known,
            distance,
            calibration,
        }
    }

    /// The p-value of each sample: at most α with probability α where the sample is like those that are known.
    pub fn p_values(&self, features: &DMatrix<f64>) -> Vec<f64> {
        let scores = self.known.scores(features, self.distance);
        scores
            .into_iter()
            .map(|score| self.calibration.p_value(score))
            .collect()
    }
}

/// Lets one supervisor judge what is known, and asks another, a person say, about what is new.
pub struct AskWhenNew {
    /// What it is called.
    pub name: String,
    /// Features of all questions.
    pub features: NamedFeatures,
    /// What is known.
    pub gate: NoveltyGate,
    /// Questions of which the p-value is at most this are new: the share of known ones that are asked about in vain.
    pub alpha: f64,
    /// Who judges what is known.
    pub judge: Box<dyn Supervisor>,
    /// Who is asked about what is new.
    pub asked: Box<dyn Supervisor>,
}

impl Supervisor for AskWhenNew {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
        let p_values = self.gate.p_values(&columns(&self.features, questions)?);
        let part = |is_new: bool| -> Vec<Question> {
            let both = questions.iter().zip(&p_values);
            both.filter(|(_, p)| (**p <= self.alpha) == is_new)
                .map(|(question, _)| question.clone())
                .collect()
        };
        let judged_by = |who: &dyn Supervisor, questions: Vec<Question>| {
            if questions.is_empty() {
                Ok(Vec::new())
            } else {
                who.judge(&questions)
            }
        };
        let mut new = judged_by(&*self.asked, part(true))?.into_iter();
        let mut known = judged_by(&*self.judge, part(false))?.into_iter();
        Ok(p_values
            .iter()
            .filter_map(|&p| {
                if p <= self.alpha {
                    new.next()
                } else {
                    known.next()
                }
            })
            .collect())
    }

    fn provenance(&self) -> Provenance {
        self.judge.provenance().max(self.asked.provenance())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use trimtab_core::{AnswerSet, Distribution, FeatureTable, SampleId, Seed, SplitMix64};
    use trimtab_stats::auroc;

    /// Two classes on the first axis, a great nuisance on the second.
    fn draw(n: usize, centre: Option<f64>, stream: &mut SplitMix64) -> (DMatrix<f64>, Vec<usize>) {
        let mut features = DMatrix::zeros(2, n);
        let mut classes = Vec::new();
        for mut column in features.column_iter_mut() {
            let class = stream.below(2);
            let at = centre.unwrap_or([-3.0, 3.0][class]);
            column[0] = at + 0.5 * stream.next_normal();
            column[1] = 5.0 * stream.next_normal();
            classes.push(class);
        }
        (features, classes)
    }

    #[test]
    fn what_lies_between_classes_is_new_and_p_values_of_the_known_keep_their_rate() {
        let mut stream = Seed(1).stream();
        let (features, classes) = draw(400, None, &mut stream);
        let known = Known::fit(&features, &classes);
        let (new, _) = draw(200, Some(0.0), &mut stream);
        let mut rates = [0.0, 0.0];
        let n_sets = 60;
        for _ in 0..n_sets {
            let gate = NoveltyGate::new(
                known.clone(),
                Distance::Relative,
                &draw(99, None, &mut stream).0,
            );
            let rate = |features: &DMatrix<f64>| {
                let p = gate.p_values(features);
                p.iter().filter(|&&p| p <= 0.1).count() as f64 / p.len() as f64 / f64::from(n_sets)
            };
            rates[0] += rate(&draw(200, None, &mut stream).0);
            rates[1] += rate(&new);
        }
        // 99 calibration scores: exactly .1 in expectation; 60 sets of 200, and of 99.
        let error = (0.1_f64 * 0.9 / 60.0 * (1.0 / 99.0 + 1.0 / 200.0)).sqrt();
        assert!((rates[0] - 0.1).abs() < 4.0 * error, "{rates:?}");
        assert!(rates[1] > 0.9, "{rates:?}");
    }

    #[test]
    fn the_relative_distance_is_not_misled_by_the_nuisance() {
        let mut stream = Seed(2).stream();
        let (features, classes) = draw(400, None, &mut stream);
        let known = Known::fit(&features, &classes);
        let (old, _) = draw(300, None, &mut stream);
        let (new, _) = draw(300, Some(1.2), &mut stream);
        let area = |distance| {
            let mut scores = known.scores(&old, distance);
            scores.extend(known.scores(&new, distance));
            let is_new: Vec<bool> = (0..600).map(|at| at >= 300).collect();
            auroc(&scores, &is_new).unwrap()
        };
        assert!(area(Distance::Relative) > area(Distance::Mahalanobis));
    }

    struct Says(f64);

    impl Supervisor for Says {
        fn name(&self) -> String {
            "says".into()
        }

        fn judge(&self, questions: &[Question]) -> Result<Vec<Judgement>, SupervisorError> {
            let said = Distribution::new(&[1.0 - self.0, self.0]).unwrap();
            Ok(questions
                .iter()
                .map(|q| Judgement::decided(q.id.clone(), said.clone()))
                .collect())
        }
    }

    #[test]
    fn new_questions_go_to_who_is_asked_in_their_places() {
        let mut stream = Seed(3).stream();
        let (features, classes) = draw(400, None, &mut stream);
        let gate = NoveltyGate::new(
            Known::fit(&features, &classes),
            Distance::Relative,
            &draw(99, None, &mut stream).0,
        );
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let questions: Vec<Question> = (0..3)
            .map(|at| Question {
                id: SampleId::new(&format!("q{at}")),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect();
        let ids: Vec<SampleId> = questions.iter().map(|q| q.id.clone()).collect();
        let table = FeatureTable::from_f32(&ids, 2, vec![3.0, 0.0, 0.0, 0.0, -3.0, 0.0]).unwrap();
        let ask = AskWhenNew {
            name: "ask".into(),
            features: NamedFeatures {
                name: "plane".into(),
                table: Arc::new(table),
            },
            gate,
            alpha: 0.05,
            judge: Box::new(Says(0.2)),
            asked: Box::new(Says(0.9)),
        };
        let judged = ask.judge(&questions).unwrap();
        let said: Vec<f64> = judged
            .iter()
            .map(|j| j.verdict.decided().unwrap().probabilities()[1])
            .collect();
        assert_eq!(said, [0.2, 0.9, 0.2]);
        assert!(judged.iter().zip(&questions).all(|(j, q)| j.id == q.id));
    }
}
