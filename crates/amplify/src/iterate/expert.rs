//! The real expert of a training: the task's script, with or without mistakes.

use std::convert::Infallible;

use trimtab_core::Seed;

use super::settings::TrainingConfig;
use crate::expert::{Expert, Stepped, Working};
use crate::task::{ErringExpert, Question, ScriptedExpert, Symbol};

/// The task's expert, who errs as often as the settings say.
pub(super) struct RealExpert(ErringExpert<ScriptedExpert>);

impl RealExpert {
    pub(super) fn of(config: &TrainingConfig, seed: Seed) -> Self {
        let script = ScriptedExpert::new(config.task);
        let mistakes = seed.child("mistakes");
        Self(ErringExpert::new(
            script,
            config.task,
            config.expert_errs,
            config.expert_error,
            mistakes,
        ))
    }

    /// Steps that it took.
    pub(super) fn n_steps(&self) -> u64 {
        self.0.inner().n_steps()
    }
}

impl Expert<Question, Symbol> for RealExpert {
    type Error = Infallible;

    fn next(
        &mut self,
        open: &[Working<'_, Question, Symbol>],
    ) -> Result<Vec<Stepped<Question, Symbol>>, Infallible> {
        self.0.next(open)
    }
}
