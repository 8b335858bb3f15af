//! Rules as hard limits: which replies break none, the best of those, and a refusal where there are none.
//!
//! ```text
//! feasible(y)  = no rule violated, and every rule judged
//! π            ∝ π_0 exp(R/β) [feasible]            `finite.rs`
//! best of n    = the feasible reply of the highest score among n; refused where none is feasible
//! ```
//!
//! A limit is as hard as the check is right: violations are 0 with respect to the checker, and only a checker without errors makes that a property of
//! the replies. So three numbers are kept apart: refusals, acceptances, and judgements that failed. A reply that a rule could not be judged of is not
//! feasible.
//!
//! In: replies and rules, or scores with verdicts. Out: a choice, or a refusal with the rules that stood against it; over many prompts, what best of n gives,
//! and the share of violations with a bound that holds (`stats::upper_bound`).
//! Differs from the literature: expectations over subsets of n are exact, as in `best_of_n.rs`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use trimtab_stats::{Level, upper_bound};

use crate::best_of_n::{BestOfNError, Ranking, kl_bound};
use crate::non_finite::{Place, finite};

/// A rule's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub String);

/// One rule, of replies of any kind.
pub trait Constraint<Reply: ?Sized> {
    /// Its name.
    fn id(&self) -> &RuleId;

    /// What it says of a reply.
    fn check(&self, reply: &Reply) -> RuleVerdict;
}

/// What a rule says of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleVerdict {
    /// The reply keeps it.
    Kept,
    /// The reply violates it.
    Violated,
    /// It could not be judged.
    Unjudged,
}

/// What all rules say of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Inspection {
    /// Rules that are violated.
    pub violated: Vec<RuleId>,
    /// Rules that could not be judged.
    pub unjudged: Vec<RuleId>,
}

impl Inspection {
    /// Checks a reply against every rule.
    pub fn of<Reply: ?Sized>(rules: &[&dyn Constraint<Reply>], reply: &Reply) -> Self {
        let mut inspection = Self::default();
        for rule in rules {
            match rule.check(reply) {
                RuleVerdict::Kept => {}
                RuleVerdict::Violated => inspection.violated.push(rule.id().clone()),
                RuleVerdict::Unjudged => inspection.unjudged.push(rule.id().clone()),
            }
        }
        inspection
    }

    /// Whether nothing stands against the reply.
    pub fn is_feasible(&self) -> bool {
        self.violated.is_empty() && self.unjudged.is_empty()
    }
}

/// What a hard filter makes of the samples of one prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FilterOutcome {
    /// A reply.
    Chosen {
        /// Which sample.
        sample: usize,
        /// How many were feasible.
        n_feasible: usize,
    },
    /// None was feasible.
    Refused {
        /// How many samples violated each rule.
        violated: BTreeMap<RuleId, usize>,
        /// Of how many samples each rule could not be judged.
        unjudged: BTreeMap<RuleId, usize>,
    },
}

/// The feasible sample of the highest score; the first of equals.
///
/// # Errors
///
/// [`BestOfNError::NonFinite`], naming the sample.
///
/// # Panics
///
/// When there are not as many inspections as scores: a bug in the caller.
pub fn choose(scores: &[f64], inspections: &[Inspection]) -> Result<FilterOutcome, BestOfNError> {
    assert_eq!(scores.len(), inspections.len(), "scores and inspections");
    let mut best: Option<usize> = None;
    let mut n_feasible = 0;
    for (sample, (&score, inspection)) in scores.iter().zip(inspections).enumerate() {
        finite("score", Place::Sample(sample), score)?;
        if inspection.is_feasible() {
            n_feasible += 1;
            best = best.filter(|&best| scores[best] >= score).or(Some(sample));
        }
    }
    Ok(match best {
        Some(sample) => FilterOutcome::Chosen { sample, n_feasible },
        None => FilterOutcome::Refused {
            violated: count(inspections, |inspection| &inspection.violated),
            unjudged: count(inspections, |inspection| &inspection.unjudged),
        },
    })
}

fn count(
    inspections: &[Inspection],
    of: impl Fn(&Inspection) -> &Vec<RuleId>,
) -> BTreeMap<RuleId, usize> {
    let mut counts = BTreeMap::new();
    for rule in inspections.iter().flat_map(of) {
        *counts.entry(rule.clone()).or_default() += 1;
    }
    counts
}

/// Samples of one prompt with scores and verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct FilteredPrompt {
    /// The score that picks.
    pub proxy: Vec<f64>,
    /// What is wanted in truth.
    pub gold: Vec<f64>,
    /// Whether each sample may be given.
    pub feasible: Vec<bool>,
}

/// Best of n among feasible samples, over all prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FilteredPoint {
    /// How many replies the best is taken of.
    pub n: NonZeroUsize,
    /// log n − (n − 1)/n, nats: how far best of n without a filter goes at most.
    pub kl_bound: f64,
    /// How probable a refusal is, mean over prompts.
    pub refusal_share: f64,
    /// Expected gold score, refusals valued as given, mean over prompts.
    pub gold: f64,
    /// Expected gold score where there is an answer; none where there never is.
    pub gold_where_answered: Option<f64>,
    /// Expected gold score by prompt, refusals valued as given, for intervals.
    pub gold_by_prompt: Vec<f64>,
    /// How probable a refusal is, by prompt.
    pub refusal_by_prompt: Vec<f64>,
}

/// Best of n among feasible samples for each `n` of `sizes`; a refusal is worth `refusal_gold`.
///
/// # Errors
///
/// [`BestOfNError`], naming the prompt.
pub fn best_of_n_filtered(
    prompts: &[FilteredPrompt],
    sizes: &[NonZeroUsize],
    refusal_gold: f64,
) -> Result<Vec<FilteredPoint>, BestOfNError> {
    if prompts.is_empty() {
        return Err(BestOfNError::NoPrompts);
    }
    finite("refusal's gold", Place::Setting, refusal_gold)?;
    let rankings = prompts
        .iter()
        .enumerate()
        .map(|(prompt, samples)| rank(prompt, samples));
    let rankings = rankings.collect::<Result<Vec<_>, _>>()?;
    let point = |&n: &NonZeroUsize| {
        let (mut gold_by_prompt, mut refusal_by_prompt, mut answered_gold) =
            (Vec::new(), Vec::new(), 0.0);
        for (prompt, (samples, ranking)) in prompts.iter().zip(&rankings).enumerate() {
            let chances = ranking
                .chances(n)
                .ok_or_else(|| BestOfNError::TooFewSamples {
                    prompt,
                    n: n.get(),
                    n_samples: ranking.n_samples(),
                })?;
            let (mut gold, mut refused) = (0.0, 0.0);
            for ((chance, value), feasible) in
                chances.iter().zip(&samples.gold).zip(&samples.feasible)
            {
                if *feasible {
                    gold += chance * value;
                } else {
                    refused += chance;
                }
            }
            answered_gold += gold;
            gold_by_prompt.push(gold + refused * refusal_gold);
            refusal_by_prompt.push(refused);
        }
        let n_prompts = prompts.len() as f64;
        let refusals: f64 = refusal_by_prompt.iter().sum();
        let any_feasible = prompts
            .iter()
            .any(|samples| samples.feasible.contains(&true));
        Ok(FilteredPoint {
            n,
            kl_bound: kl_bound(n),
            refusal_share: refusals / n_prompts,
            gold: gold_by_prompt.iter().sum::<f64>() / n_prompts,
            gold_where_answered: any_feasible.then(|| answered_gold / (n_prompts - refusals)),
            gold_by_prompt,
            refusal_by_prompt,
        })
    };
    sizes.iter().map(point).collect()
}

/// Infeasible samples below all feasible ones: one of them is best of n only where there is no other.
fn rank(prompt: usize, samples: &FilteredPrompt) -> Result<Ranking, BestOfNError> {
    let FilteredPrompt {
        proxy,
        gold,
        feasible,
    } = samples;
    for got in [gold.len(), feasible.len()] {
        if got != proxy.len() {
            return Err(BestOfNError::Lengths {
                prompt,
                n_proxy: proxy.len(),
                n_gold: got,
            });
        }
    }
    for (quantity, scores) in [("proxy score", proxy), ("gold score", gold)] {
        for (sample, &score) in scores.iter().enumerate() {
            finite(quantity, Place::PromptSample { prompt, sample }, score)?;
        }
    }
    Ok(Ranking::by(proxy.len(), |a, b| {
        feasible[a]
            .cmp(&feasible[b])
            .then(proxy[a].total_cmp(&proxy[b]))
    }))
}

/// How often rules were violated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ViolationShare {
    /// Replies that violate a rule.
    pub n_violating: usize,
    /// Replies that violate none but of which a rule could not be judged; they are in the denominator.
    pub n_unjudged: usize,
    /// All replies.
    pub n: usize,
    /// Violating of all.
    pub share: f64,
    /// What the share stays below at the level, one-sided, where unjudged replies keep the rules.
    pub upper: f64,
    /// The same where unjudged replies violate them.
    pub upper_if_unjudged_violate: f64,
}

/// Counts violations; `None` where there is no reply.
pub fn violation_share(inspections: &[Inspection], level: Level) -> Option<ViolationShare> {
    let n = inspections.len();
    let n_violating = inspections
        .iter()
        .filter(|i| !i.violated.is_empty())
        .count();
    let n_infeasible = inspections.iter().filter(|i| !i.is_feasible()).count();
    Some(ViolationShare {
        n_violating,
        n_unjudged: n_infeasible - n_violating,
        n,
        share: n_violating as f64 / n as f64,
        upper: upper_bound(n_violating, n, level)?,
        upper_if_unjudged_violate: upper_bound(n_infeasible, n, level)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScoredPrompt, best_of_n};
    use proptest::prelude::*;

    /// Replies are words; a rule forbids some, and cannot judge the empty one.
    struct Forbids(RuleId, &'static str);

    impl Constraint<str> for Forbids {
        fn id(&self) -> &RuleId {
            &self.0
        }

        fn check(&self, reply: &str) -> RuleVerdict {
            if reply.is_empty() {
                RuleVerdict::Unjudged
            } else if reply.contains(self.1) {
                RuleVerdict::Violated
            } else {
                RuleVerdict::Kept
            }
        }
    }

    fn inspect(replies: &[&str]) -> Vec<Inspection> {
        let rules = ["knife", "bomb"].map(|word| Forbids(RuleId(format!("no-{word}")), word));
        let rules: Vec<&dyn Constraint<str>> = rules.iter().map(|rule| rule as _).collect();
        replies
            .iter()
            .map(|reply| Inspection::of(&rules, reply))
            .collect()
    }

    #[test]
    fn the_best_that_keeps_all_rules_is_chosen() {
        let inspections = inspect(&["a bomb", "soup", "", "bread"]);
        let outcome = choose(&[9.0, 1.0, 8.0, 2.0], &inspections).unwrap();
        assert_eq!(
            outcome,
            FilterOutcome::Chosen {
                sample: 3,
                n_feasible: 2
            }
        );
    }

    #[test]
    fn a_refusal_says_which_rules_stood_against_it() {
        let inspections = inspect(&["a bomb", "bomb and knife", ""]);
        let FilterOutcome::Refused { violated, unjudged } =
            choose(&[1.0; 3], &inspections).unwrap()
        else {
            panic!("nothing was feasible");
        };
        let id = |name: &str| RuleId(name.into());
        assert_eq!(violated, [(id("no-bomb"), 2), (id("no-knife"), 1)].into());
        assert_eq!(unjudged, [(id("no-bomb"), 1), (id("no-knife"), 1)].into());
    }

    #[test]
    fn violations_are_counted_with_a_bound() {
        let share =
            violation_share(&inspect(&["a bomb", "", "soup", "soup"]), Level::default()).unwrap();
        assert_eq!(
            (share.n_violating, share.n_unjudged, share.n, share.share),
            (1, 1, 4, 0.25)
        );
        assert!(0.25 < share.upper && share.upper < share.upper_if_unjudged_violate);
        let none = violation_share(&inspect(&["soup"; 300]), Level::default()).unwrap();
        assert!(none.share == 0.0 && 0.0 < none.upper && none.upper < 0.01);
        assert_eq!(violation_share(&[], Level::default()), None);
    }

    fn n(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    proptest! {
        #[test]
        fn refusals_are_as_probable_as_all_samples_infeasible(
            samples in prop::collection::vec((-9.0..9.0_f64, -9.0..9.0_f64, any::<bool>()), 2..12), size in 1..12_usize,
        ) {
            prop_assume!(size <= samples.len());
            let prompt = FilteredPrompt {
                proxy: samples.iter().map(|s| s.0).collect(),
                gold: samples.iter().map(|s| s.1).collect(),
                feasible: samples.iter().map(|s| s.2).collect(),
            };
            let point = &best_of_n_filtered(std::slice::from_ref(&prompt), &[n(size)], -1.0).unwrap()[0];
            let n_bad = samples.iter().filter(|s| !s.2).count();
            // C(bad, n) / C(N, n).
            let all_bad: f64 = (0..size).map(|i| n_bad.saturating_sub(i) as f64 / (samples.len() - i) as f64).product();
            prop_assert!((point.refusal_share - all_bad).abs() < 1e-9);
            if n_bad == 0 {
                let free = &best_of_n(&[ScoredPrompt { proxy: prompt.proxy, gold: prompt.gold }], &[n(size)]).unwrap()[0];
                prop_assert!((point.gold - free.gold).abs() < 1e-9);
            }
        }
    }
}
