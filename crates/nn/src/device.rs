//! Where tensors live: chosen at run time, among what was compiled in.

use std::str::FromStr;

use burn_tensor::Device as BurnDevice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::precision::Precision;

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// The processor; always there.
    #[default]
    Cpu,
    /// A graphics card, through Vulkan (cargo feature `vulkan`).
    Vulkan,
    /// An NVIDIA card (cargo feature `cuda`).
    Cuda,
    /// An Apple card (cargo feature `metal`).
    Metal,
    /// A graphics card through what the system has, DirectX 12 included, or a driver that computes on the processor; slower than its own
    /// name where it has one (cargo feature `wgpu`).
    Wgpu,
}

/// Why there is no such device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No device is called that.
    #[error("no device is called {0:?}")]
    Unknown(String),
    /// This program was built without it.
    #[error("device {device:?} is not compiled in; there are: {}", Device::compiled_in().join(", "))]
    NotCompiledIn {
        /// Its name.
        device: &'static str,
    },
    /// This machine has none.
    #[error("this machine has no {device} device; there are: {}", found.join(", "))]
    Absent {
        /// What was asked for.
        device: &'static str,
        /// What there is, of what was compiled in.
        found: Vec<String>,
    },
    /// It has no such numbers, or not the arithmetic.
    #[error("device {device:?} computes in {}, not in {precision}", has.join(", "))]
    Precision {
        /// Its name.
        device: &'static str,
        /// What was asked for.
        precision: &'static str,
        /// What it has.
        has: Vec<&'static str>,
    },
}

impl DeviceError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => format!("devices are {}", Device::ALL.map(Device::name).join(", ")),
            Self::NotCompiledIn { device } => {
                format!("build with `--features {device}`, or say device = \"cpu\"")
            }
            Self::Absent { device, .. } => {
                format!("is a driver for {device} installed? or say device = \"cpu\"")
            }
            Self::Precision { .. } => "say precision = \"float32\", which every device has".into(),
        }
    }
}

impl Device {
    const ALL: [Self; 5] = [Self::Cpu, Self::Vulkan, Self::Cuda, Self::Metal, Self::Wgpu];

    /// What it is called in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Vulkan => "vulkan",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
            Self::Wgpu => "wgpu",
        }
    }

    /// The names of the devices that this program was built for.
    pub fn compiled_in() -> Vec<&'static str> {
        let open = Self::ALL.into_iter().filter(|device| match device {
            Self::Cpu => true,
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Wgpu => cfg!(feature = "wgpu"),
        });
        open.map(Self::name).collect()
    }

    /// The same as [`Device::open`], of a device that computes in `precision`. The processor is held to 32 bits: its operations of
    /// 16 are slower, and nothing is gained.
    ///
    /// # Errors
    ///
    /// As [`Device::open`]; [`DeviceError::Precision`] says what the device has.
    pub fn open_in(self, precision: Precision) -> Result<BurnDevice, DeviceError> {
        let device = self.open()?;
        let has = |precision: Precision| match precision {
            Precision::Float32 => true,
            Precision::Float16 | Precision::Bfloat16 => {
                self != Self::Cpu && device.supports_dtype(precision.on_device())
            }
        };
        if has(precision) {
            return Ok(device);
        }
        let all = [Precision::Float32, Precision::Float16, Precision::Bfloat16];
        Err(DeviceError::Precision {
            device: self.name(),
            precision: precision.name(),
            has: (all.into_iter().filter(|&one| has(one)).map(Precision::name)).collect(),
        })
    }

    /// The device as `burn` knows it, without gradients.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NotCompiledIn`] names those that are, [`DeviceError::Absent`] those that were found.
    pub fn open(self) -> Result<BurnDevice, DeviceError> {
        match self {
            Self::Cpu => Ok(BurnDevice::flex()),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => self.first(),
            #[cfg(feature = "cuda")]
            Self::Cuda => self.first(),
            #[cfg(feature = "metal")]
            Self::Metal => self.first(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => self.first(),
            #[expect(
                clippy::allow_attributes,
                reason = "which arms are left depends on features"
            )]
            #[allow(unreachable_patterns)]
            other => Err(DeviceError::NotCompiledIn {
                device: other.name(),
            }),
        }
    }
}

#[cfg(any(
    feature = "vulkan",
    feature = "cuda",
    feature = "metal",
    feature = "wgpu"
))]
impl Device {
    /// The devices of this kind that the machine has.
    fn found(self) -> Vec<BurnDevice> {
        use burn_tensor::DeviceType;
        let devices = match self {
            #[cfg(feature = "vulkan")]
            Self::Vulkan => BurnDevice::enumerate(DeviceType::Vulkan),
            #[cfg(feature = "cuda")]
            Self::Cuda => BurnDevice::enumerate(DeviceType::Cuda),
            #[cfg(feature = "metal")]
            Self::Metal => BurnDevice::enumerate(DeviceType::Metal),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => BurnDevice::enumerate(DeviceType::Wgpu),
            _ => BurnDevice::enumerate(DeviceType::Flex),
        };
        devices.into_iter().collect()
    }

    fn first(self) -> Result<BurnDevice, DeviceError> {
        (self.found().into_iter().next()).ok_or_else(|| DeviceError::Absent {
            device: self.name(),
            found: (Self::ALL.into_iter())
                .filter(|device| Self::compiled_in().contains(&device.name()))
                .filter(|device| !device.found().is_empty())
                .map(|device| device.name().to_owned())
                .collect(),
        })
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        (Self::ALL.into_iter())
            .find(|device| device.name() == name)
            .ok_or_else(|| DeviceError::Unknown(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_unknown_ones_listed() {
        for device in Device::ALL {
            assert_eq!(device.name().parse(), Ok(device));
        }
        let error = "gpu".parse::<Device>().unwrap_err();
        assert_eq!(error.to_string(), "no device is called \"gpu\"");
        assert_eq!(error.hint(), "devices are cpu, vulkan, cuda, metal, wgpu");
    }

    #[test]
    fn the_processor_computes_in_32_bits() {
        assert!(Device::Cpu.open_in(Precision::Float32).is_ok());
        let error = Device::Cpu.open_in(Precision::Float16).unwrap_err();
        assert_eq!(
            error.to_string(),
            "device \"cpu\" computes in float32, not in float16"
        );
        assert!(error.hint().contains("precision = \"float32\""));
    }

    #[test]
    fn the_processor_is_always_there() {
        assert!(Device::Cpu.open().is_ok());
        assert!(Device::compiled_in().contains(&"cpu"));
    }

    #[cfg(feature = "vulkan")]
    #[test]
    fn a_device_that_is_absent_says_what_there_is() {
        match Device::Vulkan.open() {
            Ok(_) => {}
            Err(error) => assert_eq!(
                error.to_string(),
                "this machine has no vulkan device; there are: cpu"
            ),
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_was_left_out_says_what_there_is() {
        let error = Device::Cuda.open().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("device \"cuda\" is not compiled in; there are: cpu")
        );
        assert!(error.hint().contains("--features cuda"));
    }
}
