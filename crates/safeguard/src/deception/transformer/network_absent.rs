//! What stands in for transformers where the cargo feature `networks` is off: none is ever made.

use trimtab_core::Seed;

use super::TransformerConfig;
use crate::Trial;
use crate::deception::activations::ActivationsError;
use crate::deception::behaviour::BehaviourConfig;
use crate::deception::interpretability::InterpretabilityConfig;
use crate::deception::organism::OrganismError;

pub(super) fn looked_into(
    _: &TransformerConfig,
    _: &InterpretabilityConfig,
    _: Seed,
) -> Result<Trial, ActivationsError> {
    Err(OrganismError::NoNetworks.into())
}

pub(super) fn tested(
    _: &TransformerConfig,
    _: &BehaviourConfig,
    _: Seed,
) -> Result<Trial, OrganismError> {
    Err(OrganismError::NoNetworks)
}
