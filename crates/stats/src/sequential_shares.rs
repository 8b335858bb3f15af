//! Is one share greater than another, tested after every pair of items, for as long as one likes.
//!
//! Paper: Turner, Ly and Grünwald 2024 (arXiv:2106.02693), Statistics & Probability Letters: safe tests for two-by-two tables.
//!
//! ```text
//! E_t = Π_{s ≤ t}  p_a(x_s) p_b(y_s) / (p_0(x_s) p_0(y_s)),        p_0 = (p_a + p_b) / 2,   p_a ≤ p_b
//! reject when E_t ≥ 1/α,                                           p-value = 1 / max_t E_t
//! ```
//!
//! A pair is one item of either kind. `p_a` and `p_b` are estimated from earlier pairs alone, each with half a hit and half a
//! miss before the first; where that puts `p_a` above `p_b` both are their mean, and the pair says nothing. Under the null
//! P(y) ≤ P(x) no pair multiplies E by more than 1 in expectation, so by Ville's inequality E ever reaches 1/α with
//! probability at most α, however often one looks and whenever one stops.
//!
//! In: pairs, one after another. Out: E, and a p-value that may be read at any time.
//! Differs: one-sided. For `p_a ≤ p_0 ≤ p_b` the factor of x falls and that of y rises with their true shares, so a null
//! pair with P(y) below P(x) is worth less than one with both equal, for which the paper proves the bound.

/// An e-process of pairs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SequentialShares {
    n_pairs: u32,
    reference_hits: u32,
    other_hits: u32,
    log_e: f64,
    greatest_log_e: f64,
}

impl SequentialShares {
    /// Takes in a pair: whether an item of the reference is a hit, and whether one of the other kind is.
    pub fn observe(&mut self, reference: bool, other: bool) {
        let n = f64::from(self.n_pairs);
        let share = |hits: u32| (f64::from(hits) + 0.5) / (n + 1.0);
        let (a, b) = (share(self.reference_hits), share(self.other_hits));
        if a < b {
            let both = f64::midpoint(a, b);
            let chance = |share: f64, hit: bool| if hit { share } else { 1.0 - share };
            self.log_e += (chance(a, reference) / chance(both, reference)).ln();
            self.log_e += (chance(b, other) / chance(both, other)).ln();
            self.greatest_log_e = self.greatest_log_e.max(self.log_e);
        }
        self.n_pairs += 1;
        self.reference_hits += u32::from(reference);
        self.other_hits += u32::from(other);
    }

    /// Pairs so far.
    pub fn n_pairs(&self) -> usize {
        self.n_pairs as usize
    }

    /// The other share minus that of the reference; `None` before the first pair.
    pub fn difference(&self) -> Option<f64> {
        let difference = f64::from(self.other_hits) - f64::from(self.reference_hits);
        (self.n_pairs > 0).then(|| difference / f64::from(self.n_pairs))
    }

    /// E now: what a bet of 1 against the null has become.
    pub fn e_value(&self) -> f64 {
        self.log_e.exp()
    }

    /// The p-value of the null that the other share is not greater: valid whenever it is read.
    pub fn p_value(&self) -> f64 {
        (-self.greatest_log_e).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::two_shares;
    use proptest::prelude::*;
    use trimtab_core::Seed;

    #[test]
    fn the_first_pairs_by_hand() {
        let mut test = SequentialShares::default();
        // Both estimates are 1/2: nothing is bet.
        test.observe(false, true);
        assert_eq!((test.e_value(), test.p_value()), (1.0, 1.0));
        // Now a = 1/4, b = 3/4, their mean 1/2: (3/4)/(1/2) · (3/4)/(1/2) = 9/4.
        test.observe(false, true);
        assert!((test.e_value() - 2.25).abs() < 1e-12);
        // a = 1/6, b = 5/6: (1/6)/(1/2) · (1/6)/(1/2) = 1/9.
        test.observe(true, false);
        assert!((test.e_value() - 0.25).abs() < 1e-12);
        // The p-value keeps the best.
        assert!((test.p_value() - 1.0 / 2.25).abs() < 1e-12);
        assert_eq!(test.difference(), Some(1.0 / 3.0));
    }

    proptest! {
        /// What the next pair multiplies E by, in expectation over all four pairs, at any state and any null.
        #[test]
        fn no_pair_is_worth_more_than_its_price_under_the_null(
            pairs in prop::collection::vec(any::<(bool, bool)>(), 0..40),
            reference in 0.0..1.0_f64,
            part in 0.0..=1.0_f64,
        ) {
            let mut test = SequentialShares::default();
            for (x, y) in pairs {
                test.observe(x, y);
            }
            let other = reference * part;
            let chance = |share: f64, hit: bool| if hit { share } else { 1.0 - share };
            let mut expected = 0.0;
            for (x, y) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut next = test.clone();
                next.observe(x, y);
                expected += chance(reference, x) * chance(other, y) * (next.log_e - test.log_e).exp();
            }
            prop_assert!(expected <= 1.0 + 1e-12, "{}", expected);
        }
    }

    /// The next pair of a stream.
    type Draw<'a> = dyn FnMut() -> (bool, bool) + 'a;

    /// The share of 400 null streams of 1,000 pairs that a test ever rejects at 0.05.
    fn ever_rejected(share: f64, rejects: &mut dyn FnMut(&mut Draw<'_>) -> bool) -> f64 {
        let mut stream = Seed(11).stream();
        let mut n_rejected = 0;
        for _ in 0..400 {
            let mut draw = || (stream.next_f64() < share, stream.next_f64() < share);
            n_rejected += u32::from(rejects(&mut draw));
        }
        f64::from(n_rejected) / 400.0
    }

    #[test]
    fn one_may_look_as_often_as_one_likes() {
        for share in [0.05, 0.3, 0.5] {
            let rate = ever_rejected(share, &mut |draw| {
                let mut test = SequentialShares::default();
                (0..1_000).any(|_| {
                    let (x, y) = draw();
                    test.observe(x, y);
                    test.p_value() <= 0.05
                })
            });
            assert!(rate <= 0.05, "{share}: {rate}");
        }
    }

    /// The classical mistake: a test for a fixed number of items, made after every ten pairs until it rejects.
    #[test]
    fn a_test_of_fixed_length_that_is_looked_at_again_and_again_overruns() {
        let rate = ever_rejected(0.3, &mut |draw| {
            let (mut hits, mut n) = ((0, 0), 0);
            (0..1_000).any(|_| {
                let (x, y) = draw();
                hits = (hits.0 + usize::from(x), hits.1 + usize::from(y));
                n += 1;
                // One-sided at 0.05 is two-sided at 0.1 and on that side.
                n % 10 == 0
                    && two_shares((hits.0, n), (hits.1, n))
                        .is_some_and(|test| test.difference > 0.0 && test.p_value <= 0.1)
            })
        });
        assert!(rate > 0.2, "{rate}");
    }

    #[test]
    fn a_difference_is_found() {
        let mut stream = Seed(2).stream();
        let mut test = SequentialShares::default();
        while test.p_value() > 0.05 && test.n_pairs() < 1_000 {
            test.observe(stream.next_f64() < 0.1, stream.next_f64() < 0.3);
        }
        assert!(test.n_pairs() < 300, "{}", test.n_pairs());
    }
}
