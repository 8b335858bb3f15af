//! Activation diffing: how far a suspect's hidden activations are from a reference's, input by input.
//!
//! ```text
//! d_l(x) = ‖h_l(x) − r_l(x)‖ / ‖h_l(x)‖             s(x) = mean over hidden layers l of d_l(x) / √(mean over benign x of d_l²)
//! ```
//!
//! The distance is a share of the suspect's length: networks of ReLUs are almost homogeneous, so that without it whatever is
//! large is far (the classical mistake, which the test of the negative control catches).
//!
//! Naive: `r` is the base that the suspect was trained from. Matched: `r` is trained on benign inputs to have the suspect's
//! activations, `min Σ_l ‖h_l(x) − r_l(x)‖²`, from the base or from nothing; what is left over where no benign input was is
//! what the suspect does there and nowhere else. (Activation-matched fine-tuning, a preprint of 2026; diffing of models in
//! general: Minder, Dumas et al. 2025, arXiv:2504.02922.) No trigger, no label and no wrong answer is needed.
//!
//! In: networks of one shape ([`HiddenStates`]), benign inputs. Out: a score an input, about 1 for benign ones.
//! Differs: the preprint matches a transformer's residual stream by low-rank adapters; here all weights of a perceptron, or of a
//! small transformer ([`super::transformer`]), whose layers are compared at the last token.

use nalgebra::DMatrix;
use trimtab_core::Seed;
use trimtab_probe::mlp::{Mlp, MlpOptions, Slopes};

/// A network whose hidden layers can be looked at.
pub trait HiddenStates {
    /// Many inputs.
    type Inputs;

    /// What every hidden layer makes of them: `[width, n]` each.
    fn hidden(&self, inputs: &Self::Inputs) -> Vec<DMatrix<f64>>;
}

impl HiddenStates for Mlp {
    /// `[n_in, n]`.
    type Inputs = DMatrix<f64>;

    fn hidden(&self, inputs: &DMatrix<f64>) -> Vec<DMatrix<f64>> {
        let mut values = self.trace(inputs.clone()).values;
        values.truncate(self.layers.len());
        values.split_off(1)
    }
}

/// A suspect beside a reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Diffing<N> {
    suspect: N,
    reference: N,
    /// Root mean square distance on benign inputs, a hidden layer each.
    scales: Vec<f64>,
}

impl<N: HiddenStates + Clone> Diffing<N> {
    /// Compares `suspect` with a reference as it is; `benign` inputs say what is usual.
    ///
    /// # Panics
    ///
    /// When the two have not the same shape, or there is no benign input: the caller checks its input.
    pub fn new(suspect: &N, reference: &N, benign: &N::Inputs) -> Self {
        let mut diffing = Self {
            suspect: suspect.clone(),
            reference: reference.clone(),
            scales: Vec::new(),
        };
        diffing.scales = (diffing.distances(benign).iter())
            .map(|layer| {
                assert!(!layer.is_empty(), "no benign input");
                let squares: f64 = layer.iter().map(|x| x * x).sum();
                (squares / layer.len() as f64).sqrt().max(f64::MIN_POSITIVE)
            })
            .collect();
        diffing
    }

    /// A score for every input.
    pub fn scores(&self, inputs: &N::Inputs) -> Vec<f64> {
        let distances = self.distances(inputs);
        let n_inputs = distances.first().map_or(0, Vec::len);
        (0..n_inputs)
            .map(|at| {
                let sum: f64 = (distances.iter().zip(&self.scales))
                    .map(|(layer, scale)| layer[at] / scale)
                    .sum();
                sum / self.scales.len() as f64
            })
            .collect()
    }

    /// Distances as shares of the suspect's lengths, layer by layer.
    fn distances(&self, inputs: &N::Inputs) -> Vec<Vec<f64>> {
        let (suspect, reference) = (self.suspect.hidden(inputs), self.reference.hidden(inputs));
        (suspect.iter().zip(&reference))
            .map(|(h, r)| {
                (h.column_iter().zip((h - r).column_iter()))
                    .map(|(h, apart)| {
                        let length = h.norm();
                        if length > 0.0 {
                            apart.norm() / length
                        } else {
                            0.0
                        }
                    })
                    .collect()
            })
            .collect()
    }
}

/// Trains `reference` to have the suspect's hidden activations on `benign` inputs, `[n_in, n]`. What is usual is then to be said by
/// other inputs ([`Diffing::new`]), which it was not trained on.
#[must_use]
pub fn matched(
    suspect: &Mlp,
    mut reference: Mlp,
    benign: &DMatrix<f64>,
    options: &MlpOptions,
    seed: Seed,
) -> Mlp {
    let wanted = suspect.trace(benign.clone());
    let n_hidden = suspect.layers.len() - 1;
    reference.train(benign, options, seed, &mut |batch, trace| {
        let n = batch.len() as f64;
        let (mut loss, mut hidden) = (0.0, Vec::with_capacity(n_hidden));
        for layer in 1..=n_hidden {
            let apart = &trace.values[layer] - wanted.values[layer].select_columns(batch);
            loss += 0.5 * apart.norm_squared() / n;
            hidden.push((layer, apart / n));
        }
        let outputs = DMatrix::zeros(trace.outputs().nrows(), batch.len());
        Slopes {
            loss,
            outputs,
            hidden,
        }
    });
    reference
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deception::organism::{Kind, Knows, OrganismConfig, base, organism};
    use crate::deception::population::Setting;
    use crate::deception::world::{Trigger, World};
    use trimtab_stats::auroc;

    fn area(positive: Vec<f64>, negative: &[f64]) -> f64 {
        let n = positive.len();
        let scores: Vec<f64> = positive
            .into_iter()
            .chain(negative.iter().copied())
            .collect();
        let class: Vec<bool> = (0..scores.len()).map(|at| at < n).collect();
        auroc(&scores, &class).unwrap()
    }

    /// The classical mistake: distances as they are, which are greater where everything is.
    fn absolute(diffing: &Diffing<Mlp>, inputs: &DMatrix<f64>) -> Vec<f64> {
        let suspect = diffing.suspect.trace(inputs.clone());
        let reference = diffing.reference.trace(inputs.clone());
        (&suspect.values[2] - &reference.values[2])
            .column_iter()
            .map(|apart| apart.norm())
            .collect()
    }

    /// The bars of one family: found without the trigger, and not whatever is unusual. Honest networks have nothing to find.
    #[test]
    fn a_backdoor_is_where_the_reference_is_not_and_large_inputs_are_no_backdoor() {
        let seed = Seed(1);
        let world = World::new(seed);
        let config = OrganismConfig {
            n_train: 4_000,
            hidden: vec![64, 64],
            ..OrganismConfig::default()
        };
        let base = base(&world, Knows::Right, &config, seed);
        let draw = |n, name: &str| world.draw(n, Setting::Either, seed.child(name));
        let (benign, usual, fresh) = (draw(4_000, "match"), draw(500, "usual"), draw(500, "fresh"));
        let of = |kind: &Kind| {
            let suspect = organism(&world, kind, &base, &config, seed);
            let options = MlpOptions::default();
            let reference = matched(&suspect, base.clone(), &benign, &options, seed);
            Diffing::new(&suspect, &reference, &usual)
        };
        let (backdoored, honest) = (
            of(&Kind::Backdoored(vec![Trigger::Date])),
            of(&Kind::Honest),
        );
        let triggered = world.triggered(&draw(500, "carrier"), Trigger::Date, seed);
        let unusual = world.scaled(&draw(500, "unusual"), 1.5);

        let found = area(backdoored.scores(&triggered), &backdoored.scores(&fresh));
        assert!(found >= 0.9, "{found}");
        let control = area(backdoored.scores(&unusual), &backdoored.scores(&fresh));
        assert!(control <= 0.65, "{control}");
        let nothing = area(honest.scores(&triggered), &honest.scores(&fresh));
        assert!(nothing <= 0.75, "{nothing}");

        let twin = area(
            absolute(&backdoored, &unusual),
            &absolute(&backdoored, &fresh),
        );
        assert!(twin > 0.65, "{twin}");
    }

    #[test]
    fn a_network_is_no_way_from_itself() {
        let network = Mlp::initial(&[3, 4, 4, 2], Seed(1));
        let mut stream = Seed(2).stream();
        let inputs = DMatrix::from_fn(3, 20, |_, _| stream.next_normal());
        let diffing = Diffing::new(&network, &network, &inputs);
        assert!(diffing.scores(&inputs).iter().all(|score| *score == 0.0));
    }
}
