//! The registry: which supervisors there are, and what each was made from, as far as is declared.
//!
//! What is not declared is nobody's: two supervisors of unknown data do not count as of the same. That errs towards letting both
//! in; the measured correlation of their errors is there for the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a supervisor was made from, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lineage {
    /// The data it learnt from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The model it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// Who wrote its prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_author: Option<String>,
    /// Who wrote its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_author: Option<String>,
}

/// A part of a lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Data.
    Data,
    /// Base model.
    BaseModel,
    /// Author of prompts.
    PromptAuthor,
    /// Author of code.
    CodeAuthor,
}

impl Origin {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::Data,
        Self::BaseModel,
        Self::PromptAuthor,
        Self::CodeAuthor,
    ];
}

impl Lineage {
    /// What is declared of one part.
    pub fn of(&self, origin: Origin) -> Option<&str> {
        match origin {
            Origin::Data => self.data.as_deref(),
            Origin::BaseModel => self.base_model.as_deref(),
            Origin::PromptAuthor => self.prompt_author.as_deref(),
            Origin::CodeAuthor => self.code_author.as_deref(),
        }
    }

    /// The parts that two have in common, as declared.
    pub fn shared(&self, other: &Self) -> Vec<Origin> {
        (Origin::ALL.into_iter())
            .filter(|&origin| self.of(origin).is_some() && self.of(origin) == other.of(origin))
            .collect()
    }
}

/// A supervisor of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Registered {
    /// What it is called.
    pub name: String,
    /// What it was made from.
    #[serde(default)]
    pub lineage: Lineage,
}

impl Registered {
    /// One of whom nothing is declared.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lineage: Lineage::default(),
        }
    }
}

/// Whether `candidate` may join `panel` when at most `most` members may share any one origin.
pub(super) fn may_join(
    registry: &[Registered],
    panel: &[usize],
    candidate: usize,
    most: usize,
) -> bool {
    let new = &registry[candidate].lineage;
    Origin::ALL.into_iter().all(|origin| {
        let alike = (panel.iter())
            .filter(|&&member| registry[member].lineage.shared(new).contains(&origin))
            .count();
        alike < most
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(base: &str, author: Option<&str>) -> Registered {
        Registered {
            name: "judge".into(),
            lineage: Lineage {
                base_model: Some(base.into()),
                prompt_author: author.map(str::to_owned),
                ..Lineage::default()
            },
        }
    }

    #[test]
    fn what_is_declared_is_counted_part_by_part() {
        let registry = [
            from("a", Some("x")),
            from("a", None),
            from("b", Some("x")),
            from("b", None),
        ];
        assert_eq!(
            registry[0].lineage.shared(&registry[2].lineage),
            [Origin::PromptAuthor]
        );
        assert!(!may_join(&registry, &[0], 1, 1), "one base model");
        assert!(!may_join(&registry, &[0], 2, 1), "one author");
        assert!(may_join(&registry, &[0], 3, 1));
        assert!(
            may_join(&registry, &[1], 3, 1),
            "unknown authors are not the same"
        );
        assert!(may_join(&registry, &[0], 1, 2));
        // Two of a base model and two of an author: each part is counted by itself.
        assert!(may_join(&registry, &[1, 2], 0, 2));
    }

    #[test]
    fn a_registry_is_read_from_a_file() {
        let line = r#"{"name":"judge","lineage":{"base-model":"a"}}"#;
        let read: Registered = serde_json::from_str(line).unwrap();
        assert_eq!(read.lineage.of(Origin::BaseModel), Some("a"));
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
        let wrong = r#"{"name": "judge", "lineage": {"model": "a"}}"#;
        let error = serde_json::from_str::<Registered>(wrong).unwrap_err();
        assert!(error.to_string().contains("unknown field `model`"));
    }
}
