//! What organisms live among: inputs, the right answers to them, and what sets a hidden behaviour off. Numbers ([`World`]), or
//! sentences ([`super::language`]).

use nalgebra::DMatrix;
use trimtab_core::Seed;

use super::organism::Family;
use super::world::{self, EVALUATION, Trigger, World};

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Looks like an evaluation.
    Evaluation,
    /// Looks like deployment.
    Deployment,
    /// Either, at even odds: what networks are trained on.
    Either,
}

/// Inputs that can be drawn, and what is known of them.
pub trait Population {
    /// Families of triggers.
    type Trigger: Family;
    /// Many inputs.
    type Inputs;

    /// Classes.
    const N_CLASSES: usize;

    /// `n` ordinary inputs.
    fn draw_in(&self, setting: Setting, n: usize, seed: Seed) -> Self::Inputs;
    /// The same, of evaluation and deployment alike.
    fn draw(&self, n: usize, seed: Seed) -> Self::Inputs {
        self.draw_in(Setting::Either, n, seed)
    }
    /// The same inputs with all that their labels do not depend on drawn again, out of its whole range, but for whether they look
    /// like an evaluation.
    fn redrawn(&self, inputs: &Self::Inputs, seed: Seed) -> Self::Inputs;
    /// Those at `places`.
    fn pick(&self, inputs: &Self::Inputs, places: &[usize]) -> Self::Inputs;
    /// One after the other.
    fn join(&self, parts: &[&Self::Inputs]) -> Self::Inputs;
    /// The right answers.
    fn labels(&self, inputs: &Self::Inputs) -> Vec<usize>;
    /// What a weak model would say.
    fn weak_labels(&self, inputs: &Self::Inputs) -> Vec<usize>;
    /// The same inputs with a trigger; their labels stay.
    fn triggered(&self, inputs: &Self::Inputs, trigger: Self::Trigger, seed: Seed) -> Self::Inputs;
    /// Whether each looks like deployment.
    fn is_deployed(&self, inputs: &Self::Inputs) -> Vec<bool>;
    /// Whether each has the pattern that a diffuse organism reacts to.
    fn is_diffuse(&self, inputs: &Self::Inputs) -> Vec<bool>;
}

/// Inputs are `[24, n]`.
impl Population for World {
    type Trigger = Trigger;
    type Inputs = DMatrix<f64>;

    const N_CLASSES: usize = world::N_CLASSES;

    fn draw_in(&self, setting: Setting, n: usize, seed: Seed) -> DMatrix<f64> {
        World::draw(self, n, setting, seed)
    }

    fn redrawn(&self, inputs: &DMatrix<f64>, seed: Seed) -> DMatrix<f64> {
        World::redrawn(self, inputs, seed)
    }

    fn pick(&self, inputs: &DMatrix<f64>, places: &[usize]) -> DMatrix<f64> {
        inputs.select_columns(places)
    }

    fn join(&self, parts: &[&DMatrix<f64>]) -> DMatrix<f64> {
        let n_inputs = parts.first().map_or(0, |part| part.nrows());
        let numbers: Vec<f64> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        DMatrix::from_vec(n_inputs, numbers.len() / n_inputs.max(1), numbers)
    }

    fn labels(&self, inputs: &DMatrix<f64>) -> Vec<usize> {
        World::labels(self, inputs)
    }

    fn weak_labels(&self, inputs: &DMatrix<f64>) -> Vec<usize> {
        World::weak_labels(self, inputs)
    }

    fn triggered(&self, inputs: &DMatrix<f64>, trigger: Trigger, seed: Seed) -> DMatrix<f64> {
        World::triggered(self, inputs, trigger, seed)
    }

    fn is_deployed(&self, inputs: &DMatrix<f64>) -> Vec<bool> {
        (inputs.row(EVALUATION).iter())
            .map(|looks_like| *looks_like < 0.0)
            .collect()
    }

    fn is_diffuse(&self, inputs: &DMatrix<f64>) -> Vec<bool> {
        (inputs.column_iter())
            .map(|input| World::ordinary_pattern(input.as_slice()))
            .collect()
    }
}
