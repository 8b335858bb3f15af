//! Preference pairs and demonstrations as the training files of other programs, there and back.
//!
//! | format | columns | written for |
//! |---|---|---|
//! | `trl-explicit` | `prompt`, `chosen`, `rejected` | TRL's DPO, and most others |
//! | `trl-implicit` | `chosen`, `rejected`, both with the prompt in them | TRL's reward models |
//! | `trl-prompt-completion` | `prompt`, `completion` | SFT |
//! | `trl-unpaired` | `prompt`, `completion`, `label`: two rows a pair | KTO |
//! | `trl-language-modelling` | `text` or `messages` | SFT |
//! | `trl-prompt-only` | `prompt` | online methods |
//! | `openrlhf` | as `trl-explicit` | OpenRLHF, with its usual keys |
//! | `icai` | one JSON document | Inverse Constitutional AI's annotated pairs, version 2 |
//!
//! The conversational form has lists of `{role, content}`, the standard one strings. A string is the dialogue as in
//! Anthropic's HH-RLHF: `\n\nHuman: …\n\nAssistant:`, and a reply that starts with a blank. Formats without a chat template
//! need some such rule, and this one can be taken back; a conversation whose words could be taken for its marks is
//! refused in the standard form. A string without those marks is read as one message by the user.
//!
//! Of the implicit forms know that TRL's DPO takes for the prompt whatever both texts begin with, the first words of two
//! replies that begin alike too; its reward models do not. The explicit forms have no such doubt.
//!
//! Rows keep their `id`, by which can be asked where they come from. What a trainer does not know of it leaves alone.
//! Files are written beside their place and put there once they are whole.
//!
//! Parity: `tests/golden/preferences/`, which `scripts/data/check_exports.py` reads with pyarrow, `datasets` and TRL.

mod container;
mod dialogue;
mod export;
mod fault;
mod icai;
mod import;
mod near_duplicates;
mod record;
mod table;
mod validate;

pub use export::{export_demonstrations, export_pairs};
pub use fault::{PreferenceError, RowFault};
pub use import::{Contents, Example, import, import_pairs};
pub use near_duplicates::{Leak, NearDuplicates};
pub use validate::{Finding, FindingKind, LengthCounts, Severity, Validation, Validator};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PreferenceFormat {
    /// TRL: `prompt`, `chosen`, `rejected`.
    TrlExplicit,
    /// TRL: `chosen` and `rejected`, both with the prompt in them.
    TrlImplicit,
    /// TRL: `prompt` and `completion`, which is the chosen reply.
    TrlPromptCompletion,
    /// TRL: `prompt`, `completion` and a `label`, true for the chosen reply: two rows a pair.
    TrlUnpaired,
    /// TRL: the prompt with the chosen reply, as `text` or `messages`.
    TrlLanguageModelling,
    /// TRL: `prompt` alone.
    TrlPromptOnly,
    /// OpenRLHF: `prompt`, `chosen`, `rejected`.
    Openrlhf,
    /// Inverse Constitutional AI: annotated pairs, version 2, one JSON document.
    Icai,
}

impl PreferenceFormat {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TrlExplicit,
        Self::TrlImplicit,
        Self::TrlPromptCompletion,
        Self::TrlUnpaired,
        Self::TrlLanguageModelling,
        Self::TrlPromptOnly,
        Self::Openrlhf,
        Self::Icai,
    ];

    /// As in an experiment file.
    pub fn name(self) -> &'static str {
        match self {
            Self::TrlExplicit => "trl-explicit",
            Self::TrlImplicit => "trl-implicit",
            Self::TrlPromptCompletion => "trl-prompt-completion",
            Self::TrlUnpaired => "trl-unpaired",
            Self::TrlLanguageModelling => "trl-language-modelling",
            Self::TrlPromptOnly => "trl-prompt-only",
            Self::Openrlhf => "openrlhf",
            Self::Icai => "icai",
        }
    }

    /// Whether it can hold demonstrations, which have no rejected reply.
    pub fn holds_demonstrations(self) -> bool {
        matches!(
            self,
            Self::TrlPromptCompletion | Self::TrlLanguageModelling | Self::TrlPromptOnly
        )
    }
}

/// How a conversation stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As one string.
    Standard,
    /// As a list of messages.
    Conversational,
}

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Container {
    /// JSON Lines: one object a line.
    Jsonl,
    /// Parquet.
    Parquet,
}

/// A column that no format needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExtraColumn {
    /// `p_chosen`: how probable it is that the chosen reply is the better one, from 0.5 to 1.
    PChosen,
    /// `margin`, as TRL's reward trainer takes it: the log-odds of `p_chosen`, in nats, at most 10.
    Margin,
    /// `judge`: who judged.
    Judge,
}

/// One training file to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExportConfig {
    /// Whose columns.
    pub format: PreferenceFormat,
    /// Strings, or lists of messages.
    #[serde(default = "ExportConfig::default_form")]
    pub form: Form,
    /// What kind of file.
    #[serde(default = "ExportConfig::default_container")]
    pub container: Container,
    /// Columns beside those of the format.
    #[serde(default = "ExportConfig::default_extra")]
    pub extra: Vec<ExtraColumn>,
}

impl ExportConfig {
    /// A file of this format, with nothing else said about it.
    pub fn new(format: PreferenceFormat) -> Self {
        Self {
            format,
            form: Self::default_form(),
            container: Self::default_container(),
            extra: Self::default_extra(),
        }
    }

    fn default_form() -> Form {
        Form::Conversational
    }

    fn default_container() -> Container {
        Container::Jsonl
    }

    fn default_extra() -> Vec<ExtraColumn> {
        vec![ExtraColumn::PChosen, ExtraColumn::Judge]
    }

    /// What to call the file: `STEM.trl-explicit.conversational.jsonl`; an `icai` file is `STEM.icai.json`.
    pub fn file_name(&self, stem: &str) -> String {
        let format = self.format.name();
        if self.format == PreferenceFormat::Icai {
            return format!("{stem}.{format}.json");
        }
        let form = match self.form {
            Form::Standard => "standard",
            Form::Conversational => "conversational",
        };
        let ending = match self.container {
            Container::Jsonl => "jsonl",
            Container::Parquet => "parquet",
        };
        format!("{stem}.{format}.{form}.{ending}")
    }
}

/// The largest margin written: where a choice is certain its log-odds are infinite, which no trainer takes.
pub const LARGEST_MARGIN: f64 = 10.0;

/// The log-odds of a soft label, in nats, as far as [`LARGEST_MARGIN`].
pub fn margin(p_chosen: f64) -> f64 {
    (p_chosen / (1.0 - p_chosen)).ln().min(LARGEST_MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_the_name_that_serde_gives_it() {
        for format in PreferenceFormat::ALL {
            let name = serde_json::to_string(&format).unwrap();
            assert_eq!(name, format!("{:?}", format.name()));
        }
    }

    #[test]
    fn a_config_says_only_what_differs() {
        let config: ExportConfig = serde_json::from_str(r#"{"format": "trl-explicit"}"#).unwrap();
        assert_eq!(config, ExportConfig::new(PreferenceFormat::TrlExplicit));
        let error = serde_json::from_str::<ExportConfig>(r#"{"format": "icai", "kind": 1}"#);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("unknown field `kind`")
        );
    }

    #[test]
    fn a_certain_choice_has_a_finite_margin() {
        assert_eq!((margin(1.0), margin(0.5)), (LARGEST_MARGIN, 0.0));
        assert!((margin(0.75) - 3.0_f64.ln()).abs() < 1e-12);
    }
}
