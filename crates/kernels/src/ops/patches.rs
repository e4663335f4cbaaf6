//! What a convolution and its transpose share: patches of images as rows of a matrix.
//!
//! The convolution takes big images to small ones: with the patches under the kernel as rows,
//! P `[pixels, k k C]`, and the weight as rows, W `[O, k k C]`, it is S = P W^T. The transposed convolution
//! is its adjoint: P = S W, and patches that overlap are added up. The gradient of the weight is S^T P in
//! both. So there are three passes, and each layer uses all of them, in its own roles:
//!
//! | | small from big | big from small | weight gradient |
//! | --- | --- | --- | --- |
//! | convolution | forward | gradient of x | from x and g |
//! | transposed convolution | gradient of x | forward | from g and x |
//!
//! Patches are made anew in every pass, a few images at a time, so that they never leave the cache.

use super::activation::Finish;
use super::image::{self, Size};
use crate::buffer::{self, Parts};
use crate::simd::{self, vectorized};
use crate::{dense, gemm, pool};
use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use faer::MatRef;
use std::mem::MaybeUninit;

/// Values of the patches that are made at once: half a megabyte, the size of a second-level cache.
const CHUNK: usize = 1 << 17;
/// Most partial sums of a weight gradient; each is as large as the weight.
const MAX_GROUPS: usize = 8;

/// The two sides of a convolution, and the kernel between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) big: Size,
    pub(crate) small: Size,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Geometry {
    /// Values of one patch.
    fn patch(&self) -> usize {
        self.kernel * self.kernel * self.big.channels
    }

    /// Pixels of one small image: patches of one image.
    fn n_patches(&self) -> usize {
        self.small.height * self.small.width
    }

    fn images_per_chunk(&self) -> usize {
        let image = (self.n_patches() * self.patch()).max(1);
        let spread = self.small.n_images.div_ceil(MAX_GROUPS);
        (CHUNK / image).clamp(1, spread.max(1))
    }
}

/// The weight `[small channels, big channels, k, k]` as rows `[small channels, k k big channels]`.
pub(crate) fn weight_rows(weight: FlexTensor) -> Vec<f32> {
    let (channels, kernel) = (weight.shape()[1], weight.shape()[2]);
    reorder(&dense::packed(weight), channels, kernel * kernel)
}

/// The inverse of [`weight_rows`].
fn weight_from_rows(rows: Vec<f32>, geometry: &Geometry) -> FlexTensor {
    let Geometry {
        big, small, kernel, ..
    } = *geometry;
    let shape = [small.channels, big.channels, kernel, kernel];
    let rows = dense::tensor(rows, shape);
    dense::tensor(reorder(&rows, kernel * kernel, big.channels), shape)
}

fn reorder(tensor: &FlexTensor, rows: usize, columns: usize) -> Vec<f32> {
    let source = dense::values(tensor);
    let mut target = buffer::uninit(source.len());
    image::permute(source, &mut target, rows, columns);
    // SAFETY: a permutation writes every value.
    unsafe { buffer::filled(target) }
}

/// Small images from big ones, with bias and activation.
pub(crate) fn small_from_big(
    geometry: &Geometry,
    big: &[f32],
    weight: &[f32],
    finish: &Finish,
) -> Vec<f32> {
    let g = geometry;
    let weight = MatRef::from_row_major_slice(weight, g.small.channels, g.patch());
    let mut small = buffer::uninit(g.small.n_images * g.small.image());
    let step = g.images_per_chunk();
    buffer::for_chunks(
        &mut small,
        (step * g.small.image()).max(1),
        |task, small| {
            let n_images = small.len() / g.small.image();
            let big = &big[task * step * g.big.image()..][..n_images * g.big.image()];
            let mut patches = buffer::uninit(n_images * g.n_patches() * g.patch());
            let patches = take_patches(g, big, &mut patches);
            finish.rows(gemm::multiply(patches, weight.transpose(), small));
        },
    );
    // SAFETY: the chunks cover the buffer.
    unsafe { buffer::filled(small) }
}

/// Big images from small ones, with bias and activation.
pub(crate) fn big_from_small(
    geometry: &Geometry,
    small: &[f32],
    weight: &[f32],
    finish: &Finish,
) -> Vec<f32> {
    let g = geometry;
    let weight = MatRef::from_row_major_slice(weight, g.small.channels, g.patch());
    let mut big = buffer::uninit(g.big.n_images * g.big.image());
    let step = g.images_per_chunk();
    buffer::for_chunks(&mut big, (step * g.big.image()).max(1), |task, big| {
        let n_images = big.len() / g.big.image();
        let small = &small[task * step * g.small.image()..][..n_images * g.small.image()];
        let mut patches = buffer::uninit(n_images * g.n_patches() * g.patch());
        let big = buffer::clear(big);
        let small = MatRef::from_row_major_slice(small, n_images * g.n_patches(), g.small.channels);
        add_patches(g, gemm::multiply(small, weight, &mut patches), big);
        finish.rows(big);
    });
    // SAFETY: the chunks cover the buffer.
    unsafe { buffer::filled(big) }
}

/// Which images get a gradient in [`backward`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those of a convolution.
    Big,
    /// Those of a transposed convolution.
    Small,
    /// None.
    Neither,
}

/// The gradients of images (empty if not wanted) and of the weight (if wanted), from both sides' values.
pub(crate) fn backward(
    geometry: &Geometry,
    big: &[f32],
    small: &[f32],
    weight: &[f32],
    wanted: Wanted,
    with_weight: bool,
) -> (Vec<f32>, Option<FlexTensor>) {
    let g = geometry;
    let (patch, n_channels, n_images) = (g.patch(), g.small.channels, g.small.n_images);
    let weight = MatRef::from_row_major_slice(weight, n_channels, patch);
    let image = match wanted {
        Wanted::Big => g.big.image(),
        Wanted::Small => g.small.image(),
        Wanted::Neither => 0,
    };
    let mut images = buffer::uninit(n_images * image);
    let images_parts = Parts::new(&mut images);
    let group = n_images.div_ceil(MAX_GROUPS).max(1);
    let n_groups = n_images.div_ceil(group);
    let step = group.div_ceil(group.div_ceil(g.images_per_chunk()));
    let n_weight = if with_weight { n_channels * patch } else { 0 };
    let mut sums = vec![0f32; n_groups * n_weight];
    let sums_parts = Parts::new(&mut sums);
    pool::run(n_groups, &|task| {
        // SAFETY: each group has its own sums.
        let sums = unsafe { sums_parts.part(task * n_weight, n_weight) };
        let mut patches = buffer::uninit(step * g.n_patches() * patch);
        for start in (task * group..((task + 1) * group).min(n_images)).step_by(step) {
            let n = step.min((task + 1) * group - start).min(n_images - start);
            let big = &big[start * g.big.image()..][..n * g.big.image()];
            let small = &small[start * g.small.image()..][..n * g.small.image()];
            let small = MatRef::from_row_major_slice(small, n * g.n_patches(), n_channels);
            let patches = &mut patches[..n * g.n_patches() * patch];
            // SAFETY: each image belongs to one group.
            let images = unsafe { images_parts.part(start * image, n * image) };
            if with_weight || wanted == Wanted::Small {
                let patches = take_patches(g, big, patches);
                if with_weight {
                    gemm::multiply_add(small.transpose(), patches, sums);
                }
                if wanted == Wanted::Small {
                    gemm::multiply(patches, weight.transpose(), images);
                    continue;
                }
            }
            if wanted == Wanted::Big {
                let images = buffer::clear(images);
                add_patches(g, gemm::multiply(small, weight, patches), images);
            }
        }
    });
    let weight_gradient = with_weight.then(|| {
        let mut total = vec![0f32; n_weight];
        let level = simd::level();
        buffer::for_chunks(&mut total, 1 << 13, |task, total| {
            for sums in sums.chunks(n_weight) {
                add_run(level, total, &sums[task << 13..][..total.len()]);
            }
        });
        weight_from_rows(total, g)
    });
    // SAFETY: the groups cover the images.
    (unsafe { buffer::filled(images) }, weight_gradient)
}

vectorized! {
    /// target += source.
    fn add_run(target: &mut [f32], source: &[f32]) {
        for (target, source) in target.iter_mut().zip(source) {
            *target += source;
        }
    }
}

/// Calls `visit(start in the patches, start in the image, length, values before, values after)` for each
/// row of each patch of one image; a row wholly outside has length 0.
#[inline(always)]
fn for_patch_rows(g: &Geometry, mut visit: impl FnMut(usize, usize, usize, usize, usize)) {
    let (kernel, channels) = (g.kernel, g.big.channels);
    let mut row_of_patch = 0;
    for y in 0..g.small.height {
        for x in 0..g.small.width {
            let left = (x * g.stride) as isize - g.padding as isize;
            let first = (-left).clamp(0, kernel as isize) as usize;
            let end = (g.big.width as isize - left).clamp(first as isize, kernel as isize) as usize;
            let column = (left + first as isize) as usize;
            for kernel_row in 0..kernel {
                let row = (y * g.stride + kernel_row).wrapping_sub(g.padding);
                if row < g.big.height && end > first {
                    visit(
                        row_of_patch + first * channels,
                        (row * g.big.width + column) * channels,
                        (end - first) * channels,
                        first * channels,
                        (kernel - end) * channels,
                    );
                } else {
                    visit(row_of_patch, 0, 0, 0, kernel * channels);
                }
                row_of_patch += kernel * channels;
            }
        }
    }
}

/// The patches of some big images as rows, zero outside the images.
fn take_patches<'a>(
    g: &Geometry,
    big: &[f32],
    patches: &'a mut [MaybeUninit<f32>],
) -> MatRef<'a, f32> {
    let per_image = g.n_patches() * g.patch();
    for (image, patches) in big.chunks(g.big.image()).zip(patches.chunks_mut(per_image)) {
        take_patches_of(simd::level(), g, image, patches);
    }
    let n_rows = patches.len() / g.patch();
    // SAFETY: the rows of the patches cover them.
    let filled = unsafe { &*(std::ptr::from_mut(patches) as *const [f32]) };
    MatRef::from_row_major_slice(filled, n_rows, g.patch())
}

/// Copies a run of values; a short one, as images of one channel have, by two moves that overlap, because a
/// call for each would cost more than the copy.
#[inline(always)]
fn copy_run(source: &[f32], target: &mut [MaybeUninit<f32>]) {
    #[inline(always)]
    fn both_ends<const N: usize>(source: &[f32], target: &mut [MaybeUninit<f32>]) -> Option<()> {
        let (first, last) = (source.first_chunk::<N>()?, source.last_chunk::<N>()?);
        *target.first_chunk_mut()? = first.map(MaybeUninit::new);
        *target.last_chunk_mut()? = last.map(MaybeUninit::new);
        Some(())
    }
    let moved = match source.len() {
        4..8 => both_ends::<4>(source, target),
        8..16 => both_ends::<8>(source, target),
        _ => None,
    };
    if moved.is_none() {
        for (slot, value) in target.iter_mut().zip(source) {
            slot.write(*value);
        }
    }
}

vectorized! {
    /// The patches of one image.
    fn take_patches_of(g: &Geometry, image: &[f32], patches: &mut [MaybeUninit<f32>]) {
        for_patch_rows(g, |start, source, len, before, after| {
            let row = &mut patches[start - before..start + len + after];
            for slot in &mut row[..before] {
                slot.write(0.0);
            }
            copy_run(&image[source..source + len], &mut row[before..before + len]);
            for slot in &mut row[before + len..] {
                slot.write(0.0);
            }
        });
    }
}

/// Adds patches to some big images; what lies outside is dropped.
fn add_patches(g: &Geometry, patches: &[f32], big: &mut [f32]) {
    let per_image = g.n_patches() * g.patch();
    for (image, patches) in big.chunks_mut(g.big.image()).zip(patches.chunks(per_image)) {
        add_patches_of(simd::level(), g, patches, image);
    }
}

vectorized! {
    /// Adds the patches of one image.
    fn add_patches_of(g: &Geometry, patches: &[f32], image: &mut [f32]) {
        for_patch_rows(g, |start, target, len, _, _| {
            let (target, values) = (&mut image[target..target + len], &patches[start..start + len]);
            // The whole row of a patch of one channel, most of them, without a loop.
            if let (Ok(target), Ok(values)) = (<&mut [f32; 4]>::try_from(&mut *target), <&[f32; 4]>::try_from(values)) {
                for i in 0..4 {
                    target[i] += values[i];
                }
                return;
            }
            for (target, value) in target.iter_mut().zip(values) {
                *target += value;
            }
        });
    }
}
