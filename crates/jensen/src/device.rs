//! Where tensors live: the processor, or an accelerator in builds that have one.

use crate::error::{Error, Result};
use burn::tensor::Device;
use jensen_vae::recipe::TrainOptions;

/// The device of a recipe, after the number of threads is set.
///
/// # Errors
/// [`Error::Device`] for `"gpu"` in a build without the feature `vulkan` or `cuda`.
pub fn open(options: &TrainOptions) -> Result<Device> {
    if options.threads > 0 {
        jensen_kernels::set_threads(options.threads);
        // Operations that are burn's own run on rayon's global pool, which can be sized once a process.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads);
        drop(pool.build_global());
    }
    match options.device.as_str() {
        "cpu" => Ok(Device::flex()),
        device => accelerator().ok_or_else(|| Error::Device {
            device: device.to_owned(),
        }),
    }
}

#[cfg(feature = "cuda")]
fn accelerator() -> Option<Device> {
    Some(Device::cuda(0))
}

#[cfg(all(feature = "vulkan", not(feature = "cuda")))]
fn accelerator() -> Option<Device> {
    Some(Device::vulkan(burn::tensor::DeviceKind::default()))
}

#[cfg(not(any(feature = "vulkan", feature = "cuda")))]
fn accelerator() -> Option<Device> {
    None
}
