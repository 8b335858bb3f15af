//! Rows as they come out of a file, column by column, before they become a [`Dataset`](crate::Dataset).

use std::collections::HashMap;
use std::path::Path;

use trimtab_core::{Candidates, SampleId};

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
    Candidates,
    Chosen,
    Rejected,
    Fen,
    Moves,
}

/// How many roles there are.
pub(crate) const N_ROLES: usize = 11;

impl Role {
    pub(crate) const ALL: [Self; N_ROLES] = [
        Self::Id,
        Self::Text,
        Self::Label,
        Self::Features,
        Self::Split,
        Self::Group,
        Self::Candidates,
        Self::Chosen,
        Self::Rejected,
        Self::Fen,
        Self::Moves,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text => "text",
            Self::Label => "label",
            Self::Features => "features",
            Self::Split => "split",
            Self::Group => "group",
            Self::Candidates => "candidates",
            Self::Chosen => "chosen",
            Self::Rejected => "rejected",
            Self::Fen => "fen",
            Self::Moves => "moves",
        }
    }
}

impl Role {
    /// Whether its cells must be text, and no number or truth value.
    pub(crate) fn is_text(self) -> bool {
        match self {
            Self::Text | Self::Split | Self::Chosen | Self::Rejected | Self::Fen | Self::Moves => {
                true
            }
            Self::Id | Self::Label | Self::Group | Self::Features | Self::Candidates => false,
        }
    }
}

/// What a row is, which follows from its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A question with a label; the answers may stand for texts of their own.
    Labelled,
    /// Two replies, of which people chose the first. Its label is implied.
    Pair,
    /// A chess position with moves. It becomes two questions, whose labels are implied.
    Puzzle,
}

impl Form {
    const ALL: [Self; 3] = [Self::Labelled, Self::Pair, Self::Puzzle];

    /// The columns that make a row this form.
    fn marks(self) -> &'static [Role] {
        match self {
            Self::Labelled => &[Role::Label],
            Self::Pair => &[Role::Chosen, Role::Rejected],
            Self::Puzzle => &[Role::Fen, Role::Moves],
        }
    }

    /// Whether a column has a meaning in rows of this form.
    fn reads(self, role: Role) -> bool {
        match role {
            Role::Id | Role::Split | Role::Group => true,
            Role::Label | Role::Features | Role::Candidates => self == Self::Labelled,
            Role::Text => self != Self::Puzzle,
            Role::Chosen | Role::Rejected => self == Self::Pair,
            Role::Fen | Role::Moves => self == Self::Puzzle,
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
    columns: [(Presence, String); N_ROLES],
    /// What a row may be; one thing, once the first has been seen.
    forms: Vec<Form>,
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
                role(&columns.label, "label", Presence::Optional),
                role(&columns.features, "features", Presence::Optional),
                role(&columns.split, "split", split),
                role(&columns.group, "group", Presence::Ignored),
                role(&columns.candidates, "candidates", Presence::Ignored),
                role(&columns.chosen, "chosen", Presence::Optional),
                role(&columns.rejected, "rejected", Presence::Optional),
                role(&columns.fen, "fen", Presence::Optional),
                role(&columns.moves, "moves", Presence::Optional),
            ],
            forms: Form::ALL.to_vec(),
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
        schema.declare()
    }

    /// Finds which forms the declared columns leave open.
    fn declare(mut self) -> Result<Self, DataError> {
        let declared = (Role::ALL.into_iter()).filter(|&role| self.has(role));
        // Columns that any row may have say nothing of its form.
        let telling: Vec<Role> = declared
            .filter(|&role| !Form::ALL.iter().all(|form| form.reads(role)))
            .collect();
        self.forms
            .retain(|form| telling.iter().all(|&role| form.reads(role)));
        let clash = |a: Role, b: Role| DataError::TwoForms {
            first: a.name(),
            second: b.name(),
        };
        if self.forms.is_empty() {
            let apart = |a: Role, b: Role| !Form::ALL.iter().any(|f| f.reads(a) && f.reads(b));
            let pairs = telling
                .iter()
                .flat_map(|&a| telling.iter().map(move |&b| (a, b)));
            let (a, b) = pairs
                .into_iter()
                .find(|&(a, b)| apart(a, b))
                .unwrap_or((telling[0], telling[0]));
            return Err(clash(a, b));
        }
        if self.has(Role::Features) && self.has(Role::Candidates) {
            return Err(clash(Role::Features, Role::Candidates));
        }
        if let [form] = self.forms[..] {
            self.become_form(form);
        }
        Ok(self)
    }

    fn become_form(&mut self, form: Form) {
        self.forms = vec![form];
        let candidates = self.has(Role::Candidates);
        for role in Role::ALL {
            let presence = &mut self.columns[role as usize].0;
            if form.marks().contains(&role) {
                *presence = Presence::Required;
            } else if !form.reads(role) || (role == Role::Features && candidates) {
                *presence = Presence::Ignored;
            }
        }
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
    pub(crate) fn settle(&self, seen: [bool; N_ROLES]) -> Result<Self, Role> {
        let mut settled = self.clone();
        if settled.forms.len() > 1 {
            let has = |form: &&Form| form.marks().iter().all(|&mark| seen[mark as usize]);
            let form = settled.forms.iter().find(has).copied();
            settled.become_form(form.ok_or(Role::Label)?);
        }
        for role in Role::ALL {
            let presence = &mut settled.columns[role as usize].0;
            match (*presence, seen[role as usize]) {
                (Presence::Required, false) => return Err(role),
                (Presence::Optional, true) => *presence = Presence::Required,
                (Presence::Optional, false) => *presence = Presence::Absent,
                _ => {}
            }
        }
        let something = [
            Role::Text,
            Role::Features,
            Role::Candidates,
            Role::Chosen,
            Role::Fen,
        ];
        if something.into_iter().any(|role| settled.has(role)) {
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

/// The label of a row whose form implies it.
pub(crate) const IMPLIED: &str = "";

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
    /// The words of every answer.
    pub(crate) candidates: Vec<Candidates>,
    pub(crate) chosen: Vec<Box<str>>,
    pub(crate) rejected: Vec<Box<str>>,
    pub(crate) fens: Vec<Box<str>>,
    pub(crate) moves: Vec<Box<str>>,
    /// Features a row; 0 where there are none.
    pub(crate) dim: usize,
    pub(crate) features: Vec<f32>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.labels.codes.len()
    }

    /// What the rows are.
    pub(crate) fn form(&self) -> Form {
        if !self.chosen.is_empty() {
            Form::Pair
        } else if !self.fens.is_empty() {
            Form::Puzzle
        } else {
            Form::Labelled
        }
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
        self.candidates.extend(other.candidates);
        self.chosen.extend(other.chosen);
        self.rejected.extend(other.rejected);
        self.fens.extend(other.fens);
        self.moves.extend(other.moves);
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
        self.candidates.truncate(n);
        self.chosen.truncate(n);
        self.rejected.truncate(n);
        self.fens.truncate(n);
        self.moves.truncate(n);
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
    pub(crate) values: [Option<std::borrow::Cow<'a, str>>; N_ROLES],
    pub(crate) candidates: Vec<Box<str>>,
}

impl Rows {
    /// Adds one row. Its features, if it has any, are the last `n_features` in [`Rows::features`].
    pub(crate) fn push(
        &mut self,
        file: &Path,
        schema: &Schema,
        line: u64,
        cells: Cells<'_>,
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
        for (role, column) in [
            (Role::Chosen, &mut self.chosen),
            (Role::Rejected, &mut self.rejected),
            (Role::Fen, &mut self.fens),
            (Role::Moves, &mut self.moves),
        ] {
            if schema.has(role) {
                column.push(cell(role).into());
            }
        }
        self.lines.push(line);
        self.labels.push(if schema.has(Role::Label) {
            cell(Role::Label)
        } else {
            IMPLIED
        });
        if schema.has(Role::Candidates) {
            self.candidates.push(cells.candidates.into());
        }
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
