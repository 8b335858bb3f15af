//! How much more scores scatter than their items alone would let them, and luck drawn accordingly.
//!
//! ```text
//! φ̂ = S / ν                S: weighted squares about the fit, ν = n − 2 degrees of freedom
//! φ* = S / χ²_ν             a draw from what S says of φ under a flat prior on ln φ
//! ```
//!
//! Normal errors about a line fitted to few points then have Student's t as their predictive distribution, exactly. Where weights
//! are items, φ below 1 is impossible but for luck: it is taken to be 1, and known.
//!
//! In: squares and degrees of freedom. Out: φ, dimensionless with items as weights, else in squared units of the score.

use trimtab_core::SplitMix64;

/// What is known of the scatter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dispersion {
    squares: f64,
    freedom: usize,
    weights: Weights,
}

/// What weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weights {
    /// Items behind each score.
    Items,
    /// The same for every score, for want of anything better.
    Equal,
}

impl Dispersion {
    /// # Panics
    ///
    /// Without a degree of freedom: a bug in the caller.
    pub(crate) fn new(squares: f64, freedom: usize, weights: Weights) -> Self {
        assert!(freedom > 0, "dispersion of a perfect fit");
        Self {
            squares,
            freedom,
            weights,
        }
    }

    /// φ as it is estimated.
    pub(crate) fn estimate(&self) -> f64 {
        let estimate = self.squares / self.freedom as f64;
        match self.weights {
            Weights::Items => estimate.max(1.0),
            Weights::Equal => estimate,
        }
    }

    /// φ as it may be.
    pub(crate) fn draw(&self, random: &mut SplitMix64) -> f64 {
        if self.weights == Weights::Items && self.squares <= self.freedom as f64 {
            return 1.0;
        }
        let chi_squared: f64 = (0..self.freedom)
            .map(|_| random.next_normal().powi(2))
            .sum();
        let drawn = self.squares / chi_squared.max(f64::MIN_POSITIVE);
        match self.weights {
            Weights::Items => drawn.max(1.0),
            Weights::Equal => drawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use trimtab_core::Seed;

    use super::*;

    #[test]
    fn draws_of_few_points_are_students() {
        // φ* times a squared normal is s² t²: with 3 degrees of freedom |t| is above 3.182 in 5 of 100.
        let dispersion = Dispersion::new(6.0, 3, Weights::Equal);
        let mut random = Seed(4).stream();
        let n = 40_000;
        let beyond = (0..n)
            .filter(|_| {
                let sd = dispersion.draw(&mut random).sqrt();
                (sd * random.next_normal()).abs() > 3.182_446 * 2.0_f64.sqrt()
            })
            .count();
        let share = beyond as f64 / f64::from(n);
        assert!(
            (share - 0.05).abs() < 4.0 * (0.05 * 0.95 / f64::from(n)).sqrt(),
            "{share}"
        );
    }

    #[test]
    fn items_scatter_at_least_as_items_do() {
        let mut random = Seed(4).stream();
        let small = Dispersion::new(1.0, 3, Weights::Items);
        assert_eq!((small.estimate(), small.draw(&mut random)), (1.0, 1.0));
        let large = Dispersion::new(9.0, 3, Weights::Items);
        assert_eq!(large.estimate(), 3.0);
        assert!((0..100).all(|_| large.draw(&mut random) >= 1.0));
    }
}
