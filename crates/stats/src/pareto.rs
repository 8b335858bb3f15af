//! The Pareto front of gain against cost: who is beaten by nobody who costs as little.
//!
//! ```text
//! i is off the front  ⇔  some j: cost_j ≤ cost_i and gain_j > gain_i,  or  cost_j < cost_i and gain_j ≥ gain_i
//! ```
//!
//! Estimates are compared as they are, without their intervals: two points on the front need not differ.
//! In: costs and gains, one each. Out: whether each is on the front.

/// Whether each of these `(cost, gain)` is on the front; what is not a number beats nobody and is on no front.
pub fn pareto_front(points: &[(f64, f64)]) -> Vec<bool> {
    let beats = |other: &(f64, f64), one: &(f64, f64)| {
        (other.0 <= one.0 && other.1 > one.1) || (other.0 < one.0 && other.1 >= one.1)
    };
    (points.iter())
        .map(|one| {
            let is_number = !one.0.is_nan() && !one.1.is_nan();
            is_number && !points.iter().any(|other| beats(other, one))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cheapest_of_equals_and_the_best_of_a_price_are_on_it() {
        let points = [(0.0, 0.6), (0.0, 0.7), (5.0, 0.7), (5.0, 0.8), (9.0, 0.75)];
        assert_eq!(pareto_front(&points), [false, true, false, true, false]);
    }

    #[test]
    fn equal_points_are_on_it_together() {
        assert_eq!(pareto_front(&[(1.0, 0.5), (1.0, 0.5)]), [true, true]);
        assert_eq!(pareto_front(&[(f64::NAN, 0.5), (1.0, 0.4)]), [false, true]);
        assert_eq!(pareto_front(&[]), [] as [bool; 0]);
    }

    proptest! {
        #[test]
        fn along_the_front_more_is_paid_for_more(
            points in prop::collection::vec((0..6_u8, 0..6_u8), 1..12)
        ) {
            let points: Vec<(f64, f64)> =
                points.iter().map(|(c, g)| (f64::from(*c), f64::from(*g))).collect();
            let on = pareto_front(&points);
            let mut front: Vec<(f64, f64)> =
                points.iter().zip(&on).filter(|(_, on)| **on).map(|(p, _)| *p).collect();
            prop_assert!(!front.is_empty());
            front.sort_by(|a, b| a.0.total_cmp(&b.0));
            front.dedup();
            prop_assert!(front.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
            for (point, _) in points.iter().zip(&on).filter(|(_, on)| !**on) {
                prop_assert!(front.iter().any(|f| f.0 <= point.0 && f.1 >= point.1));
            }
        }
    }
}
