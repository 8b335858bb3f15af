//! What the learning of several students came to together.

use trimtab_core::{Cost, Fitted, Supervisor};

/// How the members' learning went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitting {
    /// Optimiser steps of all.
    pub n_steps: usize,
    /// Mean of their losses, in nats.
    pub loss: f64,
    /// Whether all converged.
    pub converged: bool,
    /// What it cost: learning, and judgements that it needed.
    pub cost: Cost,
}

impl Fitting {
    /// Before anybody has learnt.
    pub(crate) fn begun() -> Self {
        Self {
            n_steps: 0,
            loss: 0.0,
            converged: true,
            cost: Cost::default(),
        }
    }

    /// One of `n_members` has learnt.
    pub(crate) fn add(&mut self, fitted: &Fitted, n_members: usize) {
        self.n_steps += fitted.n_steps;
        self.loss += fitted.loss / n_members as f64;
        self.converged &= fitted.converged;
        self.cost = self.cost + fitted.cost;
    }

    /// All have, and are `student` together.
    pub(crate) fn of(self, student: Box<dyn Supervisor>) -> Fitted {
        Fitted {
            student,
            n_steps: self.n_steps,
            loss: self.loss,
            converged: self.converged,
            cost: self.cost,
        }
    }
}
