//! What stands in for transformers where the cargo feature `networks` is off: none is ever made.

use trimtab_core::Seed;

use super::TransformerConfig;
use crate::Trial;
use crate::deception::activations::ActivationsError;
use crate::deception::interpretability::InterpretabilityConfig;

pub(super) fn trial(
    _: &TransformerConfig,
    _: &InterpretabilityConfig,
    _: Seed,
) -> Result<Trial, ActivationsError> {
    Err(ActivationsError::NoNetworks)
}
