//! What sets architectures apart: field names of `config.json`, tensor names and layouts. One file each.

mod bert;
mod gpt2;
mod gpt_neox;
mod llama;

use crate::config::{ConfigError, Fields};
use crate::definition::Definition;
use crate::layout::Layout;

/// A family of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// GPT-2.
    Gpt2,
    /// GPT-NeoX, Pythia.
    GptNeox,
    /// Llama 1 to 3 without scaled rotations.
    Llama,
    /// Mistral: Llama with a sliding window.
    Mistral,
    /// Qwen2: Llama with biases on queries, keys and values.
    Qwen2,
    /// Qwen3: Llama with normalised queries and keys.
    Qwen3,
    /// BERT encoders, MiniLM.
    Bert,
}

/// One tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name, without the prefix.
    pub(crate) file: String,
    /// The parameters it holds, in the order of the layout.
    pub(crate) parameters: Vec<String>,
    /// How.
    pub(crate) layout: Layout,
}

/// All tensors of a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What `transformers` puts before the trunk's names when there is a head.
    pub(crate) prefix: &'static str,
    /// The trunk.
    pub(crate) trunk: Vec<Entry>,
    /// The output map, without prefix.
    pub(crate) head: Entry,
    /// Ends of names that are buffers, or copies of what is tied: not read, not saved.
    pub(crate) ignored: &'static [&'static str],
    /// Beginnings of names that are other heads: not used, but saved again.
    pub(crate) kept: &'static [&'static str],
    /// The class that `transformers` has for a linear head over a pooled hidden state.
    pub(crate) classifier: Option<&'static str>,
}

impl Architecture {
    const ALL: [Self; 7] = [
        Self::Gpt2,
        Self::GptNeox,
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Bert,
    ];

    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpt2 => "gpt2",
            Self::GptNeox => "gpt_neox",
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Bert => "bert",
        }
    }

    /// Every `model_type` that is supported.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).to_vec()
    }

    pub(crate) fn of(model_type: &str) -> Result<Self, ConfigError> {
        (Self::ALL.into_iter())
            .find(|architecture| architecture.name() == model_type)
            .ok_or_else(|| ConfigError::Architecture {
                found: model_type.to_owned(),
            })
    }

    pub(crate) fn definition(self, fields: Fields<'_>) -> Result<Definition, ConfigError> {
        match self {
            Self::Gpt2 => gpt2::definition(fields),
            Self::GptNeox => gpt_neox::definition(fields),
            Self::Llama | Self::Mistral | Self::Qwen2 | Self::Qwen3 => {
                llama::definition(self, fields)
            }
            Self::Bert => bert::definition(fields),
        }
    }

    pub(crate) fn plan(self, definition: &Definition) -> Plan {
        match self {
            Self::Gpt2 => gpt2::plan(definition),
            Self::GptNeox => gpt_neox::plan(definition),
            Self::Llama | Self::Mistral | Self::Qwen2 | Self::Qwen3 => {
                llama::plan(self, definition)
            }
            Self::Bert => bert::plan(definition),
        }
    }
}

impl Entry {
    /// A tensor that is one parameter.
    fn one(file: impl Into<String>, layout: Layout, parameter: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            parameters: vec![parameter.into()],
            layout,
        }
    }
}

/// Collects a trunk's tensors.
#[derive(Default)]
struct Entries(Vec<Entry>);

impl Entries {
    /// A vector, an embedding or a `Conv1D` matrix.
    fn plain(&mut self, file: &str, parameter: &str) {
        self.0.push(Entry::one(file, Layout::Plain, parameter));
    }

    /// A weight and a bias of a norm, or a `Conv1D`.
    fn plain_pair(&mut self, file: &str, parameter: &str) {
        for part in ["weight", "bias"] {
            self.plain(&format!("{file}.{part}"), &format!("{parameter}.{part}"));
        }
    }

    /// PyTorch's `Linear`.
    fn linear(&mut self, file: &str, parameter: &str, has_bias: bool) {
        self.0.push(Entry::one(
            format!("{file}.weight"),
            Layout::Transposed,
            format!("{parameter}.weight"),
        ));
        if has_bias {
            self.plain(&format!("{file}.bias"), &format!("{parameter}.bias"));
        }
    }

    /// Queries, keys and values in one tensor, with biases.
    fn fused(&mut self, file: &str, attention: &str, layout: Layout) {
        for part in ["weight", "bias"] {
            self.0.push(Entry {
                file: format!("{file}.{part}"),
                parameters: (["query", "key", "value"])
                    .map(|map| format!("{attention}.{map}.{part}"))
                    .to_vec(),
                layout,
            });
        }
    }
}
