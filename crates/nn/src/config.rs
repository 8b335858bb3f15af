//! `config.json` of a Hugging Face model: read, checked, and translated into a [`Definition`].
//!
//! What each architecture calls its fields is in `architecture/`. A field that would change the
//! arithmetic in a way that is not built here (scaled rotations, quantisation, other activations) is an
//! error that names it; a field that does not is passed over. The JSON is kept, for saving.

use serde_json::{Map, Value};

use crate::Definition;
use crate::architecture::Architecture;
use crate::definition::Positions;

/// A model as its `config.json` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Which family of names and layouts.
    pub architecture: Architecture,
    /// Its shape and arithmetic, the output map aside: which tensors there are decides that.
    pub definition: Definition,
    /// The file as it was.
    pub(crate) json: Map<String, Value>,
}

/// What is wrong with a `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no JSON object.
    #[error("config.json is no JSON object: {0}")]
    Json(String),
    /// Another architecture.
    #[error("architecture {found:?} is not supported; there are {}", Architecture::names().join(", "))]
    Architecture {
        /// Its `model_type`.
        found: String,
    },
    /// A field is not there.
    #[error("config.json has no `{field}`")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field is no number, or one that makes no sense.
    #[error("config.json: `{field}` is {found}, expected {expected}")]
    Value {
        /// Its name.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A field asks for arithmetic that is not built.
    #[error("config.json: `{field}` = {found} is not supported")]
    Unsupported {
        /// Its name.
        field: &'static str,
        /// What it asks for.
        found: String,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Json(_) => "is it the config.json of a Hugging Face model?",
            Self::Architecture { .. } => "choose a checkpoint of one of those",
            Self::Missing { .. } | Self::Value { .. } => {
                "compare with the config.json that `transformers` writes"
            }
            Self::Unsupported { .. } => {
                "logits would differ from those of `transformers`; choose another checkpoint"
            }
        }
    }
}

impl ModelConfig {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the field.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let json: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
        let fields = Fields(&json);
        let architecture = Architecture::of(fields.text("model_type")?.unwrap_or_default())?;
        if let Some(found) = fields.get("quantization_config") {
            return Err(unsupported("quantization_config", found));
        }
        let definition = architecture.definition(fields)?;
        check(&definition)?;
        Ok(Self {
            architecture,
            definition,
            json,
        })
    }

    /// What `architectures` names first (`"GPT2LMHeadModel"`).
    pub(crate) fn class(&self) -> Option<&str> {
        self.json.get("architectures")?.get(0)?.as_str()
    }
}

fn check(definition: &Definition) -> Result<(), ConfigError> {
    let d = definition;
    let (heads, groups) = (d.n_heads, d.n_kv_heads);
    if !heads.is_multiple_of(groups) {
        return Err(value(
            "num_key_value_heads",
            &groups,
            format!("a divisor of {heads} heads"),
        ));
    }
    if let Positions::Rotary { rotated, theta } = d.positions {
        if rotated == 0 || rotated % 2 == 1 || rotated > d.head_width {
            let expected = format!("an even part of {}", d.head_width);
            return Err(value("rotated numbers of a head", &rotated, expected));
        }
        if !(theta.is_finite() && theta > 0.0) {
            return Err(value("rope_theta", &theta, "a positive number"));
        }
    }
    if !(d.norm_epsilon.is_finite() && d.norm_epsilon > 0.0) {
        return Err(value(
            "epsilon of the norms",
            &d.norm_epsilon,
            "a positive number",
        ));
    }
    Ok(())
}

pub(crate) fn value(
    field: &'static str,
    found: &impl ToString,
    expected: impl Into<String>,
) -> ConfigError {
    ConfigError::Value {
        field,
        found: found.to_string(),
        expected: expected.into(),
    }
}

pub(crate) fn unsupported(field: &'static str, found: &(impl ToString + ?Sized)) -> ConfigError {
    ConfigError::Unsupported {
        field,
        found: found.to_string(),
    }
}

/// Fields of a `config.json`; `null` counts as absent.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// More than any model has; keeps products within `usize`.
    const LARGEST: u64 = 1 << 30;

    pub(crate) fn get(self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn text(self, field: &'static str) -> Result<Option<&'a str>, ConfigError> {
        let read = |found: &'a Value| {
            found
                .as_str()
                .ok_or_else(|| value(field, found, "a string"))
        };
        self.get(field).map(read).transpose()
    }

    /// A positive count, where it is given.
    pub(crate) fn count_or_none(self, field: &'static str) -> Result<Option<usize>, ConfigError> {
        let read = |found: &Value| match found.as_u64() {
            Some(count) if (1..=Self::LARGEST).contains(&count) => Ok(count as usize),
            _ => Err(value(
                field,
                found,
                format!("a whole number from 1 to {}", Self::LARGEST),
            )),
        };
        self.get(field).map(read).transpose()
    }

    /// A positive count that must be given.
    pub(crate) fn count(self, field: &'static str) -> Result<usize, ConfigError> {
        self.count_or_none(field)?
            .ok_or(ConfigError::Missing { field })
    }

    pub(crate) fn number_or(self, field: &'static str, default: f64) -> Result<f64, ConfigError> {
        let read = |found: &Value| {
            found
                .as_f64()
                .ok_or_else(|| value(field, found, "a number"))
        };
        self.get(field).map_or(Ok(default), read)
    }

    pub(crate) fn flag_or(self, field: &'static str, default: bool) -> Result<bool, ConfigError> {
        let read = |found: &Value| {
            found
                .as_bool()
                .ok_or_else(|| value(field, found, "true or false"))
        };
        self.get(field).map_or(Ok(default), read)
    }

    /// Refuses a flag that is set otherwise than what is built.
    pub(crate) fn require(self, field: &'static str, built: bool) -> Result<(), ConfigError> {
        match self.flag_or(field, built)? {
            found if found == built => Ok(()),
            found => Err(unsupported(field, &found)),
        }
    }

    /// Width of a head, when the width is shared among `n_heads`.
    pub(crate) fn share(
        field: &'static str,
        width: usize,
        n_heads: usize,
    ) -> Result<usize, ConfigError> {
        if width.is_multiple_of(n_heads) {
            Ok(width / n_heads)
        } else {
            Err(value(
                field,
                &n_heads,
                format!("a divisor of the width {width}"),
            ))
        }
    }

    /// The rotation of a head of `head_width`: from `rope_parameters` (transformers 5), or from fields
    /// of their own named `fraction` and `theta`, where nothing scales it.
    pub(crate) fn rotary(
        self,
        head_width: usize,
        [fraction, theta]: [&'static str; 2],
        default_fraction: f64,
    ) -> Result<Positions, ConfigError> {
        for field in ["rope_scaling", "rope_parameters"] {
            let Some(scaling) = self.get(field) else {
                continue;
            };
            let kind = scaling.get("rope_type").or_else(|| scaling.get("type"));
            if kind.is_some_and(|kind| kind != "default") || !scaling.is_object() {
                return Err(unsupported(field, scaling));
            }
        }
        let empty = Map::new();
        let parameters = (self.get("rope_parameters"))
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let parameters = Fields(parameters);
        let own = self.number_or(fraction, default_fraction)?;
        let fraction = parameters.number_or("partial_rotary_factor", own)?;
        let theta = parameters.number_or("rope_theta", self.number_or(theta, 10_000.0)?)?;
        let rotated = (head_width as f64 * fraction) as usize;
        Ok(Positions::Rotary { rotated, theta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn gpt2() -> Value {
        json!({"model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": 1, "n_positions": 16, "vocab_size": 11})
    }

    fn llama() -> Value {
        json!({"model_type": "llama", "hidden_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2,
            "num_hidden_layers": 1, "intermediate_size": 16, "max_position_embeddings": 32, "vocab_size": 11,
            "rms_norm_eps": 1e-5})
    }

    fn parse(mut config: Value, field: &str, value: Value) -> Result<ModelConfig, ConfigError> {
        config[field] = value;
        ModelConfig::parse(&config.to_string())
    }

    #[test]
    fn defaults_are_those_of_transformers() {
        let definition = ModelConfig::parse(&gpt2().to_string()).unwrap().definition;
        assert_eq!((definition.mlp_width, definition.head_width), (32, 4));
        let definition = ModelConfig::parse(&llama().to_string()).unwrap().definition;
        assert_eq!((definition.n_kv_heads, definition.head_width), (2, 2));
        let rotary = Positions::Rotary {
            rotated: 2,
            theta: 10_000.0,
        };
        assert_eq!(definition.positions, rotary);
    }

    #[test]
    fn what_is_not_built_is_named() {
        let message = |result: Result<ModelConfig, ConfigError>| result.unwrap_err().to_string();
        let error = parse(gpt2(), "model_type", json!("mamba"));
        assert!(
            message(error).starts_with("architecture \"mamba\" is not supported; there are gpt2, ")
        );
        let scaled = json!({"rope_type": "yarn", "factor": 4.0});
        assert_eq!(
            message(parse(llama(), "rope_scaling", scaled)),
            r#"config.json: `rope_scaling` = {"factor":4.0,"rope_type":"yarn"} is not supported"#
        );
        assert_eq!(
            message(parse(gpt2(), "activation_function", json!("relu"))),
            "config.json: `activation_function` = relu is not supported"
        );
        assert_eq!(
            message(parse(gpt2(), "n_embd", json!(null))),
            "config.json has no `n_embd`"
        );
    }

    #[test]
    fn hostile_numbers_are_errors() {
        for (config, field, hostile) in [
            (gpt2(), "n_head", json!(0)),
            (gpt2(), "n_head", json!(3)),
            (gpt2(), "n_embd", json!(u64::MAX)),
            (gpt2(), "n_layer", json!(-1)),
            (gpt2(), "vocab_size", json!("many")),
            (gpt2(), "layer_norm_epsilon", json!(-1.0)),
            (llama(), "num_key_value_heads", json!(3)),
            (llama(), "rope_theta", json!(0.0)),
            (llama(), "head_dim", json!(3)),
        ] {
            let result = parse(config, field, hostile);
            assert!(
                matches!(result, Err(ConfigError::Value { .. })),
                "{field}: {result:?}"
            );
        }
    }
}
