//! Linear and one-hidden-layer probes, trained by mini-batch AdamW.
//!
//! ```text
//! linear   z = W x + b
//! MLP      z = V max(U x + a, 0) + b
//! AdamW    m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  w ← w − η (m̂ / (√v̂ + ε) + λ w)
//! ```
//!
//! (Loshchilov and Hutter 2019; the bias-corrected moments are m̂ and v̂; biases are not decayed.)
//! The output layer starts near zero (normal, standard deviation 0.01), so every student starts
//! undecided, but not where a loss may have no gradient; hidden weights start from He's normal
//! distribution. Batches are drawn without replacement and reshuffled every epoch; the last, smaller
//! batch of an epoch is used, not dropped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use trimtab_core::BatchObjective;
use trimtab_core::{Rows, Schedule, Seed, SplitMix64};

use crate::kernel::{Kernel, padded};

/// Standard deviation of the output layer's first weights.
const OUTPUT_SCALE: f64 = 0.01;

/// How a network is built and trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NetworkOptions {
    /// Units of the hidden layer; 0 for a linear probe.
    pub hidden: usize,
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples a step.
    pub batch_size: usize,
    /// Step size at the start.
    pub learning_rate: f64,
    /// How the step size falls.
    pub schedule: Schedule,
    /// Decoupled weight decay λ.
    pub weight_decay: f64,
    /// Decay of the first and second moments.
    pub betas: [f64; 2],
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            hidden: 64,
            epochs: 5,
            batch_size: 32,
            learning_rate: 3e-3,
            schedule: Schedule::Cosine,
            weight_decay: 0.01,
            betas: [0.9, 0.999],
        }
    }
}

/// A fitted network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    dim: usize,
    hidden: usize,
    n_answers: usize,
    /// `[hidden, width]`; empty when there is no hidden layer.
    lower: Vec<f32>,
    /// `[n_answers, width of the layer below]`.
    upper: Vec<f32>,
}

/// What came of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// The network: the last, or the best on validation where there was one.
    pub network: Network,
    /// Steps taken.
    pub n_steps: usize,
    /// The step whose network was kept.
    pub kept_step: usize,
    /// Mean loss over the last epoch.
    pub loss: f64,
}

/// How to stop early.
pub struct EarlyStopping<'a> {
    /// Steps between looks.
    pub every: usize,
    /// What is maximised.
    pub score: &'a mut dyn FnMut(&Network) -> f64,
}

impl Network {
    /// Trains a network from scratch.
    ///
    /// With `early_stopping` the training runs its full length and the best network seen is kept.
    ///
    /// # Panics
    ///
    /// When there are no rows or no step is asked for: the caller checks its input.
    pub fn train(
        rows: &Rows<'_>,
        n_answers: usize,
        objective: &mut dyn BatchObjective,
        options: &NetworkOptions,
        seed: Seed,
        mut early_stopping: Option<EarlyStopping<'_>>,
    ) -> Training {
        let n_steps = rows.len().div_ceil(options.batch_size) * options.epochs;
        assert!(n_steps > 0, "no rows or no epochs to train on");
        let mut network = Self::initial(
            rows.dim(),
            options.hidden,
            n_answers,
            seed.child("init").stream(),
        );
        let mut trainer = Trainer::new(&network, options);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let mut shuffle = seed.child("shuffle").stream();
        let (mut step, mut loss) = (0, 0.0);
        let mut best: Option<(f64, usize, Network)> = None;
        for _ in 0..options.epochs {
            shuffle.shuffle(&mut order);
            loss = 0.0;
            for batch in order.chunks(options.batch_size) {
                let value = trainer.step(&mut network, rows, batch, step, n_steps, objective);
                loss += value * batch.len() as f64 / rows.len() as f64;
                step += 1;
                if let Some(stopping) = &mut early_stopping
                    && (step % stopping.every == 0 || step == n_steps)
                {
                    let score = (stopping.score)(&network);
                    if best.as_ref().is_none_or(|(top, ..)| score > *top) {
                        best = Some((score, step, network.clone()));
                    }
                }
            }
        }
        let (kept_step, network) = match best {
            Some((_, step, network)) => (step, network),
            None => (step, network),
        };
        Training {
            network,
            n_steps,
            kept_step,
            loss,
        }
    }

    fn initial(dim: usize, hidden: usize, n_answers: usize, mut stream: SplitMix64) -> Self {
        let width = padded(dim + 1);
        let mut lower = vec![0.0; hidden * width];
        let scale = (2.0 / dim as f64).sqrt();
        for unit in lower.chunks_exact_mut(width) {
            for w in &mut unit[..dim] {
                *w = (scale * stream.next_normal()) as f32;
            }
        }
        let (inputs, below) = if hidden == 0 {
            (dim, width)
        } else {
            (hidden, padded(hidden + 1))
        };
        let mut upper = vec![0.0; n_answers * below];
        for answer in upper.chunks_exact_mut(below) {
            for w in &mut answer[..inputs] {
                *w = (OUTPUT_SCALE * stream.next_normal()) as f32;
            }
        }
        Self {
            dim,
            hidden,
            n_answers,
            lower,
            upper,
        }
    }

    /// The logits of every row, `[n, n_answers]` row-major.
    pub fn logits(&self, rows: &Rows<'_>) -> Vec<f32> {
        const CHUNK: usize = 256;
        let mut all = Vec::with_capacity(rows.len() * self.n_answers);
        let mut pass = Pass::default();
        let picked: Vec<usize> = (0..rows.len()).collect();
        for picked in picked.chunks(CHUNK) {
            pass.forward(self, rows, picked);
            all.extend_from_slice(&pass.logits);
        }
        all
    }
}

/// Buffers of one forward pass, reused from batch to batch.
#[derive(Default)]
struct Pass {
    raw: Vec<f32>,
    /// `[n, width]`, the constant 1 in place.
    inputs: Vec<f32>,
    /// `[hidden, n]`, before the rectifier.
    pre: Vec<f32>,
    /// `[n, padded(hidden + 1)]`, after it, the constant 1 in place.
    activations: Vec<f32>,
    /// `[n_answers, n]`.
    columns: Vec<f32>,
    /// `[n, n_answers]`.
    logits: Vec<f32>,
}

impl Pass {
    fn forward(&mut self, network: &Network, rows: &Rows<'_>, picked: &[usize]) {
        let kernel = Kernel::new();
        let (n, dim, width) = (picked.len(), network.dim, padded(network.dim + 1));
        self.raw.resize(n * dim, 0.0);
        rows.gather(picked, &mut self.raw);
        self.inputs.clear();
        self.inputs.resize(n * width, 0.0);
        for (row, raw) in self
            .inputs
            .chunks_exact_mut(width)
            .zip(self.raw.chunks_exact(dim))
        {
            row[..dim].copy_from_slice(raw);
            row[dim] = 1.0;
        }
        self.columns.resize(network.n_answers * n, 0.0);
        if network.hidden == 0 {
            kernel.forward(&self.inputs, &network.upper, width, &mut self.columns);
        } else {
            self.pre.resize(network.hidden * n, 0.0);
            kernel.forward(&self.inputs, &network.lower, width, &mut self.pre);
            let below = padded(network.hidden + 1);
            self.activations.clear();
            self.activations.resize(n * below, 0.0);
            for (i, row) in self.activations.chunks_exact_mut(below).enumerate() {
                for (unit, x) in row[..network.hidden].iter_mut().enumerate() {
                    *x = self.pre[unit * n + i].max(0.0);
                }
                row[network.hidden] = 1.0;
            }
            kernel.forward(&self.activations, &network.upper, below, &mut self.columns);
        }
        self.logits.resize(n * network.n_answers, 0.0);
        for (i, row) in self.logits.chunks_exact_mut(network.n_answers).enumerate() {
            for (c, z) in row.iter_mut().enumerate() {
                *z = self.columns[c * n + i];
            }
        }
    }
}

struct Trainer {
    pass: Pass,
    lower: AdamW,
    upper: AdamW,
    learning_rate: f64,
    schedule: Schedule,
    logit_gradient: Vec<f32>,
    residuals: Vec<f32>,
    hidden_residuals: Vec<f32>,
}

impl Trainer {
    fn new(network: &Network, options: &NetworkOptions) -> Self {
        let below = if network.hidden == 0 {
            network.dim
        } else {
            network.hidden
        };
        Self {
            pass: Pass::default(),
            lower: AdamW::new(network.lower.len(), network.dim, options),
            upper: AdamW::new(network.upper.len(), below, options),
            learning_rate: options.learning_rate,
            schedule: options.schedule,
            logit_gradient: Vec::new(),
            residuals: Vec::new(),
            hidden_residuals: Vec::new(),
        }
    }

    fn step(
        &mut self,
        network: &mut Network,
        rows: &Rows<'_>,
        batch: &[usize],
        step: usize,
        n_steps: usize,
        objective: &mut dyn BatchObjective,
    ) -> f64 {
        self.pass.forward(network, rows, batch);
        self.logit_gradient.resize(self.pass.logits.len(), 0.0);
        let logits = &self.pass.logits;
        let value = objective.evaluate(batch, step, n_steps, logits, &mut self.logit_gradient);
        self.backward(network, batch.len());
        let rate = self.learning_rate * self.schedule.factor(step, n_steps, 0);
        self.upper.update(&mut network.upper, rate, step);
        self.lower.update(&mut network.lower, rate, step);
        value
    }

    /// Fills the gradients of both layers from `logit_gradient`.
    fn backward(&mut self, network: &Network, n: usize) {
        let kernel = Kernel::new();
        let (c, hidden) = (network.n_answers, network.hidden);
        self.residuals.resize(c * n, 0.0);
        for (i, row) in self.logit_gradient.chunks_exact(c).enumerate() {
            for (k, &g) in row.iter().enumerate() {
                self.residuals[k * n + i] = g;
            }
        }
        let width = padded(network.dim + 1);
        self.upper.gradient.fill(0.0);
        if hidden == 0 {
            let gradient = &mut self.upper.gradient;
            kernel.backward(&self.pass.inputs, &self.residuals, width, gradient);
            return;
        }
        let below = padded(hidden + 1);
        let gradient = &mut self.upper.gradient;
        kernel.backward(&self.pass.activations, &self.residuals, below, gradient);
        self.hidden_residuals.resize(hidden * n, 0.0);
        for unit in 0..hidden {
            for i in 0..n {
                let at = unit * n + i;
                self.hidden_residuals[at] = if self.pass.pre[at] > 0.0 {
                    (0..c)
                        .map(|k| network.upper[k * below + unit] * self.residuals[k * n + i])
                        .sum()
                } else {
                    0.0
                };
            }
        }
        self.lower.gradient.fill(0.0);
        let gradient = &mut self.lower.gradient;
        kernel.backward(&self.pass.inputs, &self.hidden_residuals, width, gradient);
    }
}

struct AdamW {
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    /// The weights of a unit: features, bias, padding.
    width: usize,
    /// How many of them are decayed: the features.
    n_decayed: usize,
    betas: [f32; 2],
    weight_decay: f64,
}

impl AdamW {
    const EPSILON: f32 = 1e-8;

    fn new(n: usize, n_inputs: usize, options: &NetworkOptions) -> Self {
        Self {
            gradient: vec![0.0; n],
            first: vec![0.0; n],
            second: vec![0.0; n],
            width: padded(n_inputs + 1),
            n_decayed: n_inputs,
            betas: options.betas.map(|b| b as f32),
            weight_decay: options.weight_decay,
        }
    }

    fn update(&mut self, weights: &mut [f32], rate: f64, step: usize) {
        let [b1, b2] = self.betas;
        let power = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let corrected_rate = rate / (1.0 - f64::from(b1).powi(power));
        let (rate1, scale2) = (
            corrected_rate as f32,
            (1.0 / (1.0 - f64::from(b2).powi(power))) as f32,
        );
        let keep = (1.0 - rate * self.weight_decay) as f32;
        let units = weights
            .chunks_exact_mut(self.width)
            .zip(self.gradient.chunks_exact(self.width));
        let moments = self
            .first
            .chunks_exact_mut(self.width)
            .zip(self.second.chunks_exact_mut(self.width));
        for ((w, g), (m, v)) in units.zip(moments) {
            for w in &mut w[..self.n_decayed] {
                *w *= keep;
            }
            for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *w -= rate1 * *m / ((*v * scale2).sqrt() + Self::EPSILON);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::{AnswerSet, FeatureTable, Question, SampleId};

    /// Squared distance of the logits from fixed targets: simple enough to differentiate by hand.
    struct Squares(Vec<f32>);

    impl BatchObjective for Squares {
        fn evaluate(
            &mut self,
            rows: &[usize],
            _: usize,
            _: usize,
            logits: &[f32],
            gradient: &mut [f32],
        ) -> f64 {
            let n = rows.len() as f32;
            let c = logits.len() / rows.len();
            let mut value = 0.0;
            for (i, &row) in rows.iter().enumerate() {
                for k in 0..c {
                    let off = logits[i * c + k] - self.0[row * c + k];
                    value += f64::from(off * off / n);
                    gradient[i * c + k] = 2.0 * off / n;
                }
            }
            value
        }
    }

    fn xor() -> (FeatureTable, Vec<Question>, Squares) {
        let values = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let ids: Vec<SampleId> = (0..4).map(|i| SampleId::new(&i.to_string())).collect();
        let answers = AnswerSet::new(&["no", "yes"]).unwrap();
        let questions = ids
            .iter()
            .map(|id| Question {
                id: id.clone(),
                text: "".into(),
                answers: answers.clone(),
                candidates: None,
            })
            .collect();
        let targets = Squares(vec![1.0, -1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0]);
        (
            FeatureTable::from_f32(&ids, 2, values).unwrap(),
            questions,
            targets,
        )
    }

    #[test]
    fn a_hidden_layer_learns_what_a_linear_probe_cannot() {
        let (table, questions, mut targets) = xor();
        let rows = table.rows(&questions).unwrap();
        let options = NetworkOptions {
            hidden: 0,
            epochs: 500,
            batch_size: 4,
            ..NetworkOptions::default()
        };
        let mlp = NetworkOptions {
            hidden: 16,
            ..options
        };
        let seed = Seed(1);
        let linear = Network::train(&rows, 2, &mut targets, &options, seed, None);
        let mlp = Network::train(&rows, 2, &mut targets, &mlp, seed, None);
        assert!(
            linear.loss > 1.5 && mlp.loss < 0.05,
            "{} {}",
            linear.loss,
            mlp.loss
        );
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let (table, questions, mut targets) = xor();
        let rows = table.rows(&questions).unwrap();
        let options = NetworkOptions {
            hidden: 5,
            ..NetworkOptions::default()
        };
        let mut network = Network::initial(2, 5, 2, Seed(3).stream());
        let mut stream = Seed(4).stream();
        for w in &mut network.upper {
            *w = stream.next_normal() as f32;
        }
        // Away from the kink of the rectifier, where there is no derivative.
        for unit in network.lower.chunks_exact_mut(padded(3)) {
            unit[2] = stream.next_normal() as f32;
        }
        let picked = [0, 1, 2, 3];
        let mut trainer = Trainer::new(&network, &options);
        let mut value = |network: &Network| {
            let mut pass = Pass::default();
            pass.forward(network, &rows, &picked);
            targets.evaluate(&picked, 0, 1, &pass.logits, &mut [0.0; 8])
        };
        let mut gradient = [0.0; 8];
        trainer.pass.forward(&network, &rows, &picked);
        Squares(vec![1.0, -1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0]).evaluate(
            &picked,
            0,
            1,
            &trainer.pass.logits,
            &mut gradient,
        );
        trainer.logit_gradient = gradient.to_vec();
        trainer.backward(&network, 4);
        let check = |analytic: f32, up: f64, down: f64| {
            let numeric = (up - down) / 2e-3;
            assert!(
                (f64::from(analytic) - numeric).abs() < 2e-2,
                "{analytic} is not {numeric}"
            );
        };
        for at in 0..network.lower.len() {
            let mut shifted = |by: f32| {
                let mut network = network.clone();
                network.lower[at] += by;
                value(&network)
            };
            check(trainer.lower.gradient[at], shifted(1e-3), shifted(-1e-3));
        }
        for at in 0..network.upper.len() {
            let mut shifted = |by: f32| {
                let mut network = network.clone();
                network.upper[at] += by;
                value(&network)
            };
            check(trainer.upper.gradient[at], shifted(1e-3), shifted(-1e-3));
        }
    }

    #[test]
    fn early_stopping_keeps_the_best_network() {
        let (table, questions, mut targets) = xor();
        let rows = table.rows(&questions).unwrap();
        let options = NetworkOptions {
            epochs: 10,
            batch_size: 4,
            ..NetworkOptions::default()
        };
        let mut scores = [0.1, 0.9, 0.3, 0.2, 0.2].into_iter();
        let mut score = |_: &Network| scores.next().unwrap();
        let stopping = EarlyStopping {
            every: 2,
            score: &mut score,
        };
        let training = Network::train(&rows, 2, &mut targets, &options, Seed(1), Some(stopping));
        assert_eq!((training.n_steps, training.kept_step), (10, 4));
    }
}
