//! Which of one model's answers are right, under every seed.
//!
//! The shape `[n_seeds, n_items]`, a row a seed. Rows are joined before they come here: column `i` of
//! two models must be the same item, because everything made from them is paired.
//!
//! Held as one byte an answer, all bits set where it is right, so that a weight masks without a
//! multiplication (`bootstrap.rs`).

/// What the seeds of one experiment have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// The test split: column `i` is the same item under every seed. Items and seeds are crossed.
    Shared,
    /// Nothing: every seed draws its own test split. Items are nested in seeds.
    PerSeed,
}

/// Right or wrong, for every seed and item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correctness {
    items: Items,
    rows: Vec<Box<[u8]>>,
}

/// Why answers cannot be set side by side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// There is no row.
    #[error("no seed was measured")]
    NoSeeds,
    /// A row is empty.
    #[error("seed {seed} (from 0) has no test items")]
    NoItems {
        /// Which row, from 0.
        seed: usize,
    },
    /// Rows that share their items differ in length.
    #[error("seed {seed} (from 0) has {got} test items, expected {expected} as under seed 0")]
    Ragged {
        /// Which row, from 0.
        seed: usize,
        /// Items under seed 0.
        expected: usize,
        /// Items under this seed.
        got: usize,
    },
    /// Two models were measured on different items or seeds.
    #[error("models to be paired differ in test items: {left:?} and {right:?} items a seed")]
    Unpaired {
        /// Items under each seed of one model.
        left: Vec<usize>,
        /// Items under each seed of the other.
        right: Vec<usize>,
    },
    /// One model's seeds share a test split, the other's do not.
    #[error("models to be paired differ in design: items shared by all seeds, and items per seed")]
    MixedDesign,
}

const RIGHT: u8 = u8::MAX;
const WRONG: u8 = 0;

impl Correctness {
    /// One row a seed: whether each item was answered right.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] when there is no seed, a seed has no item, or shared items differ in number.
    pub fn new<R: AsRef<[bool]>>(items: Items, rows: &[R]) -> Result<Self, ShapeError> {
        let expected = rows.first().ok_or(ShapeError::NoSeeds)?.as_ref().len();
        for (seed, row) in rows.iter().enumerate() {
            let got = row.as_ref().len();
            if got == 0 {
                return Err(ShapeError::NoItems { seed });
            }
            if items == Items::Shared && got != expected {
                return Err(ShapeError::Ragged {
                    seed,
                    expected,
                    got,
                });
            }
        }
        let mask = |right: &bool| if *right { RIGHT } else { WRONG };
        Ok(Self {
            items,
            rows: rows
                .iter()
                .map(|row| row.as_ref().iter().map(mask).collect())
                .collect(),
        })
    }

    /// Accuracy under each seed, as fractions.
    pub fn accuracy_by_seed(&self) -> Vec<f64> {
        let n_right = |row: &[u8]| {
            row.iter()
                .map(|mask| usize::from(*mask == RIGHT))
                .sum::<usize>()
        };
        self.rows
            .iter()
            .map(|row| n_right(row) as f64 / row.len() as f64)
            .collect()
    }

    /// The mean over seeds of [`Correctness::accuracy_by_seed`]: every seed counts the same, however
    /// many items it has.
    pub fn accuracy(&self) -> f64 {
        self.accuracy_by_seed().iter().sum::<f64>() / self.n_seeds() as f64
    }

    /// How many seeds there are; at least one.
    pub fn n_seeds(&self) -> usize {
        self.rows.len()
    }

    /// How many (seed, item) pairs there are.
    pub fn n_pairs(&self) -> usize {
        self.rows.iter().map(|row| row.len()).sum()
    }

    /// Whether the seeds share their items.
    pub fn items(&self) -> Items {
        self.items
    }

    /// Checks that two models can be paired.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] says how their items differ.
    pub fn same_shape(&self, other: &Self) -> Result<(), ShapeError> {
        let lengths = |model: &Self| -> Vec<usize> { model.rows.iter().map(|r| r.len()).collect() };
        let (left, right) = (lengths(self), lengths(other));
        if left != right {
            return Err(ShapeError::Unpaired { left, right });
        }
        if self.items != other.items {
            return Err(ShapeError::MixedDesign);
        }
        Ok(())
    }

    /// Every (seed, item) pair, a seed after the other: whether it is right.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = bool> {
        self.rows.iter().flatten().map(|mask| *mask == RIGHT)
    }

    /// One byte an item: [`u8::MAX`] where it is right, 0 where not.
    pub(crate) fn masks(&self, seed: usize) -> &[u8] {
        &self.rows[seed]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_shapes_are_named() {
        let none: [Vec<bool>; 0] = [];
        assert_eq!(
            Correctness::new(Items::Shared, &none),
            Err(ShapeError::NoSeeds)
        );
        let ragged = [vec![true], vec![true, false]];
        let expected = ShapeError::Ragged {
            seed: 1,
            expected: 1,
            got: 2,
        };
        assert_eq!(Correctness::new(Items::Shared, &ragged), Err(expected));
        let empty = [vec![true], vec![]];
        let expected = ShapeError::NoItems { seed: 1 };
        assert_eq!(Correctness::new(Items::PerSeed, &empty), Err(expected));
    }

    #[test]
    fn only_the_same_items_are_paired() {
        let of = |items, n| Correctness::new(items, &[vec![true; n]]).unwrap();
        let one = of(Items::Shared, 1);
        assert_eq!(one.same_shape(&one), Ok(()));
        assert!(matches!(
            one.same_shape(&of(Items::Shared, 2)),
            Err(ShapeError::Unpaired { .. })
        ));
        assert_eq!(
            one.same_shape(&of(Items::PerSeed, 1)),
            Err(ShapeError::MixedDesign)
        );
    }

    #[test]
    fn every_seed_counts_the_same() {
        let rows = [vec![true], vec![false, false, true]];
        let correctness = Correctness::new(Items::PerSeed, &rows).unwrap();
        assert_eq!(correctness.accuracy_by_seed(), [1.0, 1.0 / 3.0]);
        assert_eq!(correctness.accuracy(), 2.0 / 3.0);
        assert_eq!((correctness.n_seeds(), correctness.n_pairs()), (2, 4));
    }
}
