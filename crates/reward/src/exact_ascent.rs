//! Policies over finite sets of replies that climb their expected reward, with every expectation taken over all replies: reinforcement
//! learning without the noise of sampling.
//!
//! Papers: the gradient is REINFORCE's (Williams 1992), in expectation; that such an ascent reaches the optimum, Agarwal et al. 2021,
//! arXiv:1908.00261, and Mei et al. 2020, arXiv:2005.06392. A step of given divergence: Schulman et al. 2015, arXiv:1502.05477.
//!
//! ```text
//! π_p = softmax(logits_p), at first uniform: π_0          one for each prompt p
//! J   = mean_p (E_π[R_p] − β KL(π_p‖π_0))
//! g_p(y) = π_p(y) (A_p(y) − E_π[A_p]),   A_p = R_p − β log(π_p/π_0)
//! logits += η g,   η = min(√(2δ / mean_p Var_π[g_p]), 1/(β max π))
//! ```
//!
//! The mean divergence of a step is δ to second order: of a fixed η the first steps would be lost among thousands of replies, and later
//! ones would jump. With a penalty η is bounded as well, so that the ascent comes to rest, at `finite.rs`'s optimum.
//! Replies that have become likelier are moved more: as in a trained policy, and not as in the optimum for some β, which a natural
//! gradient would pass through.
//!
//! In: rewards `[prompt][reply]`; δ and KL in nats, β in reward a nat. Out: log-probabilities `[prompt][reply]`.
//! Differs from the papers: the step's size, which is the same for all prompts.

use crate::finite::{divergence, expectation, normalise};
use crate::non_finite::{NonFinite, Place, finite};

/// How a step is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactAscent {
    /// What a step moves a policy by, δ, in nats, mean over prompts; above 0.
    pub step_kl: f64,
    /// What a nat from the start costs, β, in reward; 0 or more.
    pub kl_penalty: f64,
}

/// A policy for each prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactPolicies {
    /// Normalised, `[prompt][reply]`.
    log_probs: Vec<Vec<f64>>,
}

impl ExactPolicies {
    /// Uniform policies over so many replies to each prompt.
    pub fn uniform(n_replies: impl IntoIterator<Item = usize>) -> Self {
        let uniform = |n: usize| vec![-(n as f64).ln(); n];
        Self {
            log_probs: n_replies.into_iter().map(uniform).collect(),
        }
    }

    /// Log-probabilities, `[prompt][reply]`.
    pub fn log_probs(&self) -> &[Vec<f64>] {
        &self.log_probs
    }

    /// Expected values under the policy of each prompt, of values `[prompt][reply]`.
    pub fn expectations(&self, values: &[Vec<f64>]) -> Vec<f64> {
        let both = self.log_probs.iter().zip(values);
        both.map(|(log_probs, values)| expectation(log_probs, values))
            .collect()
    }

    /// KL(π‖π_0) in nats, mean over prompts.
    pub fn divergence(&self) -> f64 {
        let of_prompt = |log_probs: &Vec<f64>| {
            let start = vec![-(log_probs.len() as f64).ln(); log_probs.len()];
            divergence(log_probs, &start)
        };
        self.log_probs.iter().map(of_prompt).sum::<f64>() / self.log_probs.len() as f64
    }

    /// One step up. A policy that has come to rest stays.
    ///
    /// # Errors
    ///
    /// [`NonFinite`] names prompt and reply of a reward that is no number.
    ///
    /// # Panics
    ///
    /// When there are not as many rewards as replies: a bug in the caller.
    pub fn step(&mut self, rewards: &[Vec<f64>], how: ExactAscent) -> Result<(), NonFinite> {
        assert_eq!(rewards.len(), self.log_probs.len(), "prompts");
        let mut slopes = Vec::with_capacity(rewards.len());
        for (prompt, (log_probs, rewards)) in self.log_probs.iter().zip(rewards).enumerate() {
            assert_eq!(rewards.len(), log_probs.len(), "replies");
            for (sample, &reward) in rewards.iter().enumerate() {
                finite("reward", Place::PromptSample { prompt, sample }, reward)?;
            }
            slopes.push(Slope::of(log_probs, rewards, how.kl_penalty));
        }
        let greatest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0_f64, f64::max);
        let variance = slopes.iter().map(|slope| slope.variance).sum::<f64>() / slopes.len() as f64;
        // Below that it is rounding, and no direction.
        let noise = 1e-14 * greatest(&mut slopes.iter().map(|slope| slope.greatest_worth));
        if variance <= noise * noise {
            return Ok(());
        }
        let most = greatest(&mut self.log_probs.iter().flatten().map(|p| p.exp()));
        let size = (2.0 * how.step_kl / variance)
            .sqrt()
            .min((how.kl_penalty * most).recip());
        for (log_probs, slope) in self.log_probs.iter_mut().zip(slopes) {
            let moved = log_probs.iter().zip(slope.gradient);
            if let Some(next) = normalise(moved.map(|(l, g)| l + size * g).collect()) {
                *log_probs = next;
            }
        }
        Ok(())
    }
}

/// Which way is up for one prompt.
struct Slope {
    /// By the logits.
    gradient: Vec<f64>,
    /// Its variance under the policy.
    variance: f64,
    /// The greatest |A|.
    greatest_worth: f64,
}

impl Slope {
    fn of(log_probs: &[f64], rewards: &[f64], kl_penalty: f64) -> Self {
        let probs: Vec<f64> = log_probs.iter().map(|p| p.exp()).collect();
        let log_n = (log_probs.len() as f64).ln();
        let worth = rewards.iter().zip(log_probs);
        let worth: Vec<f64> = worth
            .map(|(reward, log_prob)| reward - kl_penalty * (log_prob + log_n))
            .collect();
        let mean = |values: &[f64]| -> f64 { probs.iter().zip(values).map(|(p, v)| p * v).sum() };
        let centre = mean(&worth);
        let gradient: Vec<f64> = (probs.iter().zip(&worth))
            .map(|(p, a)| p * (a - centre))
            .collect();
        let centre = mean(&gradient);
        let squares: Vec<f64> = gradient.iter().map(|g| (g - centre).powi(2)).collect();
        Self {
            variance: mean(&squares),
            greatest_worth: worth.iter().map(|a| a.abs()).fold(0.0, f64::max),
            gradient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FiniteProblem;
    use proptest::prelude::*;

    const FREE: ExactAscent = ExactAscent {
        step_kl: 0.01,
        kl_penalty: 0.0,
    };

    fn climb(rewards: &[Vec<f64>], how: ExactAscent, n_steps: usize) -> ExactPolicies {
        let mut policies = ExactPolicies::uniform(rewards.iter().map(Vec::len));
        for _ in 0..n_steps {
            policies.step(rewards, how).unwrap();
        }
        policies
    }

    #[test]
    fn without_a_penalty_the_best_reply_is_all_that_is_said() {
        let rewards = [vec![0.0, 2.0, 1.0, -1.0], vec![3.0, 0.0]];
        let policies = climb(&rewards, FREE, 400);
        for (expected, best) in policies.expectations(&rewards).into_iter().zip([2.0, 3.0]) {
            assert!((expected - best).abs() < 1e-2, "{expected}");
        }
        let most = 0.5 * (4.0_f64.ln() + 2.0_f64.ln());
        assert!((policies.divergence() - most).abs() < 0.05);
        // And for ever after: what has come to rest stays a number.
        let policies = climb(&rewards, FREE, 20_000);
        assert!(policies.divergence() <= most + 1e-9);
    }

    #[test]
    fn equal_rewards_move_nothing() {
        let rewards = [vec![1.0; 5]];
        let policies = climb(&rewards, FREE, 3);
        assert!(policies.divergence() < 1e-12);
    }

    #[test]
    fn what_is_no_number_is_named() {
        let mut policies = ExactPolicies::uniform([2]);
        let error = policies.step(&[vec![0.0, f64::NAN]], FREE).unwrap_err();
        assert_eq!(error.to_string(), "reward of prompt 0, sample 1 is NaN");
    }

    proptest! {
        #[test]
        fn the_slope_is_a_finite_difference(
            replies in prop::collection::vec((-2.0..2.0_f64, -2.0..2.0_f64), 2..7), beta in 0.0..1.0_f64,
        ) {
            let (logits, rewards): (Vec<f64>, Vec<f64>) = replies.into_iter().unzip();
            let start = vec![-(logits.len() as f64).ln(); logits.len()];
            let value = |logits: Vec<f64>| {
                let log_probs = normalise(logits).unwrap();
                expectation(&log_probs, &rewards) - beta * divergence(&log_probs, &start)
            };
            let gradient = Slope::of(&normalise(logits.clone()).unwrap(), &rewards, beta).gradient;
            let step = 1e-5;
            for (reply, slope) in gradient.iter().enumerate() {
                let at = |shift| {
                    let mut moved = logits.clone();
                    moved[reply] += shift;
                    value(moved)
                };
                prop_assert!((slope - (at(step) - at(-step)) / (2.0 * step)).abs() < 1e-8);
            }
        }

        #[test]
        fn a_step_moves_as_far_as_it_says_and_never_down(
            rewards in prop::collection::vec(-2.0..2.0_f64, 30..60), n_steps in 0_usize..15,
        ) {
            let rewards = [rewards];
            let how = ExactAscent { step_kl: 1e-4, kl_penalty: 0.0 };
            let before = climb(&rewards, how, n_steps);
            let mut after = before.clone();
            after.step(&rewards, how).unwrap();
            let moved = divergence(&after.log_probs[0], &before.log_probs[0]);
            prop_assert!((moved / 1e-4 - 1.0).abs() < 0.1, "{moved}");
            prop_assert!(after.expectations(&rewards)[0] > before.expectations(&rewards)[0]);
        }

        #[test]
        fn with_a_penalty_it_comes_to_rest_at_the_optimum(
            rewards in prop::collection::vec(-1.0..1.0_f64, 2..6), beta in 0.5..2.0_f64,
        ) {
            let start = vec![0.0; rewards.len()];
            let optimum = FiniteProblem::new(&start, &rewards, beta).unwrap().optimum();
            let how = ExactAscent { step_kl: 0.01, kl_penalty: beta };
            let policies = climb(&[rewards], how, 3000);
            let distance = divergence(&policies.log_probs[0], &optimum);
            prop_assert!(distance < 1e-9, "{distance}");
        }
    }
}
