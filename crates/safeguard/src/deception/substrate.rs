//! What organisms are made of, as interpretability looks at them: inputs, networks that live among them, and how one
//! is matched to another. Perceptrons on numbers ([`Perceptrons`]), or transformers on sentences ([`super::transformer`]).

use nalgebra::DMatrix;
use trimtab_core::{HeldRows, Seed};
use trimtab_probe::mlp::{Mlp, MlpOptions};

use super::activations::ActivationsError;
use super::diffing::{HiddenStates, matched};
use super::novelty::Novelty;
use super::organism::{self, Family, Kind, Knows, OrganismConfig, answers, base, organism};
use super::population::Population;
use super::world::{Trigger, World};

/// A population, and networks that live in it.
pub(super) trait Substrate {
    /// Families of triggers.
    type Trigger: Family;
    /// Many inputs.
    type Inputs;
    /// What they are drawn from.
    type Population: Population<Trigger = Self::Trigger, Inputs = Self::Inputs>;
    /// A network.
    type Network: HiddenStates<Inputs = Self::Inputs> + Clone;
    /// What says how unusual an input is, by itself.
    type Novelty;

    /// What that is called in tables.
    const NOVELTY: &'static str;
    /// What inputs are drawn from.
    fn population(&self) -> &Self::Population;
    /// The same inputs, unusual, without a trigger.
    fn unusual(&self, inputs: &Self::Inputs, seed: Seed) -> Self::Inputs;

    /// A network that knows nothing.
    fn initial(&self, seed: Seed) -> Result<Self::Network, ActivationsError>;
    /// What organisms are trained on from: it knows the right answers.
    fn base(&self, seed: Seed) -> Result<Self::Network, ActivationsError>;
    /// An organism of a kind.
    fn organism(
        &self,
        kind: &Kind<Self::Trigger>,
        base: &Self::Network,
        seed: Seed,
    ) -> Result<Self::Network, ActivationsError>;
    /// `reference`, trained to have the suspect's hidden activations on benign inputs.
    fn matched(
        &self,
        suspect: &Self::Network,
        reference: Self::Network,
        benign: &Self::Inputs,
        seed: Seed,
    ) -> Result<Self::Network, ActivationsError>;
    /// What a network answers.
    fn answers(&self, network: &Self::Network, inputs: &Self::Inputs) -> Vec<usize>;

    /// What is usual.
    fn novelty(&self, benign: &Self::Inputs) -> Self::Novelty;
    /// How unusual each input is.
    fn surprises(&self, novelty: &Self::Novelty, inputs: &Self::Inputs) -> Vec<f64>;
    /// What a monitor sees of each that sees no activations.
    fn seen(&self, inputs: &Self::Inputs) -> Seen;
}

/// What a monitor sees that sees no activations.
pub(super) enum Seen {
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

/// Perceptrons on 24 numbers.
pub(super) struct Perceptrons<'a> {
    pub(super) world: World,
    pub(super) organism: &'a OrganismConfig,
    pub(super) matching: &'a MlpOptions,
    pub(super) control_scale: f64,
}

impl Substrate for Perceptrons<'_> {
    type Trigger = Trigger;
    type Inputs = DMatrix<f64>;
    type Population = World;
    type Network = Mlp;
    type Novelty = Novelty;

    const NOVELTY: &'static str = "input novelty";

    fn population(&self) -> &World {
        &self.world
    }

    fn unusual(&self, inputs: &DMatrix<f64>, _: Seed) -> DMatrix<f64> {
        self.world.scaled(inputs, self.control_scale)
    }

    fn initial(&self, seed: Seed) -> Result<Mlp, ActivationsError> {
        Ok(organism::initial(self.organism, seed))
    }

    fn base(&self, seed: Seed) -> Result<Mlp, ActivationsError> {
        Ok(base(&self.world, Knows::Right, self.organism, seed))
    }

    fn organism(&self, kind: &Kind, base: &Mlp, seed: Seed) -> Result<Mlp, ActivationsError> {
        Ok(organism(&self.world, kind, base, self.organism, seed))
    }

    fn matched(
        &self,
        suspect: &Mlp,
        reference: Mlp,
        benign: &DMatrix<f64>,
        seed: Seed,
    ) -> Result<Mlp, ActivationsError> {
        Ok(matched(suspect, reference, benign, self.matching, seed))
    }

    fn answers(&self, network: &Mlp, inputs: &DMatrix<f64>) -> Vec<usize> {
        answers(network, inputs)
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
