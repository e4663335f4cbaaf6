//! Changes that options ask for: another shape, another scale, grey, another size.
//!
//! - Scale: x / max, so that `max_value` stands for 1.
//! - Grey: 0.2126 R + 0.7152 G + 0.0722 B, the luminance of ITU-R BT.709, applied to the stored values.
//! - Size: along each axis new pixel i is the mean of the old pixels j with weights max(0, 1 - |j - c_i| / r),
//!   c_i = (i + 1/2) n / m - 1/2, r = max(1, n / m), for n old and m new pixels: linear interpolation when an
//!   image grows, a wider triangle against aliasing when it shrinks ([turkowski-1990]).

use crate::{DataError, Examples, Layout, OpenOptions, Values};

/// Applies `shape`, `max_value`, `grey` and `resize`, in this order.
pub(crate) fn apply(mut examples: Examples, options: &OpenOptions) -> Result<Examples, DataError> {
    if let Some((channels, height, width)) = options.shape {
        let layout = Layout::Image {
            channels,
            height,
            width,
        };
        if layout.n_values() != examples.layout.n_values() {
            return Err(DataError::Option {
                option: "shape",
                expected: format!(
                    "channels x height x width = {}, as the data are {}",
                    examples.layout.n_values(),
                    examples.layout
                ),
                found: format!("{channels} x {height} x {width} = {}", layout.n_values()),
            });
        }
        examples.layout = layout;
    }
    if let Some(max) = options.max_value {
        examples.values = rescale(&examples.values, max)?;
    }
    if options.grey {
        examples = grey(&examples)?;
    }
    if let Some((height, width)) = options.resize {
        let (channels, ..) = image_of(&examples, "resize")?;
        let value_bytes = match examples.values {
            Values::U8 { .. } => 1,
            Values::F32(_) => 4,
        };
        check_room(examples.len(), channels, value_bytes, options)?;
        examples = resize(&examples, height, width)?;
    }
    Ok(examples)
}

/// Refuses to resize n images that would then take more memory than the options allow.
pub(crate) fn check_room(
    n: usize,
    channels: usize,
    value_bytes: u64,
    options: &OpenOptions,
) -> Result<(), DataError> {
    let (Some((height, width)), Some(memory)) = (options.resize, options.memory) else {
        return Ok(());
    };
    let pixels = (height as u64).saturating_mul(width as u64);
    let image = pixels.saturating_mul(channels as u64);
    // The images, and one of them in f64 while it is made.
    let bytes = image.saturating_mul((n as u64).saturating_mul(value_bytes).saturating_add(8));
    match bytes > memory {
        false => Ok(()),
        true => Err(DataError::Option {
            option: "resize",
            expected: format!(
                "{n} images that fit into {:.1} GB of memory",
                memory as f64 / 1e9
            ),
            found: format!(
                "{height} x {width} pixels, which take {:.1} GB",
                bytes as f64 / 1e9
            ),
        }),
    }
}

/// Lets the stored value `max` stand for 1.0. Whole numbers from 0 to 255 become grey levels.
pub(crate) fn rescale(values: &Values, max: f32) -> Result<Values, DataError> {
    let is_level = |x: f32| x.fract() == 0.0 && (0.0..=255.0).contains(&x);
    let refuse = |found: f32| {
        Err(DataError::Option {
            option: "max_value",
            expected: format!("no value of the data above {max}"),
            found: found.to_string(),
        })
    };
    let levels = |bytes: Vec<u8>| match bytes.iter().find(|&&b| f32::from(b) > max) {
        Some(&above) => refuse(f32::from(above)),
        None => Ok(Values::U8 {
            bytes: bytes.into(),
            max: max as u8,
        }),
    };
    match values {
        Values::U8 { bytes, .. } if is_level(max) => levels(bytes.to_vec()),
        Values::U8 { bytes, .. } => match bytes.iter().find(|&&b| f32::from(b) > max) {
            Some(&above) => refuse(f32::from(above)),
            None => Ok(Values::F32(
                bytes.iter().map(|&b| f32::from(b) / max).collect(),
            )),
        },
        Values::F32(numbers) if is_level(max) && numbers.iter().all(|&x| is_level(x)) => {
            levels(numbers.iter().map(|&x| x as u8).collect())
        }
        Values::F32(numbers) => match numbers.iter().find(|&&x| x > max) {
            Some(&above) => refuse(above),
            None => Ok(Values::F32(numbers.iter().map(|x| x / max).collect())),
        },
    }
}

/// Luminance by the weights of ITU-R BT.709.
pub(crate) fn grey(examples: &Examples) -> Result<Examples, DataError> {
    const WEIGHTS: [f64; 3] = [0.2126, 0.7152, 0.0722];
    let (channels, height, width) = image_of(examples, "grey")?;
    match channels {
        1 => return Ok(examples.clone()),
        3 => {}
        n => {
            return Err(DataError::Option {
                option: "grey",
                expected: "images with 1 or 3 channels".into(),
                found: format!("{n} channels"),
            });
        }
    }
    let plane = height * width;
    Ok(map_images(examples, 1, height, width, |image, out| {
        for (i, slot) in out.iter_mut().enumerate() {
            *slot = (0..3).map(|c| WEIGHTS[c] * image[c * plane + i]).sum();
        }
    }))
}

/// Stretches or shrinks images to `height` x `width` pixels with a triangle filter that widens when it shrinks.
pub(crate) fn resize(
    examples: &Examples,
    height: usize,
    width: usize,
) -> Result<Examples, DataError> {
    let (channels, old_height, old_width) = image_of(examples, "resize")?;
    if (old_height, old_width) == (height, width) {
        return Ok(examples.clone());
    }
    let rows = Filter::new(old_height, height);
    let columns = Filter::new(old_width, width);
    let mut between = vec![0.0; height * old_width];
    Ok(map_images(
        examples,
        channels,
        height,
        width,
        |image, out| {
            for c in 0..channels {
                let plane = &image[c * old_height * old_width..][..old_height * old_width];
                for y in 0..height {
                    for x in 0..old_width {
                        between[y * old_width + x] = rows.at(y, |j| plane[j * old_width + x]);
                    }
                }
                for y in 0..height {
                    for x in 0..width {
                        out[(c * height + y) * width + x] =
                            columns.at(x, |j| between[y * old_width + j]);
                    }
                }
            }
        },
    ))
}

/// Weights of old positions for each new one.
struct Filter {
    /// First old position and the weights from there on.
    weights: Vec<(usize, Vec<f64>)>,
}

impl Filter {
    fn new(old: usize, new: usize) -> Self {
        let scale = old as f64 / new as f64;
        let radius = scale.max(1.0);
        let weights = (0..new)
            .map(|i| {
                let center = (i as f64 + 0.5) * scale - 0.5;
                let first = (center - radius).ceil().max(0.0) as usize;
                let last = ((center + radius).floor() as usize).min(old - 1);
                let raw: Vec<f64> = (first..=last)
                    .map(|j| (1.0 - (j as f64 - center).abs() / radius).max(0.0))
                    .collect();
                let sum: f64 = raw.iter().sum();
                (first, raw.iter().map(|w| w / sum).collect())
            })
            .collect();
        Self { weights }
    }

    fn at(&self, new: usize, old: impl Fn(usize) -> f64) -> f64 {
        let (first, weights) = &self.weights[new];
        weights
            .iter()
            .enumerate()
            .map(|(k, w)| w * old(first + k))
            .sum()
    }
}

fn image_of(examples: &Examples, option: &'static str) -> Result<(usize, usize, usize), DataError> {
    match examples.layout {
        Layout::Image {
            channels,
            height,
            width,
        } => Ok((channels, height, width)),
        Layout::Vector { len } => Err(DataError::Option {
            option,
            expected: "images".into(),
            found: format!("vectors of {len}; the option `shape` tells how they make up an image"),
        }),
    }
}

/// Maps image after image through f64; levels are rounded to levels again.
fn map_images(
    examples: &Examples,
    channels: usize,
    height: usize,
    width: usize,
    mut map: impl FnMut(&[f64], &mut [f64]),
) -> Examples {
    let layout = Layout::Image {
        channels,
        height,
        width,
    };
    let mut out = vec![0.0; layout.n_values()];
    let p = examples.layout.n_values();
    let values = match &examples.values {
        Values::U8 { bytes, max } => {
            let mut all = Vec::with_capacity(examples.len() * out.len());
            for image in bytes.chunks_exact(p) {
                let image: Vec<f64> = image.iter().map(|&b| f64::from(b)).collect();
                map(&image, &mut out);
                all.extend(out.iter().map(|x| x.round() as u8));
            }
            Values::U8 {
                bytes: all.into(),
                max: *max,
            }
        }
        Values::F32(numbers) => {
            let mut all = Vec::with_capacity(examples.len() * out.len());
            for image in numbers.chunks_exact(p) {
                let image: Vec<f64> = image.iter().map(|&x| f64::from(x)).collect();
                map(&image, &mut out);
                all.extend(out.iter().map(|&x| x as f32));
            }
            Values::F32(all.into())
        }
    };
    Examples::new(layout, values, examples.labels.clone()).with_captions(examples.captions.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn image(channels: usize, height: usize, width: usize, numbers: &[f32]) -> Examples {
        let layout = Layout::Image {
            channels,
            height,
            width,
        };
        Examples::new(layout, Values::F32(Arc::from(numbers)), None)
    }

    fn numbers(examples: &Examples) -> Vec<f32> {
        let mut out = vec![0.0; examples.values.len()];
        examples.gather(&(0..examples.len()).collect::<Vec<_>>(), &mut out);
        out
    }

    #[test]
    fn shrinking_by_two_keeps_the_mean_and_constants() {
        let ramp: Vec<f32> = (0..16).map(|i| (i % 4) as f32).collect();
        let small = resize(&image(1, 4, 4, &ramp), 2, 2).unwrap();
        // Weights 3/8, 3/8, 1/8 over 7/8 at the border: (0*3 + 1*3 + 2)/7 and its mirror image.
        let (low, high) = (5.0 / 7.0, 3.0 - 5.0 / 7.0);
        for (found, expected) in numbers(&small).iter().zip([low, high, low, high]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        let constant = resize(&image(1, 5, 3, &[-0.5; 15]), 7, 2).unwrap();
        assert!(numbers(&constant).iter().all(|x| (x + 0.5).abs() < 1e-6));
    }

    #[test]
    fn images_that_do_not_fit_into_memory_are_not_made() {
        let options = |side| OpenOptions {
            resize: Some((side, side)),
            memory: Some(1000),
            ..OpenOptions::default()
        };
        let small = image(1, 1, 2, &[0.0, 1.0]);
        assert!(apply(small.clone(), &options(9)).is_ok());
        for side in [10, usize::MAX] {
            let refused = apply(small.clone(), &options(side)).unwrap_err();
            assert!(
                matches!(
                    &refused,
                    DataError::Option {
                        option: "resize",
                        ..
                    }
                ),
                "{refused}"
            );
        }
    }

    #[test]
    fn growing_interpolates_between_pixel_centers() {
        let big = resize(&image(1, 1, 2, &[0.0, 1.0]), 1, 4).unwrap();
        assert_eq!(numbers(&big), [0.0, 0.25, 0.75, 1.0]);
    }

    #[test]
    fn grey_weighs_the_channels() {
        let color = image(3, 1, 1, &[1.0, 0.0, 0.0]);
        assert_eq!(numbers(&grey(&color).unwrap()), [0.2126]);
        assert_eq!(grey(&color).unwrap().layout.n_values(), 1);
    }

    #[test]
    fn whole_numbers_become_levels_and_others_are_divided() {
        let levels = rescale(&Values::F32(Arc::from([0.0, 16.0, 4.0])), 16.0).unwrap();
        assert!(matches!(&levels, Values::U8 { max: 16, bytes } if **bytes == [0, 16, 4]));
        let divided = rescale(&Values::F32(Arc::from([0.5, 2.0])), 4.0).unwrap();
        assert!(matches!(&divided, Values::F32(x) if **x == [0.125, 0.5]));
        let above = rescale(&levels, 15.0).unwrap_err();
        assert_eq!(
            above.to_string(),
            "option `max_value`: expected no value of the data above 15, found 16"
        );
    }

    #[test]
    fn vectors_need_a_shape_before_they_are_resized() {
        let vectors = Examples::new(
            Layout::Vector { len: 4 },
            Values::F32(Arc::from([1.0; 8])),
            None,
        );
        let mut options = OpenOptions {
            resize: Some((1, 1)),
            ..OpenOptions::default()
        };
        let refused = apply(vectors.clone(), &options).unwrap_err();
        assert!(refused.to_string().contains("`shape`"), "{refused}");
        options.shape = Some((1, 2, 3));
        let misfit = apply(vectors.clone(), &options).unwrap_err();
        assert!(matches!(
            misfit,
            DataError::Option {
                option: "shape",
                ..
            }
        ));
        options.shape = Some((1, 2, 2));
        assert_eq!(numbers(&apply(vectors, &options).unwrap()), [1.0, 1.0]);
    }
}
