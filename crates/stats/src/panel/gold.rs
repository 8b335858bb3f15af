//! How often raters are right where a gold label is known: each of them, all ratings together, and the majority of an item.
//!
//! In: a panel, a category an item where one is known. Out: shares with Wilson's intervals; of all ratings together, clustered by
//! item, for several raters of one item are not independent. A majority of several categories with as many votes is right by
//! the share of the right one among them: as often as a draw between them is. Items without a gold label are counted, and left
//! out.

use serde::Serialize;

use super::Panel;
use crate::{Clusters, Interval, Level, clustered_fraction, clustered_share, wilson};

/// How often raters are right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoldAccuracy {
    /// Each rater who rated an item with a gold label, in order.
    pub raters: Vec<RaterAccuracy>,
    /// All ratings together, clustered by item.
    pub pooled: Interval,
    /// The majority of every item.
    pub majority: Interval,
    /// Ratings of items with a gold label.
    pub n_ratings: usize,
    /// Rated items with a gold label.
    pub n_items: usize,
    /// Those of them whose majority is shared.
    pub n_tied: usize,
    /// Rated items without a gold label.
    pub n_without_gold: usize,
}

/// How often one rater is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RaterAccuracy {
    /// Who.
    pub rater: usize,
    /// Items with a gold label that this rater rated.
    pub n: usize,
    /// The share that is right.
    pub accuracy: Interval,
}

impl Panel {
    /// Compares with gold labels, by position of the category; `None` where no rated item has one.
    ///
    /// # Panics
    ///
    /// When there are fewer labels than items: a bug in the caller.
    pub fn accuracy(&self, gold: &[Option<u16>], level: Level) -> Option<GoldAccuracy> {
        assert!(gold.len() >= self.n_items(), "items and their gold labels");
        let mut by_rater = vec![(0_usize, 0_usize); self.n_raters()];
        let (mut right, mut clusters, mut majority) = (Vec::new(), Vec::new(), Vec::new());
        let (mut n_tied, mut n_without_gold) = (0, 0);
        for (item, gold) in gold[..self.n_items()].iter().enumerate() {
            if self.item(item).len() == 0 {
                continue;
            }
            let Some(gold) = gold.map(usize::from) else {
                n_without_gold += 1;
                continue;
            };
            for (rater, said) in self.item(item) {
                by_rater[rater].0 += usize::from(said == gold);
                by_rater[rater].1 += 1;
                right.push(said == gold);
                clusters.push(item);
            }
            let most = majority_of(self.item(item).map(|(_, said)| said));
            n_tied += usize::from(most.len() > 1);
            let share = 1.0 / most.len() as f64;
            majority.push(if most.contains(&gold) { share } else { 0.0 });
        }
        let raters = (by_rater.into_iter().enumerate())
            .filter_map(|(rater, (n_right, n))| {
                let accuracy = wilson(n_right, n, level)?;
                Some(RaterAccuracy { rater, n, accuracy })
            })
            .collect();
        let n_items = majority.len();
        Some(GoldAccuracy {
            raters,
            pooled: clustered_share(&right, &Clusters::new(clusters), level)?,
            majority: clustered_fraction(&majority, &Clusters::singletons(n_items), level)?,
            n_ratings: right.len(),
            n_items,
            n_tied,
            n_without_gold,
        })
    }

    /// What most raters said of every item; several categories where they are tied, none where nobody rated.
    pub fn majorities(&self) -> Vec<Vec<usize>> {
        (0..self.n_items())
            .map(|item| majority_of(self.item(item).map(|(_, said)| said)))
            .collect()
    }
}

/// The categories with the most votes, in order.
fn majority_of(said: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut said: Vec<usize> = said.collect();
    said.sort_unstable();
    let votes = || said.chunk_by(|a, b| a == b);
    let most = votes().map(<[usize]>::len).max().unwrap_or(0);
    (votes().filter(|same| same.len() == most))
        .map(|same| same[0])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::Scale;

    use crate::panel::tests::{by_rater, categories};

    #[test]
    fn ties_are_right_by_half_and_items_without_gold_are_counted() {
        let panel = by_rater(
            categories(3, Scale::Nominal),
            &[
                &[Some(0), Some(0), Some(1), Some(2), None],
                &[Some(0), Some(1), Some(1), Some(2), None],
                &[Some(1), None, Some(1), None, Some(2)],
            ],
        );
        let gold = [Some(0), Some(0), Some(2), None, Some(2)];
        let accuracy = panel.accuracy(&gold, Level::default()).unwrap();
        let of = |rater: usize| {
            let rater = accuracy.raters[rater];
            (rater.n, rater.accuracy.estimate)
        };
        assert_eq!(
            [of(0), of(1), of(2)],
            [(3, 2.0 / 3.0), (3, 1.0 / 3.0), (3, 1.0 / 3.0)]
        );
        assert_eq!((accuracy.n_ratings, accuracy.n_items), (9, 4));
        assert_eq!((accuracy.n_tied, accuracy.n_without_gold), (1, 1));
        assert!((accuracy.pooled.estimate - 4.0 / 9.0).abs() < 1e-12);
        assert!((accuracy.majority.estimate - 2.5 / 4.0).abs() < 1e-12);
        assert_eq!(panel.accuracy(&[None; 5], Level::default()), None);
        assert_eq!(panel.majorities()[1], [0, 1]);
    }
}
