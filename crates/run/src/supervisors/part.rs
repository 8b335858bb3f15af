//! What a combination is made of: a role, another supervisor, or a table that stands where it is used.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::SupervisorConfig;

/// A part of a combination: the name of a role or of a `[supervisor.NAME]`, or a table of the same form.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Part {
    /// By name.
    Named(String),
    /// As a table, with its `kind`.
    Table(Box<SupervisorConfig>),
}

impl Part {
    /// What it is called: its name, or its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Table(config) => config.kind(),
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a role or of a supervisor, or a table with `kind`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Part, E> {
                Ok(Part::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Part, A::Error> {
                SupervisorConfig::deserialize(MapAccessDeserializer::new(table))
                    .map(|config| Part::Table(Box::new(config)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
