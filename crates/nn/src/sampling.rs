//! From logits to a token.
//!
//! What `transformers` calls logits processors and warpers, in its order, over logits z of one row:
//!
//! ```text
//! repetition penalty ρ   z_t ← z_t / ρ if z_t > 0, else z_t ρ, for every token t of the row so far, once
//!                        (Keskar et al. 2019, arXiv:1909.05858, section 4.1; prompt and generated tokens)
//! temperature τ          z ← z / τ; at 0 the largest z is taken, and what follows is left out
//! top-k                  z_t ← −∞ where z_t is less than the k-th largest (ties with it stay)
//! top-p                  z_t ← −∞ outside the smallest set of likeliest tokens whose mass reaches p
//!                        (Holtzman et al. 2020, arXiv:1904.09751)
//! draw                   the first t with Σ_{s ≤ t} softmax(z)_s > u, u uniform in [0, 1)
//! ```
//!
//! One uniform number a token, from the row's own seed, in order of token ids: so a row draws the same
//! tokens in whichever batch it is, unless rounding moves u across an edge.
//!
//! Where some tokens are forbidden, what is drawn from is the above, restricted to the others:
//!
//! ```text
//! p(t) ∝ [t allowed] softmax(z)_t     a forbidden t is struck out, z_t ← −∞, and another is drawn with another u
//! ```
//!
//! Cuts come first: where they left forbidden tokens only, they are made anew among what is not struck out. A row in which
//! nothing forbidden is drawn costs one look a token, and draws what it draws without rules.
//!
//! [`log_prob`] is of the logits as the model gave them: not penalised, not tempered, nothing cut.
//!
//! Differs from `transformers`: padding does not count as a token of the row (there the pad token of a
//! left-padded batch is penalised); among equally likely tokens at the edge of top-p lower ids stay.
//! Parity: `tests/it/generate.rs`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::{Seed, SplitMix64};

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token always.
    pub temperature: f64,
    /// Only so many of the likeliest tokens are drawn from; all, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<NonZeroUsize>,
    /// Only the likeliest tokens that together reach this probability are drawn from.
    pub top_p: f64,
    /// Above 1, tokens that the row has already are made less likely.
    pub repetition_penalty: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: 1.0,
            repetition_penalty: 1.0,
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{field}` is {found}, expected {expected}")]
pub struct SamplingError {
    /// The setting.
    pub field: &'static str,
    /// What it is.
    pub found: f64,
    /// What it should be.
    pub expected: &'static str,
}

impl Sampling {
    /// The likeliest token, always.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_k: None,
        top_p: 1.0,
        repetition_penalty: 1.0,
    };

    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    ///
    /// [`SamplingError`] names the first of them.
    pub fn check(&self) -> Result<(), SamplingError> {
        let checks = [
            (
                "temperature",
                self.temperature,
                self.temperature >= 0.0,
                "0 or more",
            ),
            (
                "top-p",
                self.top_p,
                self.top_p > 0.0 && self.top_p <= 1.0,
                "a share above 0, up to 1",
            ),
            (
                "repetition-penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0,
                "a positive number",
            ),
        ];
        match checks
            .into_iter()
            .find(|(_, found, is_good, _)| !(*is_good && found.is_finite()))
        {
            Some((field, found, _, expected)) => Err(SamplingError {
                field,
                found,
                expected,
            }),
            None => Ok(()),
        }
    }
}

/// Chooses the tokens of one row.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    /// Tokens that the row has.
    seen: BTreeSet<u32>,
    stream: SplitMix64,
    /// Logits at work.
    logits: Vec<f32>,
    /// Tokens that were found to be forbidden at this place.
    struck: Vec<u32>,
}

/// Forbidden tokens that are drawn one by one, before all are looked at.
const MOST_STRUCK: usize = 32;

impl Sampler {
    pub(crate) fn new(sampling: &Sampling, prompt: &[u32], seed: Seed) -> Self {
        Self {
            sampling: sampling.clone(),
            seen: prompt.iter().copied().collect(),
            stream: seed.stream(),
            logits: Vec::new(),
            struck: Vec::new(),
        }
    }

    /// The next token after the model gave `logits`.
    pub(crate) fn next(&mut self, logits: &[f32]) -> u32 {
        let token = self.first(logits);
        self.take(token)
    }

    /// The next token of those that are allowed; none where there is no such token.
    ///
    /// # Errors
    ///
    /// Those of `is_allowed`.
    pub(crate) fn next_allowed<E>(
        &mut self,
        logits: &[f32],
        mut is_allowed: impl FnMut(u32) -> Result<bool, E>,
    ) -> Result<Option<u32>, E> {
        let mut token = self.first(logits);
        self.struck.clear();
        while !is_allowed(token)? {
            if self.struck.is_empty() && self.is_plain() {
                self.process(logits);
            }
            self.strike(token);
            if self.struck.len() >= MOST_STRUCK {
                for other in 0..self.logits.len() as u32 {
                    let is_open = self.logits[other as usize] > f32::NEG_INFINITY;
                    if is_open && !is_allowed(other)? {
                        self.strike(other);
                    }
                }
            }
            if largest(&self.logits) == f32::NEG_INFINITY {
                self.process(logits);
                if largest(&self.logits) == f32::NEG_INFINITY {
                    return Ok(None);
                }
            }
            token = self.choose();
        }
        Ok(Some(self.take(token)))
    }

    /// Whether the likeliest token is taken, of the logits as they come.
    fn is_plain(&self) -> bool {
        self.sampling.temperature == 0.0 && self.sampling.repetition_penalty == 1.0
    }

    /// A token, whether it is allowed or not.
    fn first(&mut self, logits: &[f32]) -> u32 {
        if self.is_plain() {
            return likeliest(logits) as u32;
        }
        self.struck.clear();
        self.process(logits);
        self.choose()
    }

    /// Puts `logits` to work, without those struck out.
    fn process(&mut self, logits: &[f32]) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        for &token in &self.struck {
            self.logits[token as usize] = f32::NEG_INFINITY;
        }
        process(&mut self.logits, &self.seen, &self.sampling);
    }

    /// A token by the logits at work.
    fn choose(&mut self) -> u32 {
        let token = match self.sampling.temperature {
            0.0 => likeliest(&self.logits),
            _ => draw(&self.logits, self.stream.next_f64()),
        };
        token as u32
    }

    fn strike(&mut self, token: u32) {
        self.struck.push(token);
        self.logits[token as usize] = f32::NEG_INFINITY;
    }

    fn take(&mut self, token: u32) -> u32 {
        if self.sampling.repetition_penalty != 1.0 {
            self.seen.insert(token);
        }
        token
    }
}

/// All that happens to logits before a token is drawn from them.
pub fn process(logits: &mut [f32], seen: &BTreeSet<u32>, sampling: &Sampling) {
    if sampling.repetition_penalty != 1.0 {
        penalise(logits, seen, sampling.repetition_penalty);
    }
    if sampling.temperature == 0.0 {
        return;
    }
    if sampling.temperature != 1.0 {
        let temperature = sampling.temperature as f32;
        for z in logits.iter_mut() {
            *z /= temperature;
        }
    }
    if let Some(k) = sampling.top_k {
        keep_top_k(logits, k);
    }
    if sampling.top_p < 1.0 {
        keep_top_p(logits, sampling.top_p);
    }
}

/// Makes the tokens in `seen` less likely.
fn penalise(logits: &mut [f32], seen: &BTreeSet<u32>, penalty: f64) {
    let penalty = penalty as f32;
    for &token in seen {
        if let Some(z) = logits.get_mut(token as usize) {
            *z = if *z < 0.0 { *z * penalty } else { *z / penalty };
        }
    }
}

/// Leaves out all but the k likeliest, and those that tie with the last of them.
fn keep_top_k(logits: &mut [f32], k: NonZeroUsize) {
    if k.get() >= logits.len() {
        return;
    }
    let mut sorted = logits.to_vec();
    let (_, &mut least, _) = sorted.select_nth_unstable_by(k.get() - 1, |a, b| b.total_cmp(a));
    cut(logits, |_, z| z < least);
}

/// Leaves out all but the smallest set of likeliest tokens whose mass reaches p.
fn keep_top_p(logits: &mut [f32], p: f64) {
    let largest = largest(logits);
    let mut order: Vec<u32> = (0..logits.len() as u32)
        .filter(|&t| logits[t as usize] > f32::NEG_INFINITY)
        .collect();
    order.sort_unstable_by(|&a, &b| {
        let by_logit = logits[b as usize].total_cmp(&logits[a as usize]);
        by_logit.then(a.cmp(&b))
    });
    let share = |t: u32| (f64::from(logits[t as usize]) - f64::from(largest)).exp();
    let total: f64 = order.iter().map(|&t| share(t)).sum();
    let mut mass = 0.0;
    let n_kept = order.iter().position(|&t| {
        mass += share(t);
        mass >= p * total
    });
    let Some(last) = n_kept.map(|i| order[i]) else {
        return;
    };
    let least = logits[last as usize];
    cut(logits, |t, z| z < least || (z == least && t > last));
}

fn cut(logits: &mut [f32], is_out: impl Fn(u32, f32) -> bool) {
    for (token, z) in (0..).zip(logits) {
        if is_out(token, *z) {
            *z = f32::NEG_INFINITY;
        }
    }
}

fn largest(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The token with the largest logit, the first of equals.
pub fn likeliest(logits: &[f32]) -> usize {
    let largest = largest(logits);
    logits.iter().position(|&z| z == largest).unwrap_or(0)
}

/// The first token at which the cumulated probability exceeds `uniform`, which is in `[0, 1)`.
fn draw(logits: &[f32], uniform: f64) -> usize {
    let largest = largest(logits);
    let share = |z: f32| (f64::from(z) - f64::from(largest)).exp();
    let total: f64 = logits.iter().map(|&z| share(z)).sum();
    let (mut mass, mut last) = (0.0, 0);
    for (token, &z) in logits.iter().enumerate() {
        let share = share(z);
        if share > 0.0 {
            mass += share;
            last = token;
            if mass > uniform * total {
                break;
            }
        }
    }
    last
}

/// `ln softmax(logits)` at `token`, in nats; NaN where logits are.
pub fn log_prob(logits: &[f32], token: u32) -> f64 {
    f64::from(logits[token as usize]) - log_sum_exp(logits)
}

/// `ln Σ e^z`.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = largest(logits);
    let largest = f64::from(largest);
    let sum: f64 = logits.iter().map(|&z| (f64::from(z) - largest).exp()).sum();
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CUT: f32 = f32::NEG_INFINITY;

    fn processed(logits: &[f32], sampling: &Sampling) -> Vec<f32> {
        let mut logits = logits.to_vec();
        process(&mut logits, &BTreeSet::from([0, 2]), sampling);
        logits
    }

    #[test]
    fn each_step_does_what_it_says() {
        let z = [2.0, 1.0, -2.0, 1.0];
        let with = |change: fn(&mut Sampling)| {
            let mut sampling = Sampling::default();
            change(&mut sampling);
            processed(&z, &sampling)
        };
        assert_eq!(with(|_| ()), z);
        assert_eq!(with(|s| s.repetition_penalty = 2.0), [1.0, 1.0, -4.0, 1.0]);
        assert_eq!(with(|s| s.temperature = 0.5), [4.0, 2.0, -4.0, 2.0]);
        // A tie with the second largest stays in top-k, and does not in top-p.
        assert_eq!(
            with(|s| s.top_k = NonZeroUsize::new(2)),
            [2.0, 1.0, CUT, 1.0]
        );
        assert_eq!(with(|s| s.top_p = 0.6), [2.0, 1.0, CUT, CUT]);
        assert_eq!(with(|s| s.top_p = 1e-9), [2.0, CUT, CUT, CUT]);
    }

    #[test]
    fn a_draw_follows_the_cumulated_probabilities() {
        let logits = [CUT, 0.25_f32.ln(), CUT, 0.75_f32.ln()];
        assert_eq!(draw(&logits, 0.0), 1);
        assert_eq!(draw(&logits, 0.2499), 1);
        assert_eq!(draw(&logits, 0.2501), 3);
        assert_eq!(draw(&logits, 0.999_999_999), 3);
        assert!((log_prob(&logits, 3) - 0.75_f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        for (change, message) in [
            (
                Sampling {
                    temperature: f64::NAN,
                    ..Sampling::default()
                },
                "`temperature` is NaN, expected 0 or more",
            ),
            (
                Sampling {
                    top_p: 0.0,
                    ..Sampling::default()
                },
                "`top-p` is 0, expected a share above 0, up to 1",
            ),
            (
                Sampling {
                    repetition_penalty: f64::INFINITY,
                    ..Sampling::default()
                },
                "`repetition-penalty` is inf, expected a positive number",
            ),
        ] {
            assert_eq!(change.check().unwrap_err().to_string(), message);
        }
        assert_eq!(Sampling::GREEDY.check(), Ok(()));
    }

    /// The next token of those in `allowed`.
    fn next_of(sampler: &mut Sampler, z: &[f32], allowed: &[bool]) -> Option<u32> {
        let is_allowed = |t: u32| Ok::<bool, std::convert::Infallible>(allowed[t as usize]);
        match sampler.next_allowed(z, is_allowed) {
            Ok(token) => token,
            Err(never) => match never {},
        }
    }

    /// Tokens that are drawn.
    const N: u32 = 40_000;

    /// Pearson's statistic is four standard deviations above its mean at most; the seed is fixed.
    #[test]
    fn draws_are_of_the_distribution_restricted_to_what_is_allowed() {
        let many: Vec<f32> = (0..60).map(|t| (t % 7) as f32 * 0.3).collect();
        let few = vec![2.0, 1.0, 0.0, -0.5, 1.5];
        // Of many, more are forbidden than are drawn one by one.
        let cases = [
            (few, vec![false, true, true, true, false], 1.0),
            (many, (0..60).map(|t| t % 4 == 1 || t == 3).collect(), 0.7),
        ];
        for (z, allowed, temperature) in cases {
            let sampling = Sampling {
                temperature,
                ..Sampling::default()
            };
            let mut sampler = Sampler::new(&sampling, &[], Seed(11));
            let mut counts = vec![0_u32; z.len()];
            for _ in 0..N {
                counts[next_of(&mut sampler, &z, &allowed).unwrap() as usize] += 1;
            }
            let weight = |t: usize| f64::from(z[t] / temperature as f32).exp();
            let open: Vec<usize> = (0..z.len()).filter(|&t| allowed[t]).collect();
            let total: f64 = open.iter().map(|&t| weight(t)).sum();
            let chi_square: f64 = (open.iter())
                .map(|&t| {
                    let expected = f64::from(N) * weight(t) / total;
                    (f64::from(counts[t]) - expected).powi(2) / expected
                })
                .sum();
            let df = (open.len() - 1) as f64;
            assert!(chi_square < df + 4.0 * (2.0 * df).sqrt(), "{chi_square}");
            let forbidden = (0..z.len()).filter(|&t| !allowed[t]);
            assert_eq!(forbidden.map(|t| counts[t]).sum::<u32>(), 0);
        }
    }

    #[test]
    fn cuts_come_first_and_are_made_anew_where_they_leave_nothing() {
        let z = [4.0, 3.0, 2.0, 1.0, 0.0];
        let sampling = Sampling {
            top_k: NonZeroUsize::new(2),
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(&sampling, &[], Seed(5));
        for _ in 0..200 {
            // The other of the two that top-k leaves.
            let one = next_of(&mut sampler, &z, &[false, true, true, true, true]);
            assert_eq!(one, Some(1));
            let next = next_of(&mut sampler, &z, &[false, false, true, true, true]);
            assert!(matches!(next, Some(2 | 3)));
            assert_eq!(next_of(&mut sampler, &z, &[false; 5]), None);
        }
        let mut greedy = Sampler::new(&Sampling::GREEDY, &[], Seed(5));
        let allowed = [false, true, false, true, true];
        assert_eq!(next_of(&mut greedy, &z, &allowed), Some(1));
        // What is struck out is not seen: the penalty falls on what was taken.
        let sampling = Sampling {
            repetition_penalty: 100.0,
            ..Sampling::GREEDY
        };
        let mut penalised = Sampler::new(&sampling, &[], Seed(5));
        let taken = [(); 3].map(|()| next_of(&mut penalised, &z, &allowed));
        assert_eq!(taken, [Some(1), Some(3), Some(1)]);
        assert_eq!(penalised.next(&z), 0);
    }

    fn logits() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-8.0..8.0_f32, 1..40)
    }

    proptest! {
        #[test]
        fn top_p_keeps_the_smallest_set_that_reaches_p(z in logits(), p in 0.01..1.0_f64) {
            let kept = processed(&z, &Sampling { top_p: p, ..Sampling::default() });
            let probability = |t: usize| log_prob(&z, t as u32).exp();
            let set: Vec<usize> = (0..z.len()).filter(|&t| kept[t] > CUT).collect();
            let mass: f64 = set.iter().map(|&t| probability(t)).sum();
            let least = set.iter().map(|&t| probability(t)).fold(f64::INFINITY, f64::min);
            prop_assert!(mass >= p - 1e-9, "the set reaches p");
            prop_assert!(mass - least < p + 1e-9, "without its least likely it does not");
            for t in 0..z.len() {
                prop_assert!(kept[t] > CUT || probability(t) <= least + 1e-9);
                prop_assert!(kept[t] == CUT || kept[t] == z[t]);
            }
        }

        #[test]
        fn top_k_keeps_k(z in logits(), k in 1..50_usize) {
            let top_k = NonZeroUsize::new(k);
            let kept = processed(&z, &Sampling { top_k, ..Sampling::default() });
            let n = kept.iter().filter(|&&z| z > CUT).count();
            prop_assert!(n >= k.min(z.len()));
            let least = kept.iter().copied().filter(|&z| z > CUT).fold(f32::INFINITY, f32::min);
            prop_assert_eq!(n, z.iter().filter(|&&z| z >= least).count());
        }

        #[test]
        fn probabilities_sum_to_one(z in logits()) {
            let sum: f64 = (0..z.len()).map(|t| log_prob(&z, t as u32).exp()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
        }

        #[test]
        fn a_low_temperature_is_greedy(mut z in logits(), seed: u64) {
            let best = likeliest(&z);
            z[best] += 0.01;
            let cold = Sampling { temperature: 1e-4, ..Sampling::default() };
            let token = Sampler::new(&cold, &[], Seed(seed)).next(&z);
            prop_assert_eq!(token as usize, best);
            prop_assert_eq!(Sampler::new(&Sampling::GREEDY, &[], Seed(seed)).next(&z), token);
        }

        /// Without rules, and with rules that nothing breaks, the same tokens are drawn.
        #[test]
        fn what_is_forbidden_and_not_drawn_changes_nothing(z in logits(), seed: u64, temperature in 0.0..1.5_f64, p in 0.3..1.0_f64) {
            let sampling = Sampling { temperature, top_p: p, repetition_penalty: 1.2, ..Sampling::default() };
            let mut free = Sampler::new(&sampling, &[0], Seed(seed));
            let tokens: Vec<u32> = (0..6).map(|_| free.next(&z)).collect();
            let allowed: Vec<bool> = (0..z.len() as u32).map(|t| tokens.contains(&t)).collect();
            let mut bound = Sampler::new(&sampling, &[0], Seed(seed));
            let again: Vec<Option<u32>> = (0..6).map(|_| next_of(&mut bound, &z, &allowed)).collect();
            prop_assert_eq!(tokens.into_iter().map(Some).collect::<Vec<_>>(), again);
        }

        #[test]
        fn there_is_a_token_as_long_as_one_is_allowed(z in logits(), seed: u64, kept in prop::collection::vec(any::<bool>(), 40), k in 1..9_usize) {
            let sampling = Sampling { top_k: NonZeroUsize::new(k), top_p: 0.7, ..Sampling::default() };
            let mut sampler = Sampler::new(&sampling, &[], Seed(seed));
            let token = next_of(&mut sampler, &z, &kept);
            prop_assert_eq!(token.is_some(), kept[..z.len()].contains(&true));
            prop_assert!(token.is_none_or(|t| kept[t as usize]));
        }

        #[test]
        fn what_was_cut_is_never_drawn(z in logits(), seed: u64, k in 1..5_usize) {
            let sampling = Sampling { top_k: NonZeroUsize::new(k), top_p: 0.8, ..Sampling::default() };
            let kept = processed(&z, &sampling);
            let token = Sampler::new(&sampling, &[], Seed(seed)).next(&z);
            prop_assert!(kept[token as usize] > CUT);
        }
    }
}
