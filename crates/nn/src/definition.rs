//! The one transformer, as a list of choices. Architectures differ in these and in nothing else.
//!
//! Vaswani et al. 2017 (arXiv:1706.03762), with the variations of the models named beside each choice.
//! There is no computation here: [`crate::transformer`] does what these values say.

pub use trimtab_kernel::{Mlp, Sight as Attention};

/// Everything that fixes the shape and the arithmetic of a transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Tokens that there are.
    pub vocab_size: usize,
    /// Numbers in a hidden state.
    pub width: usize,
    /// Blocks.
    pub n_layers: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Heads of keys and values; each serves `n_heads / n_kv_heads` query heads (Ainslie et al. 2023).
    pub n_kv_heads: usize,
    /// Numbers in a head's query, key or value.
    pub head_width: usize,
    /// Hidden units of the MLP.
    pub mlp_width: usize,
    /// The longest sequence.
    pub max_positions: usize,
    /// Kinds of token embeddings of their own (BERT's segments); 0 for none.
    pub n_token_types: usize,
    /// How hidden states are normalised.
    pub norm: Norm,
    /// Added to the variance under the root.
    pub norm_epsilon: f64,
    /// Where a block normalises.
    pub norm_place: NormPlace,
    /// How a token's place enters.
    pub positions: Positions,
    /// Who attends to whom.
    pub attention: Attention,
    /// Whether each head's query and key are normalised (Qwen3).
    pub query_key_norm: QueryKeyNorm,
    /// The MLP's nonlinearity.
    pub mlp: Mlp,
    /// How attention and MLP are added.
    pub residual: Residual,
    /// Which linear maps have biases.
    pub biases: Biases,
    /// The map from hidden states to tokens.
    pub output: Output,
}

/// Normalisation of a vector x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// `w (x − mean x) / √(var x + ε) + b`: GPT-2, GPT-NeoX, BERT.
    LayerNorm,
    /// `w x / √(mean x² + ε)`: the Llama family.
    RmsNorm,
}

/// Where a block normalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlace {
    /// Before attention and MLP, and once after the last block.
    Before,
    /// After each addition, and once after the embeddings: BERT.
    After,
}

/// How a token's place enters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// A learned vector is added to the embedding: GPT-2, BERT.
    Learned,
    /// Queries and keys are rotated (Su et al. 2021): GPT-NeoX, the Llama family.
    Rotary {
        /// How many numbers of a head are rotated, the first ones; even.
        rotated: usize,
        /// The base θ: pair i of r/2 turns by `position · θ^(−2i/r)`.
        theta: f64,
    },
}

/// Whether each head's query and key are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryKeyNorm {
    /// They are not.
    None,
    /// By RMSNorm over the head, before rotation.
    RmsNorm,
}

/// How attention and MLP are added to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residual {
    /// The MLP sees what attention added.
    Sequential,
    /// Both see the block's input: GPT-NeoX.
    Parallel,
}

/// Which linear maps have biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Biases {
    /// Queries, keys and values.
    pub query_key_value: bool,
    /// The map out of attention.
    pub attention_output: bool,
    /// All maps of the MLP.
    pub mlp: bool,
}

impl Biases {
    /// Everywhere.
    pub const ALL: Self = Self {
        query_key_value: true,
        attention_output: true,
        mlp: true,
    };
}

/// The map from hidden states to logits over the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// There is none: an encoder, or a checkpoint of the trunk alone.
    None,
    /// The token embeddings, transposed.
    Tied,
    /// A matrix of its own.
    Untied,
}
