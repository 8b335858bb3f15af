//! Gao's forms of gold over √KL, as they stand in a report: fitted coefficients, where the form peaks, and when to stop.
//!
//! Paper: Gao et al. 2022, arXiv:2210.10760, section 3.1; the fits are [`trimtab_reward::fit_gao`]'s.
//!
//! Of fewer than eight units no interval is shown: resampling reaches no further than the smallest and the largest of them, which is
//! too near. The advice then goes by the estimate, and says so.

use trimtab_reward::{GaoFit, GaoForm, Peak, StopAdvice};
use trimtab_stats::Interval;

use crate::document::Cell;
use crate::number::{NONE, fixed};

/// A fit, and to how many units.
#[derive(Clone, Copy)]
pub(super) struct Fitted<'a> {
    pub(super) fit: &'a GaoFit,
    pub(super) n_units: usize,
}

/// Units from which on there are intervals.
const FEWEST: usize = 8;

/// Nats at which no policy is measured: where a form peaks beyond, all that it says is that gold still rises.
const FARTHEST: f64 = 1_000.0;

pub(super) fn formula(form: GaoForm) -> &'static str {
    match form {
        GaoForm::BestOfN => "d (α − β d)",
        GaoForm::Reinforcement => "d (α − β log d)",
    }
}

impl Fitted<'_> {
    fn has_intervals(&self) -> bool {
        self.n_units >= FEWEST
    }

    /// Both coefficients.
    pub(super) fn coefficients(&self) -> String {
        let GaoFit { alpha, beta, .. } = self.fit;
        let number = |x: &Interval| {
            if self.has_intervals() {
                within(x.estimate, Some(x.low), Some(x.high))
            } else {
                fixed(x.estimate, 2)
            }
        };
        format!("α {}, β {}", number(alpha), number(beta))
    }

    /// Where the form peaks, in nats.
    pub(super) fn peak(&self) -> Cell {
        let square = |distance: Option<f64>| distance.map(|d| d * d).filter(|kl| *kl < FARTHEST);
        match self.fit.peak {
            Peak::StillRising => Cell::words("still rising"),
            Peak::At { kl, .. } if kl >= FARTHEST => Cell::words("still rising"),
            Peak::FallsFromStart => Cell::words("at the start"),
            Peak::At { kl, .. } if !self.has_intervals() => Cell::Number {
                value: kl,
                decimals: 2,
            },
            Peak::At { kl, .. } => match (square(self.fit.peak_low), square(self.fit.peak_high)) {
                (Some(low), Some(high)) => Cell::AmountWithin {
                    interval: Interval {
                        estimate: kl,
                        low,
                        high,
                    },
                    decimals: 2,
                },
                (low, high) => Cell::words(within(kl, low, high)),
            },
        }
    }

    /// When to stop, and at which of these points: divergences in nats with their names.
    pub(super) fn advice<'n>(&self, points: impl Iterator<Item = (f64, &'n str)>) -> String {
        let nats = |kl: f64| format!("{} nats", fixed(kl, 2));
        let stop = |kl: f64| {
            let near = |(at, _): &(f64, &str)| (at.sqrt() - kl.sqrt()).abs();
            let nearest = points.min_by(|a, b| near(a).total_cmp(&near(b)));
            let where_that_is = nearest.map_or_else(String::new, |(_, name)| format!(", {name}"));
            format!("stop at {}{where_that_is}", nats(kl))
        };
        let measured_to = self.fit.measured_to * self.fit.measured_to;
        let go_on = || {
            format!(
                "no peak within the {} that were measured",
                nats(measured_to)
            )
        };
        if !self.has_intervals() {
            let advice = match self.fit.peak {
                Peak::At { kl, .. } if kl <= measured_to => stop(kl),
                Peak::At { .. } | Peak::StillRising => go_on(),
                Peak::FallsFromStart => "gold only falls: do not optimise this proxy".into(),
            };
            return format!("{advice} (of {} units, without intervals)", self.n_units);
        }
        match self.fit.advice() {
            StopAdvice::StopAt { kl, .. } => stop(kl),
            StopAdvice::GoOn { .. } => go_on(),
            StopAdvice::DoNotOptimise => "gold only falls: do not optimise this proxy".into(),
            StopAdvice::Unclear { .. } => format!(
                "whether the peak lies within the {} that were measured is not clear",
                nats(measured_to)
            ),
        }
    }
}

fn within(estimate: f64, low: Option<f64>, high: Option<f64>) -> String {
    let end = |x: Option<f64>| x.map_or_else(|| NONE.to_owned(), |x| fixed(x, 2));
    format!("{} [{}, {}]", fixed(estimate, 2), end(low), end(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;
    use trimtab_core::Seed;
    use trimtab_reward::{GaoPoint, fit_gao};
    use trimtab_stats::{Level, Resampler};

    /// d (1 − ½ d), which peaks at 1 nat, as `n_units` see it that differ a little.
    fn fit(n_units: usize, to: f64) -> GaoFit {
        let unit = |unit: usize| -> Vec<GaoPoint> {
            let alpha = 1.0 + 0.01 * (unit % 3) as f64;
            let point = |i: usize| {
                let distance = to * i as f64 / 8.0;
                let gold_gain = distance * (alpha - 0.5 * distance);
                GaoPoint {
                    distance,
                    gold_gain,
                }
            };
            (0..=8).map(point).collect()
        };
        let units: Vec<Vec<GaoPoint>> = (0..n_units).map(unit).collect();
        let resampler = Resampler {
            n_resamples: NonZeroUsize::new(200).unwrap(),
            seed: Seed(1),
        };
        fit_gao(GaoForm::BestOfN, &units, &resampler, Level::default()).unwrap()
    }

    fn words(n_units: usize, to: f64) -> [String; 3] {
        let fit = fit(n_units, to);
        let fitted = Fitted { fit: &fit, n_units };
        let points = [(0.3, "best of 2"), (0.9, "best of 4"), (2.0, "best of 16")];
        [
            fitted.coefficients(),
            fitted.peak().shown().0,
            fitted.advice(points.into_iter()),
        ]
    }

    #[test]
    fn a_peak_within_what_was_measured_is_where_to_stop() {
        let [coefficients, peak, advice] = words(9, 2.0);
        assert_eq!(coefficients, "α 1.01 [1.00, 1.02], β 0.50 [0.50, 0.50]");
        assert!(peak.starts_with("1.02"), "{peak}");
        assert_eq!(advice, "stop at 1.02 nats, best of 4");
        let advice = &words(9, 0.5)[2];
        assert_eq!(advice, "no peak within the 0.25 nats that were measured");
    }

    #[test]
    fn of_few_units_there_are_no_intervals() {
        let [coefficients, peak, advice] = words(3, 2.0);
        assert_eq!(coefficients, "α 1.01, β 0.50");
        assert_eq!(peak, "1.02");
        assert_eq!(
            advice,
            "stop at 1.02 nats, best of 4 (of 3 units, without intervals)"
        );
    }
}
