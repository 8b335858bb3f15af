//! GPT-NeoX (Black et al. 2022), Pythia: rotations of a part of each head, attention and MLP in
//! parallel, queries, keys and values fused head by head.
//!
//! Not built: maps without biases. Parity: `tests/it/parity.rs`.

use super::gpt2::tied;
use super::{Entries, Entry, Plan};
use crate::config::{ConfigError, Fields, unsupported};
use crate::definition::{
    Attention, Biases, Definition, Mlp, Norm, NormPlace, QueryKeyNorm, Residual,
};
use crate::layout::Layout;

pub(super) fn definition(fields: Fields<'_>) -> Result<Definition, ConfigError> {
    fields.require("attention_bias", true)?;
    let (width, n_heads) = (
        fields.count("hidden_size")?,
        fields.count("num_attention_heads")?,
    );
    let head_width = Fields::share("num_attention_heads", width, n_heads)?;
    let mlp = match fields.text("hidden_act")?.unwrap_or("gelu") {
        "gelu" => Mlp::GeluErf,
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Mlp::GeluTanh,
        other => return Err(unsupported("hidden_act", other)),
    };
    let residual = if fields.flag_or("use_parallel_residual", true)? {
        Residual::Parallel
    } else {
        Residual::Sequential
    };
    Ok(Definition {
        vocab_size: fields.count("vocab_size")?,
        width,
        n_layers: fields.count("num_hidden_layers")?,
        n_heads,
        n_kv_heads: n_heads,
        head_width,
        mlp_width: fields.count("intermediate_size")?,
        max_positions: fields.count("max_position_embeddings")?,
        n_token_types: 0,
        norm: Norm::LayerNorm,
        norm_epsilon: fields.number_or("layer_norm_eps", 1e-5)?,
        norm_place: NormPlace::Before,
        positions: fields.rotary(head_width, ["rotary_pct", "rotary_emb_base"], 0.25)?,
        attention: Attention::Causal,
        query_key_norm: QueryKeyNorm::None,
        mlp,
        residual,
        biases: Biases::ALL,
        output: tied(fields, false)?,
    })
}

pub(super) fn plan(definition: &Definition) -> Plan {
    let mut trunk = Entries::default();
    trunk.plain("embed_in.weight", "embed.tokens");
    let layout = Layout::ByHead {
        n_heads: definition.n_heads,
    };
    for layer in 0..definition.n_layers {
        let (file, here) = (format!("layers.{layer}"), format!("layers.{layer}"));
        trunk.plain_pair(&format!("{file}.input_layernorm"), &format!("{here}.norm1"));
        trunk.fused(
            &format!("{file}.attention.query_key_value"),
            &format!("{here}.attention"),
            layout,
        );
        trunk.linear(
            &format!("{file}.attention.dense"),
            &format!("{here}.attention.output"),
            true,
        );
        trunk.plain_pair(
            &format!("{file}.post_attention_layernorm"),
            &format!("{here}.norm2"),
        );
        trunk.linear(
            &format!("{file}.mlp.dense_h_to_4h"),
            &format!("{here}.mlp.up"),
            true,
        );
        trunk.linear(
            &format!("{file}.mlp.dense_4h_to_h"),
            &format!("{here}.mlp.down"),
            true,
        );
    }
    trunk.plain_pair("final_layer_norm", "norm");
    Plan {
        prefix: "gpt_neox.",
        trunk: trunk.0,
        head: Entry::one("embed_out.weight", Layout::Transposed, "head"),
        ignored: &[
            ".attention.bias",
            ".attention.masked_bias",
            ".rotary_emb.inv_freq",
        ],
        kept: &["score."],
        classifier: Some("GPTNeoXForSequenceClassification"),
    }
}
