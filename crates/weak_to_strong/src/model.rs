//! What a role can be bound to: a model that learns from labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::ChatModel;
use trimtab_core::{NamedFeatures, Student};
use trimtab_llm::ChatModelConfig;
use trimtab_probe::NetworkOptions;
use trimtab_probe::ngrams::Ngrams;

use crate::linear::{LinearConfig, LinearStudent};
use crate::loss::LossConfig;
use crate::name_or_table::{allow_name, name_or_table};
use crate::network::NetworkStudent;
use crate::prompted::Prompted;
use crate::source::{FeatureView, Source, WordView, WordsOf};
use crate::transformer::{CheckpointConfig, Pretrained, ScratchConfig};
use trimtab_combine::{Combine, EnsembleStudent};

/// A model: a name (`model = "bag-of-words"`, `model = "features:all-MiniLM-L6-v2"`), or a table with
/// a `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", remote = "Self")]
#[schemars(rename = "ModelConfig", transform = model_by_name)]
pub enum ModelConfig {
    /// Logistic regression on hashed word n-grams; for pairs of replies, a reward model of them.
    BagOfWords(BagOfWordsConfig),
    /// A probe on the frozen features of a stronger model.
    Features(FeaturesConfig),
    /// A transformer from a Hugging Face directory, fine-tuned or probed.
    Checkpoint(CheckpointConfig),
    /// A small transformer that starts from nothing.
    Transformer(ScratchConfig),
    /// A model that is talked to, on a server or in this process: it judges as it is, and learns nothing.
    Chat(ChatModelConfig),
    /// Several models judging as one.
    Ensemble(EnsembleConfig),
}

name_or_table!(
    ModelConfig,
    "a model name, or a table with `kind`",
    model_named
);

/// `features:NAME`, the address of a chat model, or the path of a checkpoint: what has a slash in it.
fn model_named(name: &str) -> Option<ModelConfig> {
    if ChatModelConfig::is_address(name) {
        return Some(ModelConfig::Chat(ChatModelConfig::at(name)));
    }
    if let Some(name) = name.strip_prefix("features:") {
        return Some(ModelConfig::Features(FeaturesConfig {
            name: Some(name.into()),
            ..Default::default()
        }));
    }
    name.contains('/')
        .then(|| ModelConfig::Checkpoint(CheckpointConfig::at(name)))
}

fn model_by_name(schema: &mut schemars::Schema) {
    allow_name(
        schema,
        "`bag-of-words`, `features`, `features:NAME`, `transformer`, the path of a checkpoint (with a slash in it), `openai:NAME@URL`, `anthropic:NAME` or `organism`, with its defaults.",
    );
}

/// Logistic regression on hashed word n-grams. Where the answers are two texts, it is a Bradley-Terry
/// reward model: one score for either text, and the difference of the two is the logit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BagOfWordsConfig {
    /// Longest n-gram, in words.
    pub max_words: usize,
    /// N-grams are hashed to `2^bits` buckets.
    pub bits: u32,
    /// See only the first so many words of a text. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_words: Option<usize>,
    /// How it is fitted.
    pub fit: LinearConfig,
}

impl Default for BagOfWordsConfig {
    fn default() -> Self {
        let fit = LinearConfig {
            l2: 3e-5,
            ..LinearConfig::default()
        };
        Self {
            max_words: 2,
            bits: 16,
            first_words: None,
            fit,
        }
    }
}

/// A probe on frozen features.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FeaturesConfig {
    /// The features' name, as the data have it. Default: the only features that the data have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See only the first so many features. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dims: Option<usize>,
    /// What is fitted to them.
    pub head: HeadConfig,
}

/// What is fitted to frozen features: a name (`head = "mlp"`), or a table with a `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", remote = "Self")]
#[schemars(rename = "HeadConfig", transform = head_by_name)]
pub enum HeadConfig {
    /// A linear probe, fitted to convergence.
    Linear(LinearConfig),
    /// A network with one hidden layer (or none), trained by mini-batch AdamW.
    Mlp(NetworkOptions),
}

name_or_table!(HeadConfig, "a head name, or a table with `kind`");

fn head_by_name(schema: &mut schemars::Schema) {
    allow_name(schema, "`linear` or `mlp`, with its defaults.");
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self::Linear(LinearConfig::default())
    }
}

/// Several models judging as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnsembleConfig {
    /// The kinds of members.
    pub members: Vec<ModelConfig>,
    /// How many of each kind.
    #[serde(default = "one")]
    pub copies: usize,
    /// How their probabilities become one.
    #[serde(default)]
    pub combine: Combine,
    /// The share of the labels that each member learns from, drawn at random; above 0, at most 1.
    #[serde(default = "half")]
    pub share: f64,
}

fn one() -> usize {
    1
}

fn half() -> f64 {
    0.5
}

/// Why a model cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The data has no features at all.
    #[error("model `features` needs features, and the data has none")]
    NoFeatures,
    /// The data has other features.
    #[error("model `features:{asked}` does not fit the data, whose features are `{}`", given.join("`, `"))]
    OtherFeatures {
        /// What the role asks for.
        asked: String,
        /// What the data has.
        given: Vec<String>,
    },
    /// The data has several kinds of features.
    #[error("model `features` does not say which, and the data has `{}`", .0.join("`, `"))]
    WhichFeatures(Vec<String>),
    /// The model looks at one text or one row of features a question, and the answers are texts.
    #[error("model `{0}` cannot choose between texts, which the data's answers are")]
    NoChooser(&'static str),
    /// A linear reward model compares two texts.
    #[error(
        "model `bag-of-words` compares two texts, and the data's questions have {0} to choose from"
    )]
    NotTwo(usize),
    /// A loss that has no minimum to converge to: `window` takes the rows it has learnt out of the
    /// loss, and a fit to the rest forgets them; `evidential` has no gradient at zero weights.
    #[error(
        "loss `{0}` cannot be fitted to convergence: it needs a student that is trained by steps"
    )]
    NeedsNetwork(&'static str),
    /// A checkpoint that nobody has loaded: a bug in the caller.
    #[error("checkpoint {0:?} is not loaded")]
    NotLoaded(String),
    /// This program was built without transformers.
    #[error("model {0:?} needs networks, and this trimtab was built without them")]
    NoNetworks(String),
    /// How a transformer is to be trained makes no sense.
    #[cfg(feature = "networks")]
    #[error(transparent)]
    Train(#[from] trimtab_nn::OptionError),
    /// A transformer's sizes do not fit each other.
    #[cfg(feature = "networks")]
    #[error(transparent)]
    Sizes(#[from] trimtab_nn::ConfigError),
    /// There is no such device.
    #[cfg(feature = "networks")]
    #[error(transparent)]
    Device(trimtab_nn::DeviceError),
    /// Early stopping needs steps to stop at.
    #[error("early stopping needs a model that is trained step by step")]
    NeedsSteps,
    /// A setting makes no sense.
    #[error("`{field}` is {value}, expected {expected}")]
    OutOfRange {
        /// The setting, as written in an experiment file.
        field: &'static str,
        /// What it holds.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// A loss's own setting makes no sense.
    #[error(transparent)]
    Loss(#[from] crate::loss::LossError),
}

impl ModelError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::NoFeatures => {
                "name the column with `columns.features` in [data], or bind the role to `bag-of-words`"
            }
            Self::NotLoaded(_) => "this is a bug in trimtab; please report it",
            Self::NoNetworks(_) => {
                "build it with `cargo build --release -p trimtab-cli --features networks`"
            }
            #[cfg(feature = "networks")]
            Self::Train(error) => error.hint(),
            #[cfg(feature = "networks")]
            Self::Sizes(error) => error.hint(),
            #[cfg(feature = "networks")]
            Self::Device(error) => return error.hint(),
            Self::OtherFeatures { .. } => "name one of those, or use `features` where there is one",
            Self::WhichFeatures(_) => "name one of them: `features:NAME`",
            Self::NoChooser(_) => {
                "bind the role to `bag-of-words` or a transformer, which are reward models of such data"
            }
            Self::NotTwo(_) => "use data with two candidates a question",
            Self::NeedsNetwork(_) | Self::NeedsSteps => {
                "give the method `head = \"mlp\"`, or `head = { kind = \"mlp\", hidden = 0 }` for a linear one"
            }
            Self::OutOfRange { .. } | Self::Loss(_) => {
                "change it in the experiment file, or with --set"
            }
        };
        hint.into()
    }
}

/// What models are made of beside their settings: loaded once, shared by every seed.
#[derive(Debug, Clone, Default)]
pub struct Materials {
    /// The frozen features of the data set, of every kind that it has.
    pub features: Vec<NamedFeatures>,
    /// How many texts a question offers as its answers; `None` where answers are names.
    pub n_candidates: Option<usize>,
    /// Checkpoints, by [`CheckpointConfig`]'s key.
    pub checkpoints: BTreeMap<String, Arc<Pretrained>>,
    /// Chat models, by [`ChatModelConfig::key`].
    pub chat_models: ChatModels,
}

/// Chat models in use, by their keys.
#[derive(Clone, Default)]
pub struct ChatModels(pub BTreeMap<String, Arc<dyn ChatModel>>);

impl std::fmt::Debug for ChatModels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A model before learning.
pub enum Untaught {
    /// A linear model, which can learn together with others.
    Linear(LinearStudent),
    /// Any other.
    Other(Box<dyn Student>),
}

impl Untaught {
    /// As a student.
    pub fn as_student(&self) -> &dyn Student {
        match self {
            Self::Linear(student) => student,
            Self::Other(student) => &**student,
        }
    }

    /// As one that learns.
    pub fn into_student(self) -> Box<dyn Student> {
        match self {
            Self::Linear(student) => Box::new(student),
            Self::Other(student) => student,
        }
    }
}

/// Makes the model that `config` describes, to be taught with `loss`.
///
/// # Errors
///
/// [`ModelError`] when the model does not fit the data or a setting makes no sense.
pub fn build(
    config: &ModelConfig,
    loss: &LossConfig,
    materials: &Materials,
) -> Result<Untaught, ModelError> {
    loss.check()?;
    let name = config.describe(materials);
    match config {
        ModelConfig::BagOfWords(config) => {
            in_range("max-words", config.max_words as f64, 1.0, 8.0, "1 to 8")?;
            in_range("bits", f64::from(config.bits), 4.0, 24.0, "4 to 24")?;
            let first_words = config.first_words.unwrap_or(usize::MAX);
            in_range(
                "first-words",
                first_words as f64,
                1.0,
                f64::MAX,
                "1 or more",
            )?;
            let ngrams = Ngrams {
                max_words: config.max_words,
                bits: config.bits,
                first_words,
            };
            let of = match materials.n_candidates {
                None => WordsOf::Text,
                Some(2) => WordsOf::Pair,
                Some(n) => return Err(ModelError::NotTwo(n)),
            };
            Ok(Untaught::Linear(linear(
                name,
                Source::Words(WordView { ngrams, of }),
                loss,
                &config.fit,
            )?))
        }
        ModelConfig::Features(config) => {
            let view = config.view(materials)?;
            match &config.head {
                HeadConfig::Linear(fit) => Ok(Untaught::Linear(linear(
                    name,
                    Source::Features(view),
                    loss,
                    fit,
                )?)),
                HeadConfig::Mlp(options) => {
                    check_network(options)?;
                    let (loss, options) = (loss.clone(), *options);
                    Ok(Untaught::Other(Box::new(NetworkStudent {
                        name,
                        view,
                        loss,
                        options,
                    })))
                }
            }
        }
        ModelConfig::Checkpoint(config) => {
            let student = config.student(name, loss, materials)?;
            Ok(Untaught::Other(student))
        }
        ModelConfig::Transformer(config) => {
            Ok(Untaught::Other(config.student(name, loss, materials)?))
        }
        ModelConfig::Chat(config) => {
            let model = materials.chat_models.0.get(&config.key());
            let model = model.ok_or_else(|| ModelError::NotLoaded(config.address.clone()))?;
            in_range(
                "n-samples",
                f64::from(config.n_samples),
                1.0,
                10_000.0,
                "1 to 10000",
            )?;
            let prompted = Prompted::new(name, Arc::clone(model), config.n_samples);
            Ok(Untaught::Other(Box::new(prompted)))
        }
        ModelConfig::Ensemble(config) => {
            in_range(
                "members",
                config.members.len() as f64,
                1.0,
                100.0,
                "1 to 100 of them",
            )?;
            in_range("copies", config.copies as f64, 1.0, 1000.0, "1 to 1000")?;
            in_range("share", config.share, 1e-6, 1.0, "above 0 and at most 1")?;
            let mut members = Vec::new();
            for _ in 0..config.copies {
                for member in &config.members {
                    members.push(build(member, loss, materials)?.into_student());
                }
            }
            let (combine, share) = (config.combine, config.share);
            Ok(Untaught::Other(Box::new(EnsembleStudent {
                name,
                members,
                combine,
                share,
            })))
        }
    }
}

fn linear(
    name: String,
    source: Source,
    loss: &LossConfig,
    fit: &LinearConfig,
) -> Result<LinearStudent, ModelError> {
    if matches!(loss, LossConfig::Evidential(_) | LossConfig::Window(_)) {
        return Err(ModelError::NeedsNetwork(loss.kind()));
    }
    in_range("l2", fit.l2, 0.0, f64::MAX, "a number from 0")?;
    in_range("stages", fit.stages as f64, 1.0, 10_000.0, "1 to 10000")?;
    in_range(
        "solver.tolerance",
        fit.solver.tolerance,
        f64::MIN_POSITIVE,
        1.0,
        "above 0",
    )?;
    Ok(LinearStudent {
        name,
        source,
        loss: loss.clone(),
        config: fit.clone(),
    })
}

fn check_network(options: &NetworkOptions) -> Result<(), ModelError> {
    in_range("hidden", options.hidden as f64, 0.0, 65_536.0, "0 to 65536")?;
    in_range("epochs", options.epochs as f64, 1.0, 1e6, "1 or more")?;
    in_range(
        "batch-size",
        options.batch_size as f64,
        1.0,
        1e9,
        "1 or more",
    )?;
    in_range(
        "learning-rate",
        options.learning_rate,
        f64::MIN_POSITIVE,
        1e3,
        "above 0",
    )?;
    in_range(
        "weight-decay",
        options.weight_decay,
        0.0,
        1e3,
        "a number from 0",
    )?;
    for beta in options.betas {
        in_range("betas", beta, 0.0, 1.0 - 1e-9, "from 0 to below 1")?;
    }
    Ok(())
}

pub(crate) fn in_range(
    field: &'static str,
    value: f64,
    low: f64,
    high: f64,
    expected: &'static str,
) -> Result<(), ModelError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(ModelError::OutOfRange {
            field,
            value,
            expected,
        })
    }
}

impl FeaturesConfig {
    fn view(&self, materials: &Materials) -> Result<FeatureView, ModelError> {
        if materials.n_candidates.is_some() {
            return Err(ModelError::NoChooser("features"));
        }
        let names = || materials.features.iter().map(|f| f.name.clone()).collect();
        let given = match (&self.name, &materials.features[..]) {
            (_, []) => return Err(ModelError::NoFeatures),
            (None, [only]) => only,
            (None, _) => return Err(ModelError::WhichFeatures(names())),
            (Some(asked), all) => {
                let named = all.iter().find(|features| features.name == *asked);
                named.ok_or_else(|| ModelError::OtherFeatures {
                    asked: asked.clone(),
                    given: names(),
                })?
            }
        };
        let dims = self.dims.unwrap_or(usize::MAX);
        in_range("dims", dims as f64, 1.0, f64::MAX, "1 or more")?;
        Ok(FeatureView {
            table: Arc::clone(&given.table),
            dims: dims.min(given.table.dim()),
        })
    }
}

impl ModelConfig {
    /// In a few words, for tables: `linear probe on all-MiniLM-L6-v2`.
    pub fn describe(&self, materials: &Materials) -> String {
        match self {
            Self::BagOfWords(config) => match (config.max_words, config.first_words) {
                (1, None) => "bag of words".to_owned(),
                (1, Some(first)) => format!("bag of the first {first} words"),
                (most, None) => format!("bag of 1–{most} words"),
                (most, Some(first)) => format!("bag of 1–{most} words among the first {first}"),
            },
            Self::Features(config) => {
                let head = match &config.head {
                    HeadConfig::Linear(_) => "linear probe".to_owned(),
                    HeadConfig::Mlp(options) if options.hidden == 0 => {
                        "linear probe by AdamW".to_owned()
                    }
                    HeadConfig::Mlp(options) => format!("MLP probe of {} units", options.hidden),
                };
                let name = config
                    .name
                    .as_deref()
                    .or(materials.features.first().map(|f| f.name.as_str()))
                    .unwrap_or("?");
                match config.dims {
                    Some(dims) => format!("{head} on {dims} features of {name}"),
                    None => format!("{head} on {name}"),
                }
            }
            Self::Checkpoint(config) => config.describe(),
            Self::Transformer(config) => config.describe(),
            Self::Chat(config) => config.address.clone(),
            Self::Ensemble(config) => {
                let members: Vec<String> = config
                    .members
                    .iter()
                    .map(|member| member.describe(materials))
                    .collect();
                let n = config.copies * config.members.len();
                format!("ensemble of {n}: {}", members.join(", "))
            }
        }
    }

    /// In a few words, where there are no data: `organism`.
    pub fn name(&self) -> String {
        self.describe(&Materials::default())
    }

    /// The same model with another head, where it has one.
    #[must_use]
    pub fn with_head(&self, head: &HeadConfig) -> Self {
        match self {
            Self::Features(config) => Self::Features(FeaturesConfig {
                head: head.clone(),
                ..config.clone()
            }),
            Self::BagOfWords(_)
            | Self::Checkpoint(_)
            | Self::Transformer(_)
            | Self::Chat(_)
            | Self::Ensemble(_) => self.clone(),
        }
    }

    /// The checkpoints that it is made of.
    pub fn checkpoints(&self) -> Vec<&CheckpointConfig> {
        match self {
            Self::BagOfWords(_) | Self::Features(_) | Self::Transformer(_) | Self::Chat(_) => {
                Vec::new()
            }
            Self::Checkpoint(config) => vec![config],
            Self::Ensemble(config) => config.members.iter().flat_map(Self::checkpoints).collect(),
        }
    }

    /// The chat models that it is made of.
    pub fn chat_models(&self) -> Vec<&ChatModelConfig> {
        match self {
            Self::Chat(config) => vec![config],
            Self::Ensemble(config) => config.members.iter().flat_map(Self::chat_models).collect(),
            Self::BagOfWords(_)
            | Self::Features(_)
            | Self::Checkpoint(_)
            | Self::Transformer(_) => Vec::new(),
        }
    }

    /// Whether training takes steps that could end early.
    ///
    /// # Errors
    ///
    /// [`ModelError`] says why it does not.
    pub fn check_early_stop(&self) -> Result<(), ModelError> {
        match self {
            Self::Features(FeaturesConfig {
                head: HeadConfig::Mlp(_),
                ..
            })
            | Self::Checkpoint(_)
            | Self::Transformer(_) => Ok(()),
            Self::BagOfWords(_) | Self::Features(_) | Self::Chat(_) | Self::Ensemble(_) => {
                Err(ModelError::NeedsSteps)
            }
        }
    }
}
