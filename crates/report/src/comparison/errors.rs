//! Which questions each approach misses, and how far their errors are the same.
//!
//! ```text
//! φ_ab   correlation of the indicators "a errs", "b errs" over test questions and seeds
//! n_eff = m / (1 + (m − 1) φ̄)          how many approaches of uncorrelated errors the m are worth (Kish 1965)
//! ```

use super::arm::{Arm, Compared};
use crate::document::{Cell, Column, Row, Section, Table};

pub(super) fn section(compared: &Compared<'_>) -> Section {
    let arms: Vec<&Arm> = compared.named().collect();
    let errs: Vec<Vec<bool>> = (arms.iter())
        .map(|arm| {
            (compared.places())
                .map(|(seed, item)| !compared.is_right(arm.student, seed, item))
                .collect()
        })
        .collect();
    let n = compared.places().count();
    let mut correlations = Vec::new();
    let rows = (arms.iter().enumerate())
        .map(|(a, arm)| {
            let with: Vec<(usize, f64)> = (0..arms.len())
                .filter(|&b| b != a)
                .filter_map(|b| Some((b, phi(&errs[a], &errs[b])?)))
                .collect();
            correlations.extend(with.iter().filter(|(b, _)| *b > a).map(|(_, phi)| *phi));
            let alone = (0..n)
                .filter(|&at| errs[a][at] && errs.iter().filter(|errs| errs[at]).count() == 1);
            let nearest = with.iter().max_by(|x, y| x.1.total_cmp(&y.1));
            let farthest = with.iter().min_by(|x, y| x.1.total_cmp(&y.1));
            let said = |found: Option<&(usize, f64)>| {
                found.map_or_else(
                    || Cell::absent("nobody else"),
                    |(b, phi)| {
                        let phi = crate::number::fixed(*phi, 2);
                        Cell::words(format!("{phi} {}", arms[*b].name))
                    },
                )
            };
            Row {
                name: arm.name.clone(),
                cells: vec![
                    Cell::share(errs[a].iter().filter(|errs| **errs).count(), n),
                    Cell::share(alone.count(), n),
                    said(farthest),
                    said(nearest),
                ],
            }
        })
        .collect();
    let together = (0..n)
        .filter(|&at| errs.iter().all(|errs| errs[at]))
        .count();
    let never = (0..n)
        .filter(|&at| errs.iter().all(|errs| !errs[at]))
        .count();
    let worth = effective(arms.len(), &correlations).map_or_else(String::new, |worth| {
        format!(
            " Their errors correlate, so that {} are worth {} of uncorrelated errors.",
            arms.len(),
            crate::number::fixed(worth, 1),
        )
    });
    let share = |count: usize| crate::number::percent(count as f64 / n.max(1) as f64);
    Section {
        id: "errors".into(),
        title: "Whose errors are the same".into(),
        text: format!(
            "Of the test questions, counted once for every seed, all students miss {} and none misses {}.{worth}",
            share(together),
            share(never),
        ),
        table: Table {
            columns: vec![
                Column::new("Approach", ""),
                Column::new(
                    "Misses",
                    "Test questions that the student gets wrong, or does not answer.",
                ),
                Column::new("Alone", "Those that every other student gets right."),
                Column::new(
                    "Least alike",
                    "The student whose errors correlate least with its own, and that correlation (φ): who could catch its errors.",
                ),
                Column::new(
                    "Most alike",
                    "The student whose errors correlate most with its own.",
                )
                .spare(1),
            ],
            rows,
        },
        curves: None,
    }
}

/// The correlation of two indicators; none where one is constant.
fn phi(a: &[bool], b: &[bool]) -> Option<f64> {
    let n = a.len() as f64;
    let share = |of: &dyn Fn(usize) -> bool| (0..a.len()).filter(|&i| of(i)).count() as f64 / n;
    let (of_a, of_b) = (share(&|i| a[i]), share(&|i| b[i]));
    let both = share(&|i| a[i] && b[i]);
    let spread = (of_a * (1.0 - of_a) * of_b * (1.0 - of_b)).sqrt();
    (spread > 0.0).then(|| (both - of_a * of_b) / spread)
}

/// How many of uncorrelated errors `m` of these correlations are worth.
fn effective(m: usize, correlations: &[f64]) -> Option<f64> {
    if correlations.is_empty() {
        return None;
    }
    let mean = correlations.iter().sum::<f64>() / correlations.len() as f64;
    let worth = m as f64 / (1.0 + (m as f64 - 1.0) * mean);
    worth.is_finite().then_some(worth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phi_is_one_for_the_same_and_minus_one_for_opposites() {
        let a = [true, false, true, false];
        let opposite = a.map(|x| !x);
        assert_eq!(phi(&a, &a), Some(1.0));
        assert_eq!(phi(&a, &opposite), Some(-1.0));
        assert_eq!(phi(&a, &[true, true, false, false]), Some(0.0));
        assert_eq!(phi(&a, &[true; 4]), None);
    }

    #[test]
    fn the_same_errors_are_worth_one() {
        assert_eq!(effective(9, &[1.0; 36]), Some(1.0));
        assert_eq!(effective(9, &[0.0; 36]), Some(9.0));
        assert_eq!(effective(1, &[]), None);
    }
}
