//! What mini-batch training minimises.

/// A loss of the logits of one mini-batch.
pub trait BatchObjective {
    /// The mean loss of the samples `rows`, and its derivative by each logit.
    ///
    /// # Shapes
    ///
    /// `logits`, `gradient`: `[rows.len(), n_answers]`, row-major.
    fn evaluate(
        &mut self,
        rows: &[usize],
        step: usize,
        n_steps: usize,
        logits: &[f32],
        gradient: &mut [f32],
    ) -> f64;
}
