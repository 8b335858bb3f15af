//! What a loss makes of the weak labels before it looks at the student.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::argmax;

/// Added to a probability before its logarithm, as EleutherAI/w2s does.
const LOG_FLOOR: f64 = 1e-7;

/// How much of a weak label is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Its probabilities.
    #[default]
    Soft,
    /// Its likeliest answer, the first of several.
    Hard,
}

/// How much of a weak label is used, where a batch may also be balanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BatchLabels {
    /// Its probabilities.
    Soft,
    /// Its likeliest answer, the first of several.
    Hard,
    /// Its probabilities, shifted so that the batch's mean log-odds are even. One row alone becomes
    /// uniform.
    Balanced,
}

impl Labels {
    /// Writes the labels to use.
    pub(super) fn write(self, labels: &[f64], n_answers: usize, out: &mut [f64]) {
        match self {
            Self::Soft => out.copy_from_slice(labels),
            Self::Hard => {
                out.fill(0.0);
                for (y, t) in labels
                    .chunks_exact(n_answers)
                    .zip(out.chunks_exact_mut(n_answers))
                {
                    t[argmax(y)] = 1.0;
                }
            }
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }
}

impl BatchLabels {
    /// Writes the labels to use.
    pub(super) fn write(self, labels: &[f64], n_answers: usize, out: &mut [f64]) {
        match self {
            Self::Soft => Labels::Soft.write(labels, n_answers, out),
            Self::Hard => Labels::Hard.write(labels, n_answers, out),
            Self::Balanced => balance(labels, &mean_log(labels, n_answers), out),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Balanced => "balanced",
        }
    }
}

/// What a loss may know of all weak labels of a training, not only of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelStatistics {
    mean: Vec<f64>,
    mean_log: Vec<f64>,
    median_margin: f64,
}

impl LabelStatistics {
    /// Sums up weak labels `[n, n_answers]`.
    ///
    /// # Panics
    ///
    /// When there are fewer than two answers, no row, or a part of a row.
    pub fn of(labels: &[f64], n_answers: usize) -> Self {
        assert!(
            n_answers >= 2 && !labels.is_empty() && labels.len().is_multiple_of(n_answers),
            "label statistics: expected [n, {n_answers}] with 2 answers or more, got {} numbers",
            labels.len(),
        );
        let mut margins: Vec<f64> = labels
            .chunks_exact(n_answers)
            .map(|y| y[argmax(y)] - 0.5)
            .collect();
        let middle = (margins.len() - 1) / 2;
        let (_, median_margin, _) = margins.select_nth_unstable_by(middle, f64::total_cmp);
        Self {
            mean: mean(labels, n_answers),
            mean_log: mean_log(labels, n_answers),
            median_margin: *median_margin,
        }
    }

    /// How many answers there are.
    pub fn n_answers(&self) -> usize {
        self.mean.len()
    }

    /// Mean weak probability of each answer.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Mean log weak probability of each answer.
    pub(super) fn mean_log(&self) -> &[f64] {
        &self.mean_log
    }

    /// Lower median of `max_j y_j - 1/2`; with two answers that is `|y_1 - 1/2|`.
    pub fn median_margin(&self) -> f64 {
        self.median_margin
    }
}

/// Mean of each column.
pub(super) fn mean(labels: &[f64], n_answers: usize) -> Vec<f64> {
    column_means(labels, n_answers, |y| y)
}

/// Mean logarithm of each column.
pub(super) fn mean_log(labels: &[f64], n_answers: usize) -> Vec<f64> {
    column_means(labels, n_answers, |y| (y + LOG_FLOOR).ln())
}

fn column_means(labels: &[f64], n_answers: usize, of: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut means = vec![0.0; n_answers];
    for y in labels.chunks_exact(n_answers) {
        for (mean, &y) in means.iter_mut().zip(y) {
            *mean += of(y);
        }
    }
    let n_rows = (labels.len() / n_answers) as f64;
    for mean in &mut means {
        *mean /= n_rows;
    }
    means
}

/// `softmax(log y - mean_log)`, row by row.
pub(super) fn balance(labels: &[f64], mean_log: &[f64], out: &mut [f64]) {
    let n_answers = mean_log.len();
    for (y, t) in labels
        .chunks_exact(n_answers)
        .zip(out.chunks_exact_mut(n_answers))
    {
        for ((t, &y), mean) in t.iter_mut().zip(y).zip(mean_log) {
            *t = (y + LOG_FLOOR).ln() - mean;
        }
        super::batch::normalise_log(t);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_margins_is_the_lower_one() {
        let labels = [0.9, 0.1, 0.4, 0.6, 0.5, 0.5, 0.3, 0.7];
        let statistics = LabelStatistics::of(&labels, 2);
        assert!((statistics.median_margin() - 0.1).abs() < 1e-12);
        assert!((statistics.mean()[1] - 0.475).abs() < 1e-12);
    }

    #[test]
    fn balanced_labels_have_even_mean_log_odds() {
        let labels = [0.9, 0.1, 0.8, 0.2, 0.6, 0.4];
        let mut out = [0.0; 6];
        BatchLabels::Balanced.write(&labels, 2, &mut out);
        let log_odds: f64 = out.chunks_exact(2).map(|t| (t[1] / t[0]).ln()).sum();
        assert!(log_odds.abs() < 1e-9, "{log_odds}");
    }

    #[test]
    fn one_row_balanced_alone_is_uniform() {
        let mut out = [0.0; 2];
        BatchLabels::Balanced.write(&[0.9, 0.1], 2, &mut out);
        assert_eq!(out, [0.5, 0.5]);
    }
}
