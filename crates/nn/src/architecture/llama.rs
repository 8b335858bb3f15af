//! The Llama family: RMSNorm, rotations of whole heads, grouped queries, SwiGLU.
//!
//! - Llama (Touvron et al. 2023) has no biases unless its config says so;
//! - Mistral (Jiang et al. 2023) attends within a sliding window;
//! - Qwen2 has biases on queries, keys and values;
//! - Qwen3 has none, and normalises each head's query and key.
//!
//! Not built: scaled rotations (so Llama 3.1 and later), Qwen's window in some layers only, tensor-parallel
//! pretraining's split products. Parity: `tests/it/parity.rs`.

use super::gpt2::tied;
use super::{Architecture, Entries, Entry, Plan};
use crate::config::{ConfigError, Fields, unsupported};
use crate::definition::{
    Attention, Biases, Definition, Mlp, Norm, NormPlace, QueryKeyNorm, Residual,
};
use crate::layout::Layout;

pub(super) fn definition(
    architecture: Architecture,
    fields: Fields<'_>,
) -> Result<Definition, ConfigError> {
    let (width, n_heads) = (
        fields.count("hidden_size")?,
        fields.count("num_attention_heads")?,
    );
    let head_width = match fields.count_or_none("head_dim")? {
        Some(head_width) => head_width,
        None => Fields::share("num_attention_heads", width, n_heads)?,
    };
    match fields.text("hidden_act")?.unwrap_or("silu") {
        "silu" | "swish" => {}
        other => return Err(unsupported("hidden_act", other)),
    }
    let is_biased = fields.flag_or("attention_bias", false)?;
    let (query_key_value, attention_output) = match architecture {
        Architecture::Qwen2 => (true, false),
        Architecture::Mistral => (false, false),
        _ => (is_biased, is_biased),
    };
    let attention = match (architecture, fields.count_or_none("sliding_window")?) {
        (Architecture::Mistral, Some(window)) => Attention::Window { window },
        _ => Attention::Causal,
    };
    fields.require("use_sliding_window", false)?;
    Ok(Definition {
        vocab_size: fields.count("vocab_size")?,
        width,
        n_layers: fields.count("num_hidden_layers")?,
        n_heads,
        n_kv_heads: fields
            .count_or_none("num_key_value_heads")?
            .unwrap_or(n_heads),
        head_width,
        mlp_width: fields.count("intermediate_size")?,
        max_positions: fields.count("max_position_embeddings")?,
        n_token_types: 0,
        norm: Norm::RmsNorm,
        norm_epsilon: fields.number_or("rms_norm_eps", 1e-6)?,
        norm_place: NormPlace::Before,
        positions: fields.rotary(head_width, ["partial_rotary_factor", "rope_theta"], 1.0)?,
        attention,
        query_key_norm: match architecture {
            Architecture::Qwen3 => QueryKeyNorm::RmsNorm,
            _ => QueryKeyNorm::None,
        },
        mlp: Mlp::SwiGlu,
        residual: Residual::Sequential,
        biases: Biases {
            query_key_value,
            attention_output,
            mlp: fields.flag_or("mlp_bias", false)?,
        },
        output: tied(fields, false)?,
    })
}

pub(super) fn plan(architecture: Architecture, definition: &Definition) -> Plan {
    let biases = definition.biases;
    let mut trunk = Entries::default();
    trunk.plain("embed_tokens.weight", "embed.tokens");
    for layer in 0..definition.n_layers {
        let (file, here) = (format!("layers.{layer}"), format!("layers.{layer}"));
        trunk.plain(
            &format!("{file}.input_layernorm.weight"),
            &format!("{here}.norm1.weight"),
        );
        for (name, map) in [("q", "query"), ("k", "key"), ("v", "value")] {
            trunk.linear(
                &format!("{file}.self_attn.{name}_proj"),
                &format!("{here}.attention.{map}"),
                biases.query_key_value,
            );
        }
        trunk.linear(
            &format!("{file}.self_attn.o_proj"),
            &format!("{here}.attention.output"),
            biases.attention_output,
        );
        if definition.query_key_norm == QueryKeyNorm::RmsNorm {
            for (name, map) in [("q", "query"), ("k", "key")] {
                trunk.plain(
                    &format!("{file}.self_attn.{name}_norm.weight"),
                    &format!("{here}.attention.{map}_norm.weight"),
                );
            }
        }
        trunk.plain(
            &format!("{file}.post_attention_layernorm.weight"),
            &format!("{here}.norm2.weight"),
        );
        for map in ["gate", "up", "down"] {
            trunk.linear(
                &format!("{file}.mlp.{map}_proj"),
                &format!("{here}.mlp.{map}"),
                biases.mlp,
            );
        }
    }
    trunk.plain("norm.weight", "norm.weight");
    Plan {
        prefix: "model.",
        trunk: trunk.0,
        head: Entry::one("lm_head.weight", Layout::Transposed, "head"),
        ignored: &[".rotary_emb.inv_freq"],
        kept: &["score."],
        classifier: Some(match architecture {
            Architecture::Mistral => "MistralForSequenceClassification",
            Architecture::Qwen2 => "Qwen2ForSequenceClassification",
            Architecture::Qwen3 => "Qwen3ForSequenceClassification",
            _ => "LlamaForSequenceClassification",
        }),
    }
}
