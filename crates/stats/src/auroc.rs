//! AUROC: the chance that a random positive scores above a random negative, a tie counting half.
//!
//! Paper: Hanley and McNeil 1982, Radiology 143(1); the Mann–Whitney U statistic, scaled.
//!
//! ```text
//! AUROC = Σ_{p positive} Σ_{q negative} ([s_p > s_q] + ½ [s_p = s_q]) / (n_positive n_negative)
//! ```
//!
//! In: a score an item, of any scale, and whether the item is positive. Out: a fraction; ½ is
//! chance. A failed judgement has no score: leave it out here and report how many there were.
//! Computed in O(n log n), and in integers until the last division, so that ties are exact.
//! Parity: `tests/golden/stats.json` (scikit-learn).

/// The area under the ROC curve; `None` where only one class is present.
///
/// # Panics
///
/// When there are not as many scores as classes, or a score is NaN: a bug in the caller.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "scores and classes");
    assert!(scores.iter().all(|s| !s.is_nan()), "a score is NaN");
    let mut ranked: Vec<(f64, bool)> = scores
        .iter()
        .copied()
        .zip(positive.iter().copied())
        .collect();
    ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));

    // Each positive beats every negative below its tie, and half of those within it.
    let (mut n_positive, mut n_negative, mut twice_wins) = (0_u64, 0_u64, 0_u128);
    // `==`, unlike `total_cmp`, ties −0 with 0; they are neighbours in either order.
    for tie in ranked.chunk_by(|a, b| a.0 == b.0) {
        let tied_positive = tie.iter().filter(|(_, positive)| *positive).count() as u64;
        let tied_negative = tie.len() as u64 - tied_positive;
        twice_wins += u128::from(tied_positive) * u128::from(2 * n_negative + tied_negative);
        n_positive += tied_positive;
        n_negative += tied_negative;
    }
    let twice_pairs = 2 * u128::from(n_positive) * u128::from(n_negative);
    (twice_pairs > 0).then(|| twice_wins as f64 / twice_pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, pair by pair.
    fn by_pairs(scores: &[f64], positive: &[bool]) -> Option<f64> {
        let of = |class: bool| (0..scores.len()).filter(move |&i| positive[i] == class);
        let (mut twice_wins, mut twice_pairs) = (0, 0);
        for p in of(true) {
            for q in of(false) {
                twice_pairs += 2;
                twice_wins += match scores[p].partial_cmp(&scores[q]) {
                    Some(std::cmp::Ordering::Greater) => 2,
                    Some(std::cmp::Ordering::Equal) => 1,
                    _ => 0,
                };
            }
        }
        (twice_pairs > 0).then(|| f64::from(twice_wins) / f64::from(twice_pairs))
    }

    #[test]
    fn ties_are_worth_half_and_zeros_tie() {
        assert_eq!(auroc(&[0.1, 0.9], &[false, true]), Some(1.0));
        assert_eq!(auroc(&[0.9, 0.1], &[false, true]), Some(0.0));
        assert_eq!(auroc(&[0.5, 0.5], &[false, true]), Some(0.5));
        assert_eq!(auroc(&[0.0, -0.0], &[false, true]), Some(0.5));
    }

    #[test]
    fn one_class_has_no_curve() {
        assert_eq!(auroc(&[0.1, 0.9], &[true, true]), None);
        assert_eq!(auroc(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            items in prop::collection::vec((-4..4_i32, any::<bool>()), 0..60),
        ) {
            let (scores, positive): (Vec<f64>, Vec<bool>) =
                items.into_iter().map(|(s, p)| (f64::from(s) / 4.0, p)).unzip();
            prop_assert_eq!(auroc(&scores, &positive), by_pairs(&scores, &positive));
        }

        #[test]
        fn turning_the_scores_round_turns_the_area_round(
            items in prop::collection::vec((-1.0..1.0_f64, any::<bool>()), 0..60),
        ) {
            let (scores, positive): (Vec<f64>, Vec<bool>) = items.into_iter().unzip();
            let turned: Vec<f64> = scores.iter().map(|s| -s).collect();
            if let Some(area) = auroc(&scores, &positive) {
                prop_assert!((area + auroc(&turned, &positive).unwrap() - 1.0).abs() < 1e-12);
            }
        }
    }
}
