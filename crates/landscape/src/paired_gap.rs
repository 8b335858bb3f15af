//! The gap where people and models answered the same items: both are drawn together.
//!
//! ```text
//! gap* = Σ w m / Σ w M − Σ w h / Σ w H          w: how often each item is drawn; m of M answers of models, h of H of people are right
//! ```
//!
//! An item that is hard for both is drawn for both, and cancels. An item that only one side answered counts on that side.
//!
//! In: right answers and answers an item. Out: the difference of two shares, with a percentile interval.

use trimtab_stats::{Level, Resampler};

use crate::Figure;

/// Answers to one item.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Answered {
    /// Of people: right, as a number of answers, halves where it is a draw.
    pub human_right: f64,
    /// Of people: all.
    pub human: f64,
    /// Of models: right.
    pub model_right: f64,
    /// Of models: all.
    pub model: f64,
}

/// Capability less human accuracy; `None` where either side answered nothing.
pub fn paired_gap(items: &[Answered], resampler: &Resampler, level: Level) -> Option<Figure> {
    let replicates = resampler.clustered(items.len(), |counts| {
        let mut sum = Answered::default();
        for (item, &count) in items.iter().zip(counts) {
            let weight = f64::from(count);
            sum.human_right += weight * item.human_right;
            sum.human += weight * item.human;
            sum.model_right += weight * item.model_right;
            sum.model += weight * item.model;
        }
        (sum.human > 0.0 && sum.model > 0.0)
            .then(|| sum.model_right / sum.model - sum.human_right / sum.human)
    })?;
    Some(Figure::Measured {
        interval: replicates.interval(level),
        n: items.len(),
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use trimtab_core::Seed;
    use trimtab_stats::wilson;

    use super::*;

    fn resampler() -> Resampler {
        Resampler {
            n_resamples: NonZeroUsize::new(500).unwrap(),
            seed: Seed(1),
        }
    }

    #[test]
    fn what_is_hard_for_both_cancels() {
        // Models are right where people are, and on 10 more of 300.
        let right = |i: usize, n: usize| f64::from(u8::from(i < n));
        let items: Vec<Answered> = (0..300)
            .map(|i| Answered {
                human_right: right(i, 200),
                human: 1.0,
                model_right: right(i, 210),
                model: 1.0,
            })
            .collect();
        let paired = paired_gap(&items, &resampler(), Level::default()).unwrap();
        assert!((paired.estimate() - 10.0 / 300.0).abs() < 1e-12);
        let alone = |k| Figure::Measured {
            interval: wilson(k, 300, Level::default()).unwrap(),
            n: 300,
        };
        let width = |figure: Figure| figure.interval().map(|i| i.high - i.low).unwrap();
        assert!(width(paired) < width(alone(210).minus(&alone(200))) / 2.0);
    }

    #[test]
    fn no_answer_of_one_side_is_no_gap() {
        let people = Answered {
            human_right: 1.0,
            human: 2.0,
            ..Answered::default()
        };
        assert_eq!(paired_gap(&[people], &resampler(), Level::default()), None);
        assert_eq!(paired_gap(&[], &resampler(), Level::default()), None);
    }
}
