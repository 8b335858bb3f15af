//! A number, or a word that says where the number comes from.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::StrDeserializer;
use serde::de::{self, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `radius = 0.15`, or `radius = "median"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NumberOr<W> {
    /// The number itself.
    Number(f64),
    /// How to get it.
    Word(W),
}

impl<W: Serialize> Serialize for NumberOr<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Word(word) => word.serialize(serializer),
        }
    }
}

impl<'de, W: Deserialize<'de>> Deserialize<'de> for NumberOr<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<W>(PhantomData<W>);

        impl<'de, W: Deserialize<'de>> de::Visitor<'de> for Visitor<W> {
            type Value = NumberOr<W>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a word")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(NumberOr::Number(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(NumberOr::Number(number as f64))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(NumberOr::Number(number as f64))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                let word: StrDeserializer<'_, E> = word.into_deserializer();
                W::deserialize(word).map(NumberOr::Word)
            }
        }

        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

impl<W: JsonSchema> JsonSchema for NumberOr<W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("NumberOr{}", W::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<W>();
        schemars::json_schema!({ "anyOf": [{ "type": "number", "format": "double" }, word] })
    }
}
