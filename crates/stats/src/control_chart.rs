//! Control charts: an alarm for a sequence that leaves its course, with a stated rate of false ones.
//!
//! Papers: Shewhart 1931; Page 1954, Biometrika 41 (cumulative sums).
//!
//! ```text
//! Shewhart   S_t = x_t
//! CUSUM      S_t = max(0, S_{t−1} + x_t − k),  S_0 = 0           k the slack: half the shift that is to be found
//! alarm      S_t > h
//! h          the ⌈(1 − α)(R + 1)⌉-th smallest of R maxima of S over `horizon` numbers drawn from those in control
//! ```
//!
//! so that a sequence in control raises an alarm within the horizon with probability α at most, as far as the numbers in control are
//! what it is drawn from, independently. α is of the whole horizon: a limit that each single number exceeds with probability α
//! would be exceeded by nearly every sequence.
//!
//! A Shewhart limit lies where numbers in control are few, and the sample's own tail is too short: one number that is never reached is
//! drawn along with them, as in conformal prediction. It takes about horizon/α numbers in control, or there is no limit.
//!
//! In: numbers in control, best in units of their own standard deviation, so that a slack means something; higher is worse. Out: the
//! time of the first alarm, from 0. Beyond the horizon there are more false alarms, and no promise.

use trimtab_core::Seed;

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Chart {
    /// Nothing: each number by itself. Finds great shifts at once.
    Shewhart,
    /// What exceeds the slack. Finds small shifts that last.
    Cusum {
        /// What a number may exceed the mean by without counting.
        slack: f64,
    },
}

impl Chart {
    /// S at every time.
    pub fn path(self, values: &[f64]) -> Vec<f64> {
        let mut sum = 0.0_f64;
        (values.iter())
            .map(|x| match self {
                Self::Shewhart => *x,
                Self::Cusum { slack } => {
                    sum = (sum + x - slack).max(0.0);
                    sum
                }
            })
            .collect()
    }
}

/// How long a sequence is watched, and how often one in control may raise an alarm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FalseAlarms {
    /// Numbers a sequence.
    pub horizon: usize,
    /// The share of sequences in control that raise an alarm within it, at most.
    pub rate: f64,
    /// Sequences drawn to set the limit.
    pub n_resamples: usize,
}

/// A chart with its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControlChart {
    /// What is summed.
    pub chart: Chart,
    /// An alarm is above it.
    pub limit: f64,
}

impl ControlChart {
    /// Sets the limit on numbers in control; `None` where they are too few (Shewhart: about horizon/rate), or resamples are: 1/rate.
    ///
    /// # Panics
    ///
    /// When a number is NaN: a bug in the caller.
    pub fn calibrated(
        chart: Chart,
        in_control: &[f64],
        alarms: FalseAlarms,
        seed: Seed,
    ) -> Option<Self> {
        assert!(in_control.iter().all(|x| !x.is_nan()), "a number is NaN");
        let n = alarms.n_resamples;
        let rank = ((1.0 - alarms.rate) * (n as f64 + 1.0) - 1e-9).ceil();
        if in_control.is_empty() || alarms.horizon == 0 || rank < 1.0 || rank > n as f64 {
            return None;
        }
        let n_beyond = usize::from(chart == Chart::Shewhart);
        let mut stream = seed.stream();
        let mut maxima: Vec<f64> = (0..n)
            .map(|_| {
                let drawn: Vec<f64> = (0..alarms.horizon)
                    .map(|_| {
                        let at = stream.below(in_control.len() + n_beyond);
                        in_control.get(at).copied().unwrap_or(f64::INFINITY)
                    })
                    .collect();
                let path = chart.path(&drawn);
                path.into_iter().fold(f64::NEG_INFINITY, f64::max)
            })
            .collect();
        maxima.sort_by(f64::total_cmp);
        let limit = maxima[rank as usize - 1];
        limit.is_finite().then_some(Self { chart, limit })
    }

    /// When the first alarm is raised, from 0.
    pub fn first_alarm(&self, values: &[f64]) -> Option<usize> {
        let path = self.chart.path(values);
        path.into_iter().position(|sum| sum > self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSUM: Chart = Chart::Cusum { slack: 0.5 };

    #[test]
    fn by_hand() {
        assert_eq!(CUSUM.path(&[1.0, -2.0, 1.5, 1.5]), [0.5, 0.0, 1.0, 2.0]);
        assert_eq!(Chart::Shewhart.path(&[1.0, -2.0]), [1.0, -2.0]);
        let chart = ControlChart {
            chart: CUSUM,
            limit: 1.0,
        };
        assert_eq!(chart.first_alarm(&[1.0, -2.0, 1.5, 1.5]), Some(3));
        assert_eq!(chart.first_alarm(&[0.5; 100]), None);
    }

    fn normals(n: usize, seed: u64) -> Vec<f64> {
        let mut stream = Seed(seed).stream();
        (0..n).map(|_| stream.next_normal()).collect()
    }

    const ALARMS: FalseAlarms = FalseAlarms {
        horizon: 40,
        rate: 0.05,
        n_resamples: 2_000,
    };

    fn share_alarmed(chart: &ControlChart, shift: f64) -> f64 {
        let sequences = normals(40 * 1_500, 12);
        let alarmed = sequences.chunks(40).filter(|sequence| {
            let shifted: Vec<f64> = (sequence.iter().enumerate())
                .map(|(t, x)| if t < 20 { *x } else { x + shift })
                .collect();
            chart.first_alarm(&shifted).is_some()
        });
        alarmed.count() as f64 / 1_500.0
    }

    #[test]
    fn false_alarms_are_as_rare_as_stated() {
        let in_control = normals(4_000, 11);
        for chart in [CUSUM, Chart::Shewhart] {
            let chart = ControlChart::calibrated(chart, &in_control, ALARMS, Seed(1)).unwrap();
            // Standard errors: .0056 of 1,500 sequences, .0049 of 2,000 resamples, and some of the 4,000 numbers.
            let share = share_alarmed(&chart, 0.0);
            assert!((share - 0.05).abs() < 0.03, "{chart:?}: {share}");
        }
        // The mistake: the rate of a single number.
        let mut sorted = in_control.clone();
        sorted.sort_by(f64::total_cmp);
        let twin = ControlChart {
            chart: Chart::Shewhart,
            limit: sorted[3_800],
        };
        assert!(share_alarmed(&twin, 0.0) > 0.8);
    }

    #[test]
    fn a_small_shift_that_lasts_is_found_by_its_sum() {
        let in_control = normals(4_000, 11);
        let found = |chart| {
            let chart = ControlChart::calibrated(chart, &in_control, ALARMS, Seed(1)).unwrap();
            share_alarmed(&chart, 1.0)
        };
        let (cusum, shewhart) = (found(CUSUM), found(Chart::Shewhart));
        assert!(cusum > 0.8 && shewhart < 0.6, "{cusum} {shewhart}");
    }

    #[test]
    fn nothing_to_calibrate_on_is_no_chart() {
        let none = |in_control: &[f64], alarms| {
            ControlChart::calibrated(CUSUM, in_control, alarms, Seed(0))
        };
        assert_eq!(none(&[], ALARMS), None);
        let few = FalseAlarms {
            n_resamples: 18,
            ..ALARMS
        };
        assert_eq!(none(&[0.0, 1.0], few), None);
        let enough = FalseAlarms {
            n_resamples: 19,
            ..ALARMS
        };
        assert!(none(&[0.0, 1.0], enough).is_some());
        // 40 draws of 101 meet the one beyond a third of the time.
        let in_control = normals(100, 3);
        let shewhart = ControlChart::calibrated(Chart::Shewhart, &in_control, ALARMS, Seed(0));
        assert_eq!(shewhart, None);
    }
}
