//! Coefficients of agreement with their intervals, and why there may be none.
//!
//! In: a [`Panel`], which coefficients, how to resample. Out: each with a percentile interval over items drawn whole, and the
//! linearised standard error where one is known.
//!
//! Know them: kappas and alpha fall where one category is rare, however well raters agree (95 % agreement, kappa near 0): read
//! Gwet's beside them. With few items bootstrap intervals are short, as all of them are.
//! Gold vectors: Fleiss 1971 .2099, Krippendorff .6914 and .8108, in the tests below.

use serde::{Deserialize, Serialize};
use trimtab_core::Scale;

use super::Panel;
use super::by_counts::{Counted, Marginals};
use super::cohen::Pairs;
use super::draws::replicates;
use super::krippendorff::Alpha;
use super::weights::Weights;
use crate::{Interval, Level, Replicates, Resampler};

/// A coefficient of agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coefficient {
    /// The share of equal pairs of ratings, a mean over items: chance counts as agreement.
    PerCent,
    /// Cohen's kappa of two raters.
    Cohen(Weights),
    /// Its mean over all pairs of raters (Light's kappa).
    MeanCohen(Weights),
    /// Scott's pi of two raters.
    Scott,
    /// Fleiss' kappa of panels with as many ratings on every item.
    Fleiss,
    /// Krippendorff's alpha under the distances of a scale.
    Krippendorff(Scale),
    /// Gwet's AC1, and with weights AC2.
    Gwet(Weights),
}

/// Why there is no coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Undefined {
    /// No item with two ratings.
    #[error("no item has two ratings")]
    NothingPaired,
    /// One category throughout: nobody can tell agreement from chance.
    #[error("every rating is of one category: agreement and chance are one")]
    Constant,
    /// A coefficient of two raters.
    #[error("{n_raters} raters: this coefficient is of two")]
    NotTwoRaters {
        /// How many raters rated anything.
        n_raters: usize,
    },
    /// Fleiss' kappa wants as many ratings on every item.
    #[error(
        "unbalanced: items have from {fewest} to {most} ratings, Fleiss' kappa wants as many on each"
    )]
    Unbalanced {
        /// The fewest ratings that an item has.
        fewest: usize,
        /// The most.
        most: usize,
    },
    /// No draw of items had a coefficient.
    #[error("no resample has this coefficient: too few items differ")]
    NoResample,
}

impl Undefined {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NothingPaired => "let at least two raters rate the same items",
            Self::Constant => "report the share of agreement, or Gwet's coefficient",
            Self::NotTwoRaters { .. } => {
                "use the mean over pairs, Fleiss' kappa or Krippendorff's alpha"
            }
            Self::Unbalanced { .. } => {
                "use Krippendorff's alpha or Gwet's coefficient, which take missing ratings"
            }
            Self::NoResample => "rate more items",
        }
    }
}

/// A coefficient with how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The coefficient, with the percentile interval of the bootstrap over items.
    pub interval: Interval,
    /// The linearised standard error; absent where none is known.
    pub standard_error: Option<f64>,
    /// Resamples in which there was no coefficient, left out of the interval.
    pub n_undefined: usize,
}

/// What a coefficient needs of items, made ready.
enum Ready {
    Agreement(Vec<f64>),
    Gwet { agreements: Vec<f64>, near: f64 },
    Alpha(Alpha),
}

impl Coefficient {
    /// Those to report of a panel on `scale`: agreement; mean kappa of pairs, Krippendorff's and Gwet's with what the scale allows.
    pub fn of(scale: Scale) -> [Self; 4] {
        [
            Self::PerCent,
            Self::MeanCohen(Weights::of(scale)),
            Self::Krippendorff(scale),
            Self::Gwet(Weights::of(scale)),
        ]
    }

    fn ready(self, counted: &Counted<'_>) -> Option<Ready> {
        let agreements = |weights| counted.agreements(weights);
        Some(match self {
            Self::PerCent | Self::Scott | Self::Fleiss => {
                Ready::Agreement(agreements(Weights::Identity))
            }
            Self::Gwet(weights) => Ready::Gwet {
                agreements: agreements(weights),
                near: weights.matrix(counted.categories).iter().sum(),
            },
            Self::Krippendorff(scale) => Ready::Alpha(Alpha::new(counted, scale)),
            Self::Cohen(_) | Self::MeanCohen(_) => return None,
        })
    }

    fn of_counts(
        self,
        ready: &Ready,
        counted: &Counted<'_>,
        drawn: &[u32],
        marginals: &Marginals,
    ) -> Result<f64, Undefined> {
        match ready {
            Ready::Alpha(alpha) => alpha.of(counted, drawn, marginals),
            Ready::Gwet { agreements, near } => Counted::gwet(agreements, *near, drawn, marginals),
            Ready::Agreement(agreements) => match self {
                Self::Scott => Counted::scott(agreements, drawn, marginals),
                Self::Fleiss => Counted::fleiss(agreements, drawn, marginals),
                _ => Counted::per_cent(agreements, drawn, marginals),
            },
        }
    }

    fn error(
        self,
        ready: &Ready,
        counted: &Counted<'_>,
        marginals: &Marginals,
        estimate: f64,
    ) -> Option<f64> {
        match (self, ready) {
            (Self::PerCent, Ready::Agreement(agreements)) => {
                counted.per_cent_error(agreements, marginals, estimate)
            }
            (Self::Fleiss, Ready::Agreement(agreements)) => {
                counted.fleiss_error(agreements, marginals, estimate)
            }
            (_, Ready::Gwet { agreements, near }) => {
                counted.gwet_error(agreements, *near, marginals, estimate)
            }
            _ => None,
        }
    }
}

impl Panel {
    /// A coefficient, without an interval.
    ///
    /// # Errors
    ///
    /// [`Undefined`] says why there is none.
    pub fn coefficient(&self, coefficient: Coefficient) -> Result<f64, Undefined> {
        self.allows(coefficient)?;
        if let Coefficient::Cohen(weights) | Coefficient::MeanCohen(weights) = coefficient {
            let pairs = Pairs::new(self, weights);
            return pairs.mean(&pairs.patterns.counts);
        }
        let counted = Counted::new(self);
        if coefficient == Coefficient::Fleiss {
            counted.balanced()?;
        }
        let drawn = &counted.patterns.counts;
        let marginals = counted.marginals(drawn);
        let ready = coefficient
            .ready(&counted)
            .ok_or(Undefined::NothingPaired)?;
        coefficient.of_counts(&ready, &counted, drawn, &marginals)
    }

    /// Coefficients with their intervals, in the order asked for. Items are drawn with replacement, with all their ratings.
    pub fn agreement(
        &self,
        coefficients: &[Coefficient],
        resampler: &Resampler,
        level: Level,
    ) -> Vec<Result<Estimate, Undefined>> {
        let counted = Counted::new(self);
        let mut found: Vec<Option<Result<Estimate, Undefined>>> = vec![None; coefficients.len()];
        let mut of_counts = Vec::new();
        let counts = &counted.patterns.counts;
        let marginals = counted.marginals(counts);
        for (at, coefficient) in coefficients.iter().enumerate() {
            let allowed = self.allows(*coefficient).and_then(|()| {
                if *coefficient == Coefficient::Fleiss {
                    counted.balanced()?;
                }
                Ok(())
            });
            if let Err(why) = allowed {
                found[at] = Some(Err(why));
                continue;
            }
            if let Coefficient::Cohen(weights) | Coefficient::MeanCohen(weights) = coefficient {
                let pairs = Pairs::new(self, *weights);
                let estimate = pairs.mean(&pairs.patterns.counts);
                found[at] = Some(estimate.and_then(|estimate| {
                    let values = replicates(resampler, &pairs.patterns.counts, |drawn| {
                        pairs.mean(drawn).ok()
                    });
                    finished(estimate, pairs.error(), values, level)
                }));
            } else if let Some(ready) = coefficient.ready(&counted) {
                match coefficient.of_counts(&ready, &counted, counts, &marginals) {
                    Ok(estimate) => of_counts.push((at, *coefficient, ready, estimate)),
                    Err(why) => found[at] = Some(Err(why)),
                }
            }
        }
        if !of_counts.is_empty() {
            let made = replicates(resampler, counts, |drawn| {
                let marginals = counted.marginals(drawn);
                let one = |(_, coefficient, ready, _): &(_, Coefficient, Ready, f64)| {
                    (coefficient.of_counts(ready, &counted, drawn, &marginals)).ok()
                };
                of_counts.iter().map(one).collect::<Vec<Option<f64>>>()
            });
            for (nth, (at, coefficient, ready, estimate)) in of_counts.iter().enumerate() {
                let error = coefficient.error(ready, &counted, &marginals, *estimate);
                let values = made.iter().map(|values| values[nth]).collect();
                found[*at] = Some(finished(*estimate, error, values, level));
            }
        }
        (found.into_iter())
            .map(|found| found.unwrap_or(Err(Undefined::NothingPaired)))
            .collect()
    }

    /// Whether as many raters rated as a coefficient is of.
    fn allows(&self, coefficient: Coefficient) -> Result<(), Undefined> {
        if !matches!(coefficient, Coefficient::Cohen(_) | Coefficient::Scott) {
            return Ok(());
        }
        let mut rated = vec![0_usize; self.n_raters()];
        for rater in &self.raters {
            rated[*rater as usize] = 1;
        }
        match rated.iter().sum() {
            2 => Ok(()),
            n_raters => Err(Undefined::NotTwoRaters { n_raters }),
        }
    }
}

fn finished(
    estimate: f64,
    standard_error: Option<f64>,
    values: Vec<Option<f64>>,
    level: Level,
) -> Result<Estimate, Undefined> {
    let n_undefined = values.iter().filter(|value| value.is_none()).count();
    let replicates = Replicates::new(estimate, values.into_iter().flatten().collect());
    Ok(Estimate {
        interval: replicates.ok_or(Undefined::NoResample)?.interval(level),
        standard_error,
        n_undefined,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use proptest::prelude::*;
    use trimtab_core::{Rating, Seed};

    use super::*;
    use crate::panel::Categories;
    use crate::panel::tests::panels;

    const ALL: [Coefficient; 14] = [
        Coefficient::PerCent,
        Coefficient::Fleiss,
        Coefficient::Scott,
        Coefficient::Cohen(Weights::Linear),
        Coefficient::MeanCohen(Weights::Identity),
        Coefficient::MeanCohen(Weights::Quadratic),
        Coefficient::Krippendorff(Scale::Nominal),
        Coefficient::Krippendorff(Scale::Ordinal),
        Coefficient::Krippendorff(Scale::Interval),
        Coefficient::Krippendorff(Scale::Ratio),
        Coefficient::Gwet(Weights::Identity),
        Coefficient::Gwet(Weights::Linear),
        Coefficient::Gwet(Weights::Ordinal),
        Coefficient::Gwet(Weights::Ratio),
    ];

    fn same(one: Result<f64, Undefined>, other: Result<f64, Undefined>) -> bool {
        match (one, other) {
            (Ok(one), Ok(other)) => (one - other).abs() < 1e-9,
            (one, other) => one == other,
        }
    }

    /// The panel with items drawn as often as `drawn` says, written out.
    fn written_out(panel: &Panel, drawn: &[usize]) -> Option<Panel> {
        let ratings: Vec<Rating> = (drawn.iter().zip(0..))
            .flat_map(|(item, new)| {
                panel.item(*item).map(move |(rater, category)| Rating {
                    item: new,
                    rater: rater as u32,
                    category: category as u16,
                })
            })
            .collect();
        Panel::with_any_overlap(panel.categories().clone(), &ratings).ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// The slow way: alpha as a plain double loop over pairs of ratings.
        #[test]
        fn alpha_is_what_its_definition_says(panel in panels(Scale::Ratio)) {
            let units: Vec<Vec<usize>> = (0..panel.n_items())
                .map(|item| panel.item(item).map(|(_, said)| said).collect::<Vec<_>>())
                .filter(|unit| unit.len() > 1)
                .collect();
            let all: Vec<usize> = units.concat();
            let n_of = |k: usize| all.iter().filter(|said| **said == k).count() as f64;
            for scale in [Scale::Nominal, Scale::Ordinal, Scale::Interval, Scale::Ratio] {
                let distance = |k: usize, l: usize| -> f64 {
                    let (a, b) = (k.min(l), k.max(l));
                    match scale {
                        _ if k == l => 0.0,
                        Scale::Nominal => 1.0,
                        Scale::Ordinal => (a..=b).map(n_of).sum::<f64>() - f64::midpoint(n_of(a), n_of(b)),
                        Scale::Interval => (b - a) as f64,
                        Scale::Ratio => (b - a) as f64 / (b + a) as f64,
                    }
                };
                let pairs = |said: &[usize]| -> f64 {
                    said.iter().flat_map(|k| said.iter().map(|l| distance(*k, *l).powi(2))).sum()
                };
                let observed: f64 = units.iter().map(|unit| pairs(unit) / (unit.len() as f64 - 1.0)).sum();
                let n = all.len() as f64;
                let expected = pairs(&all) / (n - 1.0);
                match panel.coefficient(Coefficient::Krippendorff(scale)) {
                    Ok(alpha) => prop_assert!((alpha - (1.0 - observed / expected)).abs() < 1e-9),
                    Err(Undefined::NothingPaired) => prop_assert!(units.is_empty()),
                    Err(_) => prop_assert!(expected == 0.0),
                }
            }
        }

        /// Patterns that are drawn so often are items that are written out so often.
        #[test]
        fn draws_are_items_written_out(panel in panels(Scale::Ratio), seed: u64) {
            let mut random = Seed(seed).stream();
            let rated: Vec<usize> = (0..panel.n_items()).filter(|item| panel.item(*item).len() > 0).collect();
            let drawn: Vec<usize> = rated.iter().map(|_| rated[random.below(rated.len())]).collect();
            let Some(out) = written_out(&panel, &drawn) else { return Ok(()) };
            let counted = Counted::new(&panel);
            let times: Vec<u32> = counted.patterns.iter().map(|key| {
                let like = |item: &&usize| {
                    let mut said: Vec<u16> = panel.item(**item).map(|(_, said)| said as u16).collect();
                    said.sort_unstable();
                    said == key
                };
                drawn.iter().filter(like).count() as u32
            }).collect();
            let marginals = counted.marginals(&times);
            for coefficient in ALL {
                if let Some(ready) = coefficient.ready(&counted)
                    && coefficient != Coefficient::Fleiss
                    && coefficient != Coefficient::Scott
                {
                    let got = coefficient.of_counts(&ready, &counted, &times, &marginals);
                    prop_assert!(same(got, out.coefficient(coefficient)), "{:?}", coefficient);
                }
            }
            let pairs = Pairs::new(&panel, Weights::Linear);
            let times: Vec<u32> = pairs.patterns.iter().map(|key| {
                let like = |item: &&usize| panel.item(**item).map(|(r, c)| (r as u32, c as u16)).eq(key.iter().copied());
                drawn.iter().filter(like).count() as u32
            }).collect();
            prop_assert!(same(pairs.mean(&times), out.coefficient(Coefficient::MeanCohen(Weights::Linear))));
        }

        /// Who is called what does not matter, and agreement is never above 1.
        #[test]
        fn names_do_not_matter(panel in panels(Scale::Interval), by in 1..5_u32) {
            let renamed: Vec<Rating> = panel.ratings().map(|rating| Rating {
                item: (panel.n_items() as u32 - 1) - rating.item,
                rater: (rating.rater + by) % 5,
                // A scale turned round has the same distances.
                category: 3 - rating.category,
            }).collect();
            let renamed = Panel::with_any_overlap(panel.categories().clone(), &renamed).unwrap();
            for coefficient in ALL {
                let relative = [Coefficient::Krippendorff(Scale::Ratio), Coefficient::Gwet(Weights::Ratio)];
                if !relative.contains(&coefficient) {
                    let (one, other) = (panel.coefficient(coefficient), renamed.coefficient(coefficient));
                    prop_assert!(same(one, other), "{:?}: {:?} {:?}", coefficient, one, other);
                    prop_assert!(one.is_err() || one.is_ok_and(|one| one <= 1.0 + 1e-12));
                }
            }
        }
    }

    #[test]
    fn intervals_cover_at_their_level() {
        // Two raters, each right with 0.8 on two even categories: they agree with 0.68, kappa is 0.36.
        let (mut n_held, n_panels) = ([0; 3], 200);
        for seed in 0..n_panels {
            let mut random = Seed(seed).stream();
            let ratings: Vec<Rating> = (0..150)
                .flat_map(|item| {
                    let truth = random.next_f64() < 0.5;
                    [0, 1].map(|rater| Rating {
                        item,
                        rater,
                        category: u16::from(truth == (random.next_f64() < 0.8)),
                    })
                })
                .collect();
            let categories = Categories::nominal(["no".to_owned(), "yes".to_owned()]).unwrap();
            let panel = Panel::new(categories, &ratings).unwrap();
            let resampler = Resampler {
                n_resamples: NonZeroUsize::new(400).unwrap(),
                seed: Seed(seed).child("resample"),
            };
            let coefficients = [
                Coefficient::PerCent,
                Coefficient::Cohen(Weights::Identity),
                Coefficient::Krippendorff(Scale::Nominal),
            ];
            let found = panel.agreement(&coefficients, &resampler, Level::default());
            for (held, (found, truth)) in
                n_held.iter_mut().zip(found.iter().zip([0.68, 0.36, 0.36]))
            {
                let interval = found.unwrap().interval;
                *held += usize::from(interval.low <= truth && truth <= interval.high);
            }
        }
        // 0.95 of 200 within three standard deviations of a binomial: 190 ± 9.2.
        assert!(
            n_held.iter().all(|held| (181..=199).contains(held)),
            "{n_held:?}"
        );
    }
}
