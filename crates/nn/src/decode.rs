//! A transformer's forward pass on the processor, for a few new tokens at a time.
//!
//! The same arithmetic as [`crate::transformer`], with nothing between the loops: weights are copied once
//! into panels that products read from beginning to end, queries, keys and values come from one product,
//! and so do a gate and what it gates; work happens in buffers that are kept from token to token.
//!
//! Tokens of several rows are computed together, each row having a length of its own: there is no
//! padding. Keys and values of a row lie apart from those of others, in
//! `[n_layers, n_kv_heads, capacity, stride]`, where stride is the head's width rounded up to whole vectors.
//! A row's numbers have the same bits alone and in any batch ([`kernel`]).
//!
//! Not built: a window's keys stay in memory after nobody sees them; queries go one by one, so that reading long prompts
//! has its attention at less than full speed. Compared with the plain forward pass in `tests/it/generate.rs`.

use burn_tensor::Device as BurnDevice;

use crate::definition::{
    Attention, Definition, Mlp, Norm as NormKind, NormPlace, Output, Positions, Residual,
};
use crate::precision::Precision;
use crate::transformer::{Transformer, angle};
use kernel::{Into, Kernel, LANES, Norm, Panels, Seen};

mod kernel;

/// Tokens that are computed together at most, so that buffers stay small.
const CHUNK: usize = 512;

/// A transformer with its weights where loops want them.
#[derive(Debug)]
pub(crate) struct Decoder {
    definition: Definition,
    kernel: Kernel,
    /// `[vocab_size, width]`.
    tokens: Vec<f32>,
    positions: Option<Vec<f32>>,
    layers: Vec<Layer>,
    norm: Norm,
    head: Panels,
}

#[derive(Debug)]
struct Layer {
    norm1: Norm,
    query_key_value: Panels,
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
    output: Panels,
    norm2: Norm,
    /// With a gate, that comes first.
    up: Panels,
    down: Panels,
}

/// Keys and values of one row.
#[derive(Debug, Clone)]
pub(crate) struct RowMemory {
    keys: Vec<f32>,
    values: Vec<f32>,
    len: usize,
    capacity: usize,
}

/// A token to read: into which row, and whether the logits after it are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) row: usize,
    pub(crate) id: u32,
    pub(crate) is_wanted: bool,
}

/// Buffers that are kept between calls.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    readings: Vec<Reading>,
    /// The position of each token in its row.
    places: Vec<usize>,
    hidden: Vec<f32>,
    normed: Vec<f32>,
    query_key_value: Vec<f32>,
    mixed: Vec<f32>,
    up: Vec<f32>,
    inner: Vec<f32>,
    query: Vec<f32>,
    scores: Vec<f32>,
    out: Vec<f32>,
    packed: Vec<f32>,
    /// Cosine and sine of each pair, position by position.
    rotations: Vec<[f32; 2]>,
}

impl Decoder {
    /// Copies the weights of `transformer`; `None` where it is not on the processor, collects gradients, or is no
    /// causal model with norms before each part and an output map.
    pub(crate) fn new(transformer: &Transformer) -> Option<Self> {
        let d = transformer.definition().clone();
        let is_built = d.attention != Attention::Bidirectional
            && d.norm_place == NormPlace::Before
            && d.n_token_types == 0;
        let is_here = *transformer.device() == BurnDevice::flex()
            && transformer.precision() == Precision::Float32;
        if !is_here || transformer.is_tracked() || !is_built {
            return None;
        }
        let read = Read { transformer, d: &d };
        let tokens = read.vector("embed.tokens")?;
        let head = match d.output {
            Output::None => return None,
            Output::Tied => {
                let shape = [d.width, d.vocab_size];
                Panels::new(shape, |k, j| tokens[j * d.width + k], &[])
            }
            Output::Untied => {
                let head = read.vector("head")?;
                let shape = [d.width, d.vocab_size];
                Panels::new(shape, |k, j| head[k * d.vocab_size + j], &[])
            }
        };
        let positions = match d.positions {
            Positions::Learned => Some(read.vector("embed.positions")?),
            Positions::Rotary { .. } => None,
        };
        let layers = (0..d.n_layers)
            .map(|layer| read.layer(&format!("layers.{layer}")))
            .collect::<Option<_>>()?;
        let norm = read.norm("norm", d.norm)?;
        Some(Self {
            kernel: Kernel::new(),
            tokens,
            positions,
            layers,
            norm,
            head,
            definition: d,
        })
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Numbers of a head, padded.
    fn stride(&self) -> usize {
        self.definition.head_width.div_ceil(LANES) * LANES
    }

    /// An empty row with room for `capacity` tokens.
    pub(crate) fn remember(&self, capacity: usize) -> RowMemory {
        let d = &self.definition;
        let n = d.n_layers * d.n_kv_heads * capacity * self.stride();
        RowMemory {
            keys: vec![0.0; n],
            values: vec![0.0; n],
            len: 0,
            capacity,
        }
    }

    /// The same row, with room for `capacity` tokens.
    pub(crate) fn copy(&self, row: &RowMemory, capacity: usize) -> RowMemory {
        let (stride, mut copy) = (self.stride(), self.remember(capacity));
        copy.len = row.len;
        for (old, new) in [(&row.keys, &mut copy.keys), (&row.values, &mut copy.values)] {
            let heads = old.chunks_exact(row.capacity * stride);
            for (old, new) in heads.zip(new.chunks_exact_mut(capacity * stride)) {
                let n = row.len * stride;
                new[..n].copy_from_slice(&old[..n]);
            }
        }
        copy
    }

    /// Reads one token in each row; logits are `[n_rows, vocab_size]`.
    pub(crate) fn step(
        &self,
        rows: &mut [RowMemory],
        tokens: &[u32],
        work: &mut Workspace,
        logits: &mut Vec<f32>,
    ) {
        let mut readings = std::mem::take(&mut work.readings);
        readings.clear();
        let reading = |(row, &id)| Reading {
            row,
            id,
            is_wanted: true,
        };
        readings.extend(tokens.iter().enumerate().map(reading));
        logits.clear();
        self.read(rows, &readings, work, logits);
        work.readings = readings;
    }

    /// Reads tokens, those of a row in their order, and appends the logits that are wanted, in that order.
    ///
    /// # Panics
    ///
    /// When a row has no room, or a token or position no embedding: callers check.
    pub(crate) fn read(
        &self,
        rows: &mut [RowMemory],
        readings: &[Reading],
        work: &mut Workspace,
        logits: &mut Vec<f32>,
    ) {
        for chunk in readings.chunks(CHUNK) {
            self.read_chunk(rows, chunk, work, logits);
        }
    }

    fn read_chunk(
        &self,
        rows: &mut [RowMemory],
        readings: &[Reading],
        work: &mut Workspace,
        logits: &mut Vec<f32>,
    ) {
        let (d, kernel, n) = (&self.definition, self.kernel, readings.len());
        work.places.clear();
        for reading in readings {
            let row = &mut rows[reading.row];
            assert!(row.len < row.capacity, "a row has no room for a token");
            work.places.push(row.len);
            row.len += 1;
        }
        self.prepare(n, rows, work);
        self.embed(readings, work);
        for (layer, parts) in self.layers.iter().enumerate() {
            kernel.norm(&parts.norm1, &work.hidden, &mut work.normed);
            kernel.product(
                &work.normed,
                &parts.query_key_value,
                Into::Replace,
                &mut work.query_key_value,
                &mut work.packed,
            );
            self.attend(layer, rows, readings, work);
            if d.residual == Residual::Parallel {
                kernel.norm(&parts.norm2, &work.hidden, &mut work.normed);
            }
            kernel.product(
                &work.mixed,
                &parts.output,
                Into::Add,
                &mut work.hidden,
                &mut work.packed,
            );
            if d.residual == Residual::Sequential {
                kernel.norm(&parts.norm2, &work.hidden, &mut work.normed);
            }
            self.mlp(parts, work);
        }
        self.write_logits(readings, work, logits);
    }

    /// Makes buffers as long as `n` tokens need them.
    fn prepare(&self, n: usize, rows: &[RowMemory], work: &mut Workspace) {
        let d = &self.definition;
        let n_queries = d.n_heads * d.head_width;
        let n_gates = usize::from(d.mlp == Mlp::SwiGlu);
        work.hidden.resize(n * d.width, 0.0);
        work.normed.resize(n * d.width, 0.0);
        let n_all = n_queries + 2 * d.n_kv_heads * d.head_width;
        work.query_key_value.resize(n * n_all, 0.0);
        work.mixed.resize(n * n_queries, 0.0);
        work.up.resize(n * (1 + n_gates) * d.mlp_width, 0.0);
        work.inner.resize(n * n_gates * d.mlp_width, 0.0);
        work.query.resize(self.stride(), 0.0);
        work.out.resize(self.stride(), 0.0);
        let longest = rows.iter().map(|row| row.len).max().unwrap_or(0);
        if work.scores.len() < longest {
            work.scores.resize(longest, 0.0);
        }
        if let Positions::Rotary { rotated, theta } = d.positions {
            let half = rotated / 2;
            let known = work.rotations.len() / half;
            for position in known..longest {
                work.rotations.extend((0..half).map(|pair| {
                    let (sine, cosine) = angle(position, pair, rotated, theta).sin_cos();
                    [cosine as f32, sine as f32]
                }));
            }
        }
    }

    fn embed(&self, readings: &[Reading], work: &mut Workspace) {
        let width = self.definition.width;
        let hidden = work.hidden.chunks_exact_mut(width);
        for ((reading, &place), hidden) in readings.iter().zip(&work.places).zip(hidden) {
            hidden.copy_from_slice(&self.tokens[reading.id as usize * width..][..width]);
            if let Some(positions) = &self.positions {
                let position = &positions[place * width..][..width];
                hidden.iter_mut().zip(position).for_each(|(h, p)| *h += p);
            }
        }
    }

    /// Remembers keys and values of the tokens, and mixes the values that each query sees.
    fn attend(
        &self,
        layer: usize,
        rows: &mut [RowMemory],
        readings: &[Reading],
        work: &mut Workspace,
    ) {
        let (d, stride) = (&self.definition, self.stride());
        let width = d.head_width;
        let (n_queries, n_keys) = (d.n_heads * width, d.n_kv_heads * width);
        let parts = &self.layers[layer];
        let window = match d.attention {
            Attention::Window { window } => window,
            Attention::Causal | Attention::Bidirectional => usize::MAX,
        };
        let scale = 1.0 / (width as f32).sqrt();
        let all = work
            .query_key_value
            .chunks_exact_mut(n_queries + 2 * n_keys);
        let mixed = work.mixed.chunks_exact_mut(n_queries);
        for (((reading, &place), all), mixed) in
            readings.iter().zip(&work.places).zip(all).zip(mixed)
        {
            let row = &mut rows[reading.row];
            let (queries, keys_values) = all.split_at_mut(n_queries);
            let (keys, values) = keys_values.split_at_mut(n_keys);
            let turns = match d.positions {
                Positions::Rotary { rotated, .. } => {
                    &work.rotations[place * (rotated / 2)..][..rotated / 2]
                }
                Positions::Learned => &[],
            };
            let head_size = row.capacity * stride;
            let first_head = layer * d.n_kv_heads;
            let heads = keys.chunks_exact_mut(width).zip(values.chunks_exact(width));
            for (head, (key, value)) in heads.enumerate() {
                self.turn(parts.key_norm.as_ref(), key, turns, &mut work.out);
                let at = (first_head + head) * head_size + place * stride;
                row.keys[at..at + width].copy_from_slice(key);
                row.values[at..at + width].copy_from_slice(value);
            }
            let visible = (place + 1).saturating_sub(window)..place + 1;
            let n_shared = d.n_heads / d.n_kv_heads;
            let heads = queries
                .chunks_exact_mut(width)
                .zip(mixed.chunks_exact_mut(width));
            for (head, (query, mixed)) in heads.enumerate() {
                self.turn(parts.query_norm.as_ref(), query, turns, &mut work.out);
                for (padded, query) in work.query.iter_mut().zip(query) {
                    *padded = *query * scale;
                }
                let start = (first_head + head / n_shared) * head_size;
                let at = start + visible.start * stride..start + visible.end * stride;
                let seen = Seen {
                    keys: &row.keys[at.clone()],
                    values: &row.values[at],
                };
                (self.kernel).attend(&work.query, seen, &mut work.scores, &mut work.out);
                mixed.copy_from_slice(&work.out[..width]);
            }
        }
    }

    /// Normalises and rotates a head.
    fn turn(&self, norm: Option<&Norm>, head: &mut [f32], turns: &[[f32; 2]], work: &mut [f32]) {
        if let Some(norm) = norm {
            let normed = &mut work[..head.len()];
            self.kernel.norm(norm, head, normed);
            head.copy_from_slice(normed);
        }
        let (a, b) = head.split_at_mut(turns.len());
        for ((a, b), [cosine, sine]) in a.iter_mut().zip(b).zip(turns) {
            (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
        }
    }

    fn mlp(&self, parts: &Layer, work: &mut Workspace) {
        let (d, kernel) = (&self.definition, self.kernel);
        kernel.product(
            &work.normed,
            &parts.up,
            Into::Replace,
            &mut work.up,
            &mut work.packed,
        );
        let inner = match d.mlp {
            Mlp::GeluTanh => {
                kernel.gelu_tanh(&mut work.up);
                &work.up
            }
            Mlp::GeluErf => {
                kernel.gelu_erf(&mut work.up);
                &work.up
            }
            Mlp::SwiGlu => {
                kernel.swiglu(&work.up, d.mlp_width, &mut work.inner);
                &work.inner
            }
        };
        kernel.product(
            inner,
            &parts.down,
            Into::Add,
            &mut work.hidden,
            &mut work.packed,
        );
    }

    fn write_logits(&self, readings: &[Reading], work: &mut Workspace, logits: &mut Vec<f32>) {
        let d = &self.definition;
        let mut n_wanted = 0;
        for (token, _) in readings.iter().enumerate().filter(|(_, r)| r.is_wanted) {
            let from = &work.hidden[token * d.width..][..d.width];
            let to = &mut work.normed[n_wanted * d.width..][..d.width];
            self.kernel.norm(&self.norm, from, to);
            n_wanted += 1;
        }
        if n_wanted == 0 {
            return;
        }
        let start = logits.len();
        logits.resize(start + n_wanted * self.head.n_out(), 0.0);
        self.kernel.product(
            &work.normed[..n_wanted * d.width],
            &self.head,
            Into::Replace,
            &mut logits[start..],
            &mut work.packed,
        );
    }

    /// `ln Σ e^z`.
    pub(crate) fn log_sum_exp(&self, logits: &[f32]) -> f64 {
        self.kernel.log_sum_exp(logits)
    }
}

/// Takes parameters out of a transformer.
struct Read<'a> {
    transformer: &'a Transformer,
    d: &'a Definition,
}

impl Read<'_> {
    fn vector(&self, name: &str) -> Option<Vec<f32>> {
        Some(self.transformer.parameter(name)?.0)
    }

    fn norm(&self, name: &str, kind: NormKind) -> Option<Norm> {
        let bias = match kind {
            NormKind::LayerNorm => Some(self.vector(&format!("{name}.bias"))?),
            NormKind::RmsNorm => None,
        };
        Some(Norm {
            weight: self.vector(&format!("{name}.weight"))?,
            bias,
            epsilon: self.d.norm_epsilon as f32,
        })
    }

    /// Linear maps of one input, beside each other.
    fn maps(&self, names: &[String], has_bias: bool) -> Option<Panels> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        let mut n_in = 0;
        // Which map an output belongs to, and which of its outputs it is.
        let mut outputs = Vec::new();
        for (map, name) in names.iter().enumerate() {
            let (weight, shape) = self.transformer.parameter(&format!("{name}.weight"))?;
            n_in = shape[0];
            outputs.extend((0..shape[1]).map(|j| (map, j)));
            weights.push((weight, shape[1]));
            if has_bias {
                biases.extend(self.vector(&format!("{name}.bias"))?);
            }
        }
        let weight = |k: usize, j: usize| {
            let (map, j) = outputs[j];
            let (weight, n_out) = &weights[map];
            weight[k * n_out + j]
        };
        Some(Panels::new([n_in, outputs.len()], weight, &biases))
    }

    fn layer(&self, here: &str) -> Option<Layer> {
        let (d, biases) = (self.d, self.d.biases);
        let name = |part: &str| format!("{here}.{part}");
        let query_key_value =
            ["query", "key", "value"].map(|map| name(&format!("attention.{map}")));
        let head_norm = |part: &str| match d.query_key_norm {
            crate::definition::QueryKeyNorm::None => Some(None),
            crate::definition::QueryKeyNorm::RmsNorm => {
                self.norm(&name(part), NormKind::RmsNorm).map(Some)
            }
        };
        let up: &[&str] = match d.mlp {
            Mlp::SwiGlu => &["mlp.gate", "mlp.up"],
            Mlp::GeluTanh | Mlp::GeluErf => &["mlp.up"],
        };
        let up: Vec<String> = up.iter().map(|part| name(part)).collect();
        Some(Layer {
            norm1: self.norm(&name("norm1"), d.norm)?,
            query_key_value: self.maps(&query_key_value, biases.query_key_value)?,
            query_norm: head_norm("attention.query_norm")?,
            key_norm: head_norm("attention.key_norm")?,
            output: self.maps(&[name("attention.output")], biases.attention_output)?,
            norm2: self.norm(&name("norm2"), d.norm)?,
            up: self.maps(&up, biases.mlp)?,
            down: self.maps(&[name("mlp.down")], biases.mlp)?,
        })
    }
}
