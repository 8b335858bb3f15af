//! One line of JSON Lines: an object becomes the cells of a row.
//!
//! Cells are borrowed from the line where they can be; features are parsed straight into one long
//! vector; columns without a role are skipped, not stored.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{DataError, Place};
use crate::rows::{Cells, N_ROLES, Role, Schema};

/// One line, parsed.
pub(crate) struct Row<'a> {
    pub(crate) cells: Cells<'a>,
    /// Which roles it has.
    pub(crate) seen: [bool; N_ROLES],
}

/// Parses one line; its features go onto the end of `features`.
pub(crate) fn parse_row<'a>(
    file: &Path,
    schema: &Schema,
    line: u64,
    text: &'a str,
    features: &mut Vec<f32>,
) -> Result<Row<'a>, DataError> {
    let before = features.len();
    let mut problem = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let seed = RowSeed {
        schema,
        features,
        problem: &mut problem,
    };
    let result = seed
        .deserialize(&mut json)
        .and_then(|row| json.end().map(|()| row));
    result.map_err(|error| {
        let (file, place) = (file.to_owned(), Place::Line(line));
        let column_of = |role: Role| schema.column(role).to_owned();
        match problem {
            Some(Problem::Null(role)) => {
                return DataError::MissingValue {
                    file,
                    place,
                    column: column_of(role),
                };
            }
            Some(Problem::Type {
                role,
                expected,
                got,
            }) => {
                return DataError::WrongType {
                    file,
                    place,
                    column: column_of(role),
                    expected,
                    got,
                };
            }
            Some(Problem::InFeatures) => {
                if let Some(value) = not_finite_at(text, error.column()) {
                    let feature = features.len() - before;
                    return DataError::NotFinite {
                        file,
                        place,
                        feature,
                        value,
                    };
                }
            }
            None => {}
        }
        let reason = error.to_string();
        let reason = reason
            .rsplit_once(" at line ")
            .map_or(reason.as_str(), |(reason, _)| reason);
        DataError::Json {
            file,
            line,
            column: error.column(),
            reason: reason.to_owned(),
        }
    })
}

/// The token that is no JSON but that other writers use for NaN and infinities, if it stands at
/// `column` (from 1; the parser stops somewhere in it), or a number too large for a float.
pub(crate) fn not_finite_at(text: &str, column: usize) -> Option<String> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let bytes = text.as_bytes();
    let at = column.saturating_sub(1).min(bytes.len());
    // The parser may have stopped on the token's first byte or behind its last.
    let start = bytes[..at]
        .iter()
        .rposition(|byte| !is_token(byte))
        .map_or(0, |i| i + 1);
    let len = bytes[start..].iter().position(|byte| !is_token(byte))?;
    let token = &text[start..start + len];
    let value: f32 = token.parse().ok()?;
    (!value.is_finite()).then(|| token.to_owned())
}

/// What went wrong beyond syntax.
enum Problem {
    Null(Role),
    Type {
        role: Role,
        expected: &'static str,
        got: String,
    },
    InFeatures,
}

/// The keys of an object, in order.
struct Keys(Vec<String>);

impl<'de> de::Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(KeysVisitor)
    }
}

/// Reads one object.
struct RowSeed<'s> {
    schema: &'s Schema,
    features: &'s mut Vec<f32>,
    problem: &'s mut Option<Problem>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Row<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Row<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Row<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a row's columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
        let mut row = Row {
            cells: Cells::default(),
            seen: [false; N_ROLES],
        };
        while let Some(role) = map.next_key_seed(KeySeed(self.schema))? {
            let Some(role) = role else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(&mut row.seen[role as usize], true) {
                let column = self.schema.column(role);
                return Err(de::Error::custom(format_args!(
                    "{column:?} stands here twice"
                )));
            }
            if role == Role::Features {
                *self.problem = Some(Problem::InFeatures);
                map.next_value_seed(FeatureSeed(self.features))?;
                *self.problem = None;
            } else if role == Role::Candidates {
                row.cells.candidates = map.next_value::<Texts>()?.0;
            } else {
                row.cells.values[role as usize] = Some(map.next_value_seed(CellSeed {
                    role,
                    problem: self.problem,
                })?);
            }
        }
        Ok(row)
    }
}

/// Reads a key as the role it plays.
struct KeySeed<'s>(&'s Schema);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<Role>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<Role>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column name")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.role(key))
    }
}

/// Reads a list of numbers onto the end of a vector.
pub(crate) struct FeatureSeed<'f>(pub(crate) &'f mut Vec<f32>);

impl<'de> DeserializeSeed<'de> for FeatureSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FeatureSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(Number(value)) = list.next_element()? {
            self.0.push(value);
        }
        Ok(())
    }
}

/// One feature.
struct Number(f32);

impl<'de> de::Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value as f32))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f32))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f32))
            }
        }
        // Asked for f32, the parser rounds once, not by way of f64.
        deserializer.deserialize_f32(NumberVisitor)
    }
}

/// A list of texts.
pub(crate) struct Texts(pub(crate) Vec<Box<str>>);

impl<'de> de::Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_seq(TextsVisitor)
    }
}

/// Reads a cell that is text or can be written as text without doubt.
struct CellSeed<'s> {
    role: Role,
    problem: &'s mut Option<Problem>,
}

impl CellSeed<'_> {
    fn expected(&self) -> &'static str {
        match self.role {
            role if role.is_text() => "text",
            _ => "text, an integer or a boolean",
        }
    }

    fn refuse<T, E: de::Error>(self, got: String) -> Result<T, E> {
        let expected = self.expected();
        *self.problem = Some(Problem::Type {
            role: self.role,
            expected,
            got,
        });
        Err(E::custom("wrong type"))
    }

    fn plain<'de, E: de::Error>(self, value: &dyn fmt::Display) -> Result<Cow<'de, str>, E> {
        if self.role.is_text() {
            return self.refuse(value.to_string());
        }
        Ok(Cow::Owned(value.to_string()))
    }
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed<'_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected())
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        self.plain(&value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        self.plain(&value)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        self.plain(&value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        // Tables with gaps turn integers into floats: 1.0 is meant as 1.
        if value.fract() == 0.0 && value.abs() < 1e15 {
            self.plain(&(value as i64))
        } else {
            self.refuse(format!("the number {value}"))
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        *self.problem = Some(Problem::Null(self.role));
        Err(E::custom("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.refuse("a list".into())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.refuse("an object".into())
    }
}

/// The columns of a line, as far as it can be read.
pub(crate) fn keys(text: &str) -> Vec<String> {
    let keys: Result<Keys, _> = serde_json::from_str(text);
    keys.map(|keys| keys.0).unwrap_or_default()
}

/// The error that a line has no column for `role`.
pub(crate) fn missing(
    file: &Path,
    schema: &Schema,
    role: Role,
    line: u64,
    text: &str,
) -> DataError {
    DataError::MissingColumn {
        file: file.to_owned(),
        place: Place::Line(line),
        column: schema.column(role).to_owned(),
        role: role.name(),
        available: keys(text),
    }
}
