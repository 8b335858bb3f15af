//! When a line is crossed: models overtake the people who judge them, or people's accuracy falls below what supervision needs.
//!
//! ```text
//! T_r = the first year in which the condition holds on path r;   P(T ≤ t),  P(never within the horizon)
//! ```
//!
//! Trends are compared, not scores, so that one lucky year is no crossing. Two series are drawn apart and paired by replicate:
//! what they have in common is not known.
//!
//! In: forecasts over the same years. Out: years and chances.

use serde::Serialize;

use crate::Forecast;

/// When it happens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Crossing {
    /// The chance that it holds in the first year of the forecast already.
    pub already: f64,
    /// The chance that it happens in no year of the forecast.
    pub never: f64,
    /// The years by which it has happened in 10, 50 and 90 of 100 ways that things may go.
    pub by: [CrossingYear; 3],
    /// The chance that it has happened by each year of the forecast.
    pub chance_by: Vec<(f64, f64)>,
}

/// A quantile of the year.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CrossingYear {
    /// This one.
    At {
        /// The year.
        year: f64,
    },
    /// Not within the forecast.
    Beyond {
        /// The forecast's last year.
        last: f64,
    },
}

/// When models' capability first exceeds people's accuracy.
///
/// # Panics
///
/// When the two are for different years: a bug in the caller.
pub fn gap_opens(models: &Forecast, people: &Forecast) -> Crossing {
    assert_eq!(
        models.years(),
        people.years(),
        "forecasts for different years"
    );
    let paths = models.trends().iter().zip(people.trends());
    crossing(
        models.years(),
        paths.map(|(model, human)| first(model.iter().zip(human), |(model, human)| model > human)),
    )
}

/// When models' capability first exceeds an accuracy of people that stays what it is.
pub fn overtakes(models: &Forecast, human_accuracy: f64) -> Crossing {
    let paths = models.trends().iter();
    crossing(
        models.years(),
        paths.map(|path| first(path.iter(), |score| *score > human_accuracy)),
    )
}

/// When people's accuracy is first at or below `threshold`.
pub fn falls_below(people: &Forecast, threshold: f64) -> Crossing {
    let paths = people.trends().iter();
    crossing(
        people.years(),
        paths.map(|path| first(path.iter(), |score| *score <= threshold)),
    )
}

fn first<T>(mut path: impl Iterator<Item = T>, holds: impl Fn(T) -> bool) -> Option<usize> {
    path.position(holds)
}

fn crossing(years: &[f64], paths: impl Iterator<Item = Option<usize>>) -> Crossing {
    let mut places: Vec<f64> = (paths)
        .map(|place| place.map_or(f64::INFINITY, |place| years[place]))
        .collect();
    places.sort_by(f64::total_cmp);
    let n = places.len() as f64;
    let share =
        |holds: &dyn Fn(&f64) -> bool| places.iter().filter(|p| holds(p)).count() as f64 / n;
    let (start, last) = (years[0], years[years.len() - 1]);
    Crossing {
        already: share(&|place| *place <= start),
        never: share(&|place| place.is_infinite()),
        by: [0.1, 0.5, 0.9].map(|at| {
            // Between a year and never there is no middle: the later of the two.
            let place = (at * (places.len() - 1) as f64).ceil() as usize;
            match places[place] {
                year if year.is_finite() => CrossingYear::At { year },
                _ => CrossingYear::Beyond { last },
            }
        }),
        chance_by: (years.iter())
            .map(|&year| (year, share(&|place| *place <= year)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_counted_and_is_no_year() {
        let years = [2025.0, 2026.0, 2027.0];
        let places = [Some(0), Some(1), None, None];
        let crossing = crossing(&years, places.into_iter());
        assert_eq!((crossing.already, crossing.never), (0.25, 0.5));
        assert_eq!(
            crossing.by,
            [
                CrossingYear::At { year: 2026.0 },
                CrossingYear::Beyond { last: 2027.0 },
                CrossingYear::Beyond { last: 2027.0 }
            ]
        );
        assert_eq!(
            crossing.chance_by,
            [(2025.0, 0.25), (2026.0, 0.5), (2027.0, 0.5)]
        );
    }
}
