//! A panel whose members err as differently as can be.
//!
//! ```text
//! first two:  argmin φ_jk      then, one by one:  argmin_j Σ_{k in panel} φ_jk      until there are `size`
//! ```
//!
//! With the size given, the least mean correlation is the greatest effective number of votes. Greedy: each step is the best,
//! the whole need not be, and a constraint may leave it short of members that another order would have found.
//!
//! In: [`ErrorCorrelations`], and who may join whom. Out: members, in order of choice. A pair without a φ counts as the mean of those
//! that have one: it is neither sought nor avoided.
//!
//! A coin is the most independent judge of all: choose among those whose accuracy will do.

use crate::error_correlation::ErrorCorrelations;

/// Chooses `size` supervisors; `may_join` says whether one may join a panel so far. `None` where too few may.
///
/// # Panics
///
/// When `size` is 0: a bug in the caller.
pub fn diverse_panel(
    correlations: &ErrorCorrelations,
    size: usize,
    may_join: impl Fn(&[usize], usize) -> bool,
) -> Option<Vec<usize>> {
    assert!(size > 0, "a panel of nobody");
    let n = correlations.n_supervisors();
    let neutral = correlations.mean().unwrap_or(0.0);
    let phi = |j, k| correlations.get(j, k).unwrap_or(neutral);
    if size == 1 {
        return (0..n).find(|&j| may_join(&[], j)).map(|j| vec![j]);
    }
    let mut panel: Vec<usize> = Vec::with_capacity(size);
    let first = (0..n)
        .filter(|&j| may_join(&[], j))
        .flat_map(|j| (j + 1..n).map(move |k| (j, k)))
        .filter(|&(j, k)| may_join(&[j], k))
        .min_by(|&(a, b), &(c, d)| phi(a, b).total_cmp(&phi(c, d)))?;
    panel.extend([first.0, first.1]);
    while panel.len() < size {
        let with = |j: usize| panel.iter().map(|&k| phi(j, k)).sum::<f64>();
        let next = (0..n)
            .filter(|j| !panel.contains(j) && may_join(&panel, *j))
            .min_by(|&a, &b| with(a).total_cmp(&with(b)))?;
        panel.push(next);
    }
    Some(panel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ballots::tests::ballots;

    /// Three families of two that err alike.
    fn families() -> ErrorCorrelations {
        ErrorCorrelations::new(&ballots(&[
            "xxx.........",
            "xx.x........",
            "....xxx.....",
            "....xx.x....",
            "........xxx.",
            "........xx.x",
        ]))
    }

    #[test]
    fn one_of_each_family() {
        let mut panel = diverse_panel(&families(), 3, |_, _| true).unwrap();
        panel.sort_unstable();
        let family: Vec<usize> = panel.iter().map(|j| j / 2).collect();
        assert_eq!(family, [0, 1, 2]);
    }

    #[test]
    fn constraints_hold_and_may_leave_too_few() {
        let not_the_last = |_: &[usize], j: usize| j < 4;
        let panel = diverse_panel(&families(), 4, not_the_last).unwrap();
        assert!(panel.iter().all(|&j| j < 4));
        let apart = |panel: &[usize], j: usize| panel.iter().all(|k| k / 2 != j / 2);
        assert_eq!(diverse_panel(&families(), 4, apart), None);
        assert_eq!(diverse_panel(&families(), 1, |_, j| j == 3), Some(vec![3]));
    }

    #[test]
    fn no_panel_of_that_size_has_more_votes() {
        // Every triple, by force; the mistake (the first three) does not pass.
        let correlations = families();
        let least = (0..6)
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .flat_map(|(a, b)| (0..b).map(move |c| [a, b, c]))
            .filter_map(|triple| correlations.mean_of(&triple))
            .fold(f64::INFINITY, f64::min);
        let of = |panel: &[usize]| correlations.mean_of(panel).unwrap();
        let ours = diverse_panel(&correlations, 3, |_, _| true).unwrap();
        assert!((of(&ours) - least).abs() < 1e-12);
        assert!(of(&[0, 1, 2]) > least + 0.1);
    }
}
