//! One batch as phase 1 sees it, and what it asks of a row.

/// Logits and weak labels of some rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) logits: &'a [f32],
    pub(super) labels: &'a [f64],
    pub(super) n_answers: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(logits: &'a [f32], labels: &'a [f64], n_answers: usize) -> Self {
        assert!(
            logits.len() == labels.len()
                && !logits.is_empty()
                && logits.len().is_multiple_of(n_answers),
            "loss: expected logits and labels [n, {n_answers}], got {} and {} numbers",
            logits.len(),
            labels.len(),
        );
        Self {
            logits,
            labels,
            n_answers,
        }
    }

    pub(super) fn n_rows(&self) -> usize {
        self.logits.len() / self.n_answers
    }

    /// Logits and label of each row.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'a [f32], &'a [f64])> {
        let n_answers = self.n_answers;
        self.logits
            .chunks_exact(n_answers)
            .zip(self.labels.chunks_exact(n_answers))
    }
}

/// The likeliest answer, the first of several.
pub(super) fn argmax<T: PartialOrd + Copy>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best })
}

/// Writes softmax z.
pub(super) fn softmax(logits: &[f32], out: &mut [f64]) {
    for (p, &z) in out.iter_mut().zip(logits) {
        *p = f64::from(z);
    }
    normalise_log(out);
}

/// Turns log weights, up to a constant and some of them -∞, into probabilities, in place.
pub(super) fn normalise_log(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (*x - largest).exp();
        sum += *x;
    }
    for x in row {
        *x /= sum;
    }
}

/// `x ln x`, and 0 at 0.
pub(super) fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * x.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_largest_wins() {
        assert_eq!(argmax(&[0.5, 0.5]), 0);
        assert_eq!(argmax(&[0.1, 0.7, 0.7]), 1);
    }

    #[test]
    fn softmax_stands_large_logits() {
        let mut p = [0.0; 3];
        softmax(&[3e38, -3e38, 3e38], &mut p);
        assert_eq!(p, [0.5, 0.0, 0.5]);
    }
}
