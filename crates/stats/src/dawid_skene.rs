//! Dawid and Skene's model: what is true of each item, and how each rater errs, from ratings alone.
//!
//! Papers: Dawid and Skene 1979, Applied Statistics 28(1); the one-coin model as in Zhang et al. 2014, arXiv:1406.3824; the
//! weight of a rater after Raykar and Yu 2012, Journal of Machine Learning Research 13.
//!
//! ```text
//! maximise  Σ_i ln Σ_k p_k Π_r π_r[k, y_ir]  +  α (Σ_k ln p_k + Σ_rkl ln π_r[k, l])
//! E:  T_ik ∝ p_k Π_r π_r[k, y_ir]                                 in logarithms
//! M:  π_r[k, l] = (Σ_i T_ik [y_ir = l] + α) / (Σ_i T_ik [r rated i] + q α),   p_k likewise
//! one coin:  π_r[k, k] = a_r,  π_r[k, l] = (1 − a_r)/(q − 1),   a_r = (Σ_i T_i,y_ir + α) / (n_r + 2α)
//! ```
//!
//! with `y_ir` what rater r said of item i, `p` the prevalence of the q categories, `π_r` the rater's confusions. `α` is the smoothing:
//! pseudo-ratings in every cell, which keep logarithms finite. The objective never falls; it may have several maxima, and the search begins at the shares of votes.
//!
//! In: a [`Panel`], and gold labels where some are known, which are taken as they are. Out: posteriors, confusions, prevalence, and
//! the weight of every rater: how much of the truth's entropy it takes away, 0 for one whose answers do not depend on the item.
//!
//! Names of categories may have been swapped, since the model is the same under any renaming: [`DawidSkeneFit::swapped`] lists categories that raters,
//! taken together, call something else more often than by their name. Believe no fit where it is not empty.
//! Differs from the paper: smoothing; gold labels.
//! Parity: `tests/golden/raters.json` (crowd-kit).

use serde::{Deserialize, Serialize};

use crate::panel::{Panel, PanelError};

/// How a rater may err.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confusions {
    /// Each category in its own way: a matrix a rater.
    #[default]
    Full,
    /// All alike: an accuracy a rater.
    OneCoin,
}

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DawidSkene {
    /// How raters may err.
    pub confusions: Confusions,
    /// Pseudo-ratings in every cell, above 0.
    pub smoothing: f64,
    /// Steps of expectation and maximisation at most.
    pub most_steps: usize,
    /// Stop when the objective gains less than this a rating.
    pub tolerance: f64,
}

impl Default for DawidSkene {
    /// Full confusions, a tenth of a rating in every cell.
    fn default() -> Self {
        Self {
            confusions: Confusions::Full,
            smoothing: 0.1,
            most_steps: 2_000,
            tolerance: 1e-10,
        }
    }
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DawidSkeneError {
    /// Nothing but raters who never met: nobody's errors can be told from the truth.
    #[error(transparent)]
    Panel(#[from] PanelError),
    /// A gold label that is no category.
    #[error("gold label {gold} of item {item} is outside the scale, which has {n_categories}")]
    GoldOutside {
        /// The item.
        item: usize,
        /// Its label.
        gold: u16,
        /// How many categories there are, from 0.
        n_categories: usize,
    },
    /// No pseudo-ratings.
    #[error("smoothing {0} is not above 0")]
    NoSmoothing(f64),
}

impl DawidSkeneError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Panel(error) => error.hint(),
            Self::GoldOutside { .. } => "declare every category that a gold label may name",
            Self::NoSmoothing(_) => "use a small number, such as 0.1",
        }
    }
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct DawidSkeneFit {
    q: usize,
    /// How often each category is true.
    pub prevalence: Vec<f64>,
    /// What each rater says where each category is true, `[raters][true × said]`.
    confusions: Vec<Vec<f64>>,
    /// How many ratings each rater gave.
    n_ratings: Vec<usize>,
    /// `[items × categories]`.
    posteriors: Vec<f64>,
    rated: Vec<bool>,
    /// The objective before each step and after the last: it never falls.
    pub objective: Vec<f64>,
    /// Whether the search came to rest.
    pub search: Search,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Search {
    /// It came to rest.
    Settled,
    /// It was stopped before that.
    Stopped,
}

impl DawidSkene {
    /// Fits the model; `gold` has a label where one is known, and may be shorter than there are items.
    ///
    /// # Errors
    ///
    /// [`DawidSkeneError`] where raters never met and no gold label helps, or a gold label is no category.
    pub fn fit(
        &self,
        panel: &Panel,
        gold: &[Option<u16>],
    ) -> Result<DawidSkeneFit, DawidSkeneError> {
        let q = panel.categories().len();
        if self.smoothing.is_nan() || self.smoothing <= 0.0 {
            return Err(DawidSkeneError::NoSmoothing(self.smoothing));
        }
        let gold_of = |item: usize| gold.get(item).copied().flatten();
        let mut n_gold = 0;
        for item in 0..panel.n_items() {
            if let Some(gold) = gold_of(item) {
                n_gold += usize::from(panel.item(item).len() > 0);
                if usize::from(gold) >= q {
                    return Err(DawidSkeneError::GoldOutside {
                        item,
                        gold,
                        n_categories: q,
                    });
                }
            }
        }
        if n_gold == 0 {
            panel.overlap()?;
        }
        let mut fit = DawidSkeneFit {
            q,
            prevalence: vec![1.0 / q as f64; q],
            confusions: vec![vec![0.0; q * q]; panel.n_raters()],
            n_ratings: vec![0; panel.n_raters()],
            posteriors: vec![0.0; panel.n_items() * q],
            rated: (0..panel.n_items())
                .map(|item| panel.item(item).len() > 0)
                .collect(),
            objective: Vec::new(),
            search: Search::Stopped,
        };
        for item in 0..panel.n_items() {
            let posterior = &mut fit.posteriors[item * q..(item + 1) * q];
            let votes = panel.item(item);
            let n = votes.len() as f64;
            match gold_of(item) {
                Some(gold) => posterior[usize::from(gold)] = 1.0,
                None => votes
                    .clone()
                    .for_each(|(_, said)| posterior[said] += 1.0 / n),
            }
            for (rater, _) in votes {
                fit.n_ratings[rater] += 1;
            }
        }
        let enough = self.tolerance * panel.n_ratings() as f64;
        for _ in 0..=self.most_steps {
            self.maximise(panel, &mut fit);
            let objective = fit.expect(panel, gold_of) + self.prior(&fit);
            let before = fit.objective.last().copied();
            fit.objective.push(objective);
            if before.is_some_and(|before| objective - before < enough) {
                fit.search = Search::Settled;
                break;
            }
        }
        Ok(fit)
    }

    /// Prevalence and confusions that are most likely under the posteriors.
    fn maximise(&self, panel: &Panel, fit: &mut DawidSkeneFit) {
        let (q, smoothing) = (fit.q, self.smoothing);
        fit.prevalence.fill(smoothing);
        for confusions in &mut fit.confusions {
            confusions.fill(smoothing);
        }
        for item in 0..panel.n_items() {
            if !fit.rated[item] {
                continue;
            }
            let posterior = &fit.posteriors[item * q..(item + 1) * q];
            for (sum, share) in fit.prevalence.iter_mut().zip(posterior) {
                *sum += share;
            }
            for (rater, said) in panel.item(item) {
                for (truth, share) in posterior.iter().enumerate() {
                    fit.confusions[rater][truth * q + said] += share;
                }
            }
        }
        normalise(&mut fit.prevalence);
        for (confusions, n) in fit.confusions.iter_mut().zip(&fit.n_ratings) {
            match self.confusions {
                Confusions::Full => confusions.chunks_exact_mut(q).for_each(normalise),
                Confusions::OneCoin => {
                    let right: f64 = (0..q).map(|k| confusions[k * q + k] - smoothing).sum();
                    let accuracy = (right + smoothing) / (*n as f64 + 2.0 * smoothing);
                    let wrong = (1.0 - accuracy) / (q - 1) as f64;
                    for (at, cell) in confusions.iter_mut().enumerate() {
                        *cell = if at / q == at % q { accuracy } else { wrong };
                    }
                }
            }
        }
    }

    /// What smoothing adds to the objective.
    fn prior(&self, fit: &DawidSkeneFit) -> f64 {
        let logs = |shares: &[f64]| shares.iter().map(|share| share.ln()).sum::<f64>();
        let of_rater = |confusions: &Vec<f64>| match self.confusions {
            Confusions::Full => logs(confusions),
            // A coin has two sides.
            Confusions::OneCoin => confusions[0].ln() + (confusions[1] * (fit.q - 1) as f64).ln(),
        };
        let raters: f64 = fit.confusions.iter().map(of_rater).sum();
        self.smoothing * (logs(&fit.prevalence) + raters)
    }
}

fn normalise(shares: &mut [f64]) {
    let sum: f64 = shares.iter().sum();
    for share in shares {
        *share /= sum;
    }
}

impl DawidSkeneFit {
    /// Posteriors under prevalence and confusions; the log-likelihood.
    fn expect(&mut self, panel: &Panel, gold: impl Fn(usize) -> Option<u16>) -> f64 {
        let q = self.q;
        let logs = |shares: &Vec<f64>| shares.iter().map(|share| share.ln()).collect();
        let confusions: Vec<Vec<f64>> = self.confusions.iter().map(logs).collect();
        let prevalence: Vec<f64> = logs(&self.prevalence);
        let mut likelihood = 0.0;
        for item in 0..panel.n_items() {
            let posterior = &mut self.posteriors[item * q..(item + 1) * q];
            posterior.copy_from_slice(&prevalence);
            for (rater, said) in panel.item(item) {
                for (truth, log) in posterior.iter_mut().enumerate() {
                    *log += confusions[rater][truth * q + said];
                }
            }
            if let Some(gold) = gold(item) {
                if self.rated[item] {
                    likelihood += posterior[usize::from(gold)];
                }
                posterior.fill(0.0);
                posterior[usize::from(gold)] = 1.0;
                continue;
            }
            let most = posterior.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for log in posterior.iter_mut() {
                *log = (*log - most).exp();
            }
            if self.rated[item] {
                likelihood += most + posterior.iter().sum::<f64>().ln();
            }
            normalise(posterior);
        }
        likelihood
    }

    /// How likely each category is true of an item; prevalence, of one that nobody rated.
    ///
    /// # Panics
    ///
    /// When there is no such item: a bug in the caller.
    pub fn posterior(&self, item: usize) -> &[f64] {
        &self.posteriors[item * self.q..(item + 1) * self.q]
    }

    /// The likeliest category of every item, the first of several; none where nobody rated it.
    pub fn labels(&self) -> Vec<Option<usize>> {
        let likeliest = |item: usize| {
            let posterior = self.posterior(item);
            let best = |best: usize, k: usize| {
                if posterior[k] > posterior[best] {
                    k
                } else {
                    best
                }
            };
            (0..self.q).fold(0, best)
        };
        (0..self.rated.len())
            .map(|item| self.rated[item].then(|| likeliest(item)))
            .collect()
    }

    /// How often a rater says `said` where `truth` is true.
    ///
    /// # Panics
    ///
    /// When there is no such rater or category: a bug in the caller.
    pub fn confusion(&self, rater: usize, truth: usize, said: usize) -> f64 {
        assert!(said < self.q, "category {said} of {}", self.q);
        self.confusions[rater][truth * self.q + said]
    }

    /// How often a rater is right, in this mix of categories.
    ///
    /// # Panics
    ///
    /// When there is no such rater: a bug in the caller.
    pub fn accuracy(&self, rater: usize) -> f64 {
        (self.prevalence.iter().enumerate())
            .map(|(k, share)| share * self.confusion(rater, k, k))
            .sum()
    }

    /// The share of the truth's entropy that a rater's answer takes away, from 0 to 1: 0 for a rater who does not look at items,
    /// 1 for one who is always right, or always wrong in the same way.
    ///
    /// # Panics
    ///
    /// When there is no such rater: a bug in the caller.
    pub fn weight(&self, rater: usize) -> f64 {
        let said: Vec<f64> = (0..self.q)
            .map(|l| {
                let shares = self.prevalence.iter().enumerate();
                shares
                    .map(|(k, share)| share * self.confusion(rater, k, l))
                    .sum()
            })
            .collect();
        let mut information = 0.0;
        let mut entropy = 0.0;
        for (k, share) in self.prevalence.iter().enumerate() {
            entropy -= share * share.ln();
            for (l, said) in said.iter().enumerate() {
                let p = self.confusion(rater, k, l);
                information += share * p * (p / said).ln();
            }
        }
        (information / entropy).clamp(0.0, 1.0)
    }

    /// Categories that raters, each by how often it rated, call something else more often than by their name.
    pub fn swapped(&self) -> Vec<usize> {
        let called = |k: usize, l: usize| -> f64 {
            let ratings = self.n_ratings.iter().enumerate();
            ratings
                .map(|(rater, n)| *n as f64 * self.confusion(rater, k, l))
                .sum()
        };
        (0..self.q)
            .filter(|k| (0..self.q).any(|l| called(*k, l) > called(*k, *k)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::{Rating, Scale, Seed};

    use super::*;
    use crate::panel::tests::{categories, panels};

    /// Raters who are right so often, whatever is true; what they say otherwise is even. And what is true.
    fn simulated(accuracies: &[f64], n_items: u32, q: usize, seed: u64) -> (Panel, Vec<usize>) {
        let mut random = Seed(seed).stream();
        let truth: Vec<usize> = (0..n_items).map(|_| random.below(q)).collect();
        let mut ratings = Vec::new();
        for (item, truth) in (0..).zip(&truth) {
            for (rater, accuracy) in (0..).zip(accuracies) {
                let said = if random.next_f64() < *accuracy {
                    *truth
                } else {
                    (truth + 1 + random.below(q - 1)) % q
                };
                ratings.push(Rating {
                    item,
                    rater,
                    category: said as u16,
                });
            }
        }
        (
            Panel::new(categories(q, Scale::Nominal), &ratings).unwrap(),
            truth,
        )
    }

    fn right(fit: &DawidSkeneFit, truth: &[usize]) -> f64 {
        let labels = fit.labels();
        let right = labels
            .iter()
            .zip(truth)
            .filter(|(got, truth)| **got == Some(**truth));
        right.count() as f64 / truth.len() as f64
    }

    #[test]
    fn simulated_raters_are_recovered_and_a_spammer_has_no_weight() {
        let accuracies = [0.9, 0.8, 0.7, 0.6, 1.0 / 3.0];
        let (panel, truth) = simulated(&accuracies, 4_000, 3, 0);
        for confusions in [Confusions::Full, Confusions::OneCoin] {
            let model = DawidSkene {
                confusions,
                ..DawidSkene::default()
            };
            let fit = model.fit(&panel, &[]).unwrap();
            assert_eq!((fit.search, fit.swapped()), (Search::Settled, vec![]));
            for (rater, accuracy) in accuracies.iter().enumerate() {
                let got = fit.accuracy(rater);
                assert!(
                    (got - accuracy).abs() < 0.03,
                    "{rater}: {got}, not {accuracy}"
                );
            }
            assert!(fit.weight(4) < 0.002, "{}", fit.weight(4));
            assert!(fit.weight(0) > 0.5);
            // Weighed votes beat the majority.
            let majority = panel.majorities();
            let share = majority.iter().zip(&truth).map(|(most, truth)| {
                if most.contains(truth) {
                    1.0 / most.len() as f64
                } else {
                    0.0
                }
            });
            let majority = share.sum::<f64>() / truth.len() as f64;
            assert!(
                right(&fit, &truth) > majority + 0.01,
                "{} {majority}",
                right(&fit, &truth)
            );
        }
    }

    #[test]
    fn confusions_are_recovered() {
        // One rater never tells 2 from 1; two others are right 8 times in 10.
        let (panel, truth) = simulated(&[0.8, 0.8, 0.8], 5_000, 3, 1);
        let ratings: Vec<Rating> = (panel.ratings())
            .map(|rating| match rating {
                Rating { rater: 0, item, .. } => Rating {
                    category: (truth[item as usize] as u16).min(1),
                    ..rating
                },
                other => other,
            })
            .collect();
        let panel = Panel::new(categories(3, Scale::Nominal), &ratings).unwrap();
        let fit = DawidSkene::default().fit(&panel, &[]).unwrap();
        for (truth, said, share) in [(0, 0, 1.0), (1, 1, 1.0), (2, 1, 1.0), (2, 2, 0.0)] {
            let got = fit.confusion(0, truth, said);
            assert!((got - share).abs() < 0.03, "{truth} {said}: {got}");
        }
        assert!((fit.confusion(1, 2, 2) - 0.8).abs() < 0.03);
    }

    #[test]
    fn gold_labels_are_taken_as_they_are_and_turn_names_round() {
        // All raters are wrong 7 times in 10 on two categories: alone, the model takes wrong for right.
        let (panel, truth) = simulated(&[0.3, 0.3, 0.3], 2_000, 2, 2);
        let alone = DawidSkene::default().fit(&panel, &[]).unwrap();
        assert!(right(&alone, &truth) < 0.3);
        assert_eq!(alone.swapped(), [] as [usize; 0]);
        let gold: Vec<Option<u16>> = (truth.iter().enumerate())
            .map(|(item, truth)| (item < 300).then_some(*truth as u16))
            .collect();
        let helped = DawidSkene::default().fit(&panel, &gold).unwrap();
        assert!(right(&helped, &truth) > 0.7, "{}", right(&helped, &truth));
        assert_eq!(helped.swapped(), [0, 1]);
        for (item, truth) in truth.iter().enumerate().take(300) {
            assert_eq!(helped.posterior(item)[*truth], 1.0);
        }
    }

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let alone: Vec<Rating> = (0..4)
            .map(|item| Rating {
                item,
                rater: 0,
                category: 1,
            })
            .collect();
        let panel = Panel::with_any_overlap(categories(3, Scale::Nominal), &alone).unwrap();
        let model = DawidSkene::default();
        assert_eq!(
            model.fit(&panel, &[]).unwrap_err().to_string(),
            "all 4 ratings are by rater 0: agreement takes two raters"
        );
        assert_eq!(
            model.fit(&panel, &[None, Some(3)]).unwrap_err().to_string(),
            "gold label 3 of item 1 is outside the scale, which has 3"
        );
        // One gold label is enough to say something.
        assert!(model.fit(&panel, &[Some(2)]).is_ok());
        let bare = DawidSkene {
            smoothing: 0.0,
            ..model
        };
        assert_eq!(
            bare.fit(&panel, &[]).unwrap_err().to_string(),
            "smoothing 0 is not above 0"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_objective_never_falls(
            panel in panels(Scale::Nominal),
            gold in prop::collection::vec(prop::option::weighted(0.2, 0..4_u16), 30),
            one_coin: bool,
        ) {
            let confusions = if one_coin { Confusions::OneCoin } else { Confusions::Full };
            let model = DawidSkene { confusions, most_steps: 40, ..DawidSkene::default() };
            let Ok(fit) = model.fit(&panel, &gold) else { return Ok(()) };
            for two in fit.objective.windows(2) {
                prop_assert!(two[1] >= two[0] - 1e-9 * two[0].abs(), "{:?}", fit.objective);
            }
            for item in 0..panel.n_items() {
                prop_assert!((fit.posterior(item).iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
            for rater in 0..panel.n_raters() {
                prop_assert!((0.0..=1.0).contains(&fit.weight(rater)));
                let sum: f64 = (0..4).map(|said| fit.confusion(rater, 2, said)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-9);
            }
        }
    }
}
