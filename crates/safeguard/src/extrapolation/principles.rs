//! Principles: a list of specific ones against one general one, on domains and principles that were held out.
//!
//! Paper: Kundu et al. 2023, *Specific versus General Principles for Constitutional AI*, arXiv:2310.13798; for what a list explains of
//! given preferences, Findeis et al. 2024, *Inverse Constitutional AI*, arXiv:2406.06560.
//!
//! ```text
//! label of a pair = the sign of the sum of its votes: of nobody's principle, of the specific principles that are not held out, or of a general one
//! preference model: logistic regression on the difference of the pair's features, without a bias
//! generalisation gap = accuracy on domains that were seen − on those that were not
//! attribution of principle k = agreement of the whole list's labels with the truth − that of the list without k
//! reconstruction by k principles = agreement of the best list of k, taken one at a time
//! ```
//!
//! The model is fitted on half of the pairs of the domains that are seen. It is judged on the other half, on the domains held out,
//! and on what the held-out principles vote there. A vote may be absent: a pair of which no vote is left, or of which they cancel, has no label, and is counted.
//!
//! World: each principle is a direction in the features, which shares a part with all others (what is good in general). In
//! each domain one principle is at stake beside that part. The general principle votes by the shared part with noise; specific ones by their own directions, more
//! exactly; nobody's principle by a direction that is mostly length. Where principles share nothing the general one cannot help: a further figure.
//!
//! In: differences of features `[dim, n]`, votes, the truth, domains. Out: accuracies.
//! Differs from the papers: models are linear, votes are given; what a chat model says under a principle is a vote like any other.

use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};
use trimtab_core::{Seed, SplitMix64};

use super::posterior::Posterior;
use super::{ExtrapolationError, finite, same_length, share};
use crate::{Arm, Better, Cost, Curve, Figure, Measure, Trial, Unit};

/// How the model is fitted, what is held out, and the world it is tried in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrinciplesConfig {
    /// Specific principles that are held out. Of given pairs: drawn by the seed where none are named.
    pub held_out_principles: usize,
    /// Domains that are held out. Of given pairs: drawn by the seed where none are named.
    pub held_out_domains: usize,
    /// The penalty ρ/2 ‖w‖² of the preference model.
    pub ridge: f64,
    /// The embedded world.
    pub world: PrinciplesWorld,
}

impl Default for PrinciplesConfig {
    fn default() -> Self {
        Self {
            held_out_principles: 2,
            held_out_domains: 2,
            ridge: 1.0,
            world: PrinciplesWorld::default(),
        }
    }
}

impl PrinciplesConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        require(
            "held-out-principles",
            self.held_out_principles,
            self.held_out_principles > 0,
            "at least 1",
        )?;
        require(
            "held-out-domains",
            self.held_out_domains,
            self.held_out_domains > 0,
            "at least 1",
        )?;
        let fits = self.ridge.is_finite() && self.ridge > 0.0;
        require("ridge", self.ridge, fits, "a number above 0")?;
        self.world.check().map_err(|error| error.within("world"))
    }
}

/// Domains with a principle each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrinciplesWorld {
    /// Domains, in each of which its own principle is at stake.
    pub n_domains: usize,
    /// Pairs of a domain.
    pub n_pairs: usize,
    /// Features of a reply.
    pub dim: usize,
    /// The share of a principle's direction, in length, that is common to all.
    pub shared: f64,
    /// Standard deviation of the noise in the general principle's votes.
    pub general_noise: f64,
    /// Of that in specific ones.
    pub specific_noise: f64,
}

impl Default for PrinciplesWorld {
    fn default() -> Self {
        Self {
            n_domains: 6,
            n_pairs: 400,
            dim: 16,
            shared: 0.6,
            general_noise: 1.0,
            specific_noise: 0.2,
        }
    }
}

impl PrinciplesWorld {
    fn check(&self) -> Result<(), ConfigError> {
        require(
            "n-domains",
            self.n_domains,
            self.n_domains >= 2,
            "at least 2",
        )?;
        require("n-pairs", self.n_pairs, self.n_pairs >= 4, "at least 4")?;
        let fits = self.dim >= self.n_domains + 2;
        require(
            "dim",
            self.dim,
            fits,
            "at least two more than domains: a direction each, the common one, and length",
        )?;
        require(
            "shared",
            self.shared,
            (0.0..=1.0).contains(&self.shared),
            "a fraction",
        )?;
        for (key, value) in [
            ("general-noise", self.general_noise),
            ("specific-noise", self.specific_noise),
        ] {
            let fits = value.is_finite() && value >= 0.0;
            require(key, value, fits, "a number that is not below 0")?;
        }
        Ok(())
    }

    /// Pairs, a domain after the other in turn.
    fn draw(&self, seed: Seed) -> Pairs {
        let mut stream = seed.stream();
        let n = self.n_domains * self.n_pairs;
        let mut pairs = Pairs {
            differences: DMatrix::from_fn(self.dim, n, |_, _| stream.next_normal()),
            unguided: Vec::with_capacity(n),
            specific: vec![Vec::with_capacity(n); self.n_domains],
            general: Vec::with_capacity(n),
            truth: Vec::with_capacity(n),
            domains: Vec::with_capacity(n),
        };
        let own = (1.0 - self.shared * self.shared).sqrt();
        let noisy = |value: f64, noise: f64, stream: &mut SplitMix64| {
            Some(value + noise * stream.next_normal() > 0.0)
        };
        for at in 0..n {
            let domain = at % self.n_domains;
            let x = pairs.differences.column(at);
            // Feature 0 is what all principles share, 1 is length, and each principle has one of its own.
            let says = |principle: usize| self.shared * x[0] + own * x[2 + principle];
            pairs.domains.push(domain);
            pairs.truth.push(says(domain) > 0.0);
            pairs
                .unguided
                .push(noisy(0.3 * says(domain) + x[1], 0.5, &mut stream));
            pairs
                .general
                .push(noisy(x[0], self.general_noise, &mut stream));
            for principle in 0..self.n_domains {
                // A principle has an opinion where it is at stake, and now and then elsewhere.
                let vote = noisy(says(principle), self.specific_noise, &mut stream);
                let is_concerned = stream.next_f64() < if principle == domain { 1.0 } else { 0.3 };
                pairs.specific[principle].push(vote.filter(|_| is_concerned));
            }
        }
        pairs
    }
}

/// Pairs of the world.
struct Pairs {
    differences: DMatrix<f64>,
    unguided: Vec<Option<bool>>,
    specific: Vec<Vec<Option<bool>>>,
    general: Vec<Option<bool>>,
    truth: Vec<bool>,
    domains: Vec<usize>,
}

/// Pairs of replies, and what was voted of them.
#[derive(Debug, Clone, Copy)]
pub struct PrinciplesInput<'a> {
    /// Features of the first reply less those of the second: `[dim, n]`.
    pub differences: &'a DMatrix<f64>,
    /// Whether the first is better, said without a principle; absent where it was not said.
    pub unguided: &'a [Option<bool>],
    /// The same under each specific principle.
    pub specific: &'a [Vec<Option<bool>>],
    /// A name for each of those.
    pub names: &'a [String],
    /// The same under the general principle.
    pub general: &'a [Option<bool>],
    /// Whether the first is better in truth.
    pub truth: &'a [bool],
    /// The domain of each pair, from 0.
    pub domains: &'a [usize],
    /// What is held out; drawn by the seed where it is not said.
    pub held_out: Option<HeldOut<'a>>,
}

/// What no label may come from.
#[derive(Debug, Clone, Copy)]
pub struct HeldOut<'a> {
    /// Specific principles, from 0.
    pub principles: &'a [usize],
    /// Domains.
    pub domains: &'a [usize],
}

impl PrinciplesInput<'_> {
    fn check(&self) -> Result<(), ExtrapolationError> {
        let n = self.truth.len();
        finite("feature", self.differences.as_slice())?;
        same_length("rows of features", self.differences.ncols(), n)?;
        same_length("votes without a principle", self.unguided.len(), n)?;
        same_length("votes of the general principle", self.general.len(), n)?;
        same_length("domains", self.domains.len(), n)?;
        same_length("names of principles", self.names.len(), self.specific.len())?;
        for votes in self.specific {
            same_length("votes of a specific principle", votes.len(), n)?;
        }
        Ok(())
    }
}

/// The sign of the sum of votes of one pair; none where there are none, or they cancel.
fn majority(votes: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let sum: i64 = votes
        .into_iter()
        .flatten()
        .map(|vote| if vote { 1 } else { -1 })
        .sum();
    (sum != 0).then_some(sum > 0)
}

/// A linear model of preferences.
struct PreferenceModel(Posterior);

impl PreferenceModel {
    /// Fits the pairs that have a label. There is no bias, so that it makes no difference which reply comes first.
    fn fit(input: &PrinciplesInput<'_>, at: &[usize], labels: &[Option<bool>], ridge: f64) -> Self {
        let known: Vec<usize> = at
            .iter()
            .copied()
            .filter(|&at| labels[at].is_some())
            .collect();
        let answers: Vec<bool> = known.iter().filter_map(|&at| labels[at]).collect();
        Self(Posterior::fit(
            &input.differences.select_columns(&known),
            &answers,
            ridge,
        ))
    }

    /// How often it agrees with `labels` of pairs that have one.
    fn agreement(
        &self,
        input: &PrinciplesInput<'_>,
        at: &[usize],
        labels: &[Option<bool>],
    ) -> Option<f64> {
        let logits = self.0.logits(&input.differences.select_columns(at));
        share((logits.iter().zip(at)).filter_map(|(&z, &at)| Some((z > 0.0) == labels[at]?)))
    }
}

/// Draws `n` of `0..of`.
fn drawn(n: usize, of: usize, seed: Seed) -> Vec<usize> {
    let mut all: Vec<usize> = (0..of).collect();
    seed.stream().shuffle(&mut all);
    all.truncate(n);
    all
}

/// Tries general against specific principles in the embedded world.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range.
pub fn trial(config: &PrinciplesConfig, seed: Seed) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    let n = config.world.n_domains;
    let most = config.held_out_domains.max(config.held_out_principles);
    require(
        "held-out-domains",
        most,
        most < n,
        "fewer than domains, and so held-out principles",
    )?;
    let names: Vec<String> = (0..n)
        .map(|principle| format!("principle {}", principle + 1))
        .collect();
    let principles: Vec<usize> = (n - config.held_out_principles..n).collect();
    let domains: Vec<usize> = (n - config.held_out_domains..n).collect();
    let at = |shared: f64| {
        let pairs = PrinciplesWorld {
            shared,
            ..config.world
        }
        .draw(seed.child("pairs"));
        let input = PrinciplesInput {
            differences: &pairs.differences,
            unguided: &pairs.unguided,
            specific: &pairs.specific,
            names: &names,
            general: &pairs.general,
            truth: &pairs.truth,
            domains: &pairs.domains,
            held_out: Some(HeldOut {
                principles: &principles,
                domains: &domains,
            }),
        };
        trial_on(config, &input, seed)
    };
    let mut trial = at(config.world.shared)?;
    for mut figure in at(0.0)?.figures.into_iter().take(1) {
        figure.measure = format!("{}, where principles share nothing", figure.measure);
        trial.figures.push(figure);
    }
    Ok(trial)
}

/// Which pairs are for what.
struct Parts {
    /// Of domains that are seen: to fit on, and to look at.
    fitted: Vec<usize>,
    seen: Vec<usize>,
    /// Of domains held out.
    unseen: Vec<usize>,
    held_out: Vec<usize>,
}

fn parts(
    config: &PrinciplesConfig,
    input: &PrinciplesInput<'_>,
    seed: Seed,
) -> Result<Parts, ExtrapolationError> {
    let n_domains = input.domains.iter().max().map_or(0, |last| last + 1);
    let n_principles = input.specific.len();
    let too_few = |what, n_got, n_needed| {
        Err(ExtrapolationError::TooFew {
            what,
            n_got,
            n_needed,
        })
    };
    let (held_out, held_out_domains) = match input.held_out {
        Some(held_out) => (held_out.principles.to_vec(), held_out.domains.to_vec()),
        None => (
            drawn(
                config.held_out_principles,
                n_principles,
                seed.child("held-out principles"),
            ),
            drawn(
                config.held_out_domains,
                n_domains,
                seed.child("held-out domains"),
            ),
        ),
    };
    for (what, out, n) in [
        ("principle", &held_out, n_principles),
        ("domain", &held_out_domains, n_domains),
    ] {
        if let Some(&at) = out.iter().find(|&&at| at >= n) {
            return Err(ExtrapolationError::OutOfRange { what, at, n });
        }
    }
    if n_principles <= held_out.len() {
        return too_few("specific principles", n_principles, held_out.len() + 1);
    }
    if n_domains <= held_out_domains.len() {
        return too_few("domains", n_domains, held_out_domains.len() + 1);
    }
    let (unseen, mut seen): (Vec<usize>, Vec<usize>) =
        (0..input.truth.len()).partition(|&at| held_out_domains.contains(&input.domains[at]));
    seed.child("halves").stream().shuffle(&mut seen);
    let fitted = seen.split_off(seen.len() / 2);
    for (what, part) in [
        ("pairs of domains that are seen", &seen),
        ("pairs of domains held out", &unseen),
    ] {
        if part.is_empty() {
            return too_few(what, 0, 1);
        }
    }
    Ok(Parts {
        fitted,
        seen,
        unseen,
        held_out,
    })
}

/// Tries them on given pairs.
///
/// # Errors
///
/// [`ExtrapolationError`] for a setting out of range, columns that do not fit together, and where nothing is left to look at.
pub fn trial_on(
    config: &PrinciplesConfig,
    input: &PrinciplesInput<'_>,
    seed: Seed,
) -> Result<Trial, ExtrapolationError> {
    config.check()?;
    input.check()?;
    let parts = parts(config, input, seed)?;
    let n = input.truth.len();
    let kept: Vec<usize> = (0..input.specific.len())
        .filter(|at| !parts.held_out.contains(at))
        .collect();
    let by = |principles: &[usize]| -> Vec<Option<bool>> {
        (0..n)
            .map(|at| {
                majority(
                    principles
                        .iter()
                        .map(|&principle| input.specific[principle][at]),
                )
            })
            .collect()
    };
    let truth: Vec<Option<bool>> = input.truth.iter().map(|&truth| Some(truth)).collect();
    let specific = by(&kept);
    let both: Vec<Option<bool>> = (0..n)
        .map(|at| specific[at].or(input.general[at]))
        .collect();
    let held_out_votes = by(&parts.held_out);
    let arms = [
        ("no principle", input.unguided.to_vec()),
        ("specific principles", specific.clone()),
        ("general principle", input.general.to_vec()),
        ("specific, else general", both),
    ];
    let mut trial = Trial::default();
    let mut outcomes = Vec::new();
    for (name, labels) in &arms {
        let model = PreferenceModel::fit(input, &parts.fitted, labels, config.ridge);
        let seen = model.agreement(input, &parts.seen, &truth);
        let unseen = model.agreement(input, &parts.unseen, &truth);
        let held_out = model.agreement(input, &parts.unseen, &held_out_votes);
        let n_labels = parts
            .fitted
            .iter()
            .filter(|&&at| labels[at].is_some())
            .count();
        let mut cell = |column: &str, value: Option<f64>| {
            trial.measures.push(Measure::new(
                "preference models",
                *name,
                column,
                Unit::Share,
                value,
            ));
        };
        cell("domains seen", seen);
        cell("domains held out", unseen);
        cell(
            "generalisation gap",
            seen.zip(unseen).map(|(seen, unseen)| seen - unseen),
        );
        cell("held-out principles", held_out);
        cell(
            "pairs with a label",
            Some(n_labels as f64 / parts.fitted.len() as f64),
        );
        outcomes.push([unseen, held_out, seen]);
    }
    // Votes that were asked for: one a pair and principle.
    let n_fitted = parts.fitted.len() as f64;
    let votes = [n_fitted * kept.len() as f64, n_fitted];
    let measures = [
        "accuracy on domains held out",
        "agreement with held-out principles on domains held out",
        "accuracy on domains that were seen",
    ];
    for (at, measure) in measures.into_iter().enumerate() {
        trial.figures.push(Figure {
            measure: measure.into(),
            unit: Unit::Share,
            better: Better::Higher,
            without: Arm::new("specific principles", outcomes[1][at]),
            with: Arm::new("one general principle", outcomes[2][at]),
            cost: Cost {
                of: "votes under a principle".into(),
                without: votes[0],
                with: votes[1],
            },
        });
    }
    attribution(&mut trial, input, &parts, &kept, &by);
    Ok(trial)
}

/// What each principle adds to the list, and how few reproduce the truth, on the pairs that models are fitted on.
fn attribution(
    trial: &mut Trial,
    input: &PrinciplesInput<'_>,
    parts: &Parts,
    kept: &[usize],
    by: &dyn Fn(&[usize]) -> Vec<Option<bool>>,
) {
    // A pair without a label is not reproduced.
    let agreement = |principles: &[usize]| {
        let labels = by(principles);
        share(
            parts
                .fitted
                .iter()
                .map(|&at| labels[at] == Some(input.truth[at])),
        )
    };
    let whole = agreement(kept);
    for &left_out in kept {
        let others: Vec<usize> = kept.iter().copied().filter(|&at| at != left_out).collect();
        let mut cell = |column: &str, value: Option<f64>| {
            let row = &input.names[left_out];
            trial
                .measures
                .push(Measure::new("attribution", row, column, Unit::Share, value));
        };
        cell("labels reproduced alone", agreement(&[left_out]));
        cell(
            "lost without it",
            whole
                .zip(agreement(&others))
                .map(|(whole, without)| whole - without),
        );
    }
    let (mut chosen, mut points) = (Vec::new(), Vec::new());
    while chosen.len() < kept.len() {
        let with = |at: usize| {
            let mut with: Vec<usize> = chosen.clone();
            with.push(at);
            agreement(&with)
        };
        let open = kept.iter().copied().filter(|at| !chosen.contains(at));
        let Some((best, value)) = open
            .map(|at| (at, with(at)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
        else {
            break;
        };
        chosen.push(best);
        points.push((chosen.len() as f64, value));
    }
    trial.curves.push(Curve {
        plot: "labels reproduced".into(),
        name: "best list, one principle at a time".into(),
        x: "principles".into(),
        y: "share of true preferences reproduced".into(),
        unit: Unit::Share,
        points,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> PrinciplesConfig {
        PrinciplesConfig {
            world: PrinciplesWorld {
                n_pairs: 200,
                ..PrinciplesWorld::default()
            },
            ..PrinciplesConfig::default()
        }
    }

    fn gain(figure: &Figure) -> f64 {
        figure.with.value.unwrap() - figure.without.value.unwrap()
    }

    #[test]
    fn votes_that_cancel_give_no_label() {
        assert_eq!(majority([Some(true), Some(false)]), None);
        assert_eq!(majority([Some(true), None]), Some(true));
        assert_eq!(majority([None, None]), None);
        assert_eq!(
            majority([Some(false), Some(false), Some(true)]),
            Some(false)
        );
    }

    #[test]
    fn the_general_principle_reaches_further_and_the_list_is_better_where_it_was_made() {
        let mut gains = [0.0; 4];
        for seed in 0..5 {
            let trial = trial(&small(), Seed(seed)).unwrap();
            for (sum, figure) in gains.iter_mut().zip(&trial.figures) {
                *sum += gain(figure) / 5.0;
            }
        }
        let [held_out_domains, held_out_principles, seen, nothing_shared] = gains;
        assert!(held_out_domains > 0.01, "{gains:?}");
        assert!(held_out_principles > 0.01, "{gains:?}");
        assert!(seen < -0.02, "{gains:?}");
        assert!(nothing_shared < 0.03, "{gains:?}");
    }

    #[test]
    fn what_was_held_out_leaves_no_trace() {
        // The classical mistake is to label by held-out principles too: then changing their votes changes the model.
        let config = small();
        let names: Vec<String> = (0..6).map(|at| at.to_string()).collect();
        let mut pairs = config.world.draw(Seed(1));
        let specific_accuracy = |pairs: &Pairs, principles: &[usize]| {
            let input = PrinciplesInput {
                differences: &pairs.differences,
                unguided: &pairs.unguided,
                specific: &pairs.specific,
                names: &names,
                general: &pairs.general,
                truth: &pairs.truth,
                domains: &pairs.domains,
                held_out: Some(HeldOut {
                    principles,
                    domains: &[4, 5],
                }),
            };
            trial_on(&config, &input, Seed(1)).unwrap().figures[0]
                .without
                .value
        };
        let before = [
            specific_accuracy(&pairs, &[4, 5]),
            specific_accuracy(&pairs, &[4]),
        ];
        for vote in pairs.specific[5].iter_mut().flatten() {
            *vote = !*vote;
        }
        assert_eq!(specific_accuracy(&pairs, &[4, 5]), before[0]);
        assert_ne!(specific_accuracy(&pairs, &[4]), before[1]);
    }

    #[test]
    fn one_principle_a_domain_explains_its_share() {
        let trial = trial(&small(), Seed(0)).unwrap();
        let reproduced: Vec<f64> = trial.curves[0]
            .points
            .iter()
            .filter_map(|point| point.1)
            .collect();
        assert_eq!(reproduced.len(), 4);
        assert!(reproduced[3] > reproduced[0] + 0.1, "{reproduced:?}");
    }

    #[test]
    fn columns_that_do_not_fit_are_named() {
        let config = small();
        let pairs = config.world.draw(Seed(1));
        let names: Vec<String> = (0..6).map(|at| at.to_string()).collect();
        let input = PrinciplesInput {
            differences: &pairs.differences,
            unguided: &pairs.unguided,
            specific: &pairs.specific,
            names: &names,
            general: &pairs.general[1..],
            truth: &pairs.truth,
            domains: &pairs.domains,
            held_out: None,
        };
        let error = trial_on(&config, &input, Seed(0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1199 votes of the general principle, expected 1200"
        );
        let held_out = Some(HeldOut {
            principles: &[9],
            domains: &[0],
        });
        let input = PrinciplesInput {
            general: &pairs.general,
            held_out,
            ..input
        };
        assert_eq!(
            trial_on(&config, &input, Seed(0)).unwrap_err().to_string(),
            "principle 9 of 6"
        );
        let input = PrinciplesInput {
            held_out: None,
            ..input
        };
        assert!(trial_on(&config, &input, Seed(0)).is_ok());
    }
}
