//! The best policies over a finite set of replies, in closed form: what any optimiser should reach.
//!
//! Papers: the unconstrained optimum is in Rafailov et al. 2023, arXiv:2305.18290, equation 4; the constrained one is Dai et al. 2024 (Safe RLHF),
//! arXiv:2310.12773, section 3.3, with the policy's part solved.
//!
//! ```text
//! maximise E_π[R] − β KL(π‖π_0)                     π* ∝ π_0 exp(R/β),   value β log Σ π_0 exp(R/β)
//!   where E_π[C] ≤ d                                π* ∝ π_0 exp((R − λC)/β)
//!                                                    λ = 0 where that keeps the limit, else such that E[C] = d
//!   where no rule is violated                       π* ∝ π_0 exp(R/β) [feasible]
//! ```
//!
//! E[C] falls with λ, so λ is found by bisection; λ ≥ 0, E[C] ≤ d and λ (E[C] − d) = 0 are its conditions (Karush–Kuhn–Tucker).
//!
//! In: log-probabilities of the start in nats (minus infinity is allowed: a reply that never comes), rewards, costs. Out: log-probabilities.
//! Differs from the papers: nowhere.

use crate::non_finite::{NonFinite, Place, finite};

/// Rewards of a finite set of replies, the policy one starts from, and what leaving it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct FiniteProblem {
    /// Normalised.
    reference: Vec<f64>,
    rewards: Vec<f64>,
    beta: f64,
}

/// The best policy that keeps a limit.
#[derive(Debug, Clone, PartialEq)]
pub struct ConstrainedOptimum {
    /// Its log-probabilities.
    pub log_probs: Vec<f64>,
    /// What a unit of cost is worth in reward (λ).
    pub multiplier: f64,
    /// Expected cost.
    pub expected_cost: f64,
    /// Whether the limit costs anything.
    pub limit: LimitState,
}

/// Whether a limit costs anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitState {
    /// The best policy without it keeps it.
    Slack,
    /// It holds the policy back.
    Binding,
}

/// Why there is no optimum.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FiniteError {
    /// No reply has any probability.
    #[error("no reply that can come")]
    Empty,
    /// Numbers of replies that differ.
    #[error("{expected} replies and {got} {what}")]
    Lengths {
        /// Of what there are too many or too few.
        what: &'static str,
        /// Replies.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A temperature that is not above 0.
    #[error("beta of {0} is out of range")]
    Beta(f64),
    /// No policy keeps the limit.
    #[error("no policy has an expected cost of {limit}: no reply costs less than {lowest}")]
    Infeasible {
        /// The limit.
        limit: f64,
        /// The least cost of a reply that can come.
        lowest: f64,
    },
    /// NaN, or an infinity that is not allowed.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
}

impl FiniteError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => {
                "give at least one reply a probability above 0, and keep one feasible".into()
            }
            Self::Lengths { .. } => "give one of each for every reply".into(),
            Self::Beta(_) => "give `beta` a number above 0".into(),
            Self::Infeasible { lowest, .. } => format!("raise the limit above {lowest}"),
            Self::NonFinite(error) => error.hint(),
        }
    }
}

impl FiniteProblem {
    /// Checks the numbers; the reference need not be normalised.
    ///
    /// # Errors
    ///
    /// [`FiniteError`], naming the reply as a sample.
    pub fn new(reference: &[f64], rewards: &[f64], beta: f64) -> Result<Self, FiniteError> {
        same_length("rewards", reference, rewards.len())?;
        finite("beta", Place::Setting, beta)?;
        if beta <= 0.0 {
            return Err(FiniteError::Beta(beta));
        }
        for (sample, (&log_prob, &reward)) in reference.iter().zip(rewards).enumerate() {
            if log_prob != f64::NEG_INFINITY {
                finite("log-probability", Place::Sample(sample), log_prob)?;
            }
            finite("reward", Place::Sample(sample), reward)?;
        }
        Ok(Self {
            reference: normalise(reference.to_vec()).ok_or(FiniteError::Empty)?,
            rewards: rewards.to_vec(),
            beta,
        })
    }

    /// Log-probabilities of the policy one starts from.
    pub fn reference(&self) -> &[f64] {
        &self.reference
    }

    /// Rewards.
    pub fn rewards(&self) -> &[f64] {
        &self.rewards
    }

    /// What a nat of divergence costs.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// Log-probabilities of the best policy.
    pub fn optimum(&self) -> Vec<f64> {
        self.tilted(|reply| self.rewards[reply])
    }

    /// Expected reward less β KL of a policy; minus infinity where it has replies that the reference never gives.
    pub fn value(&self, log_probs: &[f64]) -> f64 {
        expectation(log_probs, &self.rewards) - self.beta * divergence(log_probs, &self.reference)
    }

    /// The best policy among those with an expected cost of at most `limit`.
    ///
    /// # Errors
    ///
    /// [`FiniteError`]: no such policy, lengths, a cost that is not finite.
    pub fn constrained(
        &self,
        costs: &[f64],
        limit: f64,
    ) -> Result<ConstrainedOptimum, FiniteError> {
        same_length("costs", &self.reference, costs.len())?;
        finite("limit", Place::Setting, limit)?;
        for (sample, &cost) in costs.iter().enumerate() {
            finite("cost", Place::Sample(sample), cost)?;
        }
        let at = |multiplier: f64| {
            let log_probs = self.tilted(|reply| self.rewards[reply] - multiplier * costs[reply]);
            let expected_cost = expectation(&log_probs, costs);
            ConstrainedOptimum {
                log_probs,
                multiplier,
                expected_cost,
                limit: LimitState::Binding,
            }
        };
        let free = at(0.0);
        if free.expected_cost <= limit {
            return Ok(ConstrainedOptimum {
                limit: LimitState::Slack,
                ..free
            });
        }
        let can_come = costs
            .iter()
            .zip(&self.reference)
            .filter(|(_, p)| **p > f64::NEG_INFINITY);
        let lowest = can_come
            .map(|(cost, _)| *cost)
            .fold(f64::INFINITY, f64::min);
        if lowest >= limit {
            return Err(FiniteError::Infeasible { limit, lowest });
        }
        let mut high = 1.0;
        while at(high).expected_cost > limit {
            high *= 2.0;
        }
        let mut low = 0.0;
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if at(middle).expected_cost > limit {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(at(high))
    }

    /// The best policy among those that never give an infeasible reply.
    ///
    /// # Errors
    ///
    /// [`FiniteError::Empty`] where no feasible reply can come; [`FiniteError::Lengths`].
    pub fn filtered(&self, feasible: &[bool]) -> Result<Vec<f64>, FiniteError> {
        same_length("verdicts", &self.reference, feasible.len())?;
        let tilt = |reply: usize| {
            if feasible[reply] {
                self.reference[reply] + self.rewards[reply] / self.beta
            } else {
                f64::NEG_INFINITY
            }
        };
        normalise((0..feasible.len()).map(tilt).collect()).ok_or(FiniteError::Empty)
    }

    /// ∝ π_0 exp(score/β).
    fn tilted(&self, score: impl Fn(usize) -> f64) -> Vec<f64> {
        let tilt = |(reply, log_prob): (usize, &f64)| log_prob + score(reply) / self.beta;
        let tilted: Vec<f64> = self.reference.iter().enumerate().map(tilt).collect();
        // The reference has a reply that can come, and scores are finite.
        normalise(tilted).unwrap_or_else(|| self.reference.clone())
    }
}

/// Log-probabilities whose exponentials sum to 1; none where all are minus infinity.
pub(crate) fn normalise(mut log_weights: Vec<f64>) -> Option<Vec<f64>> {
    let greatest = log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return None;
    }
    let sum: f64 = log_weights.iter().map(|w| (w - greatest).exp()).sum();
    let log_sum = greatest + sum.ln();
    for weight in &mut log_weights {
        *weight -= log_sum;
    }
    Some(log_weights)
}

/// The expectation of values under log-probabilities.
///
/// # Panics
///
/// When there are not as many values as log-probabilities: a bug in the caller.
pub fn expectation(log_probs: &[f64], values: &[f64]) -> f64 {
    assert_eq!(
        log_probs.len(),
        values.len(),
        "log-probabilities and values"
    );
    log_probs
        .iter()
        .zip(values)
        .map(|(p, value)| p.exp() * value)
        .sum()
}

/// KL(p‖q) in nats, of log-probabilities; infinite where p has what q never gives.
///
/// # Panics
///
/// When the two are of different lengths: a bug in the caller.
pub fn divergence(p: &[f64], q: &[f64]) -> f64 {
    assert_eq!(p.len(), q.len(), "two distributions");
    // What never comes adds nothing; e^(−∞) times an infinity is not a number.
    let comes = p.iter().zip(q).filter(|(p, _)| **p > f64::NEG_INFINITY);
    // Each term with what makes it positive: no sum of small differences comes out below 0.
    let terms = comes.map(|(p, q)| {
        let (p_, q_) = (p.exp(), q.exp());
        if *q == f64::NEG_INFINITY {
            f64::INFINITY
        } else {
            p_ * (p - q) - p_ + q_
        }
    });
    let unmatched = p.iter().zip(q).filter(|(p, _)| **p == f64::NEG_INFINITY);
    terms.sum::<f64>() + unmatched.map(|(_, q)| q.exp()).sum::<f64>()
}

/// Half the sum of absolute differences, from 0 to 1, of log-probabilities.
///
/// # Panics
///
/// When the two are of different lengths: a bug in the caller.
pub fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    assert_eq!(p.len(), q.len(), "two distributions");
    0.5 * p
        .iter()
        .zip(q)
        .map(|(p, q)| (p.exp() - q.exp()).abs())
        .sum::<f64>()
}

fn same_length(what: &'static str, replies: &[f64], got: usize) -> Result<(), FiniteError> {
    if replies.len() == got {
        Ok(())
    } else {
        Err(FiniteError::Lengths {
            what,
            expected: replies.len(),
            got,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refusals_say_why() {
        let check = |result: Result<FiniteProblem, FiniteError>, message: &str| {
            assert_eq!(result.unwrap_err().to_string(), message);
        };
        check(
            FiniteProblem::new(&[0.0, 0.0], &[1.0, f64::NAN], 1.0),
            "reward of sample 1 is NaN",
        );
        check(
            FiniteProblem::new(&[0.0], &[1.0, 2.0], 1.0),
            "1 replies and 2 rewards",
        );
        check(
            FiniteProblem::new(&[0.0], &[1.0], 0.0),
            "beta of 0 is out of range",
        );
        check(
            FiniteProblem::new(&[f64::NEG_INFINITY], &[1.0], 1.0),
            "no reply that can come",
        );
        let problem =
            FiniteProblem::new(&[0.0, 0.0, f64::NEG_INFINITY], &[1.0, 2.0, 3.0], 1.0).unwrap();
        let error = problem.constrained(&[1.0, 2.0, -5.0], 0.5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no policy has an expected cost of 0.5: no reply costs less than 1"
        );
        assert_eq!(
            problem.filtered(&[false, false, true]),
            Err(FiniteError::Empty)
        );
    }

    prop_compose! {
        fn any_problem()(replies in prop::collection::vec((-3.0..0.0_f64, -2.0..2.0_f64, -2.0..2.0_f64), 3..8), beta in 0.1..3.0_f64)
            -> (FiniteProblem, Vec<f64>) {
            let column = |of: &dyn Fn(&(f64, f64, f64)) -> f64| -> Vec<f64> { replies.iter().map(of).collect() };
            (FiniteProblem::new(&column(&|r| r.0), &column(&|r| r.1), beta).unwrap(), column(&|r| r.2))
        }
    }

    proptest! {
        #[test]
        fn no_other_policy_is_better((problem, noise) in any_problem()) {
            let best = problem.optimum();
            let other = normalise(best.iter().zip(&noise).map(|(p, n)| p + n).collect()).unwrap();
            prop_assert!(problem.value(&other) <= problem.value(&best) + 1e-12);
            // How much worse it is, is its divergence from the best.
            let gap = problem.value(&best) - problem.value(&other);
            prop_assert!((gap - problem.beta() * divergence(&other, &best)).abs() < 1e-9);
        }

        #[test]
        fn the_limit_is_kept_and_slackness_complements((problem, costs) in any_problem(), limit in -1.5..1.5_f64) {
            match problem.constrained(&costs, limit) {
                Ok(best) => {
                    prop_assert!(best.multiplier >= 0.0 && best.expected_cost <= limit + 1e-9);
                    prop_assert!((best.multiplier * (best.expected_cost - limit)).abs() < 1e-8 * (1.0 + best.multiplier));
                    // Only expectations are kept within the limit: what costs more still comes.
                    prop_assert!(best.log_probs.iter().all(|p| p.is_finite()));
                }
                Err(error) => {
                    prop_assert!(costs.iter().all(|&cost| cost >= limit), "{error}");
                }
            }
        }

        #[test]
        fn a_filter_never_gives_what_is_infeasible((problem, costs) in any_problem()) {
            let feasible: Vec<bool> = costs.iter().map(|&cost| cost <= 0.0).collect();
            if let Ok(filtered) = problem.filtered(&feasible) {
                let mass: f64 = filtered.iter().zip(&feasible).filter(|(_, f)| !**f).map(|(p, _)| p.exp()).sum();
                prop_assert_eq!(mass, 0.0);
                prop_assert!((filtered.iter().map(|p| p.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
            } else {
                prop_assert!(feasible.iter().all(|f| !f));
            }
        }

        #[test]
        fn divergence_is_not_below_nothing((problem, noise) in any_problem()) {
            let (p, q) = (problem.optimum(), normalise(noise).unwrap());
            prop_assert!(divergence(&p, &q) >= 0.0 && divergence(&p, &p) == 0.0);
            // Pinsker.
            prop_assert!(total_variation(&p, &q) <= (0.5 * divergence(&p, &q)).sqrt() + 1e-12);
        }
    }
}
