//! What a [`Definition`] has parameters for, with anything in their place: numbers, gradients, names.
//!
//! [`Parameters::of`] takes things in the order of `Transformer::visit`, [`Parameters::into_list`] gives
//! them back in it. The head of an untied model is not among them.

use crate::definition::{Definition, Mlp, Norm as NormKind, NormPlace, Positions, QueryKeyNorm};

/// A weight and perhaps a bias: of a norm or of a linear map.
#[derive(Debug)]
pub(crate) struct Affine<T> {
    pub(crate) weight: T,
    pub(crate) bias: Option<T>,
}

/// One block.
#[derive(Debug)]
pub(crate) struct Layer<T> {
    pub(crate) norm1: Affine<T>,
    pub(crate) query: Affine<T>,
    pub(crate) key: Affine<T>,
    pub(crate) value: Affine<T>,
    pub(crate) output: Affine<T>,
    pub(crate) query_norm: Option<Affine<T>>,
    pub(crate) key_norm: Option<Affine<T>>,
    pub(crate) norm2: Affine<T>,
    pub(crate) gate: Option<Affine<T>>,
    pub(crate) up: Affine<T>,
    pub(crate) down: Affine<T>,
}

/// The tables of embeddings.
#[derive(Debug)]
pub(crate) struct Tables<T> {
    pub(crate) tokens: T,
    pub(crate) positions: Option<T>,
    pub(crate) types: Option<T>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Parameters<T> {
    pub(crate) tables: Tables<T>,
    pub(crate) embed_norm: Option<Affine<T>>,
    pub(crate) layers: Vec<Layer<T>>,
    pub(crate) norm: Option<Affine<T>>,
}

impl<T> Affine<T> {
    fn of(next: &mut dyn FnMut() -> T, has_bias: bool) -> Self {
        // In this order: fields are evaluated as they are written.
        Self {
            weight: next(),
            bias: has_bias.then(next),
        }
    }

    fn drain(self, into: &mut Vec<T>) {
        into.push(self.weight);
        into.extend(self.bias);
    }

    pub(crate) fn map<U>(&self, f: &mut dyn FnMut(&T) -> U) -> Affine<U> {
        Affine {
            weight: f(&self.weight),
            bias: self.bias.as_ref().map(f),
        }
    }
}

impl<T> Layer<T> {
    pub(crate) fn of(d: &Definition, next: &mut dyn FnMut() -> T) -> Self {
        let is_layer_norm = d.norm == NormKind::LayerNorm;
        let has_head_norms = d.query_key_norm == QueryKeyNorm::RmsNorm;
        Self {
            norm1: Affine::of(next, is_layer_norm),
            query: Affine::of(next, d.biases.query_key_value),
            key: Affine::of(next, d.biases.query_key_value),
            value: Affine::of(next, d.biases.query_key_value),
            output: Affine::of(next, d.biases.attention_output),
            query_norm: has_head_norms.then(|| Affine::of(next, false)),
            key_norm: has_head_norms.then(|| Affine::of(next, false)),
            norm2: Affine::of(next, is_layer_norm),
            gate: (d.mlp == Mlp::SwiGlu).then(|| Affine::of(next, d.biases.mlp)),
            up: Affine::of(next, d.biases.mlp),
            down: Affine::of(next, d.biases.mlp),
        }
    }

    pub(crate) fn map<U>(&self, f: &mut dyn FnMut(&T) -> U) -> Layer<U> {
        Layer {
            norm1: self.norm1.map(f),
            query: self.query.map(f),
            key: self.key.map(f),
            value: self.value.map(f),
            output: self.output.map(f),
            query_norm: self.query_norm.as_ref().map(|norm| norm.map(f)),
            key_norm: self.key_norm.as_ref().map(|norm| norm.map(f)),
            norm2: self.norm2.map(f),
            gate: self.gate.as_ref().map(|gate| gate.map(f)),
            up: self.up.map(f),
            down: self.down.map(f),
        }
    }

    fn drain(self, into: &mut Vec<T>) {
        for affine in [
            Some(self.norm1),
            Some(self.query),
            Some(self.key),
            Some(self.value),
            Some(self.output),
            self.query_norm,
            self.key_norm,
            Some(self.norm2),
            self.gate,
            Some(self.up),
            Some(self.down),
        ]
        .into_iter()
        .flatten()
        {
            affine.drain(into);
        }
    }
}

impl<T> Parameters<T> {
    /// Puts what `next` gives in the places that `d` has, in the order of `Transformer::visit`.
    pub(crate) fn of(d: &Definition, next: &mut dyn FnMut() -> T) -> Self {
        let is_layer_norm = d.norm == NormKind::LayerNorm;
        let is_after = d.norm_place == NormPlace::After;
        Self {
            tables: Tables {
                tokens: next(),
                positions: (d.positions == Positions::Learned).then(&mut *next),
                types: (d.n_token_types > 0).then(&mut *next),
            },
            embed_norm: is_after.then(|| Affine::of(next, is_layer_norm)),
            layers: (0..d.n_layers).map(|_| Layer::of(d, next)).collect(),
            norm: (!is_after).then(|| Affine::of(next, is_layer_norm)),
        }
    }

    /// All of them, in the order of `Transformer::visit`.
    pub(crate) fn into_list(self) -> Vec<T> {
        let mut list = vec![self.tables.tokens];
        list.extend(self.tables.positions);
        list.extend(self.tables.types);
        if let Some(norm) = self.embed_norm {
            norm.drain(&mut list);
        }
        for layer in self.layers {
            layer.drain(&mut list);
        }
        if let Some(norm) = self.norm {
            norm.drain(&mut list);
        }
        list
    }
}

impl Affine<Vec<f32>> {
    pub(crate) fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }
}
