//! Where a network computes, in which numbers, and on how many threads.

use burn_tensor::Device as BurnDevice;

use crate::checkpoint::Model;
use crate::device::{Device, DeviceError};
use crate::fused::Threads;
use crate::precision::Precision;

/// Where a network computes, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    /// Where.
    pub device: Device,
    /// What its products are computed in.
    pub precision: Precision,
    /// Threads that the processor's fused operations use.
    pub threads: Threads,
}

impl Placement {
    /// The device, for a model to be loaded onto.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] says what there is instead.
    pub fn open(&self) -> Result<BurnDevice, DeviceError> {
        self.device.open_in(self.precision)
    }

    /// A model that is on the device, computing as is said here.
    #[must_use]
    pub fn place(&self, mut model: Model) -> Model {
        let operations = model.transformer.operations();
        model.transformer = (model.transformer)
            .with_operations(operations, self.threads)
            .with_precision(self.precision);
        model
    }
}
