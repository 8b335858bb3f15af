//! GPT-2 (Radford et al. 2019): learned positions, `Conv1D` maps with queries, keys and values fused.
//!
//! Not built: cross-attention, scores divided by the layer's number, unscaled scores.
//! Parity: `tests/it/parity.rs`.

use super::{Entries, Entry, Plan};
use crate::config::{ConfigError, Fields, unsupported};
use crate::definition::{
    Attention, Biases, Definition, Mlp, Norm, NormPlace, Output, Positions, QueryKeyNorm, Residual,
};
use crate::layout::Layout;

pub(super) fn definition(fields: Fields<'_>) -> Result<Definition, ConfigError> {
    fields.require("scale_attn_weights", true)?;
    fields.require("scale_attn_by_inverse_layer_idx", false)?;
    fields.require("add_cross_attention", false)?;
    let (width, n_heads) = (fields.count("n_embd")?, fields.count("n_head")?);
    let mlp = match fields.text("activation_function")?.unwrap_or("gelu_new") {
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Mlp::GeluTanh,
        "gelu" => Mlp::GeluErf,
        other => return Err(unsupported("activation_function", other)),
    };
    Ok(Definition {
        vocab_size: fields.count("vocab_size")?,
        width,
        n_layers: fields.count("n_layer")?,
        n_heads,
        n_kv_heads: n_heads,
        head_width: Fields::share("n_head", width, n_heads)?,
        mlp_width: fields.count_or_none("n_inner")?.unwrap_or(4 * width),
        max_positions: fields.count("n_positions")?,
        n_token_types: 0,
        norm: Norm::LayerNorm,
        norm_epsilon: fields.number_or("layer_norm_epsilon", 1e-5)?,
        norm_place: NormPlace::Before,
        positions: Positions::Learned,
        attention: Attention::Causal,
        query_key_norm: QueryKeyNorm::None,
        mlp,
        residual: Residual::Sequential,
        biases: Biases::ALL,
        output: tied(fields, true)?,
    })
}

/// The output map that `tie_word_embeddings` asks for.
pub(super) fn tied(fields: Fields<'_>, default: bool) -> Result<Output, ConfigError> {
    let is_tied = fields.flag_or("tie_word_embeddings", default)?;
    Ok(if is_tied {
        Output::Tied
    } else {
        Output::Untied
    })
}

pub(super) fn plan(definition: &Definition) -> Plan {
    let mut trunk = Entries::default();
    trunk.plain("wte.weight", "embed.tokens");
    trunk.plain("wpe.weight", "embed.positions");
    for layer in 0..definition.n_layers {
        let (file, here) = (format!("h.{layer}"), format!("layers.{layer}"));
        trunk.plain_pair(&format!("{file}.ln_1"), &format!("{here}.norm1"));
        trunk.fused(
            &format!("{file}.attn.c_attn"),
            &format!("{here}.attention"),
            Layout::Beside,
        );
        trunk.plain_pair(
            &format!("{file}.attn.c_proj"),
            &format!("{here}.attention.output"),
        );
        trunk.plain_pair(&format!("{file}.ln_2"), &format!("{here}.norm2"));
        trunk.plain_pair(&format!("{file}.mlp.c_fc"), &format!("{here}.mlp.up"));
        trunk.plain_pair(&format!("{file}.mlp.c_proj"), &format!("{here}.mlp.down"));
    }
    trunk.plain_pair("ln_f", "norm");
    Plan {
        prefix: "transformer.",
        trunk: trunk.0,
        head: Entry::one("lm_head.weight", Layout::Transposed, "head"),
        ignored: &[".attn.bias", ".attn.masked_bias"],
        kept: &["score.", "multiple_choice_head."],
        classifier: Some("GPT2ForSequenceClassification"),
    }
}
