//! The forward pass of a [`Definition`].
//!
//! ```text
//! h⁰ = E[tokens] (+ P[positions]) (+ S[segments])            (norm, if norms come after)
//! norms before   h ← h + attention(norm₁ h),  h ← h + mlp(norm₂ h)      parallel: both from the old h
//! norms after    h ← norm₁(h + attention(h)), h ← norm₂(h + mlp(h))
//! attention      softmax(q kᵀ / √head width + mask) v, head by head
//! ```
//!
//! Shapes: hidden states `[n_rows, len, width]`; every linear map is `[in, out]`, applied as `x W + b`.
//! Masked scores get −10⁹ added, not −∞, so that a row of padding, which sees nothing, stays finite.
//! There is no dropout. Parity with `transformers`: `tests/it/parity.rs`.

use burn_tensor::activation::{gelu, gelu_approximate, silu, softmax};
use burn_tensor::module::{embedding, layer_norm, linear};
use burn_tensor::{Device as BurnDevice, Int, Tensor, TensorData};

use crate::TokenBatch;
use crate::batch::BatchError;
use crate::definition::{
    Attention as Sight, Definition, Mlp as MlpKind, Norm as NormKind, NormPlace, Output, Positions,
    QueryKeyNorm, Residual,
};
use crate::fused::{self, Operations, Threads};
use crate::lora::{Adapter, LinearMap};
use crate::precision::{Precision, widened};

/// A transformer with its parameters, on a device.
#[derive(Debug, Clone)]
pub struct Transformer {
    definition: Definition,
    device: BurnDevice,
    tokens: Tensor<2>,
    positions: Option<Tensor<2>>,
    types: Option<Tensor<2>>,
    embed_norm: Option<Norm>,
    layers: Vec<Layer>,
    norm: Option<Norm>,
    head: Option<Tensor<2>>,
    operations: Operations,
    threads: Threads,
    precision: Precision,
}

/// Which hidden states a forward pass hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The last.
    Last,
    /// After the embeddings, and after every layer.
    All,
}

/// What a forward pass hands out.
#[derive(Debug, Clone)]
pub struct Hidden {
    /// `[n_rows, len, width]`, after the last norm.
    pub last: Tensor<3>,
    /// With [`Keep::All`] `n_layers + 1` of them: after the embeddings, and after each layer, the last
    /// one being [`Hidden::last`] (as `transformers` counts). Otherwise empty.
    pub all: Vec<Tensor<3>>,
}

/// One parameter, on a walk through all of them.
#[derive(Debug)]
pub(crate) enum Parameter<'a> {
    /// A bias or a norm's weight.
    Vector(&'a mut Tensor<1>),
    /// An embedding, or a linear map `[in, out]`.
    Matrix(&'a mut Tensor<2>),
}

impl Parameter<'_> {
    /// Its shape.
    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Vector(tensor) => tensor.dims().to_vec(),
            Self::Matrix(tensor) => tensor.dims().to_vec(),
        }
    }

    /// Makes other numbers of a matrix, untracked; a vector stays as it is.
    pub(crate) fn change_matrix(self, change: &mut dyn FnMut(&mut [f32])) {
        if let Self::Matrix(tensor) = self {
            let mut changed = numbers(tensor);
            change(&mut changed);
            let data = TensorData::new(changed, tensor.dims());
            *tensor = Tensor::from_data(data, &tensor.device().inner());
        }
    }

    /// Its numbers, row-major, and its shape.
    pub(crate) fn read(&self) -> (Vec<f32>, Vec<usize>) {
        match self {
            Self::Vector(tensor) => (numbers(tensor), tensor.dims().to_vec()),
            Self::Matrix(tensor) => (numbers(tensor), tensor.dims().to_vec()),
        }
    }
}

/// The numbers of a tensor, row-major.
///
/// # Panics
///
/// When the device fails to hand them out.
pub(crate) fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    match tensor.try_to_vec_as() {
        Ok(numbers) => numbers,
        Err(error) => panic!("the device does not hand out a tensor: {error:?}"),
    }
}

pub(crate) type Visit<'v> = &'v mut dyn FnMut(&str, Parameter<'_>);

mod cached;
use cached::LayerPast;
pub(crate) use cached::Past;

/// What all layers of a pass have in common.
struct Surroundings<'a> {
    definition: &'a Definition,
    precision: Precision,
    /// What is added to scores; nothing where everyone sees everyone.
    mask: Option<Tensor<4>>,
    /// Cosine and sine of every rotation, where positions are rotations.
    rotation: Option<[Tensor<4>; 2]>,
}

#[derive(Debug, Clone)]
struct Layer {
    norm1: Norm,
    attention: Attention,
    norm2: Norm,
    mlp: Mlp,
}

#[derive(Debug, Clone)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
}

#[derive(Debug, Clone)]
struct Mlp {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
}

#[derive(Debug, Clone)]
pub(crate) struct Linear {
    pub(crate) weight: Tensor<2>,
    pub(crate) bias: Option<Tensor<1>>,
    /// A change that is being learnt.
    pub(crate) adapter: Option<Adapter>,
}

#[derive(Debug, Clone)]
struct Norm {
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
}

/// Gives a parameter's numbers, row-major, by its name and shape.
pub(crate) type Source<'s, E> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, E> + 's;

/// Hands out parameters by name while a transformer is built.
struct Builder<'a, E> {
    device: &'a BurnDevice,
    source: &'a mut Source<'a, E>,
}

impl<E> Builder<'_, E> {
    fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, E> {
        let values = (self.source)(name, &shape)?;
        Ok(Tensor::from_data(
            TensorData::new(values, shape),
            self.device,
        ))
    }

    fn linear(&mut self, name: &str, shape: [usize; 2], has_bias: bool) -> Result<Linear, E> {
        let weight = self.tensor(&format!("{name}.weight"), shape)?;
        let bias = has_bias
            .then(|| self.tensor(&format!("{name}.bias"), [shape[1]]))
            .transpose()?;
        Ok(Linear {
            weight,
            bias,
            adapter: None,
        })
    }

    fn norm(&mut self, name: &str, width: usize, kind: NormKind, epsilon: f64) -> Result<Norm, E> {
        let weight = self.tensor(&format!("{name}.weight"), [width])?;
        let bias = match kind {
            NormKind::LayerNorm => Some(self.tensor(&format!("{name}.bias"), [width])?),
            NormKind::RmsNorm => None,
        };
        Ok(Norm {
            weight,
            bias,
            epsilon,
        })
    }

    fn layer(&mut self, here: &str, d: &Definition) -> Result<Layer, E> {
        let norm1 = self.norm(&format!("{here}.norm1"), d.width, d.norm, d.norm_epsilon)?;
        let attention = format!("{here}.attention");
        let mut map = |name: &str, n_heads: usize| {
            let (shape, has_bias) = ([d.width, n_heads * d.head_width], d.biases.query_key_value);
            self.linear(&format!("{attention}.{name}"), shape, has_bias)
        };
        let (query, key, value) = (
            map("query", d.n_heads)?,
            map("key", d.n_kv_heads)?,
            map("value", d.n_kv_heads)?,
        );
        let shape = [d.n_heads * d.head_width, d.width];
        let output = self.linear(
            &format!("{attention}.output"),
            shape,
            d.biases.attention_output,
        )?;
        let mut head_norm = |name: &str| match d.query_key_norm {
            QueryKeyNorm::None => Ok(None),
            QueryKeyNorm::RmsNorm => {
                let name = format!("{attention}.{name}");
                self.norm(&name, d.head_width, NormKind::RmsNorm, d.norm_epsilon)
                    .map(Some)
            }
        };
        let (query_norm, key_norm) = (head_norm("query_norm")?, head_norm("key_norm")?);
        let norm2 = self.norm(&format!("{here}.norm2"), d.width, d.norm, d.norm_epsilon)?;
        let gate = match d.mlp {
            MlpKind::SwiGlu => {
                let shape = [d.width, d.mlp_width];
                Some(self.linear(&format!("{here}.mlp.gate"), shape, d.biases.mlp)?)
            }
            MlpKind::GeluTanh | MlpKind::GeluErf => None,
        };
        let up = self.linear(
            &format!("{here}.mlp.up"),
            [d.width, d.mlp_width],
            d.biases.mlp,
        )?;
        let down = self.linear(
            &format!("{here}.mlp.down"),
            [d.mlp_width, d.width],
            d.biases.mlp,
        )?;
        Ok(Layer {
            norm1,
            attention: Attention {
                query,
                key,
                value,
                output,
                query_norm,
                key_norm,
            },
            norm2,
            mlp: Mlp { gate, up, down },
        })
    }
}

impl Transformer {
    /// Builds one on `device`, asking `source` for each parameter by name and shape.
    pub(crate) fn build<E>(
        definition: &Definition,
        device: &BurnDevice,
        source: &mut Source<'_, E>,
    ) -> Result<Self, E> {
        let d = definition;
        let mut builder = Builder { device, source };
        let tokens = builder.tensor("embed.tokens", [d.vocab_size, d.width])?;
        let positions = match d.positions {
            Positions::Learned => {
                Some(builder.tensor("embed.positions", [d.max_positions, d.width])?)
            }
            Positions::Rotary { .. } => None,
        };
        let types = match d.n_token_types {
            0 => None,
            n => Some(builder.tensor("embed.types", [n, d.width])?),
        };
        let mut norm = |name: &str| {
            builder
                .norm(name, d.width, d.norm, d.norm_epsilon)
                .map(Some)
        };
        let (embed_norm, last_norm) = match d.norm_place {
            NormPlace::Before => (None, norm("norm")?),
            NormPlace::After => (norm("embed.norm")?, None),
        };
        let layers = (0..d.n_layers)
            .map(|layer| builder.layer(&format!("layers.{layer}"), d))
            .collect::<Result<_, E>>()?;
        let head = match d.output {
            Output::Untied => Some(builder.tensor("head", [d.width, d.vocab_size])?),
            Output::None | Output::Tied => None,
        };
        Ok(Self {
            definition: definition.clone(),
            device: device.clone(),
            tokens,
            positions,
            types,
            embed_norm,
            layers,
            norm: last_norm,
            head,
            operations: Operations::default(),
            threads: Threads::default(),
            precision: Precision::default(),
        })
    }

    /// What it computes with on the processor.
    pub fn operations(&self) -> Operations {
        self.operations
    }

    /// Threads that fused operations use.
    pub fn threads(&self) -> Threads {
        self.threads
    }

    /// The same transformer, computing with `operations` on `threads` where it is on the processor.
    #[must_use]
    pub fn with_operations(self, operations: Operations, threads: Threads) -> Self {
        Self {
            operations,
            threads,
            ..self
        }
    }

    /// What its products are computed in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same transformer, whose products are computed in `precision`; its parameters stay as they are. Whether the device can is for
    /// [`crate::Device::open_in`] to say.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same transformer, for reading only: its maps are kept in what its products are computed in.
    #[must_use]
    pub(crate) fn rounded(mut self) -> Self {
        let precision = self.precision;
        self.linears(&mut |_, _, map| map.weight.inplace(|weight| precision.round(weight)));
        match &mut self.head {
            Some(head) => head.inplace(|head| precision.round(head)),
            None if self.definition.output == Output::Tied => {
                self.tokens.inplace(|tokens| precision.round(tokens));
            }
            None => {}
        }
        self
    }

    /// Its shape and arithmetic.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Where it is.
    pub fn device(&self) -> &BurnDevice {
        &self.device
    }

    /// How many numbers it has; tied ones count once.
    pub fn n_parameters(&self) -> usize {
        let mut n = 0;
        self.clone().visit(&mut |_, parameter| {
            n += match parameter {
                Parameter::Vector(tensor) => tensor.shape().num_elements(),
                Parameter::Matrix(tensor) => tensor.shape().num_elements(),
            };
        });
        n
    }

    /// The numbers of the parameter called `name` (`"embed.tokens"`, `"layers.0.mlp.up.weight"`),
    /// row-major, and its shape.
    pub fn parameter(&self, name: &str) -> Option<(Vec<f32>, Vec<usize>)> {
        let mut found = None;
        self.clone().visit(&mut |visited, parameter| {
            if visited == name {
                found = Some(parameter.read());
            }
        });
        found
    }

    /// Walks through the parameters, by name, always in the same order.
    pub(crate) fn visit(&mut self, visit: Visit<'_>) {
        visit("embed.tokens", Parameter::Matrix(&mut self.tokens));
        if let Some(positions) = &mut self.positions {
            visit("embed.positions", Parameter::Matrix(positions));
        }
        if let Some(types) = &mut self.types {
            visit("embed.types", Parameter::Matrix(types));
        }
        if let Some(norm) = &mut self.embed_norm {
            norm.visit("embed.norm", visit);
        }
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.visit(&format!("layers.{i}"), visit);
        }
        if let Some(norm) = &mut self.norm {
            norm.visit("norm", visit);
        }
        if let Some(head) = &mut self.head {
            visit("head", Parameter::Matrix(head));
        }
    }

    /// Walks through the linear maps of every layer.
    pub(crate) fn linears(&mut self, visit: &mut dyn FnMut(&str, LinearMap, &mut Linear)) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let (attention, mlp) = (&mut layer.attention, &mut layer.mlp);
            let gate = mlp.gate.as_mut().map(|gate| (LinearMap::Gate, gate));
            let others = [
                (LinearMap::Query, &mut attention.query),
                (LinearMap::Key, &mut attention.key),
                (LinearMap::Value, &mut attention.value),
                (LinearMap::Output, &mut attention.output),
                (LinearMap::Up, &mut mlp.up),
                (LinearMap::Down, &mut mlp.down),
            ];
            for (map, linear) in others.into_iter().chain(gate) {
                visit(&format!("layers.{i}.{}", map.path()), map, linear);
            }
        }
    }

    /// The same transformer, whose parameters collect gradients where `is_trained` says so of their name.
    #[must_use]
    pub(crate) fn tracked(mut self, is_trained: fn(&str) -> bool) -> Self {
        self.visit(&mut |name, parameter| match parameter {
            _ if !is_trained(name) => {}
            Parameter::Vector(tensor) => tensor.inplace(|t| t.autodiff().require_grad()),
            Parameter::Matrix(tensor) => tensor.inplace(|t| t.autodiff().require_grad()),
        });
        self
    }

    /// Whether its parameters collect gradients.
    pub(crate) fn is_tracked(&self) -> bool {
        self.tokens.device().is_autodiff()
    }

    /// The same transformer without gradients.
    #[must_use]
    pub(crate) fn untracked(mut self) -> Self {
        self.visit(&mut |_, parameter| match parameter {
            Parameter::Vector(tensor) => tensor.inplace(Tensor::inner),
            Parameter::Matrix(tensor) => tensor.inplace(Tensor::inner),
        });
        self
    }

    /// Hidden states of a batch.
    ///
    /// # Errors
    ///
    /// [`BatchError`] when a row is too long or a token has no embedding.
    pub fn forward(&self, batch: &TokenBatch, keep: Keep) -> Result<Hidden, BatchError> {
        batch.check(&self.definition)?;
        if fused::applies(self) {
            return Ok(match keep {
                Keep::Last => Hidden {
                    last: fused::forward(self, batch),
                    all: Vec::new(),
                },
                Keep::All => {
                    let all = fused::forward_all(self, batch);
                    // There is the one after the embeddings at least.
                    let last = all[all.len() - 1].clone();
                    Hidden { last, all }
                }
            });
        }
        let mut h = self.embed(batch);
        let around = Surroundings {
            definition: &self.definition,
            precision: self.precision,
            mask: self.mask(batch),
            rotation: self.rotation(batch),
        };
        let mut all = Vec::new();
        for layer in &self.layers {
            if keep == Keep::All {
                all.push(h.clone());
            }
            h = layer.forward(&around, h, None);
        }
        let last = match &self.norm {
            Some(norm) => norm.forward(h),
            None => h,
        };
        if keep == Keep::All {
            all.push(last.clone());
        }
        Ok(Hidden { last, all })
    }

    /// Logits over the vocabulary, `[n_rows, len, vocab_size]`; `None` where there is no output map.
    pub fn logits(&self, last: Tensor<3>) -> Option<Tensor<3>> {
        match self.definition.output {
            Output::None => None,
            Output::Tied => {
                let head = self.tokens.clone().transpose();
                Some(map(last, head, None, self.precision))
            }
            Output::Untied => (self.head.clone()).map(|head| map(last, head, None, self.precision)),
        }
    }

    fn embed(&self, batch: &TokenBatch) -> Tensor<3> {
        let h = self.embedded(batch);
        match &self.embed_norm {
            Some(norm) => norm.forward(h),
            None => h,
        }
    }

    /// The sum of a token's embeddings, before any norm.
    pub(crate) fn embedded(&self, batch: &TokenBatch) -> Tensor<3> {
        let shape = [batch.n_rows(), batch.len()];
        let types = self.types.is_some().then(|| batch.types());
        self.embed_at(shape, batch.ids(), &batch.positions(), types.as_deref())
    }

    /// Embeddings of `ids` at `positions`, both `[n_rows, len]`.
    fn embed_at(
        &self,
        shape: [usize; 2],
        ids: &[u32],
        positions: &[usize],
        types: Option<&[u32]>,
    ) -> Tensor<3> {
        let look_up = |table: &Tensor<2>, ids: Vec<i64>| {
            let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &self.device);
            widened(embedding(table.clone(), ids))
        };
        let mut h = look_up(&self.tokens, ids.iter().map(|&id| i64::from(id)).collect());
        if let Some(table) = &self.positions {
            let places = positions.iter().map(|&place| i64::from(place as u32));
            h = h + look_up(table, places.collect());
        }
        if let (Some(table), Some(types)) = (&self.types, types) {
            h = h + look_up(table, types.iter().map(|&id| i64::from(id)).collect());
        }
        h
    }

    /// What is added to scores, `[n_rows or 1, 1, len, len]`; `None` where everyone sees everyone.
    fn mask(&self, batch: &TokenBatch) -> Option<Tensor<4>> {
        const HIDDEN: f32 = -1e9;
        let len = batch.len();
        let sight = self.definition.attention;
        if sight == Sight::Bidirectional && !batch.is_padded() {
            return None;
        }
        let n_rows = if batch.is_padded() { batch.n_rows() } else { 1 };
        let mut mask = Vec::with_capacity(n_rows * len * len);
        for real in batch.mask().chunks_exact(len).take(n_rows) {
            for query in 0..len {
                mask.extend(real.iter().enumerate().map(|(key, &is_real)| {
                    let is_seen = match sight {
                        Sight::Causal => key <= query,
                        Sight::Window { window } => key <= query && query - key < window,
                        Sight::Bidirectional => true,
                    };
                    if is_seen && is_real { 0.0 } else { HIDDEN }
                }));
            }
        }
        let data = TensorData::new(mask, [n_rows, 1, len, len]);
        Some(Tensor::from_data(data, &self.device))
    }

    /// Cosine and sine of every rotation, each `[n_rows or 1, 1, len, rotated / 2]`.
    fn rotation(&self, batch: &TokenBatch) -> Option<[Tensor<4>; 2]> {
        let n_rows = if batch.is_padded() { batch.n_rows() } else { 1 };
        let positions = &batch.positions()[..n_rows * batch.len()];
        self.rotation_at([n_rows, batch.len()], positions)
    }

    /// The same for `positions`, `[n_rows, len]`.
    fn rotation_at(
        &self,
        [n_rows, len]: [usize; 2],
        positions: &[usize],
    ) -> Option<[Tensor<4>; 2]> {
        let Positions::Rotary { rotated, theta } = self.definition.positions else {
            return None;
        };
        let half = rotated / 2;
        let n = n_rows * len * half;
        let (mut cosines, mut sines) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for &position in positions {
            for pair in 0..half {
                let (sine, cosine) = angle(position, pair, rotated, theta).sin_cos();
                cosines.push(cosine as f32);
                sines.push(sine as f32);
            }
        }
        Some([cosines, sines].map(|values| {
            let data = TensorData::new(values, [n_rows, 1, len, half]);
            Tensor::from_data(data, &self.device)
        }))
    }
}

/// `x W + b`, its product computed in `precision`, in 32 bits again.
pub(crate) fn map(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    precision: Precision,
) -> Tensor<3> {
    if precision == Precision::Float32 {
        return linear(x, weight, bias);
    }
    let product = widened(linear(precision.round(x), precision.round(weight), None));
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}

/// By how much pair `pair` of a head is turned at `position`.
pub(crate) fn angle(position: usize, pair: usize, rotated: usize, theta: f64) -> f64 {
    position as f64 * theta.powf(-2.0 * pair as f64 / rotated as f64)
}

impl Layer {
    fn visit(&mut self, here: &str, visit: Visit<'_>) {
        self.norm1.visit(&format!("{here}.norm1"), visit);
        self.attention.visit(&format!("{here}.attention"), visit);
        self.norm2.visit(&format!("{here}.norm2"), visit);
        self.mlp.visit(&format!("{here}.mlp"), visit);
    }

    fn forward(
        &self,
        around: &Surroundings<'_>,
        h: Tensor<3>,
        past: Option<&mut LayerPast>,
    ) -> Tensor<3> {
        let d = around.definition;
        let attend = |x| self.attention.forward(around, x, past);
        let mlp = |x| self.mlp.forward(d.mlp, x, around.precision);
        match (d.norm_place, d.residual) {
            (NormPlace::Before, Residual::Sequential) => {
                let h = h.clone() + attend(self.norm1.forward(h));
                h.clone() + mlp(self.norm2.forward(h))
            }
            (NormPlace::Before, Residual::Parallel) => {
                let attended = attend(self.norm1.forward(h.clone()));
                h.clone() + attended + mlp(self.norm2.forward(h))
            }
            (NormPlace::After, _) => {
                let h = self.norm1.forward(h.clone() + attend(h));
                self.norm2.forward(h.clone() + mlp(h))
            }
        }
    }
}

impl Attention {
    fn visit(&mut self, here: &str, visit: Visit<'_>) {
        self.query.visit(&format!("{here}.query"), visit);
        self.key.visit(&format!("{here}.key"), visit);
        self.value.visit(&format!("{here}.value"), visit);
        self.output.visit(&format!("{here}.output"), visit);
        if let Some(norm) = &mut self.query_norm {
            norm.visit(&format!("{here}.query_norm"), visit);
        }
        if let Some(norm) = &mut self.key_norm {
            norm.visit(&format!("{here}.key_norm"), visit);
        }
    }

    fn forward(
        &self,
        around: &Surroundings<'_>,
        x: Tensor<3>,
        past: Option<&mut LayerPast>,
    ) -> Tensor<3> {
        let (d, precision) = (around.definition, around.precision);
        let [n, len, _] = x.dims();
        let heads = |x: Tensor<3>, n_heads| -> Tensor<4> {
            x.reshape([n, len, n_heads, d.head_width]).swap_dims(1, 2)
        };
        let mut query = heads(self.query.forward(x.clone(), precision), d.n_heads);
        let mut key = heads(self.key.forward(x.clone(), precision), d.n_kv_heads);
        let value = heads(self.value.forward(x, precision), d.n_kv_heads);
        if let Some(norm) = &self.query_norm {
            query = norm.forward(query);
        }
        if let Some(norm) = &self.key_norm {
            key = norm.forward(key);
        }
        if let Some(rotation) = &around.rotation {
            query = rotate(query, rotation);
            key = rotate(key, rotation);
        }
        let (key, value) = (precision.round(key), precision.round(value));
        let (key, value) = match past {
            Some(past) => past.append(key, value),
            None => (key, value),
        };
        let n_keys = key.dims()[2];
        // The queries that share a key lie one below the other, so that keys need no copies.
        let n_rows = d.n_heads / d.n_kv_heads * len;
        let scale = 1.0 / (d.head_width as f64).sqrt();
        let query = (query * scale).reshape([n, d.n_kv_heads, n_rows, d.head_width]);
        let scores = precision.round(query).matmul(key.swap_dims(2, 3));
        let mut scores = widened(scores).reshape([n, d.n_heads, len, n_keys]);
        if let Some(mask) = &around.mask {
            scores = scores + mask.clone();
        }
        let weights = softmax(scores, 3).reshape([n, d.n_kv_heads, n_rows, n_keys]);
        let mixed = widened(precision.round(weights).matmul(value));
        let mixed: Tensor<4> = mixed.reshape([n, d.n_heads, len, d.head_width]);
        let mixed = mixed
            .swap_dims(1, 2)
            .reshape([n, len, d.n_heads * d.head_width]);
        self.output.forward(mixed, precision)
    }
}

/// Turns pair i, which is numbers i and i + r/2 of a head, by the angle of its position.
fn rotate(x: Tensor<4>, [cosine, sine]: &[Tensor<4>; 2]) -> Tensor<4> {
    let (half, width) = (cosine.dims()[3], x.dims()[3]);
    let (a, b) = (
        x.clone().narrow(3, 0, half),
        x.clone().narrow(3, half, half),
    );
    let turned_a = a.clone() * cosine.clone() - b.clone() * sine.clone();
    let turned_b = b * cosine.clone() + a * sine.clone();
    let mut parts = vec![turned_a, turned_b];
    if width > 2 * half {
        parts.push(x.narrow(3, 2 * half, width - 2 * half));
    }
    Tensor::cat(parts, 3)
}

impl Mlp {
    fn visit(&mut self, here: &str, visit: Visit<'_>) {
        if let Some(gate) = &mut self.gate {
            gate.visit(&format!("{here}.gate"), visit);
        }
        self.up.visit(&format!("{here}.up"), visit);
        self.down.visit(&format!("{here}.down"), visit);
    }

    fn forward(&self, kind: MlpKind, x: Tensor<3>, precision: Precision) -> Tensor<3> {
        let up = self.up.forward(x.clone(), precision);
        let inner = match (kind, &self.gate) {
            (MlpKind::GeluTanh, _) => gelu_approximate(up),
            (MlpKind::SwiGlu, Some(gate)) => silu(gate.forward(x, precision)) * up,
            (MlpKind::GeluErf | MlpKind::SwiGlu, _) => gelu(up),
        };
        self.down.forward(inner, precision)
    }
}

impl Linear {
    fn visit(&mut self, here: &str, visit: Visit<'_>) {
        visit(
            &format!("{here}.weight"),
            Parameter::Matrix(&mut self.weight),
        );
        if let Some(bias) = &mut self.bias {
            visit(&format!("{here}.bias"), Parameter::Vector(bias));
        }
        if let Some(adapter) = &mut self.adapter {
            adapter.visit(here, visit);
        }
    }

    fn forward(&self, x: Tensor<3>, precision: Precision) -> Tensor<3> {
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        match &self.adapter {
            None => map(x, weight, bias, precision),
            Some(adapter) => {
                map(x.clone(), weight, bias, precision) + adapter.forward(x, precision)
            }
        }
    }
}

impl Norm {
    fn visit(&mut self, here: &str, visit: Visit<'_>) {
        visit(
            &format!("{here}.weight"),
            Parameter::Vector(&mut self.weight),
        );
        if let Some(bias) = &mut self.bias {
            visit(&format!("{here}.bias"), Parameter::Vector(bias));
        }
    }

    /// Over the last dimension. A norm with a bias is LayerNorm, one without is RMSNorm.
    fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (weight, epsilon) = (self.weight.clone(), self.epsilon);
        if let Some(bias) = &self.bias {
            return layer_norm(x, weight, Some(bias.clone()), epsilon);
        }
        let mean_square = x.clone().square().mean_dim(D - 1);
        x / (mean_square + epsilon).sqrt() * weight.unsqueeze()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::ModelConfig;

    #[test]
    fn building_and_visiting_name_the_same_parameters() {
        for model_type in ["gpt2", "gpt_neox", "llama", "qwen2", "qwen3", "bert"] {
            let config = serde_json::json!({
                "model_type": model_type, "vocab_size": 5, "tie_word_embeddings": false,
                "n_embd": 4, "n_head": 2, "n_layer": 2, "n_positions": 8,
                "hidden_size": 4, "num_attention_heads": 2, "num_hidden_layers": 2,
                "intermediate_size": 6, "max_position_embeddings": 8, "rotary_pct": 1.0,
            });
            let definition = ModelConfig::parse(&config.to_string()).unwrap().definition;
            let mut built = Vec::new();
            let mut transformer = Transformer::build::<Infallible>(
                &definition,
                &BurnDevice::flex(),
                &mut |name, shape| {
                    built.push((name.to_owned(), shape.to_vec()));
                    Ok(vec![0.5; shape.iter().product()])
                },
            )
            .unwrap();
            let mut visited = Vec::new();
            transformer.visit(&mut |name, parameter| {
                visited.push((name.to_owned(), parameter.read().1));
            });
            built.sort();
            visited.sort();
            assert_eq!(built, visited, "{model_type}");
            let n = built
                .iter()
                .map(|(_, shape)| shape.iter().product::<usize>());
            assert_eq!(transformer.n_parameters(), n.sum::<usize>());
        }
    }
}
