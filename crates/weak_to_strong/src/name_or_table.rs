//! A tagged setting that may be written as its name alone: `loss = "confidence"` for
//! `loss = { kind = "confidence" }`.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Error, MapAccess, Visitor};

/// A type with a short form.
pub(crate) trait NameOrTable<'de>: Sized {
    /// What is expected, for errors: `a loss name, or a table with `kind``.
    const EXPECTING: &'static str;

    /// Reads the table.
    fn from_table<D: Deserializer<'de>>(table: D) -> Result<Self, D::Error>;

    /// Reads the name; by default as the table's `kind`.
    fn from_name<E: Error>(name: &str) -> Result<Self, E> {
        Self::from_table(MapDeserializer::new([("kind", name)].into_iter()))
    }
}

/// Reads either form.
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: NameOrTable<'de>,
    D: Deserializer<'de>,
{
    struct Either<T>(PhantomData<T>);

    impl<'de, T: NameOrTable<'de>> Visitor<'de> for Either<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTING)
        }

        fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
            T::from_name(name)
        }

        fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
            T::from_table(MapAccessDeserializer::new(table))
        }
    }

    deserializer.deserialize_any(Either(PhantomData))
}

/// Implements `Serialize` and `Deserialize` for an enum that derives both with `remote = "Self"`.
macro_rules! name_or_table {
    ($type:ty, $expecting:literal $(, $from_name:expr)?) => {
        impl<'de> $crate::name_or_table::NameOrTable<'de> for $type {
            const EXPECTING: &'static str = $expecting;

            fn from_table<D: serde::Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
                // The inherent function that `remote = "Self"` derives.
                Self::deserialize(table)
            }

            $(
                fn from_name<E: serde::de::Error>(name: &str) -> Result<Self, E> {
                    match $from_name(name) {
                        Some(value) => Ok(value),
                        None => Self::from_table(serde::de::value::MapDeserializer::new(
                            [("kind", name)].into_iter(),
                        )),
                    }
                }
            )?
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::name_or_table::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Always a table, every default written.
                Self::serialize(self, serializer)
            }
        }
    };
}

pub(crate) use name_or_table;

/// Adds the short form to a tagged enum's schema.
pub(crate) fn allow_name(schema: &mut schemars::Schema, description: &str) {
    if let Some(forms) = schema
        .get_mut("oneOf")
        .and_then(|forms| forms.as_array_mut())
    {
        let name = schemars::json_schema!({ "description": description, "type": "string" });
        forms.insert(0, name.to_value());
    }
}
