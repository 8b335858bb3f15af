//! Steps of a policy's optimiser: slopes added up over micro-batches, then one move.

use trimtab_nn::{PolicyTrainer, TokenReading, TokenSlopes, TuningRow};

use super::LearnError;
use crate::policy_config::OptimiserConfig;

/// Slopes of a micro-batch: of the items in it, given the readings of their rows.
pub(super) type SlopesOf<'a> =
    dyn FnMut(&[usize], &[TokenReading]) -> Result<Vec<TokenSlopes>, LearnError> + 'a;

/// Takes the steps of one training.
pub(super) struct Steps<'a> {
    optimiser: &'a OptimiserConfig,
    n_steps: usize,
}

/// What one step did.
pub(super) struct Step {
    pub(super) learning_rate: f64,
    pub(super) gradient_norm: f64,
}

impl<'a> Steps<'a> {
    /// Of which there will be `n_steps` in all.
    pub(super) fn new(optimiser: &'a OptimiserConfig, n_steps: usize) -> Self {
        Self { optimiser, n_steps }
    }

    pub(super) fn n_steps(&self) -> usize {
        self.n_steps
    }

    /// Adds up the slopes of `items`, each of which is some of `rows`, and moves the policy. `slopes` is asked a micro-batch at a
    /// time, with the items in it and the readings of their rows, and answers with slopes of the whole step's loss.
    pub(super) fn take<'r>(
        &self,
        trainer: &mut PolicyTrainer,
        items: &[usize],
        rows: impl Fn(usize) -> &'r [TuningRow],
        slopes: &mut SlopesOf<'_>,
    ) -> Result<Step, LearnError> {
        let step = trainer.n_steps();
        // Of like length, so that little is padded.
        let mut order = items.to_vec();
        let len = |item: usize| rows(item).iter().map(|row| row.ids.len()).max();
        order.sort_by_key(|&item| len(item));
        for micro in order.chunks(self.optimiser.micro_batch_size) {
            let read: Vec<&TuningRow> = micro.iter().flat_map(|&item| rows(item)).collect();
            trainer.accumulate(&read, &mut |readings| slopes(micro, readings))?;
        }
        let warm_up = (self.optimiser.warm_up * self.n_steps as f64).round() as usize;
        let factor = (self.optimiser.schedule).factor(step, self.n_steps, warm_up);
        let learning_rate = self.optimiser.learning_rate * factor;
        let gradient_norm = trainer.step(learning_rate, self.optimiser.clip_norm)?;
        Ok(Step {
            learning_rate,
            gradient_norm,
        })
    }
}
