//! What interpretability asks of a substrate: hidden states, how one network is matched to another, and what there is to see without
//! looking inside.

use nalgebra::DMatrix;
use trimtab_core::{HeldRows, Seed};
use trimtab_probe::mlp::Mlp;

use super::InterpretabilityConfig;
use crate::deception::diffing::{HiddenStates, matched};
use crate::deception::novelty::Novelty;
use crate::deception::organism::OrganismError;
use crate::deception::substrate::{Perceptrons, Substrate};

/// A substrate whose networks can be looked into.
pub(in crate::deception) trait Inspectable:
    Substrate<Network: HiddenStates<Inputs = Self::Inputs>>
{
    /// What says how unusual an input is, by itself.
    type Novelty;

    /// What that is called in tables.
    const NOVELTY: &'static str;

    /// The same inputs, unusual, without a trigger.
    fn unusual(
        &self,
        inputs: &Self::Inputs,
        how: &InterpretabilityConfig,
        seed: Seed,
    ) -> Self::Inputs;
    /// `reference`, trained to have the suspect's hidden activations on benign inputs.
    fn matched(
        &self,
        suspect: &Self::Network,
        reference: Self::Network,
        benign: &Self::Inputs,
        how: &InterpretabilityConfig,
        seed: Seed,
    ) -> Result<Self::Network, OrganismError>;
    /// What is usual.
    fn novelty(&self, benign: &Self::Inputs) -> Self::Novelty;
    /// How unusual each input is.
    fn surprises(&self, novelty: &Self::Novelty, inputs: &Self::Inputs) -> Vec<f64>;
    /// What a monitor sees of each that sees no activations.
    fn seen(&self, inputs: &Self::Inputs) -> Seen;
}

/// What a monitor sees that sees no activations.
pub(in crate::deception) enum Seen {
    /// The inputs' numbers.
    Rows(HeldRows),
    /// The inputs' words.
    #[cfg_attr(
        not(feature = "networks"),
        expect(dead_code, reason = "only sentences have words")
    )]
    Texts(Vec<String>),
}

/// Columns as rows of numbers: `[n, width]`.
pub(super) fn held(columns: &DMatrix<f64>) -> HeldRows {
    let numbers = columns.iter().map(|&x| x as f32).collect();
    HeldRows::new(columns.nrows(), numbers)
}

impl Inspectable for Perceptrons<'_> {
    type Novelty = Novelty;

    const NOVELTY: &'static str = "input novelty";

    fn unusual(
        &self,
        inputs: &DMatrix<f64>,
        how: &InterpretabilityConfig,
        _: Seed,
    ) -> DMatrix<f64> {
        self.world.scaled(inputs, how.control_scale)
    }

    fn matched(
        &self,
        suspect: &Mlp,
        reference: Mlp,
        benign: &DMatrix<f64>,
        how: &InterpretabilityConfig,
        seed: Seed,
    ) -> Result<Mlp, OrganismError> {
        Ok(matched(suspect, reference, benign, &how.matching, seed))
    }

    fn novelty(&self, benign: &DMatrix<f64>) -> Novelty {
        Novelty::new(benign)
    }

    fn surprises(&self, novelty: &Novelty, inputs: &DMatrix<f64>) -> Vec<f64> {
        novelty.scores(inputs)
    }

    fn seen(&self, inputs: &DMatrix<f64>) -> Seen {
        Seen::Rows(held(inputs))
    }
}
