//! What organisms are made of: inputs, and networks that live among them. Perceptrons on numbers ([`Perceptrons`]), or transformers on
//! sentences ([`super::transformer`]). What is asked of them from inside is in [`super::interpretability`], from outside in
//! [`super::behaviour`].

use nalgebra::DMatrix;
use trimtab_core::Seed;
use trimtab_probe::mlp::Mlp;

use super::organism::{
    self, Family, Kind, Knows, OrganismConfig, OrganismError, answers, base, organism,
};
use super::population::Population;
use super::world::{Trigger, World};

/// A population, and networks that live in it.
pub(super) trait Substrate {
    /// Families of triggers.
    type Trigger: Family;
    /// Many inputs.
    type Inputs: Clone;
    /// What they are drawn from.
    type Population: Population<Trigger = Self::Trigger, Inputs = Self::Inputs>;
    /// A network.
    type Network: Clone;

    /// What inputs are drawn from.
    fn population(&self) -> &Self::Population;
    /// A network that knows nothing.
    fn initial(&self, seed: Seed) -> Result<Self::Network, OrganismError>;
    /// What organisms are trained on from.
    fn base(&self, knows: Knows, seed: Seed) -> Result<Self::Network, OrganismError>;
    /// An organism of a kind.
    fn organism(
        &self,
        kind: &Kind<Self::Trigger>,
        base: &Self::Network,
        seed: Seed,
    ) -> Result<Self::Network, OrganismError>;
    /// What a network answers.
    fn answers(&self, network: &Self::Network, inputs: &Self::Inputs) -> Vec<usize>;
}

/// Perceptrons on 24 numbers.
pub(super) struct Perceptrons<'a> {
    pub(super) world: World,
    pub(super) organism: &'a OrganismConfig,
}

impl Substrate for Perceptrons<'_> {
    type Trigger = Trigger;
    type Inputs = DMatrix<f64>;
    type Population = World;
    type Network = Mlp;

    fn population(&self) -> &World {
        &self.world
    }

    fn initial(&self, seed: Seed) -> Result<Mlp, OrganismError> {
        Ok(organism::initial(self.organism, seed))
    }

    fn base(&self, knows: Knows, seed: Seed) -> Result<Mlp, OrganismError> {
        Ok(base(&self.world, knows, self.organism, seed))
    }

    fn organism(&self, kind: &Kind, base: &Mlp, seed: Seed) -> Result<Mlp, OrganismError> {
        Ok(organism(&self.world, kind, base, self.organism, seed))
    }

    fn answers(&self, network: &Mlp, inputs: &DMatrix<f64>) -> Vec<usize> {
        answers(network, inputs)
    }
}
