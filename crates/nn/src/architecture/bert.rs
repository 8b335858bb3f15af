//! BERT (Devlin et al. 2019) and what has its shape, such as MiniLM: everyone attends to everyone,
//! norms come after additions.
//!
//! Tokens are of segment 0 unless the batch says otherwise. The pooler and the heads of pretraining are kept but not used: pool over the
//! hidden states instead. Not built: relative positions, decoding, cross-attention. Parity: `tests/it/parity.rs`.

use super::{Entries, Entry, Plan};
use crate::config::{ConfigError, Fields, unsupported};
use crate::definition::{
    Attention, Biases, Definition, Mlp, Norm, NormPlace, Output, Positions, QueryKeyNorm, Residual,
};
use crate::layout::Layout;

pub(super) fn definition(fields: Fields<'_>) -> Result<Definition, ConfigError> {
    fields.require("is_decoder", false)?;
    fields.require("add_cross_attention", false)?;
    match fields
        .text("position_embedding_type")?
        .unwrap_or("absolute")
    {
        "absolute" => {}
        other => return Err(unsupported("position_embedding_type", other)),
    }
    let mlp = match fields.text("hidden_act")?.unwrap_or("gelu") {
        "gelu" => Mlp::GeluErf,
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Mlp::GeluTanh,
        other => return Err(unsupported("hidden_act", other)),
    };
    let (width, n_heads) = (
        fields.count("hidden_size")?,
        fields.count("num_attention_heads")?,
    );
    Ok(Definition {
        vocab_size: fields.count("vocab_size")?,
        width,
        n_layers: fields.count("num_hidden_layers")?,
        n_heads,
        n_kv_heads: n_heads,
        head_width: Fields::share("num_attention_heads", width, n_heads)?,
        mlp_width: fields.count("intermediate_size")?,
        max_positions: fields.count("max_position_embeddings")?,
        n_token_types: fields.count_or_none("type_vocab_size")?.unwrap_or(2),
        norm: Norm::LayerNorm,
        norm_epsilon: fields.number_or("layer_norm_eps", 1e-12)?,
        norm_place: NormPlace::After,
        positions: Positions::Learned,
        attention: Attention::Bidirectional,
        query_key_norm: QueryKeyNorm::None,
        mlp,
        residual: Residual::Sequential,
        biases: Biases::ALL,
        output: Output::None,
    })
}

pub(super) fn plan(definition: &Definition) -> Plan {
    let mut trunk = Entries::default();
    trunk.plain("embeddings.word_embeddings.weight", "embed.tokens");
    trunk.plain("embeddings.position_embeddings.weight", "embed.positions");
    trunk.plain("embeddings.token_type_embeddings.weight", "embed.types");
    trunk.plain_pair("embeddings.LayerNorm", "embed.norm");
    for layer in 0..definition.n_layers {
        let (file, here) = (format!("encoder.layer.{layer}"), format!("layers.{layer}"));
        for map in ["query", "key", "value"] {
            trunk.linear(
                &format!("{file}.attention.self.{map}"),
                &format!("{here}.attention.{map}"),
                true,
            );
        }
        trunk.linear(
            &format!("{file}.attention.output.dense"),
            &format!("{here}.attention.output"),
            true,
        );
        trunk.plain_pair(
            &format!("{file}.attention.output.LayerNorm"),
            &format!("{here}.norm1"),
        );
        trunk.linear(
            &format!("{file}.intermediate.dense"),
            &format!("{here}.mlp.up"),
            true,
        );
        trunk.linear(
            &format!("{file}.output.dense"),
            &format!("{here}.mlp.down"),
            true,
        );
        trunk.plain_pair(
            &format!("{file}.output.LayerNorm"),
            &format!("{here}.norm2"),
        );
    }
    Plan {
        prefix: "bert.",
        trunk: trunk.0,
        head: Entry::one("lm_head.weight", Layout::Transposed, "head"),
        ignored: &["embeddings.position_ids"],
        kept: &["pooler.", "cls.", "classifier.", "score."],
        classifier: None,
    }
}
