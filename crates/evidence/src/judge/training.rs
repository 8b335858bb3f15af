//! How a judge learns: every step sees other pieces of other cases.
//!
//! ```text
//! loss   = mean over the batch of −Σ_l y_l log softmax(z)_l        y the case's label, or probabilities
//! AdamW  m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  w ← w − η (m̂ / (√v̂ + ε) + λ w)
//! ```
//!
//! Irving et al. 2018, section 3.1: `k` pieces of a case, uniformly at random, fresh at every step. Only rows of the embedding that
//! a batch touches are updated, as PyTorch's `SparseAdam` does. Cases are drawn with replacement.
//!
//! The sums over a batch are made in the same order with one thread and with several, so a seed gives the same bits on one
//! kind of processor.

use pulp::NullaryFnOnce;
use trimtab_core::{Seed, SplitMix64};

use super::kernel::{Kernel, add_scaled, dense, dot, mark_active, marked, n_words, padded};
use super::{Aligned, Dense, Judge, JudgeOptions};
use crate::cases::{Cases, Feature};
use crate::random_evidence::draw;

/// Rows of gradients are added up within so many groups of a batch, and those then in order.
const N_GROUPS: usize = 2;
const EPSILON: f32 = 1e-8;

/// What a judge learns from.
#[derive(Clone, Copy)]
pub struct Lessons<'a> {
    /// The cases.
    pub cases: &'a dyn Cases,
    /// Probabilities of the labels, `[n cases, n labels]`; 0 and 1 where they are certain.
    pub targets: &'a [f32],
    /// How many labels there are.
    pub n_labels: usize,
}

/// One optimiser step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Which, from 1.
    pub step: usize,
    /// Of how many.
    pub n_steps: usize,
    /// The mean loss of its batch, in nats.
    pub loss: f64,
}

/// Why no judge can be trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainingError {
    /// There is nothing to learn from.
    #[error("none of {n_cases} cases has a piece to show")]
    NoCases {
        /// How many cases there are.
        n_cases: usize,
    },
    /// There are more or fewer targets than cases.
    #[error("{n_targets} target probabilities for {n_cases} cases of {n_labels} labels")]
    Targets {
        /// Probabilities given.
        n_targets: usize,
        /// Cases.
        n_cases: usize,
        /// Labels.
        n_labels: usize,
    },
    /// An option is zero that must not be.
    #[error("`{option}` is 0")]
    Zero {
        /// Which.
        option: &'static str,
    },
}

impl TrainingError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoCases { .. } => {
                "give cases with at least one piece, such as images that are not all black"
            }
            Self::Targets { .. } => "give one probability for each case and label",
            Self::Zero { .. } => "set it to 1 or more",
        }
    }
}

impl Judge {
    /// Trains a judge from nothing. `threads` changes how long it takes, not what comes out; `on_step` hears of every step.
    ///
    /// # Errors
    ///
    /// [`TrainingError`] when there is nothing to learn from, or an option makes no sense.
    pub fn train(
        lessons: Lessons<'_>,
        options: &JudgeOptions,
        seed: Seed,
        threads: usize,
        on_step: &mut dyn FnMut(&Step),
    ) -> Result<Self, TrainingError> {
        let Lessons {
            cases,
            targets,
            n_labels,
        } = lessons;
        let zero = |option, n| (n == 0).then_some(TrainingError::Zero { option });
        let unit = options.hidden.iter().copied().min().unwrap_or(1);
        let zeros = zero("pieces", options.pieces)
            .or_else(|| zero("batch-size", options.batch_size))
            .or_else(|| zero("hidden", unit));
        if let Some(error) = zeros {
            return Err(error);
        }
        if targets.len() != cases.len() * n_labels {
            return Err(TrainingError::Targets {
                n_targets: targets.len(),
                n_cases: cases.len(),
                n_labels,
            });
        }
        let usable: Vec<usize> = (0..cases.len())
            .filter(|case| cases.n_pieces(*case) > 0)
            .collect();
        if usable.is_empty() {
            return Err(TrainingError::NoCases {
                n_cases: cases.len(),
            });
        }
        let mut judge = Self::initial(cases.n_features(), n_labels, options, seed);
        let mut trainer = Trainer::new(&judge, options, threads.max(1));
        let mut stream = seed.child("batches").stream();
        for step in 0..options.steps {
            trainer.draw(lessons, &usable, options, &mut stream);
            let loss = trainer.step(&mut judge, options, step);
            on_step(&Step {
                step: step + 1,
                n_steps: options.steps,
                loss,
            });
        }
        Ok(judge)
    }
}

/// A group of samples of a batch, and what they give.
struct Group {
    /// Features of the samples, one after the other.
    features: Vec<Feature>,
    ends: Vec<usize>,
    /// `[n, n_labels]`.
    targets: Vec<f32>,
    /// Slopes of the sums over pieces, `[n, width]`.
    slopes: Vec<f32>,
    /// Gradients of the layers, and of the first bias.
    layers: Vec<Dense>,
    bias: Vec<f32>,
    loss: f64,
    active: Vec<u64>,
    sums: Vec<f32>,
    outputs: Vec<Vec<f32>>,
    output_slopes: Vec<Vec<f32>>,
}

impl Group {
    fn new(judge: &Judge) -> Self {
        let outputs: Vec<Vec<f32>> = judge.layers.iter().map(|l| vec![0.0; l.width()]).collect();
        let layers = judge.layers.iter().map(|layer| Dense {
            shape: layer.shape,
            weights: Aligned::zeros(layer.weights.len()),
            bias: Aligned::zeros(layer.bias.len()),
        });
        Self {
            features: Vec::new(),
            ends: Vec::new(),
            targets: Vec::new(),
            slopes: Vec::new(),
            layers: layers.collect(),
            bias: vec![0.0; judge.bias.len()],
            loss: 0.0,
            active: Vec::new(),
            sums: vec![0.0; judge.width()],
            output_slopes: outputs.clone(),
            outputs,
        }
    }

    fn clear(&mut self) {
        self.features.clear();
        self.ends.clear();
        self.targets.clear();
        self.bias.fill(0.0);
        for layer in &mut self.layers {
            layer.weights.fill(0.0);
            layer.bias.fill(0.0);
        }
        self.loss = 0.0;
    }

    fn samples(&self) -> impl Iterator<Item = &[Feature]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.features[start..*end])
    }
}

/// Forward and back over a group.
struct Pass<'a> {
    kernel: Kernel,
    judge: &'a Judge,
    group: &'a mut Group,
    /// One over the size of the batch.
    share: f32,
}

impl NullaryFnOnce for Pass<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn call(self) {
        let Self {
            kernel,
            judge,
            group,
            share,
        } = self;
        let (width, n_labels) = (judge.width(), judge.n_labels);
        group.slopes.clear();
        group.slopes.resize(group.ends.len() * width, 0.0);
        let mut start = 0;
        for sample in 0..group.ends.len() {
            let features = &group.features[start..group.ends[sample]];
            start = group.ends[sample];
            group.sums.copy_from_slice(&judge.bias);
            for feature in features {
                let row = &judge.embedding[feature.index as usize * width..][..width];
                add_scaled(feature.value, row, &mut group.sums);
            }
            for (at, layer) in judge.layers.iter().enumerate() {
                let (below, above) = group.outputs.split_at_mut(at);
                let input = below.last().unwrap_or(&group.sums);
                dense(kernel, layer, input, &mut group.active, &mut above[0]);
            }
            let slopes = &mut group.slopes[sample * width..][..width];
            let targets = &group.targets[sample * n_labels..][..n_labels];
            let n_layers = judge.layers.len();
            let logits = group.outputs.last().unwrap_or(&group.sums);
            let of_logits = group.output_slopes.last_mut().map_or(&mut *slopes, |s| s);
            group.loss += cross_entropy(&logits[..n_labels], targets, share, of_logits);
            for at in (0..n_layers).rev() {
                let layer = &judge.layers[at];
                let gradient = &mut group.layers[at];
                let input = if at == 0 {
                    &group.sums
                } else {
                    &group.outputs[at - 1]
                };
                let (below, above) = group.output_slopes.split_at_mut(at);
                let above = &above[0];
                let below = below.last_mut().map_or(&mut *slopes, |s| s);
                add_scaled(1.0, above, &mut gradient.bias);
                let w = layer.width();
                group.active.resize(n_words(input.len()), 0);
                mark_active(kernel, input, &mut group.active);
                below.fill(0.0);
                for unit in marked(&group.active) {
                    let at = unit * w;
                    below[unit] = dot(&layer.weights[at..at + w], above);
                    add_scaled(input[unit], above, &mut gradient.weights[at..at + w]);
                }
            }
            add_scaled(1.0, slopes, &mut group.bias);
        }
    }
}

/// The cross-entropy of one sample in nats, and its slopes times `share`.
#[expect(
    clippy::inline_always,
    reason = "compiled for the instructions of its caller"
)]
#[inline(always)]
fn cross_entropy(logits: &[f32], targets: &[f32], share: f32, slopes: &mut [f32]) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for (slope, z) in slopes.iter_mut().zip(logits) {
        *slope = (z - top).exp();
        total += *slope;
    }
    let log_total = top + total.ln();
    let mut loss = 0.0;
    for ((slope, z), y) in slopes.iter_mut().zip(logits).zip(targets) {
        *slope = share * (*slope / total - y);
        loss += y * (log_total - z);
    }
    f64::from(loss)
}

/// First and second moments of one array of weights.
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Moments {
    fn new(n: usize) -> Self {
        Self {
            first: vec![0.0; n],
            second: vec![0.0; n],
        }
    }
}

/// What AdamW does at one step.
#[derive(Clone, Copy)]
struct Rate {
    betas: [f32; 2],
    step_size: f32,
    second_scale: f32,
    keep: f32,
}

impl Rate {
    fn at(options: &JudgeOptions, step: usize) -> Self {
        let betas = options.betas.map(|beta| beta as f32);
        let power = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let rate = options.learning_rate * options.schedule.factor(step, options.steps, 0);
        let [first, second] = betas.map(|beta| 1.0 - f64::from(beta).powi(power));
        Self {
            betas,
            step_size: (rate / first) as f32,
            second_scale: (1.0 / second) as f32,
            keep: (1.0 - rate * options.weight_decay) as f32,
        }
    }

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn update(self, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let [b1, b2] = self.betas;
        for (((w, &g), m), v) in weights.iter_mut().zip(gradient).zip(first).zip(second) {
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *w = self.keep * *w - self.step_size * *m / ((*v * self.second_scale).sqrt() + EPSILON);
        }
    }
}

struct Update<'a> {
    rate: Rate,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    moments: &'a mut Moments,
}

impl NullaryFnOnce for Update<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn call(self) {
        let Moments { first, second } = self.moments;
        self.rate.update(self.weights, self.gradient, first, second);
    }
}

/// A range of rows of the embedding, with what their updates need.
struct Shard {
    first_row: usize,
    moments: Moments,
    gradient: Vec<f32>,
    touched: Vec<bool>,
}

struct UpdateRows<'a> {
    rate: Rate,
    width: usize,
    groups: &'a [Group],
    rows: &'a mut [f32],
    shard: &'a mut Shard,
}

impl NullaryFnOnce for UpdateRows<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "compiled for the instructions of its caller"
    )]
    #[inline(always)]
    fn call(self) {
        let Self {
            rate,
            width,
            groups,
            rows,
            shard,
        } = self;
        let n_rows = shard.touched.len();
        for group in groups {
            for (features, slopes) in group.samples().zip(group.slopes.chunks_exact(width)) {
                for feature in features {
                    let row = (feature.index as usize).wrapping_sub(shard.first_row);
                    if row < n_rows {
                        shard.touched[row] = true;
                        let gradient = &mut shard.gradient[row * width..][..width];
                        add_scaled(feature.value, slopes, gradient);
                    }
                }
            }
        }
        for row in 0..n_rows {
            if std::mem::take(&mut shard.touched[row]) {
                let at = row * width..(row + 1) * width;
                let gradient = &mut shard.gradient[at.clone()];
                let first = &mut shard.moments.first[at.clone()];
                let second = &mut shard.moments.second[at.clone()];
                rate.update(&mut rows[at], gradient, first, second);
                gradient.fill(0.0);
            }
        }
    }
}

struct Trainer {
    kernel: Kernel,
    groups: Vec<Group>,
    shards: Vec<Shard>,
    bias: Moments,
    layers: Vec<[Moments; 2]>,
    is_parallel: bool,
}

impl Trainer {
    fn new(judge: &Judge, options: &JudgeOptions, threads: usize) -> Self {
        let width = judge.width();
        let n_features = judge.n_features();
        // Rows are independent, so any division gives the same bits.
        let rows_each = n_features.div_ceil(if threads > 1 { 2 } else { 1 });
        let shards = (0..n_features).step_by(rows_each.max(1)).map(|first_row| {
            let n = rows_each.min(n_features - first_row);
            Shard {
                first_row,
                moments: Moments::new(n * width),
                gradient: vec![0.0; n * width],
                touched: vec![false; n],
            }
        });
        let layers = judge.layers.iter().map(|layer| {
            [
                Moments::new(layer.weights.len()),
                Moments::new(layer.bias.len()),
            ]
        });
        let n_groups = N_GROUPS.min(options.batch_size);
        Self {
            kernel: Kernel::new(),
            groups: (0..n_groups).map(|_| Group::new(judge)).collect(),
            shards: shards.collect(),
            bias: Moments::new(padded(judge.units)),
            layers: layers.collect(),
            is_parallel: threads > 1,
        }
    }

    fn draw(
        &mut self,
        lessons: Lessons<'_>,
        usable: &[usize],
        options: &JudgeOptions,
        stream: &mut SplitMix64,
    ) {
        let n_groups = self.groups.len();
        let mut pieces = Vec::new();
        for group in &mut self.groups {
            group.clear();
        }
        for sample in 0..options.batch_size {
            let group = &mut self.groups[sample * n_groups / options.batch_size];
            let case = usable[stream.below(usable.len())];
            draw(
                lessons.cases.n_pieces(case),
                options.pieces,
                stream,
                &mut pieces,
            );
            for &piece in &pieces {
                lessons.cases.piece(case, piece, &mut group.features);
            }
            group.ends.push(group.features.len());
            let targets = &lessons.targets[case * lessons.n_labels..][..lessons.n_labels];
            group.targets.extend_from_slice(targets);
        }
    }

    fn step(&mut self, judge: &mut Judge, options: &JudgeOptions, step: usize) -> f64 {
        let kernel = self.kernel;
        let share = 1.0 / options.batch_size as f32;
        let rate = Rate::at(options, step);
        let width = judge.width();
        let frozen = &*judge;
        for_each(self.is_parallel, self.groups.iter_mut(), |group| {
            kernel.run(Pass {
                kernel,
                judge: frozen,
                group,
                share,
            });
        });
        let loss = self.groups.iter().map(|group| group.loss).sum::<f64>();
        let (summed, others) = self.groups.split_at_mut(1);
        let summed = &mut summed[0];
        for other in others.iter() {
            kernel.add_scaled(1.0, &other.bias, &mut summed.bias);
            for (sum, layer) in summed.layers.iter_mut().zip(&other.layers) {
                kernel.add_scaled(1.0, &layer.weights, &mut sum.weights);
                kernel.add_scaled(1.0, &layer.bias, &mut sum.bias);
            }
        }
        let update = |weights, gradient, moments| {
            kernel.run(Update {
                rate,
                weights,
                gradient,
                moments,
            });
        };
        update(&mut judge.bias, &summed.bias, &mut self.bias);
        let layers = judge.layers.iter_mut().zip(&summed.layers);
        for ((layer, gradient), [weights, bias]) in layers.zip(&mut self.layers) {
            update(&mut layer.weights, &gradient.weights, weights);
            update(&mut layer.bias, &gradient.bias, bias);
        }
        let groups = &self.groups;
        let rows_each = self.shards.first().map_or(1, |shard| shard.touched.len());
        let parts = judge.embedding.chunks_mut((rows_each * width).max(1));
        for_each(
            self.is_parallel,
            parts.zip(&mut self.shards),
            |(rows, shard)| {
                kernel.run(UpdateRows {
                    rate,
                    width,
                    groups,
                    rows,
                    shard,
                });
            },
        );
        loss / options.batch_size as f64
    }
}

/// Does `work` to every part, each on a thread of its own where that is wanted.
fn for_each<T: Send>(is_parallel: bool, parts: impl Iterator<Item = T>, work: impl Fn(T) + Sync) {
    if is_parallel {
        std::thread::scope(|scope| {
            let mut parts = parts;
            let Some(own) = parts.next() else { return };
            for part in parts {
                scope.spawn(|| work(part));
            }
            work(own);
        });
    } else {
        parts.for_each(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small::{blobs, options};

    /// The mean loss of a batch that was drawn, and its slopes.
    fn pass(judge: &Judge, trainer: &mut Trainer) -> f64 {
        let n: usize = trainer.groups.iter().map(|group| group.ends.len()).sum();
        for group in &mut trainer.groups {
            for layer in &mut group.layers {
                layer.weights.fill(0.0);
                layer.bias.fill(0.0);
            }
            group.bias.fill(0.0);
            group.loss = 0.0;
            let kernel = Kernel::new();
            kernel.run(Pass {
                kernel,
                judge,
                group,
                share: 1.0 / n as f32,
            });
        }
        trainer.groups.iter().map(|group| group.loss).sum::<f64>() / n as f64
    }

    #[test]
    fn slopes_equal_finite_differences() {
        let (cases, targets) = blobs(20, 3);
        for hidden in [vec![], vec![5], vec![6, 4]] {
            let options = JudgeOptions {
                hidden,
                batch_size: 8,
                ..options()
            };
            let lessons = Lessons {
                cases: &cases,
                targets: &targets,
                n_labels: 3,
            };
            let mut judge = Judge::initial(cases.n_features(), 3, &options, Seed(1));
            for layer in &mut judge.layers {
                let mut stream = Seed(2).stream();
                for row in layer.weights.chunks_exact_mut(padded(layer.shape[1])) {
                    row[..layer.shape[1]].fill_with(|| stream.next_normal() as f32);
                }
            }
            let mut trainer = Trainer::new(&judge, &options, 1);
            let usable: Vec<usize> = (0..cases.len()).collect();
            trainer.draw(lessons, &usable, &options, &mut Seed(3).stream());
            pass(&judge, &mut trainer);
            let width = judge.width();
            let mut embedding = vec![0.0; judge.embedding.len()];
            for group in &trainer.groups {
                for (features, slopes) in group.samples().zip(group.slopes.chunks_exact(width)) {
                    for feature in features {
                        let row = &mut embedding[feature.index as usize * width..][..width];
                        add_scaled(feature.value, slopes, row);
                    }
                }
            }
            let of_layers: Vec<Vec<f32>> = (0..judge.layers.len())
                .map(|at| {
                    let mut sum = vec![0.0; judge.layers[at].weights.len()];
                    for group in &trainer.groups {
                        add_scaled(1.0, &group.layers[at].weights, &mut sum);
                    }
                    sum
                })
                .collect();
            let mut n_checked = 0;
            let mut check = |slope: f32, weight: &mut dyn FnMut(&mut Judge) -> &mut f32| {
                let mut at = |by: f32| {
                    let mut shifted = judge.clone();
                    *weight(&mut shifted) += by;
                    pass(&shifted, &mut trainer)
                };
                let numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!(
                    (numeric - f64::from(slope)).abs() < 2e-3,
                    "{slope} is not {numeric}"
                );
                n_checked += usize::from(slope.abs() > 1e-4);
            };
            for at in (0..embedding.len()).filter(|at| at % width < judge.units) {
                check(embedding[at], &mut |judge| &mut judge.embedding[at]);
            }
            for (layer, slopes) in of_layers.iter().enumerate() {
                let [_, outputs] = judge.layers[layer].shape;
                let is_real = |(at, _): &(usize, &f32)| at % padded(outputs) < outputs;
                for (at, slope) in slopes.iter().enumerate().filter(is_real) {
                    check(*slope, &mut |judge| &mut judge.layers[layer].weights[at]);
                }
            }
            assert!(n_checked > 20, "only {n_checked} slopes are not nothing");
        }
    }

    fn train(options: &JudgeOptions, threads: usize) -> (Judge, Vec<f64>) {
        let (cases, targets) = blobs(60, 3);
        let lessons = Lessons {
            cases: &cases,
            targets: &targets,
            n_labels: 3,
        };
        let mut losses = Vec::new();
        let judge = Judge::train(lessons, options, Seed(5), threads, &mut |step| {
            losses.push(step.loss);
        });
        (judge.unwrap(), losses)
    }

    #[test]
    fn a_judge_learns_and_threads_change_nothing() {
        let (judge, losses) = train(&options(), 1);
        let (other, _) = train(&options(), 2);
        assert_eq!(judge, other);
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (first, last) = (mean(&losses[..20]), mean(&losses[losses.len() - 20..]));
        assert!(first > 0.9 && last < 0.8 * first, "{first} to {last}");
        let again = Judge::from_bytes(&judge.to_bytes().unwrap()).unwrap();
        assert_eq!(judge, again);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_said() {
        let (cases, targets) = blobs(4, 3);
        let train = |targets: &[f32], options: &JudgeOptions| {
            let lessons = Lessons {
                cases: &cases,
                targets,
                n_labels: 3,
            };
            Judge::train(lessons, options, Seed(0), 1, &mut |_| {}).unwrap_err()
        };
        let error = train(&targets[1..], &options());
        assert_eq!(
            error.to_string(),
            "11 target probabilities for 4 cases of 3 labels"
        );
        let nothing = JudgeOptions {
            pieces: 0,
            ..options()
        };
        assert_eq!(train(&targets, &nothing).to_string(), "`pieces` is 0");
        let black = crate::Images::new(4, &[0; 8]);
        let lessons = Lessons {
            cases: &black,
            targets: &[0.5; 4],
            n_labels: 2,
        };
        let error = Judge::train(lessons, &options(), Seed(0), 1, &mut |_| {}).unwrap_err();
        assert_eq!(error.to_string(), "none of 2 cases has a piece to show");
    }
}
