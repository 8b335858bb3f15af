//! A line that may be flat below one point and above another.
//!
//! Paper: the "double ReLU" of Engels et al. 2025, arXiv:2504.18530, which relates strength in one domain to general strength.
//!
//! ```text
//! y = base + slope · clamp(x, lower, upper)          lower or upper may be absent
//! AIC = n ln(RSS / n) + 2k,                          k = 3 (base, slope, variance) + 1 for each plateau
//! ```
//!
//! Four shapes are fitted (a line; flat below; flat above; flat at both ends) by least squares, the bends on a grid over the
//! range of `x`, and the one of least AIC is kept.
//!
//! In: points in any units, at least two different `x`. Out: the line.
//! Differs from the paper's code, which keeps the shape of *highest* AIC, as we read it. A shape with as many numbers as points
//! is not tried. A perfect fit is taken to have a residual of 10⁻⁹ of the spread of `y`.

/// A line with plateaus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateaus {
    /// What `y` would be at 0.
    pub base: f64,
    /// `y` a unit of `x` between the plateaus.
    pub slope: f64,
    /// Below this it is flat.
    pub lower: Option<f64>,
    /// Above this.
    pub upper: Option<f64>,
    /// Akaike's criterion; of fits to the same points the least is the best.
    pub aic: f64,
}

/// Bends are tried at so many places of the range.
const GRID: usize = 100;

impl Plateaus {
    /// Fits; `None` with fewer than four points, or where all have one `x`.
    ///
    /// # Panics
    ///
    /// When there are not as many `x` as `y`: a bug in the caller.
    pub fn fit(x: &[f64], y: &[f64]) -> Option<Self> {
        assert_eq!(x.len(), y.len(), "x and y");
        let (low, high) = (
            x.iter().copied().fold(f64::INFINITY, f64::min),
            x.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        );
        if x.len() < 4 || low >= high {
            return None;
        }
        let bend = |i: usize| low + (high - low) * i as f64 / GRID as f64;
        let mut best = line(x, y, None, None)?;
        let mut consider = |fit: Option<Self>| {
            if let Some(fit) = fit.filter(|fit| fit.aic < best.aic - 1e-9) {
                best = fit;
            }
        };
        for i in 1..GRID {
            if x.len() > 4 {
                consider(line(x, y, Some(bend(i)), None));
                consider(line(x, y, None, Some(bend(i))));
            }
            if x.len() > 5 {
                for j in i + 1..GRID {
                    consider(line(x, y, Some(bend(i)), Some(bend(j))));
                }
            }
        }
        Some(best)
    }

    /// `y` at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.base + self.slope * clamp(x, self.lower, self.upper)
    }
}

fn clamp(x: f64, lower: Option<f64>, upper: Option<f64>) -> f64 {
    x.max(lower.unwrap_or(f64::NEG_INFINITY))
        .min(upper.unwrap_or(f64::INFINITY))
}

fn line(x: &[f64], y: &[f64], lower: Option<f64>, upper: Option<f64>) -> Option<Plateaus> {
    let n = x.len() as f64;
    let bent: Vec<f64> = x.iter().map(|x| clamp(*x, lower, upper)).collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (x_mean, y_mean) = (mean(&bent), mean(y));
    let spread: f64 = bent.iter().map(|x| (x - x_mean).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let slope = bent
        .iter()
        .zip(y)
        .map(|(x, y)| (x - x_mean) * (y - y_mean))
        .sum::<f64>()
        / spread;
    let base = y_mean - slope * x_mean;
    let residual: f64 = bent
        .iter()
        .zip(y)
        .map(|(x, y)| (y - base - slope * x).powi(2))
        .sum();
    let floor = 1e-18 * y.iter().map(|y| (y - y_mean).powi(2)).sum::<f64>() + f64::MIN_POSITIVE;
    let k = 3 + usize::from(lower.is_some()) + usize::from(upper.is_some());
    Some(Plateaus {
        base,
        slope,
        lower,
        upper,
        aic: n * (residual.max(floor) / n).ln() + 2.0 * k as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(of: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        let mut random = trimtab_core::Seed(3).stream();
        let x: Vec<f64> = (0..40).map(|i| 800.0 + 20.0 * f64::from(i)).collect();
        let y = x
            .iter()
            .map(|x| of(*x) + 2.0 * random.next_normal())
            .collect();
        (x, y)
    }

    #[test]
    fn the_shape_that_made_the_points_is_found() {
        let (x, y) = noisy(|x| 0.5 * x.clamp(1000.0, 1400.0));
        let fit = Plateaus::fit(&x, &y).unwrap();
        assert!((fit.slope - 0.5).abs() < 0.02, "{fit:?}");
        assert!(
            (fit.lower.unwrap() - 1000.0).abs() < 25.0
                && (fit.upper.unwrap() - 1400.0).abs() < 25.0,
            "{fit:?}"
        );
        assert!(
            (fit.at(0.0) - 500.0).abs() < 3.0 && (fit.at(9000.0) - 700.0).abs() < 3.0,
            "{fit:?}"
        );

        let (x, y) = noisy(|x| 0.5 * x.min(1300.0));
        let fit = Plateaus::fit(&x, &y).unwrap();
        assert!(fit.lower.is_none() && fit.upper.is_some(), "{fit:?}");
    }

    #[test]
    fn a_line_has_no_plateau() {
        let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let fit = Plateaus::fit(&x, &x.map(|x| 2.0 * x + 1.0)).unwrap();
        assert_eq!((fit.lower, fit.upper), (None, None));
        assert!((fit.slope - 2.0).abs() < 1e-12 && (fit.base - 1.0).abs() < 1e-12);
    }

    #[test]
    fn too_few_points_have_no_fit() {
        assert_eq!(Plateaus::fit(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(
            Plateaus::fit(&[1.0; 6], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            None
        );
    }
}
