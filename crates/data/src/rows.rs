//! Rows as they come out of a file, column by column, before they become a [`Dataset`](crate::Dataset).

use std::collections::HashMap;
use std::path::Path;

use trimtab_core::SampleId;

use crate::config::DataConfig;
use crate::error::{DataError, Place};

/// More labels than this, and the column is a number or a name, not a class.
pub(crate) const MOST_LABELS: usize = 1000;

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Id,
    Text,
    Label,
    Features,
    Split,
    Group,
}

impl Role {
    pub(crate) const ALL: [Self; 6] = [
        Self::Id,
        Self::Text,
        Self::Label,
        Self::Features,
        Self::Split,
        Self::Group,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text => "text",
            Self::Label => "label",
            Self::Features => "features",
            Self::Split => "split",
            Self::Group => "group",
        }
    }
}

/// Whether a column must be on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It must.
    Required,
    /// It may (first row only: what that has, the others must have).
    Optional,
    /// It must not: the first row does not have it.
    Absent,
    /// It is not looked at.
    Ignored,
}

/// Which column plays which role.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    columns: [(Presence, String); 6],
}

impl Schema {
    /// What the config says, before a row has been seen.
    pub(crate) fn new(config: &DataConfig) -> Result<Self, DataError> {
        let columns = &config.columns;
        let role = |declared: &Option<String>, default: &str, otherwise| match declared {
            Some(name) => (Presence::Required, name.clone()),
            None => (otherwise, default.to_owned()),
        };
        let split = if config.test.is_some() {
            Presence::Ignored
        } else {
            Presence::Optional
        };
        let schema = Self {
            columns: [
                role(&columns.id, "id", Presence::Optional),
                role(&columns.text, "text", Presence::Optional),
                role(&columns.label, "label", Presence::Required),
                role(&columns.features, "features", Presence::Optional),
                role(&columns.split, "split", split),
                role(&columns.group, "group", Presence::Ignored),
            ],
        };
        for (i, first) in Role::ALL.into_iter().enumerate() {
            for second in &Role::ALL[i + 1..] {
                let both = [first, *second].map(|role| &schema.columns[role as usize]);
                if both[0].1 == both[1].1 && both.iter().all(|c| c.0 == Presence::Required) {
                    return Err(DataError::SameColumn {
                        column: both[0].1.clone(),
                        first: first.name(),
                        second: second.name(),
                    });
                }
            }
        }
        Ok(schema)
    }

    pub(crate) fn column(&self, role: Role) -> &str {
        &self.columns[role as usize].1
    }

    pub(crate) fn presence(&self, role: Role) -> Presence {
        self.columns[role as usize].0
    }

    /// The role of a column, if it has one. Declared columns win over usual names.
    pub(crate) fn role(&self, column: &str) -> Option<Role> {
        let named = |presence: Presence| {
            Role::ALL
                .into_iter()
                .find(|&role| self.presence(role) == presence && self.column(role) == column)
        };
        named(Presence::Required)
            .or_else(|| named(Presence::Optional))
            .or_else(|| named(Presence::Absent))
    }

    /// What later rows must have, from what the first has. `Err` is the role that is missing.
    pub(crate) fn settle(&self, seen: [bool; 6]) -> Result<Self, Role> {
        let mut settled = self.clone();
        for role in Role::ALL {
            let presence = &mut settled.columns[role as usize].0;
            match (*presence, seen[role as usize]) {
                (Presence::Required, false) => return Err(role),
                (Presence::Optional, true) => *presence = Presence::Required,
                (Presence::Optional, false) => *presence = Presence::Absent,
                _ => {}
            }
        }
        if settled.has(Role::Text) || settled.has(Role::Features) {
            Ok(settled)
        } else {
            Err(Role::Text)
        }
    }

    /// Whether every row has this role. Only after [`Schema::settle`].
    pub(crate) fn has(&self, role: Role) -> bool {
        self.presence(role) == Presence::Required
    }
}

/// The declared part of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To learn from: the weak supervisor's half or the student's.
    Train,
    /// To measure on.
    Test,
}

impl Part {
    pub(crate) fn parse(value: &str) -> Option<Self> {
        match value {
            "train" => Some(Self::Train),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

/// Names, each stored once, and a code for every row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Coded {
    pub(crate) names: Vec<String>,
    /// The number of the first row with each name.
    pub(crate) first_row: Vec<usize>,
    pub(crate) codes: Vec<u32>,
    code_of: HashMap<String, u32>,
}

impl Coded {
    pub(crate) fn from_parts(names: Vec<String>, first_row: Vec<usize>, codes: Vec<u32>) -> Self {
        let code_of = names.iter().cloned().zip(0..).collect();
        Self {
            names,
            first_row,
            codes,
            code_of,
        }
    }

    pub(crate) fn push(&mut self, name: &str) {
        let row = self.codes.len();
        let code = self.code(name, row);
        self.codes.push(code);
    }

    fn code(&mut self, name: &str, row: usize) -> u32 {
        if let Some(&code) = self.code_of.get(name) {
            return code;
        }
        let code = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.first_row.push(row);
        self.code_of.insert(name.to_owned(), code);
        code
    }

    fn append(&mut self, other: &Self) {
        let start = self.codes.len();
        let map: Vec<u32> = (other.names.iter().zip(&other.first_row))
            .map(|(name, row)| self.code(name, start + row))
            .collect();
        self.codes
            .extend(other.codes.iter().map(|&code| map[code as usize]));
    }

    /// Keeps the first `n` rows. Names are numbered by first row, so the unused ones are the last.
    fn truncate(&mut self, n: usize) {
        self.codes.truncate(n);
        let used = self.first_row.partition_point(|&row| row < n);
        self.first_row.truncate(used);
        for name in self.names.drain(used..) {
            self.code_of.remove(&name);
        }
    }
}

/// Rows, column by column. Columns that the data do not have are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rows {
    /// The line of every row; empty where rows are their own place.
    pub(crate) lines: Vec<u64>,
    pub(crate) ids: Vec<SampleId>,
    pub(crate) texts: Vec<Box<str>>,
    pub(crate) labels: Coded,
    pub(crate) parts: Vec<Part>,
    pub(crate) groups: Coded,
    /// Features a row; 0 where there are none.
    pub(crate) dim: usize,
    pub(crate) features: Vec<f32>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.labels.codes.len()
    }

    pub(crate) fn place(&self, row: usize) -> Place {
        self.lines
            .get(row)
            .map_or(Place::Row(row as u64), |&line| Place::Line(line))
    }

    /// Adds the rows of `other`, which have the same columns.
    pub(crate) fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.ids.extend(other.ids);
        self.texts.extend(other.texts);
        self.labels.append(&other.labels);
        self.parts.extend(other.parts);
        self.groups.append(&other.groups);
        self.dim = other.dim;
        self.features.extend_from_slice(&other.features);
    }

    pub(crate) fn truncate(&mut self, n: usize) {
        self.lines.truncate(n);
        self.ids.truncate(n);
        self.texts.truncate(n);
        self.labels.truncate(n);
        self.parts.truncate(n);
        self.groups.truncate(n);
        self.features.truncate(n.saturating_mul(self.dim));
    }

    /// Refuses a label column that is none, before it fills the memory.
    pub(crate) fn check_labels(&self, file: &Path, schema: &Schema) -> Result<(), DataError> {
        if self.labels.names.len() > MOST_LABELS {
            return Err(DataError::TooManyLabels {
                file: file.to_owned(),
                column: schema.column(Role::Label).to_owned(),
                most: MOST_LABELS,
            });
        }
        Ok(())
    }
}

/// The cells of one row other than its features, which go straight into [`Rows::features`].
#[derive(Debug, Default)]
pub(crate) struct Cells<'a> {
    pub(crate) values: [Option<std::borrow::Cow<'a, str>>; 6],
}

impl Rows {
    /// Adds one row. Its features, if it has any, are the last `n_features` in [`Rows::features`].
    pub(crate) fn push(
        &mut self,
        file: &Path,
        schema: &Schema,
        line: u64,
        cells: &Cells<'_>,
        n_features: usize,
    ) -> Result<(), DataError> {
        let place = Place::Line(line);
        let cell = |role: Role| cells.values[role as usize].as_deref().unwrap_or_default();
        if schema.has(Role::Features) && n_features != self.dim {
            return Err(DataError::FeatureLength {
                file: file.to_owned(),
                place,
                expected: self.dim,
                got: n_features,
            });
        }
        for role in [Role::Id, Role::Label] {
            if schema.has(role) && cell(role).is_empty() {
                return Err(DataError::MissingValue {
                    file: file.to_owned(),
                    place,
                    column: schema.column(role).to_owned(),
                });
            }
        }
        if schema.has(Role::Split) {
            let value = cell(Role::Split);
            self.parts
                .push(Part::parse(value).ok_or_else(|| DataError::UnknownPart {
                    file: file.to_owned(),
                    place,
                    value: value.to_owned(),
                })?);
        }
        if schema.has(Role::Id) {
            self.ids.push(SampleId::new(cell(Role::Id)));
        }
        if schema.has(Role::Text) {
            self.texts.push(cell(Role::Text).into());
        }
        if schema.has(Role::Group) {
            self.groups.push(cell(Role::Group));
        }
        self.lines.push(line);
        self.labels.push(cell(Role::Label));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(names: &[&str]) -> Coded {
        let mut out = Coded::default();
        for name in names {
            out.push(name);
        }
        out
    }

    #[test]
    fn codes_are_the_same_whole_or_in_parts() {
        let mut parts = coded(&["b", "a"]);
        parts.append(&coded(&["a", "c", "b"]));
        assert_eq!(parts, coded(&["b", "a", "a", "c", "b"]));
        parts.truncate(3);
        assert_eq!(parts, coded(&["b", "a", "a"]));
    }

    #[test]
    fn one_column_cannot_be_two_things() {
        let mut config = DataConfig::new("x.csv");
        config.columns.text = Some("a".into());
        config.columns.group = Some("a".into());
        assert_eq!(
            Schema::new(&config).unwrap_err().to_string(),
            "column \"a\" is declared both as text and as group"
        );
    }

    #[test]
    fn a_declared_column_may_have_the_usual_name_of_another() {
        let mut config = DataConfig::new("x.csv");
        config.columns.label = Some("id".into());
        let schema = Schema::new(&config).unwrap();
        assert_eq!(schema.role("id"), Some(Role::Label));
    }
}
