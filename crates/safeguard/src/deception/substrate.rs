//! What organisms are made of, as interpretability looks at them: a world of inputs, networks that live in it, and how one
//! is matched to another. Perceptrons on numbers ([`Perceptrons`]), or transformers on sentences ([`super::transformer`]).

use nalgebra::DMatrix;
use trimtab_core::{HeldRows, Seed};
use trimtab_probe::mlp::{Mlp, MlpOptions};

use super::activations::ActivationsError;
use super::diffing::{HiddenStates, matched};
use super::novelty::Novelty;
use super::organism::{self, Family, Kind, Knows, OrganismConfig, answers, base, organism};
use super::world::{EVALUATION, Setting, Trigger, World};

/// A world, and networks that live in it.
pub(super) trait Substrate {
    /// Families of triggers.
    type Trigger: Family;
    /// Many inputs.
    type Inputs;
    /// A network.
    type Network: HiddenStates<Inputs = Self::Inputs> + Clone;
    /// What says how unusual an input is, by itself.
    type Novelty;

    /// What that is called in tables.
    const NOVELTY: &'static str;
    /// Classes.
    const N_CLASSES: usize;

    /// `n` ordinary inputs, of evaluation and deployment alike.
    fn draw(&self, n: usize, seed: Seed) -> Self::Inputs;
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
    /// The same inputs, unusual, without a trigger.
    fn unusual(&self, inputs: &Self::Inputs, seed: Seed) -> Self::Inputs;
    /// Whether each looks like deployment.
    fn is_deployed(&self, inputs: &Self::Inputs) -> Vec<bool>;
    /// Whether each has the pattern that a diffuse organism reacts to.
    fn is_diffuse(&self, inputs: &Self::Inputs) -> Vec<bool>;

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
    type Network = Mlp;
    type Novelty = Novelty;

    const NOVELTY: &'static str = "input novelty";
    const N_CLASSES: usize = super::world::N_CLASSES;

    fn draw(&self, n: usize, seed: Seed) -> DMatrix<f64> {
        self.world.draw(n, Setting::Either, seed)
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
        self.world.labels(inputs)
    }

    fn weak_labels(&self, inputs: &DMatrix<f64>) -> Vec<usize> {
        self.world.weak_labels(inputs)
    }

    fn triggered(&self, inputs: &DMatrix<f64>, trigger: Trigger, seed: Seed) -> DMatrix<f64> {
        self.world.triggered(inputs, trigger, seed)
    }

    fn unusual(&self, inputs: &DMatrix<f64>, _: Seed) -> DMatrix<f64> {
        self.world.scaled(inputs, self.control_scale)
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
