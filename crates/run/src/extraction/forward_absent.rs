//! What stands in for the forward pass where the cargo feature `networks` is off: texts are read, and nothing is made of them.

use trimtab_data::Locations;

use super::{Extracted, ExtractionConfig, ExtractionError, wanted};

pub(super) fn extract(
    config: &ExtractionConfig,
    locations: &Locations,
    _: &mut dyn FnMut(usize, usize),
) -> Result<Extracted, ExtractionError> {
    wanted(&config.texts, locations)?;
    Err(ExtractionError::NoNetworks(config.checkpoint.clone()))
}
