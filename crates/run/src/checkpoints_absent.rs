//! What stands in for checkpoints where the cargo feature `networks` is off: none is ever loaded, and a
//! role that is bound to one is refused when its model is made.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use trimtab_data::HubConfig;
use trimtab_weak_to_strong::Pretrained;

use crate::experiment::Experiment;

/// Why a checkpoint cannot be used: nothing is tried.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {}

impl LoadError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match *self {}
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoints {
    pub(crate) loaded: BTreeMap<String, Arc<Pretrained>>,
}

impl Checkpoints {
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "as where there is something to load"
    )]
    pub(crate) fn load(
        &mut self,
        _: &Experiment,
        _: &Path,
        _: Option<&HubConfig>,
        _: &dyn Fn(&str, u64, u64),
    ) -> Result<(), LoadError> {
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "as where there is something to hash")]
    pub(crate) fn hashes(&self, _: &Experiment) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}
