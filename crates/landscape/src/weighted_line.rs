//! A straight line by weighted least squares.
//!
//! ```text
//! y = level + slope · (x − centre),   centre = Σ w x / Σ w
//! V(level) = 1/Σ w,   V(slope) = 1/Σ w (x − centre)²,   no covariance;   each times φ = 1/(n − 2) Σ w (y − fit)²
//! ```
//!
//! In: points in any units, with weights. Out: coefficients, their variances before dispersion.

/// A fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WeightedLine {
    pub(crate) centre: f64,
    pub(crate) level: f64,
    pub(crate) slope: f64,
    /// Of level and slope, before dispersion.
    pub(crate) variances: [f64; 2],
    /// Σ w (y − fit)².
    pub(crate) squares: f64,
}

impl WeightedLine {
    /// Fits `(x, y, weight)`; `None` where all `x` are one.
    pub(crate) fn fit(points: &[(f64, f64, f64)]) -> Option<Self> {
        let total: f64 = points.iter().map(|p| p.2).sum();
        let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| {
            points.iter().map(|p| p.2 * of(p)).sum::<f64>() / total
        };
        let (centre, level) = (mean(&|p| p.0), mean(&|p| p.1));
        let spread: f64 = points.iter().map(|p| p.2 * (p.0 - centre).powi(2)).sum();
        if spread <= 1e-12 * total {
            return None;
        }
        let slope = (points.iter())
            .map(|p| p.2 * (p.0 - centre) * (p.1 - level))
            .sum::<f64>()
            / spread;
        let squares = (points.iter())
            .map(|p| p.2 * (p.1 - level - slope * (p.0 - centre)).powi(2))
            .sum();
        Some(Self {
            centre,
            level,
            slope,
            variances: [1.0 / total, 1.0 / spread],
            squares,
        })
    }

    /// The line at `x`.
    pub(crate) fn at(&self, x: f64) -> f64 {
        self.level + self.slope * (x - self.centre)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_two_is_the_point_twice() {
        let heavy =
            WeightedLine::fit(&[(0.0, 1.0, 1.0), (1.0, 2.0, 2.0), (3.0, 2.5, 1.0)]).unwrap();
        let twice = WeightedLine::fit(&[
            (0.0, 1.0, 1.0),
            (1.0, 2.0, 1.0),
            (1.0, 2.0, 1.0),
            (3.0, 2.5, 1.0),
        ])
        .unwrap();
        assert!(
            (heavy.slope - twice.slope).abs() < 1e-12
                && (heavy.at(5.0) - twice.at(5.0)).abs() < 1e-12
        );
        assert!((heavy.squares - twice.squares).abs() < 1e-12);
        assert_eq!(WeightedLine::fit(&[(1.0, 0.0, 1.0), (1.0, 1.0, 1.0)]), None);
    }
}
