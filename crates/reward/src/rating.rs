//! Simulated annotators who rate replies one by one, and are wrong as often as they are of pairs.
//!
//! ```text
//! rating = gold, or with probability q the gold of a reply drawn from all of them
//! q      = 2 − √(6a − 2):  of two ratings the better reply's is higher with probability a     (where golds differ)
//! ```
//!
//! Two ratings that are right tell a pair apart; of one alone, the better of two exceeds a third in two of three; else a coin does:
//! a = (1 − q)² + 2q (1 − q) 2/3 + q²/2.
//!
//! In: ids and golds of replies. Out: ratings in units of gold. A rating is drawn from the seed and the reply's id.

use trimtab_core::Seed;

use crate::annotator::{Annotator, AnnotatorError};
use crate::non_finite::{Place, finite};

/// A reply to be rated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnratedReply<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its gold reward.
    pub gold: f64,
}

impl Annotator {
    /// Rates every reply. Errors fall on all replies alike, whatever [`Annotator::errors`] says of pairs.
    ///
    /// # Errors
    ///
    /// [`AnnotatorError`]: an accuracy out of range, a gold that is not finite, naming the reply.
    pub fn rate(
        &self,
        replies: &[UnratedReply<'_>],
        seed: Seed,
    ) -> Result<Vec<f64>, AnnotatorError> {
        if !(0.5..=1.0).contains(&self.accuracy) {
            return Err(AnnotatorError::Accuracy(self.accuracy));
        }
        for (sample, reply) in replies.iter().enumerate() {
            finite("gold", Place::Sample(sample), reply.gold)?;
        }
        let p_wrong = 2.0 - (6.0 * self.accuracy - 2.0).sqrt();
        let rate = |reply: &UnratedReply<'_>| {
            let mut random = seed.child(reply.id).stream();
            if random.next_f64() < p_wrong {
                replies[random.below(replies.len())].gold
            } else {
                reply.gold
            }
        };
        Ok(replies.iter().map(rate).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_tell_pairs_apart_as_often_as_the_annotator_does() {
        let ids: Vec<String> = (0..4000).map(|i| i.to_string()).collect();
        let mut random = Seed(1).stream();
        let golds: Vec<f64> = ids.iter().map(|_| random.next_normal()).collect();
        let replies: Vec<UnratedReply<'_>> = (ids.iter().zip(&golds))
            .map(|(id, &gold)| UnratedReply { id, gold })
            .collect();
        for accuracy in [0.5, 0.8, 1.0] {
            let annotator = Annotator {
                accuracy,
                ..Annotator::default()
            };
            let ratings = annotator.rate(&replies, Seed(2)).unwrap();
            let (mut right, mut n) = (0.0, 0.0);
            for _ in 0..40_000 {
                let (a, b) = (random.below(ids.len()), random.below(ids.len()));
                if golds[a] > golds[b] {
                    n += 1.0;
                    right += match ratings[a].total_cmp(&ratings[b]) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            assert!(
                (right / n - accuracy).abs() < 0.03,
                "{accuracy}: {}",
                right / n
            );
        }
    }
}
