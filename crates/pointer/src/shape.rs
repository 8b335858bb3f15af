//! What a network is made of, in numbers. Two networks of one shape can exchange their parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::setting::{ConfigError, require};

/// The sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shape {
    /// Symbols that there are, at most 256: fields and answers are numbers below it.
    pub symbols: usize,
    /// Symbols of a fact.
    pub fact_fields: usize,
    /// Symbols of a question.
    pub question_fields: usize,
    /// Symbols of an answer.
    pub outputs: usize,
    /// Numbers of a row inside: of a fact, of a question.
    pub width: usize,
    /// Heads of attention; they divide the width.
    pub heads: usize,
    /// Numbers of a row inside an MLP.
    pub mlp_width: usize,
    /// Blocks in which the facts of a context attend to each other.
    pub encoder_layers: usize,
    /// Blocks in which a question attends to the facts of its context.
    pub answer_layers: usize,
    /// Whether layers share their parameters.
    pub layers: Layers,
    /// Whether an answer may point.
    pub pointers: Pointers,
}

/// Whether layers share their parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layers {
    /// Each has its own.
    Own,
    /// The encoder has one block, taken as often as it has layers, and so have the answer layers.
    Shared,
}

/// Whether an answer may point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pointers {
    /// Symbols are named only.
    None,
    /// A symbol is named, or a field that holds it is pointed at: of a fact, or of the question.
    Fields,
}

impl Shape {
    /// Refuses sizes of which no network can be made.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which says of the first of them what it may be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fits = (1..=256).contains(&self.symbols);
        require("symbols", self.symbols, fits, "between 1 and 256")?;
        for (key, size) in [
            ("fact-fields", self.fact_fields),
            ("question-fields", self.question_fields),
            ("outputs", self.outputs),
            ("width", self.width),
            ("heads", self.heads),
            ("mlp-width", self.mlp_width),
            ("answer-layers", self.answer_layers),
        ] {
            require(key, size, size > 0, "at least 1")?;
        }
        let fits = self.width.is_multiple_of(self.heads);
        require("heads", self.heads, fits, "a divisor of `width`")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A shape small enough for finite differences.
    pub(crate) fn tiny() -> Shape {
        Shape {
            symbols: 5,
            fact_fields: 2,
            question_fields: 3,
            outputs: 2,
            width: 6,
            heads: 2,
            mlp_width: 7,
            encoder_layers: 2,
            answer_layers: 2,
            layers: Layers::Own,
            pointers: Pointers::Fields,
        }
    }

    #[test]
    fn sizes_that_make_no_network_are_refused_by_name() {
        assert_eq!(tiny().check(), Ok(()));
        let wrong = |change: fn(&mut Shape)| {
            let mut shape = tiny();
            change(&mut shape);
            shape.check().unwrap_err().to_string()
        };
        assert_eq!(
            wrong(|s| s.symbols = 257),
            "symbols is 257: between 1 and 256"
        );
        assert_eq!(wrong(|s| s.outputs = 0), "outputs is 0: at least 1");
        assert_eq!(wrong(|s| s.heads = 4), "heads is 4: a divisor of `width`");
        assert_eq!(wrong(|s| s.heads = 0), "heads is 0: at least 1");
    }

    #[test]
    fn a_shape_is_written_and_read_and_knows_its_keys() {
        let text = serde_json::to_string(&tiny()).unwrap();
        assert_eq!(serde_json::from_str::<Shape>(&text).unwrap(), tiny());
        let odd = text.replace("outputs", "output");
        let error = serde_json::from_str::<Shape>(&odd).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `output`"),
            "{error}"
        );
    }
}
