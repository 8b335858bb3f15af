//! What a model's loops are told of it.

/// Who attends to whom, padding aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// To itself and to what comes before.
    Causal,
    /// To itself and to the `window − 1` tokens before: Mistral.
    Window {
        /// Tokens seen, itself included.
        window: usize,
    },
    /// Everyone to everyone: BERT.
    Bidirectional,
}

/// The MLP of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mlp {
    /// `D gelu(U x)`, with GELU by its tanh approximation: GPT-2.
    GeluTanh,
    /// `D gelu(U x)`, with GELU by the error function: GPT-NeoX, BERT.
    GeluErf,
    /// `D (silu(G x) ⊙ U x)` (Shazeer 2020): the Llama family.
    SwiGlu,
}
