//! A line in logits, fitted to shares: logistic regression on one column, with weights, and how much the shares scatter.
//!
//! Papers: McCullagh and Nelder 1989, *Generalized Linear Models*, chapter 4 (the fit) and §4.5 (the dispersion).
//!
//! ```text
//! P = σ(a + b x)                     maximise Σ w (y ln p + (1 − y) ln(1 − p)) − ridge/2 · b²      by Newton's method
//! V = (Σ w p (1 − p) [1 x]ᵀ[1 x])⁻¹  of (a, b) where nothing scatters more than w items would
//! φ = 1/(n − 2) Σ w (y − p)² / (p (1 − p))
//! ```
//!
//! In: `x` in any unit, `y` as fractions, weights (items). Out: coefficients in logits, and a unit of `x`.
//! Separated shares (0 below some `x`, 1 above) have no finite fit without a ridge: `None`.
//! Parity: `tests/golden/landscape.json` (statsmodels, GLM of family Binomial).

use trimtab_stats::{log_sigmoid, sigmoid};

/// A fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogitLine {
    /// Where x is measured from: the mean of the points.
    pub(crate) centre: f64,
    /// Logits at the centre.
    pub(crate) level: f64,
    /// Logits a unit of x.
    pub(crate) slope: f64,
    /// Of level and slope, before dispersion.
    pub(crate) covariance: [[f64; 2]; 2],
    /// Σ w (y − p)² / (p (1 − p)).
    pub(crate) pearson: f64,
}

/// A share at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) weight: f64,
}

const MOST_STEPS: usize = 100;

/// Beyond this many logits at any point there is no fit to speak of: the shares are separated.
const FURTHEST: f64 = 30.0;

impl LogitLine {
    /// Fits; `None` where all `x` are one, or no finite line is best.
    pub(crate) fn fit(points: &[Share], ridge: f64) -> Option<Self> {
        let total: f64 = points.iter().map(|p| p.weight).sum();
        let centre = points.iter().map(|p| p.weight * p.x).sum::<f64>() / total;
        let spread = (points.iter()).fold(0.0_f64, |most, p| most.max((p.x - centre).abs()));
        if !(total > 0.0 && spread > 0.0) {
            return None;
        }
        let value = |(level, slope): (f64, f64)| -> f64 {
            let likelihood: f64 = (points.iter())
                .map(|p| {
                    let logit = level + slope * (p.x - centre);
                    p.weight * (p.y * log_sigmoid(logit) + (1.0 - p.y) * log_sigmoid(-logit))
                })
                .sum();
            likelihood - ridge / 2.0 * slope * slope
        };
        let mut at = (0.0, 0.0);
        let mut best = value(at);
        for _ in 0..MOST_STEPS {
            let (gradient, information) = slopes(points, centre, at, ridge);
            let covariance = inverse(information)?;
            let step =
                [0, 1].map(|i| covariance[i][0] * gradient[0] + covariance[i][1] * gradient[1]);
            let mut scale = 1.0;
            let (next, next_value) = loop {
                let next = (at.0 + scale * step[0], at.1 + scale * step[1]);
                let next_value = value(next);
                if next_value >= best - 1e-12 * best.abs() || scale < 1e-6 {
                    break (next, next_value);
                }
                scale /= 2.0;
            };
            let moved = (next.0 - at.0).abs() + (next.1 - at.1).abs() * spread;
            (at, best) = (next, next_value);
            if at.0.abs() + at.1.abs() * spread > FURTHEST {
                return None;
            }
            if moved < 1e-10 {
                return Self::settled(points, centre, at, ridge);
            }
        }
        None
    }

    fn settled(points: &[Share], centre: f64, at: (f64, f64), ridge: f64) -> Option<Self> {
        let (_, information) = slopes(points, centre, at, ridge);
        let mut line = Self {
            centre,
            level: at.0,
            slope: at.1,
            covariance: inverse(information)?,
            pearson: 0.0,
        };
        line.pearson = (points.iter())
            .map(|p| {
                let share = line.at(p.x);
                p.weight * (p.y - share).powi(2) / (share * (1.0 - share))
            })
            .sum();
        Some(line)
    }

    /// The share at `x`.
    pub(crate) fn at(&self, x: f64) -> f64 {
        sigmoid(self.level + self.slope * (x - self.centre))
    }

    /// Where the share is `share`, if the line is not flat.
    pub(crate) fn reaches(&self, share: f64) -> Option<f64> {
        let logit = (share / (1.0 - share)).ln();
        (self.slope != 0.0).then(|| self.centre + (logit - self.level) / self.slope)
    }
}

type Slopes = ([f64; 2], [[f64; 2]; 2]);

fn slopes(points: &[Share], centre: f64, (level, slope): (f64, f64), ridge: f64) -> Slopes {
    let mut gradient = [0.0, -ridge * slope];
    let mut information = [[0.0, 0.0], [0.0, ridge]];
    for point in points {
        let x = point.x - centre;
        let share = sigmoid(level + slope * x);
        let surprise = point.weight * (point.y - share);
        gradient[0] += surprise;
        gradient[1] += surprise * x;
        let weight = point.weight * share * (1.0 - share);
        information[0][0] += weight;
        information[0][1] += weight * x;
        information[1][0] += weight * x;
        information[1][1] += weight * x * x;
    }
    (gradient, information)
}

fn inverse([[a, b], [c, d]]: [[f64; 2]; 2]) -> Option<[[f64; 2]; 2]> {
    let determinant = a * d - b * c;
    let is_regular = determinant > 1e-12 * (a * d).abs() && determinant.is_finite();
    is_regular.then(|| {
        [
            [d / determinant, -b / determinant],
            [-c / determinant, a / determinant],
        ]
    })
}
