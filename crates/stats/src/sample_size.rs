//! How many comparisons are needed, before they are paid for.
//!
//! Papers: Wilson 1927 for the width of an interval; for two judges on the same pairs Connor 1987, Biometrics 43(1).
//!
//! ```text
//! half-width:  the least n with (high − low) / 2 ≤ h in Wilson's interval at the expected accuracy
//! difference:  n = ((z_α √d + z_β √(d − δ²)) / δ)²
//! ```
//!
//! with `d` the discordant share, the pairs that one judge gets right and the other wrong; `δ` the difference of their
//! accuracies, at most `d`; `z_α` two-sided at the level, `z_β` one-sided at the power. Judges that agree more (a small
//! `d`) need fewer pairs.
//!
//! In: fractions. Out: pairs, rounded up; independent ones, so with several a prompt it takes more.
//! The second is approximate: McNemar's exact test needs some more where `n d` is small (a test below says how much).
//! Parity: `tests/golden/judges.json` (SciPy, statsmodels).

use crate::interval::{normal_reach, wilson_of_share};
use crate::{Level, LevelError};

/// Why there is no number of comparisons.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SampleSizeError {
    /// The accuracy is none.
    #[error("an expected accuracy of {0} is not a fraction between 0 and 1")]
    Accuracy(f64),
    /// No interval is so wide, or none so narrow.
    #[error("a half-width of {0} is not a fraction between 0 and 0.5")]
    HalfWidth(f64),
    /// The judges cannot differ by so much.
    #[error(
        "a difference of {difference} cannot be had from a discordant share of {discordant}: it is at most that share, \
         and above 0"
    )]
    Difference {
        /// The difference asked for.
        difference: f64,
        /// The discordant share.
        discordant: f64,
    },
    /// The power is none.
    #[error("a power of {0} is not a fraction between 0.5 and 1")]
    Power(f64),
    /// More comparisons than anybody makes.
    #[error("more than {} comparisons are needed", MOST)]
    TooMany,
}

impl SampleSizeError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Accuracy(_) => "write 0.8 for 80 %; 0.5 is the safe guess",
            Self::HalfWidth(_) => "write 0.03 for plus or minus 3 points",
            Self::Difference { .. } => {
                "the discordant share is that of pairs on which one judge is right and the other wrong"
            }
            Self::Power(_) => "0.8 and 0.9 are usual",
            Self::TooMany => "ask for a wider interval or a larger difference",
        }
    }
}

const MOST: u64 = 1 << 40;

/// The least number of independent comparisons for which Wilson's interval around `accuracy` reaches no more than
/// `half_width` to a side, on average of its two sides.
///
/// # Errors
///
/// [`SampleSizeError`] when a number is out of its range.
pub fn comparisons_for_half_width(
    accuracy: f64,
    half_width: f64,
    level: Level,
) -> Result<u64, SampleSizeError> {
    if !(0.0..=1.0).contains(&accuracy) {
        return Err(SampleSizeError::Accuracy(accuracy));
    }
    if !(half_width > 0.0 && half_width < 0.5) {
        return Err(SampleSizeError::HalfWidth(half_width));
    }
    let wide = |n: u64| {
        let interval = wilson_of_share(accuracy, n as f64, level);
        (interval.high - interval.low) / 2.0 > half_width
    };
    let mut enough = 1;
    while wide(enough) {
        enough *= 2;
        if enough > MOST {
            return Err(SampleSizeError::TooMany);
        }
    }
    // The width falls with n.
    let mut short = enough / 2;
    while enough - short > 1 {
        let middle = u64::midpoint(short, enough);
        if wide(middle) {
            short = middle;
        } else {
            enough = middle;
        }
    }
    Ok(enough)
}

/// How many pairs both judges must judge to find a difference of their accuracies in a two-sided test at the level, with
/// probability `power`.
///
/// # Errors
///
/// [`SampleSizeError`] when a number is out of its range.
pub fn comparisons_for_difference(
    difference: f64,
    discordant: f64,
    level: Level,
    power: f64,
) -> Result<u64, SampleSizeError> {
    let size = difference.abs();
    if !(size > 0.0 && size <= discordant && discordant <= 1.0) {
        return Err(SampleSizeError::Difference {
            difference,
            discordant,
        });
    }
    if !(power > 0.5 && power < 1.0) {
        return Err(SampleSizeError::Power(power));
    }
    // One-sided at the power is two-sided at 2 power − 1.
    let one_sided = Level::new(2.0 * power - 1.0);
    let z_power = normal_reach(one_sided.map_err(|LevelError(_)| SampleSizeError::Power(power))?);
    let reach =
        normal_reach(level) * discordant.sqrt() + z_power * (discordant - size * size).sqrt();
    let n = (reach / size).powi(2).ceil();
    if n > MOST as f64 {
        return Err(SampleSizeError::TooMany);
    }
    Ok(n as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_core::Seed;

    use super::*;
    use crate::sign_flip_p_value;

    #[test]
    fn the_difference_is_then_found_as_often_as_the_power_says() {
        let (difference, discordant) = (0.1, 0.3);
        let n = comparisons_for_difference(difference, discordant, Level::default(), 0.8).unwrap();
        assert_eq!(n, 234);
        let better = f64::midpoint(discordant, difference);
        let mut random = Seed(1).stream();
        let found = (0..2000).filter(|_| {
            let pairs: Vec<i64> = (0..n)
                .map(|_| match random.next_f64() {
                    x if x < better => 1,
                    x if x < discordant => -1,
                    _ => 0,
                })
                .collect();
            sign_flip_p_value(&pairs) < 0.05
        });
        let share = found.count() as f64 / 2000.0;
        // The exact test is the stricter one.
        assert!((0.74..0.82).contains(&share), "{share}");
    }

    #[test]
    fn what_cannot_be_is_said() {
        let level = Level::default();
        let per_cent = comparisons_for_half_width(80.0, 0.03, level).unwrap_err();
        assert_eq!(
            per_cent.to_string(),
            "an expected accuracy of 80 is not a fraction between 0 and 1"
        );
        for (difference, discordant) in [(0.3, 0.2), (0.0, 0.2), (f64::NAN, 0.2), (0.1, 1.2)] {
            let error = comparisons_for_difference(difference, discordant, level, 0.8);
            assert!(matches!(error, Err(SampleSizeError::Difference { .. })));
        }
        assert_eq!(
            comparisons_for_difference(0.1, 0.2, level, 0.5),
            Err(SampleSizeError::Power(0.5))
        );
        assert_eq!(
            comparisons_for_half_width(0.5, 1e-12, level),
            Err(SampleSizeError::TooMany)
        );
    }

    proptest! {
        #[test]
        fn it_is_the_least_number(accuracy in 0.0..=1.0_f64, half_width in 0.005..0.4_f64) {
            let level = Level::default();
            let n = comparisons_for_half_width(accuracy, half_width, level).unwrap();
            let half = |n: u64| {
                let interval = wilson_of_share(accuracy, n as f64, level);
                (interval.high - interval.low) / 2.0
            };
            prop_assert!(half(n) <= half_width);
            prop_assert!(n == 1 || half(n - 1) > half_width);
        }

        #[test]
        fn a_smaller_difference_needs_more(difference in 0.01..0.2_f64, discordant in 0.2..1.0_f64) {
            let n = |difference| comparisons_for_difference(difference, discordant, Level::default(), 0.8).unwrap();
            prop_assert!(n(difference / 2.0) > n(difference));
        }
    }
}
