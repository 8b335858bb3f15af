//! Cohen's kappa: agreement of a judge with people, beyond what their habits alone would give.
//!
//! Papers: Cohen 1960, Educational and Psychological Measurement 20(1); its variance Fleiss, Cohen and Everitt 1969,
//! Psychological Bulletin 72(5).
//!
//! ```text
//! κ = (p_o − p_e) / (1 − p_e),   p_o = #{i : judge_i = human_i} / n,   p_e = Σ_k judge(k) human(k)
//! ```
//!
//! with `judge(k)`, `human(k)` the shares in which each says `k`.
//!
//! In: an answer an item from each, and which items belong together. Out: dimensionless, 1 for the same answers, 0 for
//! what chance gives. A failed judgement agrees with nothing: it is an answer that people never give, counted in `n`.
//! The interval is normal, with the variance linearised as in Fleiss et al. and summed by cluster, so that with every
//! item a cluster of its own it is theirs; ends beyond ±1 are cut. Where judge and human never differ its width is 0,
//! which says too much for few items: read the interval of the agreement beside it, which is Wilson's.
//! Parity: `tests/golden/judges.json` (scikit-learn, statsmodels).

use serde::Serialize;
use trimtab_core::AnswerIdx;

use crate::interval::normal_reach;
use crate::panel::Table;
use crate::{Clusters, Interval, Level, clustered_share};

/// Agreement of a judge with human labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HumanAgreement {
    /// Items.
    pub n: usize,
    /// Failed judgements among them.
    pub n_failed: usize,
    /// The share of equal answers.
    pub agreement: Interval,
    /// Cohen's kappa; absent where both say one and the same thing of every item.
    pub kappa: Option<Interval>,
}

impl HumanAgreement {
    /// Compares; `None` where there is no item.
    ///
    /// # Panics
    ///
    /// When the three do not have the same number of items: a bug in the caller.
    pub fn new(
        judge: &[Option<AnswerIdx>],
        human: &[AnswerIdx],
        clusters: &Clusters,
        level: Level,
    ) -> Option<Self> {
        assert_eq!(judge.len(), human.len(), "judge's answers and people's");
        let same: Vec<bool> = judge
            .iter()
            .zip(human)
            .map(|(j, h)| *j == Some(*h))
            .collect();
        Some(Self {
            n: judge.len(),
            n_failed: judge.iter().filter(|said| said.is_none()).count(),
            agreement: clustered_share(&same, clusters, level)?,
            kappa: kappa(judge, human, clusters, level),
        })
    }
}

fn kappa(
    judge: &[Option<AnswerIdx>],
    human: &[AnswerIdx],
    clusters: &Clusters,
    level: Level,
) -> Option<Interval> {
    let said = judge.iter().flatten().chain(human).map(|answer| answer.0);
    // A failure is one more answer, the last.
    let failed = said.max()? + 1;
    let q = failed + 1;
    let weights: Vec<f64> = (0..q * q)
        .map(|at| f64::from(u8::from(at / q == at % q)))
        .collect();
    let cells = || {
        let judge = judge
            .iter()
            .map(|said| said.map_or(failed, |answer| answer.0));
        judge.zip(human.iter().map(|answer| answer.0))
    };
    let table = Table::new(q, &weights, cells().map(|(j, h)| (j, h, 1.0)));
    let estimate = table.kappa().ok()?;
    let influence = table.influence();
    let variance = clusters.variance_of_mean(cells().map(|(j, h)| influence(j, h)));
    let reach = normal_reach(level) * variance.sqrt();
    Some(Interval {
        estimate,
        low: (estimate - reach).max(-1.0),
        high: (estimate + reach).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(judge: &[Option<usize>], human: &[usize]) -> Option<HumanAgreement> {
        let judge: Vec<_> = judge.iter().map(|a| a.map(AnswerIdx)).collect();
        let human: Vec<_> = human.iter().copied().map(AnswerIdx).collect();
        let clusters = Clusters::singletons(human.len());
        HumanAgreement::new(&judge, &human, &clusters, Level::default())
    }

    #[test]
    fn one_answer_throughout_has_no_kappa() {
        let same = compare(&[Some(1); 4], &[1; 4]).unwrap();
        assert_eq!((same.agreement.estimate, same.kappa), (1.0, None));
        assert_eq!(compare(&[], &[]), None);
    }

    #[test]
    fn a_failure_is_an_answer_that_people_never_give() {
        let human = [0, 1, 0, 1, 0, 1];
        let failed = compare(&[Some(0), Some(1), None, Some(1), Some(1), None], &human).unwrap();
        let third = compare(
            &[Some(0), Some(1), Some(2), Some(1), Some(1), Some(2)],
            &human,
        )
        .unwrap();
        assert_eq!(failed.n_failed, 2);
        assert_eq!(failed.kappa, third.kappa);
        assert_eq!(failed.agreement, third.agreement);
    }

    #[test]
    fn a_constant_judge_agrees_as_chance_does() {
        let constant = compare(&[Some(0); 10], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
        assert_eq!(constant.agreement.estimate, 0.9);
        assert!(constant.kappa.unwrap().estimate.abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn names_do_not_matter_and_it_is_symmetric(
            items in prop::collection::vec((0..3usize, 0..3usize), 1..60),
        ) {
            let of = |named: fn((usize, usize)) -> (usize, usize)| {
                let (judge, human): (Vec<_>, Vec<_>) =
                    items.iter().map(|item| named(*item)).map(|(j, h)| (Some(j), h)).unzip();
                compare(&judge, &human).unwrap().kappa
            };
            let plain = of(|item| item);
            for other in [of(|(j, h)| (h, j)), of(|(j, h)| (2 - j, 2 - h))] {
                prop_assert_eq!(plain.is_some(), other.is_some());
                if let (Some(plain), Some(other)) = (plain, other) {
                    prop_assert!((plain.estimate - other.estimate).abs() < 1e-9);
                    prop_assert!((plain.low - other.low).abs() < 1e-9);
                    prop_assert!(-1.0 <= plain.low && plain.high <= 1.0 && plain.estimate <= 1.0 + 1e-12);
                }
            }
        }
    }
}
