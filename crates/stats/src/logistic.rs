//! Logistic regression on one or two columns, unpenalised, with a variance that knows of clusters.
//!
//! Papers: for the variance Liang and Zeger 1986, Biometrika 73(1); that separated data have no finite fit, Albert and
//! Anderson 1984, Biometrika 71(1).
//!
//! ```text
//! P(y_i = 1) = σ(x_i · β)                      β by Newton's method
//! V = c H⁻¹ (Σ_c g_c g_cᵀ) H⁻¹                 g_c = Σ_{i∈c} (y_i − p_i) x_i,   H = Σ_i p_i (1 − p_i) x_i x_iᵀ
//! c = G/(G − 1) · (n − 1)/(n − k)              G clusters, n items, k columns
//! ```
//!
//! In: `[n, k]`, outcomes, clusters. Out: coefficients in logits a unit of the column, and V.
//! The caller excludes separated data; there is then one maximum, and Newton's method with halved steps reaches it.
//! Parity: `tests/golden/judges.json` (statsmodels, `cov_type="cluster"`).

use crate::Clusters;
use crate::sigmoid::sigmoid;

/// A fit: coefficients and their variances.
pub(crate) struct Logistic<const K: usize> {
    pub(crate) coefficients: [f64; K],
    pub(crate) variances: [f64; K],
}

const MOST_STEPS: usize = 100;

/// Fits; `None` where the columns are collinear, clusters too few, or the fit does not settle.
pub(crate) fn fit<const K: usize>(
    rows: &[[f64; K]],
    outcomes: &[bool],
    clusters: &Clusters,
) -> Option<Logistic<K>> {
    let (n, n_clusters) = (rows.len(), clusters.n_clusters());
    if n <= K || n_clusters < 2 {
        return None;
    }
    let mut beta = [0.0; K];
    let mut loss = negative_log_likelihood(rows, outcomes, &beta);
    let mut settled = false;
    for _ in 0..MOST_STEPS {
        let (gradient, hessian) = slopes(rows, outcomes, &beta);
        let step = multiply(&inverse(hessian)?, &gradient);
        let mut scale = 1.0;
        let (next, next_loss) = loop {
            let next = std::array::from_fn(|k| beta[k] + scale * step[k]);
            let next_loss = negative_log_likelihood(rows, outcomes, &next);
            // Rounding may raise the loss in its last digits once the fit has settled.
            if next_loss <= loss + 1e-12 * loss.abs() || scale < 1e-6 {
                break (next, next_loss);
            }
            scale /= 2.0;
        };
        let moved = (0..K).map(|k| (next[k] - beta[k]).abs() / (1.0 + next[k].abs()));
        settled = moved.fold(0.0, f64::max) < 1e-13;
        (beta, loss) = (next, next_loss);
        if settled {
            break;
        }
    }
    // The last digits may go on changing; a slope that is nothing beside the curvature is as good.
    let (gradient, hessian) = slopes(rows, outcomes, &beta);
    let bread = inverse(hessian)?;
    let left = multiply(&bread, &gradient);
    settled |= (0..K).all(|k| left[k].abs() < 1e-9 * (1.0 + beta[k].abs()));
    if !settled || beta.iter().any(|b| !b.is_finite()) {
        return None;
    }
    let scores: [Vec<f64>; K] = std::array::from_fn(|k| {
        let score = |(row, y): (&[f64; K], &bool)| residual(row, *y, &beta) * row[k];
        clusters.sums(rows.iter().zip(outcomes).map(score))
    });
    let meat: [[f64; K]; K] = std::array::from_fn(|i| {
        std::array::from_fn(|j| scores[i].iter().zip(&scores[j]).map(|(a, b)| a * b).sum())
    });
    let (groups, items) = (n_clusters as f64, n as f64);
    let correction = groups / (groups - 1.0) * (items - 1.0) / (items - K as f64);
    let variances = std::array::from_fn(|k| {
        let through = multiply(&meat, &bread[k]);
        correction * (0..K).map(|j| bread[k][j] * through[j]).sum::<f64>()
    });
    Some(Logistic {
        coefficients: beta,
        variances,
    })
}

fn dot<const K: usize>(a: &[f64; K], b: &[f64; K]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn multiply<const K: usize>(matrix: &[[f64; K]; K], vector: &[f64; K]) -> [f64; K] {
    std::array::from_fn(|k| dot(&matrix[k], vector))
}

fn residual<const K: usize>(row: &[f64; K], outcome: bool, beta: &[f64; K]) -> f64 {
    f64::from(u8::from(outcome)) - sigmoid(dot(row, beta))
}

/// Σ log(1 + e^∓x·β).
fn negative_log_likelihood<const K: usize>(
    rows: &[[f64; K]],
    outcomes: &[bool],
    beta: &[f64; K],
) -> f64 {
    let of = |(row, outcome): (&[f64; K], &bool)| {
        let wrong = if *outcome { -1.0 } else { 1.0 } * dot(row, beta);
        wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
    };
    rows.iter().zip(outcomes).map(of).sum()
}

/// The gradient of the log-likelihood, and the matrix H.
fn slopes<const K: usize>(
    rows: &[[f64; K]],
    outcomes: &[bool],
    beta: &[f64; K],
) -> ([f64; K], [[f64; K]; K]) {
    let (mut gradient, mut hessian) = ([0.0; K], [[0.0; K]; K]);
    for (row, outcome) in rows.iter().zip(outcomes) {
        let p = sigmoid(dot(row, beta));
        let left = residual(row, *outcome, beta);
        for i in 0..K {
            gradient[i] += left * row[i];
            for j in 0..K {
                hessian[i][j] += p * (1.0 - p) * row[i] * row[j];
            }
        }
    }
    (gradient, hessian)
}

/// By Gauss and Jordan; `None` where the matrix has no inverse worth the name. It is positive definite, so pivots are
/// on the diagonal.
fn inverse<const K: usize>(mut matrix: [[f64; K]; K]) -> Option<[[f64; K]; K]> {
    let largest = (0..K).map(|k| matrix[k][k]).fold(0.0, f64::max);
    let mut inverse: [[f64; K]; K] =
        std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for pivot in 0..K {
        let scale = matrix[pivot][pivot];
        if scale.is_nan() || scale <= largest * 1e-14 {
            return None;
        }
        for j in 0..K {
            matrix[pivot][j] /= scale;
            inverse[pivot][j] /= scale;
        }
        for i in (0..K).filter(|&i| i != pivot) {
            let factor = matrix[i][pivot];
            for j in 0..K {
                matrix[i][j] -= factor * matrix[pivot][j];
                inverse[i][j] -= factor * inverse[pivot][j];
            }
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_have_their_log_odds() {
        // 30 of 40 at x = 0, 10 of 40 at x = 1: the fit passes through both.
        let rows: Vec<[f64; 2]> = (0..80)
            .map(|i| [1.0, f64::from(u8::from(i >= 40))])
            .collect();
        let outcomes: Vec<bool> = (0..80).map(|i| i < 30 || (40..50).contains(&i)).collect();
        let fit = fit(&rows, &outcomes, &Clusters::singletons(80)).unwrap();
        assert!((fit.coefficients[0] - 3.0_f64.ln()).abs() < 1e-12);
        assert!((fit.coefficients[1] + 2.0 * 3.0_f64.ln()).abs() < 1e-12);
        // Robust and plain variance agree where the model is saturated, up to the correction.
        let plain = 2.0 * (1.0 / 30.0 + 1.0 / 10.0);
        let correction = 80.0 / 79.0 * 79.0 / 78.0;
        assert!((fit.variances[1] / plain / correction - 1.0).abs() < 1e-9);
    }

    #[test]
    fn collinear_columns_and_one_cluster_have_no_fit() {
        let rows = [[1.0, 2.0]; 10];
        let outcomes: Vec<bool> = (0..10).map(|i| i % 3 == 0).collect();
        assert!(fit(&rows, &outcomes, &Clusters::singletons(10)).is_none());
        let rows: Vec<[f64; 1]> = (0..10).map(|i| [f64::from(i) - 4.0]).collect();
        assert!(fit(&rows, &outcomes, &Clusters::new([3; 10])).is_none());
    }
}
