//! Roles bound to models that are talked to: a server, a checkpoint in this process, the model organism.
//!
//! Whatever it is, every call goes through the run's store, so that none is made twice, and calls to servers through the
//! budget. Keys come from the caller, by the name of their variable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::chat::ChatModel;
use trimtab_data::Locations;
use trimtab_llm::{
    AddressError, Batched, Budget, BudgetConfig, BudgetError, Budgeted, CallStore, CallStoreError,
    ChatModelConfig, Forecast, ForecastTable, KeyVariable, Mode, ModelAddress, OnWait, Price,
    PriceError, PriceFile, Prices, Secret, Server, ServerError, ServerJobs, Service, Source, Spent,
    Stored,
};
use trimtab_weak_to_strong::ModelConfig;

use crate::execute::RunOptions;
use crate::experiment::Experiment;
use crate::folder::RunFolder;

use crate::local_models::{LocalError, LocalModels};
use crate::rlhf::Rule;

/// Looks a key up in the environment, by the name of its variable.
pub type Keys<'a> = dyn Fn(&str) -> Option<Secret> + Sync + 'a;

/// What becomes of a call that is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Calling {
    /// It is made.
    #[default]
    Make,
    /// It is an error that says why the call is not there.
    Replay,
    /// It is counted, and answered with a placeholder: nothing is asked, and nothing is written.
    Forecast,
}

/// What calls may cost, and what they do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallsConfig {
    /// Limits that are never passed, over all processes of the run.
    pub budget: BudgetConfig,
    /// A file of prices, relative to the experiment file, that goes before the built-in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<String>,
}

impl CallsConfig {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a role's model cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The address makes no sense.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no key.
    #[error("no key for {model}: {variable} is not set")]
    NoKey {
        /// Which model.
        model: String,
        /// Where it was looked for.
        variable: &'static str,
    },
    /// How the server is called makes no sense.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Its calls cannot be held to the budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// It is no model that chats.
    #[error("{0} cannot be talked to")]
    NoChat(String),
    /// Only local checkpoints can be tuned.
    #[error("{0} is no local checkpoint, and cannot be tuned here")]
    NotLocal(String),
    /// A local model cannot be opened.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The store of calls fails.
    #[error(transparent)]
    Store(#[from] CallStoreError),
    /// The table of prices cannot be read.
    #[error("{}: {source}", path.display())]
    Prices {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: PriceError,
    },
    /// The table of prices cannot be opened.
    #[error("{}: reading", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl ChatError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Address(error) => error.hint().into(),
            Self::NoKey { variable, .. } => format!("export {variable}, and run the same command again"),
            Self::Server(error) => error.hint(),
            Self::Budget(error) => error.hint(),
            Self::NoChat(_) => {
                "bind the role to a server (openai:NAME@URL, anthropic:NAME), a checkpoint with a chat template, or `organism`".into()
            }
            Self::NotLocal(_) => {
                "bind the role to a checkpoint; or tune nothing (`stages` without \"tune\", `iterations = 1`), and train on the exported rows".into()
            }
            Self::Local(error) => error.hint(),
            Self::Store(error) => error.hint().into(),
            Self::Prices { source, .. } => source.hint().into(),
            Self::Read { .. } => "check that the file exists and may be read".into(),
        })
    }
}

/// Opens models, once each.
pub(crate) struct ChatModels<'a> {
    store: Arc<CallStore>,
    budget: Arc<Budget>,
    prices: Prices,
    calling: Calling,
    keys: &'a Keys<'a>,
    on_wait: Option<Arc<OnWait>>,
    local: LocalModels,
    forecasts: Mutex<Vec<Arc<Forecast>>>,
    opened: BTreeMap<String, Arc<dyn ChatModel>>,
}

/// What opening models takes.
pub(crate) struct Means<'a> {
    pub(crate) run: &'a Path,
    pub(crate) base: &'a Path,
    pub(crate) calls: &'a CallsConfig,
    pub(crate) calling: Calling,
    pub(crate) keys: &'a Keys<'a>,
    pub(crate) on_wait: Option<Arc<OnWait>>,
    pub(crate) local: LocalModels,
}

impl<'a> Means<'a> {
    /// Those of a run.
    pub(crate) fn of(
        experiment: &'a Experiment,
        folder: &'a RunFolder,
        locations: &'a Locations,
        options: &RunOptions<'a>,
    ) -> Self {
        Self {
            run: folder.path(),
            base: &locations.base_dir,
            calls: &experiment.calls,
            calling: options.calling,
            keys: options.keys,
            on_wait: options.on_wait.clone(),
            local: LocalModels {
                base: locations.base_dir.clone(),
                cache: folder.path().join("cache"),
                hub: options.hub.clone(),
                n_threads: options.n_threads,
            },
        }
    }
}

/// The store of every call, in the run folder.
pub const CALLS: &str = "calls.sqlite";

impl<'a> ChatModels<'a> {
    pub(crate) fn new(means: Means<'a>) -> Result<Self, ChatError> {
        let store = Arc::new(CallStore::open(&means.run.join(CALLS))?);
        let prices = prices(means.calls, means.base)?;
        let spent = spent(&store, &prices)?;
        Ok(Self {
            store,
            budget: Arc::new(Budget::new(means.calls.budget, spent)),
            prices,
            calling: means.calling,
            forecasts: Mutex::default(),
            keys: means.keys,
            on_wait: means.on_wait,
            local: means.local,
            opened: BTreeMap::new(),
        })
    }

    /// The model that `config` describes.
    pub(crate) fn open(&mut self, config: &ModelConfig) -> Result<Arc<dyn ChatModel>, ChatError> {
        let key = serde_json::to_string(config).unwrap_or_default();
        if let Some(model) = self.opened.get(&key) {
            return Ok(Arc::clone(model));
        }
        let model = match config {
            ModelConfig::Chat(config) if !is_organism(config) => self.server(config)?,
            _ => {
                let source = self.local.open(config)?;
                let source = source.ok_or_else(|| ChatError::NoChat(name_of(config)))?;
                self.stored(source, None, Service::Direct)?
            }
        };
        self.opened.insert(key, Arc::clone(&model));
        Ok(model)
    }

    /// The checkpoint in `folder`, computed as `like` is.
    pub(crate) fn open_tuned(
        &self,
        like: &ModelConfig,
        folder: &Path,
    ) -> Result<Arc<dyn ChatModel>, ChatError> {
        self.open_constrained(like, folder, &[])
    }

    /// The same, whose replies keep every rule that can be kept token by token.
    pub(crate) fn open_constrained(
        &self,
        like: &ModelConfig,
        folder: &Path,
        rules: &[Rule],
    ) -> Result<Arc<dyn ChatModel>, ChatError> {
        let source = self.local.open_tuned(like, folder, rules)?;
        let source = source.ok_or_else(|| ChatError::NotLocal(name_of(like)))?;
        self.stored(source, None, Service::Direct)
    }

    /// Where the weights of a local model are.
    pub(crate) fn folder_of(&self, config: &ModelConfig) -> Result<PathBuf, ChatError> {
        let folder = self.local.folder_of(config)?;
        folder.ok_or_else(|| ChatError::NotLocal(name_of(config)))
    }

    fn server(&self, config: &ChatModelConfig) -> Result<Arc<dyn ChatModel>, ChatError> {
        let address = ModelAddress::parse(&config.address)?;
        let variable = address.key_variable();
        let key = (self.keys)(variable.name());
        // What is stored needs no key.
        if key.is_none()
            && matches!(variable, KeyVariable::Needed(_))
            && self.calling == Calling::Make
        {
            return Err(ChatError::NoKey {
                model: config.address.clone(),
                variable: variable.name(),
            });
        }
        let server = config.server.clone();
        let (source, service): (Arc<dyn Source>, _) = match server.batch_jobs {
            None => (
                Arc::new(Server::new(address, key, server)?),
                Service::Direct,
            ),
            Some(jobs) => {
                let api = Arc::new(ServerJobs::new(address, key, server)?);
                let store = Arc::clone(&self.store);
                let mut batched = Batched::new(api, store, jobs, std::thread::sleep)
                    .map_err(ServerError::from)?;
                if let Some(on_wait) = &self.on_wait {
                    batched = batched.telling(Arc::clone(on_wait));
                }
                (Arc::new(batched), Service::Batch)
            }
        };
        let price = self.prices.of(&source.name()).cloned();
        let budget = Arc::clone(&self.budget);
        if self.calling == Calling::Forecast {
            return self.stored(source, price, service);
        }
        let source = Budgeted::new(source, budget, price, service)?;
        self.stored(Arc::new(source), None, service)
    }

    fn stored(
        &self,
        source: Arc<dyn Source>,
        price: Option<Price>,
        service: Service,
    ) -> Result<Arc<dyn ChatModel>, ChatError> {
        let store = Arc::clone(&self.store);
        let mode = match self.calling {
            Calling::Make => Mode::ReadWrite,
            Calling::Replay => Mode::Replay,
            Calling::Forecast => {
                let forecast = Forecast::new(source, Some(store), price, service)?;
                let forecast = Arc::new(forecast);
                let mut all = self
                    .forecasts
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                all.push(Arc::clone(&forecast));
                return Ok(forecast);
            }
        };
        Ok(Arc::new(Stored::new(source, store, mode)))
    }

    /// What the calls so far would cost, as a table.
    pub(crate) fn forecast(&self) -> String {
        let all = self
            .forecasts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ForecastTable(all.iter().map(|forecast| forecast.so_far()).collect()).to_string()
    }

    /// Sees to it that every answer is on the disk.
    pub(crate) fn flush(&self) -> Result<(), ChatError> {
        Ok(self.store.flush()?)
    }
}

/// Whether a chat model is the one that this program brings.
pub(crate) fn is_organism(config: &ChatModelConfig) -> bool {
    config.address == ChatModelConfig::ORGANISM
}

fn name_of(config: &ModelConfig) -> String {
    match config {
        ModelConfig::Chat(config) => config.address.clone(),
        other => other.name(),
    }
}

/// The built-in prices, and those of the experiment.
pub(crate) fn prices(calls: &CallsConfig, base: &Path) -> Result<Prices, ChatError> {
    let Some(file) = &calls.prices else {
        return Ok(Prices::built_in());
    };
    let path = base.join(file);
    let text = std::fs::read_to_string(&path).map_err(|source| ChatError::Read {
        path: path.clone(),
        source,
    })?;
    let file = PriceFile::parse(&text).map_err(|source| ChatError::Prices { path, source })?;
    Ok(Prices::built_in().overridden_by(file))
}

/// What the stored calls cost.
fn spent(store: &CallStore, prices: &Prices) -> Result<Spent, ChatError> {
    Ok(trimtab_llm::spent(&store.totals()?, prices))
}
