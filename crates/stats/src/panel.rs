//! A panel: what several raters said of several items, none of whom need have rated all.
//!
//! In: ratings, each an item, a rater and a category, all numbered from 0, and the [`Categories`] with their [`Scale`](trimtab_core::Scale). Out:
//! agreement ([`Panel::agreement`]), accuracy where a gold label is known ([`Panel::accuracy`]), agreement of people with people
//! and with models ([`MixedAgreement`]); [`crate::dawid_skene`] weighs raters on one.
//!
//! | file | what it is |
//! |---|---|
//! | `categories.rs` | what raters may say, in what order, with what values |
//! | `weights.rs` | how near two categories are |
//! | `coefficient.rs` | coefficients of agreement, their intervals, and why there may be none |
//! | `by_counts.rs`, `krippendorff.rs`, `cohen.rs` | their formulas |
//! | `patterns.rs`, `draws.rs` | items that look alike, counted once; the bootstrap over them |
//! | `gold.rs` | accuracy of raters, of all together, and of the majority |
//! | `mixed.rs` | people and models in one panel |
//!
//! A rating takes six bytes. Missing ratings take none: they are not there.

mod by_counts;
mod categories;
mod coefficient;
mod cohen;
mod draws;
mod gold;
mod krippendorff;
mod mixed;
mod patterns;
mod weights;

use trimtab_core::Rating;

pub use categories::{Categories, CategoriesError};
pub use coefficient::{Coefficient, Estimate, Undefined};
pub(crate) use cohen::Table;
pub use gold::{GoldAccuracy, RaterAccuracy};
pub use mixed::{MixedAgreement, PairAgreement};
pub use weights::Weights;

/// Ratings of items by raters.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    categories: Categories,
    n_raters: usize,
    /// Where each item's ratings begin, and where the last one's end.
    offsets: Vec<u32>,
    /// By item, and within it by rater.
    raters: Vec<u32>,
    said: Vec<u16>,
}

/// Why ratings are no panel. Rows are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PanelError {
    /// Nothing was said.
    #[error("no rating")]
    Empty,
    /// More than offsets can count.
    #[error("{n} ratings are more than {}", u32::MAX)]
    TooMany {
        /// How many there are.
        n: usize,
    },
    /// A category that the scale does not have.
    #[error("rating {row}: category {category} is outside the scale, which has {n_categories}")]
    OutsideScale {
        /// Which rating.
        row: usize,
        /// What it says.
        category: u16,
        /// How many categories there are, from 0.
        n_categories: usize,
    },
    /// One rater, one item, two ratings.
    #[error("rater {rater} rated item {item} twice: ratings {first} and {second}")]
    RatedTwice {
        /// The rater.
        rater: u32,
        /// The item.
        item: u32,
        /// The earlier rating.
        first: usize,
        /// The later one.
        second: usize,
    },
    /// Agreement takes two.
    #[error("all {n_ratings} ratings are by rater {rater}: agreement takes two raters")]
    OneRater {
        /// The only one.
        rater: u32,
        /// How many ratings there are.
        n_ratings: usize,
    },
    /// Raters who never met.
    #[error("none of {n_items} items was rated by two of the {n_raters} raters")]
    NoOverlap {
        /// Items with a rating.
        n_items: usize,
        /// Raters with a rating.
        n_raters: usize,
    },
}

impl PanelError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "name a file with at least one rating",
            Self::TooMany { .. } => "split the items into several panels",
            Self::OutsideScale { .. } => "declare every category that raters may choose",
            Self::RatedTwice { .. } => {
                "keep one rating of each rater on an item, or name the second pass as another rater"
            }
            Self::OneRater { .. } => {
                "add the ratings of a second rater; accuracy against gold needs one alone"
            }
            Self::NoOverlap { .. } => "let at least two raters rate the same items",
        }
    }
}

impl Panel {
    /// A panel in which agreement can be measured: two raters at least, who both rated some item.
    ///
    /// # Errors
    ///
    /// [`PanelError`] says what is wrong with which rating, or that raters never met.
    pub fn new(categories: Categories, ratings: &[Rating]) -> Result<Self, PanelError> {
        let panel = Self::with_any_overlap(categories, ratings)?;
        panel.overlap()?;
        Ok(panel)
    }

    /// A panel of any ratings at all: one rater is enough, and raters need not have met. Accuracy against gold and Dawid and
    /// Skene's model can be had of it; agreement is [`Undefined::NothingPaired`] where nobody met.
    ///
    /// # Errors
    ///
    /// [`PanelError`] says what is wrong with which rating.
    pub fn with_any_overlap(
        categories: Categories,
        ratings: &[Rating],
    ) -> Result<Self, PanelError> {
        let Some(last_item) = ratings.iter().map(|rating| rating.item).max() else {
            return Err(PanelError::Empty);
        };
        if u32::try_from(ratings.len()).is_err() {
            return Err(PanelError::TooMany { n: ratings.len() });
        }
        if let Some((row, rating)) = (ratings.iter().enumerate())
            .find(|(_, rating)| usize::from(rating.category) >= categories.len())
        {
            return Err(PanelError::OutsideScale {
                row,
                category: rating.category,
                n_categories: categories.len(),
            });
        }
        // Counted, then placed: items come out in order.
        let mut offsets = vec![0_u32; last_item as usize + 2];
        for rating in ratings {
            offsets[rating.item as usize + 1] += 1;
        }
        for item in 1..offsets.len() {
            offsets[item] += offsets[item - 1];
        }
        let mut next = offsets.clone();
        let mut rows = vec![0_u32; ratings.len()];
        for (row, rating) in ratings.iter().enumerate() {
            let place = &mut next[rating.item as usize];
            rows[*place as usize] = row as u32;
            *place += 1;
        }
        for item in offsets.windows(2) {
            let rows = &mut rows[item[0] as usize..item[1] as usize];
            rows.sort_unstable_by_key(|row| (ratings[*row as usize].rater, *row));
            for two in rows.windows(2) {
                let [first, second] = [two[0] as usize, two[1] as usize];
                let Rating { item, rater, .. } = ratings[first];
                if rater == ratings[second].rater {
                    return Err(PanelError::RatedTwice {
                        rater,
                        item,
                        first,
                        second,
                    });
                }
            }
        }
        let in_order = || rows.iter().map(|row| ratings[*row as usize]);
        let most = in_order().map(|rating| rating.rater).max();
        Ok(Self {
            categories,
            n_raters: most.map_or(0, |rater| rater as usize + 1),
            offsets,
            raters: in_order().map(|rating| rating.rater).collect(),
            said: in_order().map(|rating| rating.category).collect(),
        })
    }

    /// Whether agreement can be measured.
    ///
    /// # Errors
    ///
    /// [`PanelError::OneRater`] and [`PanelError::NoOverlap`] say why not.
    pub fn overlap(&self) -> Result<(), PanelError> {
        if (0..self.n_items()).any(|item| self.n_ratings_of(item) >= 2) {
            return Ok(());
        }
        let mut raters = self.raters.clone();
        raters.sort_unstable();
        raters.dedup();
        if let [rater] = raters[..] {
            return Err(PanelError::OneRater {
                rater,
                n_ratings: self.n_ratings(),
            });
        }
        let rated = |item: &usize| self.n_ratings_of(*item) > 0;
        Err(PanelError::NoOverlap {
            n_items: (0..self.n_items()).filter(rated).count(),
            n_raters: raters.len(),
        })
    }

    /// What raters could say.
    pub fn categories(&self) -> &Categories {
        &self.categories
    }

    /// Items, those that nobody rated among them: one more than the highest number.
    pub fn n_items(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Raters: one more than the highest number.
    pub fn n_raters(&self) -> usize {
        self.n_raters
    }

    /// Ratings.
    pub fn n_ratings(&self) -> usize {
        self.said.len()
    }

    /// The ratings of an item, by rater: who, and which category.
    ///
    /// # Panics
    ///
    /// When there is no such item: a bug in the caller.
    pub fn item(&self, item: usize) -> impl ExactSizeIterator<Item = (usize, usize)> + Clone {
        let at = self.offsets[item] as usize..self.offsets[item + 1] as usize;
        let raters = self.raters[at.clone()].iter();
        raters
            .zip(&self.said[at])
            .map(|(rater, category)| (*rater as usize, usize::from(*category)))
    }

    /// All ratings, by item and within it by rater.
    pub fn ratings(&self) -> impl Iterator<Item = Rating> {
        (0..self.n_items()).flat_map(move |item| {
            self.item(item).map(move |(rater, category)| Rating {
                item: item as u32,
                rater: rater as u32,
                category: category as u16,
            })
        })
    }

    /// The same of some raters alone; numbers stay as they are.
    ///
    /// # Errors
    ///
    /// [`PanelError::Empty`] when none of them rated anything.
    pub fn of_raters(&self, keep: impl Fn(usize) -> bool) -> Result<Self, PanelError> {
        let ratings: Vec<Rating> = (self.ratings())
            .filter(|rating| keep(rating.rater as usize))
            .collect();
        Self::with_any_overlap(self.categories.clone(), &ratings)
    }

    fn n_ratings_of(&self, item: usize) -> usize {
        (self.offsets[item + 1] - self.offsets[item]) as usize
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use trimtab_core::Scale;

    use super::*;

    /// A panel of a row a rater, `None` where an item was left out.
    pub(crate) fn by_rater(categories: Categories, rows: &[&[Option<u16>]]) -> Panel {
        let ratings: Vec<Rating> = (rows.iter().enumerate())
            .flat_map(|(rater, row)| {
                row.iter().enumerate().filter_map(move |(item, said)| {
                    said.map(|category| Rating {
                        item: item as u32,
                        rater: rater as u32,
                        category,
                    })
                })
            })
            .collect();
        Panel::with_any_overlap(categories, &ratings).unwrap()
    }

    pub(crate) fn categories(n: usize, scale: Scale) -> Categories {
        let names = (0..n).map(|i| i.to_string());
        match scale {
            Scale::Nominal => Categories::nominal(names),
            Scale::Ordinal => Categories::ordinal(names),
            Scale::Interval => Categories::interval((0..n).map(|i| i as f64)),
            Scale::Ratio => Categories::ratio((0..n).map(|i| i as f64)),
        }
        .unwrap()
    }

    /// Panels of up to 5 raters, 30 items and 4 categories, with ratings left out.
    pub(crate) fn panels(scale: Scale) -> impl Strategy<Value = Panel> {
        let said = prop::option::weighted(0.7, 0..4_u16);
        let row = prop::collection::vec(said, 2..=5);
        prop::collection::vec(row, 2..30).prop_filter_map("nothing was said", move |items| {
            let ratings: Vec<Rating> = (items.iter().enumerate())
                .flat_map(|(item, row)| {
                    row.iter().enumerate().filter_map(move |(rater, said)| {
                        said.map(|category| rating(item as u32, rater as u32, category))
                    })
                })
                .collect();
            Panel::with_any_overlap(categories(4, scale), &ratings).ok()
        })
    }

    pub(crate) fn rating(item: u32, rater: u32, category: u16) -> Rating {
        Rating {
            item,
            rater,
            category,
        }
    }

    #[track_caller]
    fn refused(ratings: &[Rating], message: &str) {
        let error = Panel::new(categories(3, Scale::Nominal), ratings).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(!error.hint().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row() {
        refused(&[], "no rating");
        refused(
            &[rating(0, 0, 0), rating(0, 1, 3)],
            "rating 1: category 3 is outside the scale, which has 3",
        );
        refused(
            &[rating(5, 2, 0), rating(5, 1, 0), rating(5, 2, 0)],
            "rater 2 rated item 5 twice: ratings 0 and 2",
        );
        refused(
            &[rating(0, 4, 0), rating(1, 4, 0)],
            "all 2 ratings are by rater 4: agreement takes two raters",
        );
        refused(
            &[rating(0, 0, 0), rating(7, 1, 0)],
            "none of 2 items was rated by two of the 2 raters",
        );
    }

    #[test]
    fn rows_in_any_order_are_one_panel() {
        let rows = [
            rating(1, 1, 2),
            rating(0, 1, 1),
            rating(0, 0, 0),
            rating(3, 0, 1),
        ];
        let panel = Panel::new(categories(3, Scale::Nominal), &rows).unwrap();
        assert_eq!(
            (panel.n_items(), panel.n_raters(), panel.n_ratings()),
            (4, 2, 4)
        );
        assert_eq!(panel.item(0).collect::<Vec<_>>(), [(0, 0), (1, 1)]);
        assert_eq!(panel.item(2).len(), 0);
        let mut turned = rows;
        turned.reverse();
        assert_eq!(
            panel,
            Panel::new(categories(3, Scale::Nominal), &turned).unwrap()
        );
        let first = panel.of_raters(|rater| rater == 0).unwrap();
        assert_eq!(
            first.ratings().collect::<Vec<_>>(),
            [rating(0, 0, 0), rating(3, 0, 1)]
        );
    }

    proptest! {
        #[test]
        fn ratings_come_out_as_they_went_in(panel in panels(Scale::Nominal)) {
            let ratings: Vec<Rating> = panel.ratings().collect();
            let again = Panel::with_any_overlap(panel.categories().clone(), &ratings).unwrap();
            prop_assert_eq!(again, panel);
        }
    }
}
