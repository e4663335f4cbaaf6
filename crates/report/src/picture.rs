//! Pictures of eight bits a channel: from network values, in grids, as PNG and as animated GIF.
//!
//! The same pixels give the same bytes of PNG and GIF.

use crate::error::{ReportError, Result};
use crate::lettering::{Labels, labelled};
use gif::{Encoder, Frame, Repeat};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::borrow::Cow;

/// A picture, grey or in color.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Row-major, the channels of a pixel side by side, 0 is black.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// From values in [0, 1], `[channels, height, width]`; values outside are clamped, NaN is black.
    ///
    /// # Errors
    /// [`ReportError::Pixels`] where the values do not fill the shape.
    pub fn from_unit_values(
        values: &[f32],
        channels: usize,
        height: usize,
        width: usize,
    ) -> Result<Self> {
        let size = height * width;
        let byte = |x: f32| (x.clamp(0.0, 1.0) * 255.0).round() as u8;
        let picture = Self {
            width,
            height,
            channels,
            pixels: (0..size * channels)
                .map_while(|i| values.get(i % channels * size + i / channels))
                .map(|&x| byte(x))
                .collect(),
        };
        picture.check()?;
        if values.len() != picture.pixels.len() {
            return Err(picture.mismatch(values.len()));
        }
        Ok(picture)
    }

    /// This picture with every pixel as a square of `scale` by `scale`.
    pub fn enlarged(&self, scale: usize) -> Self {
        let (width, height) = (self.width * scale, self.height * scale);
        let mut pixels = Vec::with_capacity(width * height * self.channels);
        for y in 0..height {
            for x in 0..width {
                pixels.extend(self.pixel(x / scale, y / scale));
            }
        }
        Self {
            width,
            height,
            channels: self.channels,
            pixels,
        }
    }

    fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let start = (y * self.width + x) * self.channels;
        &self.pixels[start..start + self.channels]
    }

    fn size(&self) -> (usize, usize, usize) {
        (self.width, self.height, self.channels)
    }

    fn check(&self) -> Result<()> {
        let right = self.width * self.height * self.channels;
        if self.pixels.len() == right && right > 0 && matches!(self.channels, 1 | 3) {
            Ok(())
        } else {
            Err(self.mismatch(self.pixels.len()))
        }
    }

    fn mismatch(&self, got: usize) -> ReportError {
        let (width, height, channels) = self.size();
        ReportError::Pixels {
            width,
            height,
            channels,
            got,
        }
    }
}

/// How [`grid`] lays pictures out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridOptions {
    /// Side of the square that shows one pixel; none takes the least that makes a picture at least
    /// [`LEGIBLE`] pixels wide.
    pub scale: Option<usize>,
    /// Space between pictures and around them, pixels.
    pub gap: usize,
    /// Grey of that space, 0 is black.
    pub background: u8,
}

impl Default for GridOptions {
    fn default() -> Self {
        Self {
            scale: None,
            gap: 2,
            background: 68,
        }
    }
}

/// Width at which a digit of 8 by 8 pixels is recognized at a glance, pixels.
pub const LEGIBLE: usize = 48;

impl GridOptions {
    /// Side of the square that shows one pixel of pictures of this width.
    fn scale_of(&self, width: usize) -> usize {
        self.scale
            .unwrap_or_else(|| LEGIBLE.div_ceil(width.max(1)))
            .max(1)
    }

    /// Width and height of a picture in a grid with the gap behind it, pixels.
    fn cell(&self, width: usize, height: usize) -> (usize, usize) {
        let scale = self.scale_of(width);
        (
            width.saturating_mul(scale).saturating_add(self.gap),
            height.saturating_mul(scale).saturating_add(self.gap),
        )
    }
}

/// Width and height in pixels of a grid of `columns` by `rows` pictures of this width and height.
pub fn grid_size(
    (width, height): (usize, usize),
    (columns, rows): (usize, usize),
    options: GridOptions,
) -> (usize, usize) {
    let (cell_width, cell_height) = options.cell(width, height);
    let side = |n: usize, cell: usize| n.saturating_mul(cell).saturating_add(options.gap);
    (side(columns, cell_width), side(rows, cell_height))
}

/// [`grid`] with labels at its left and top.
///
/// # Errors
/// As [`grid`].
pub fn labelled_grid(
    pictures: &[Picture],
    columns: usize,
    options: GridOptions,
    labels: &Labels,
) -> Result<Picture> {
    let plain = grid(pictures, columns, options)?;
    let cell = options.cell(pictures[0].width, pictures[0].height);
    Ok(labelled(
        &plain,
        labels,
        cell,
        options.gap,
        options.background,
    ))
}

/// Pictures of one size, row by row, `columns` to a row.
///
/// # Errors
/// [`ReportError::NoPictures`], [`ReportError::Unequal`], [`ReportError::Pixels`].
pub fn grid(pictures: &[Picture], columns: usize, options: GridOptions) -> Result<Picture> {
    let first = check_all(pictures)?;
    let GridOptions {
        gap, background, ..
    } = options;
    let scale = options.scale_of(first.width);
    let columns = columns.clamp(1, pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let (cell_width, cell_height) = options.cell(first.width, first.height);
    let (width, height) = grid_size((first.width, first.height), (columns, rows), options);
    let channels = first.channels;
    let mut pixels = vec![background; width * height * channels];
    for (cell_idx, picture) in pictures.iter().enumerate() {
        let picture = picture.enlarged(scale);
        let left = gap + cell_idx % columns * cell_width;
        let top = gap + cell_idx / columns * cell_height;
        let line = picture.width * channels;
        for (y, row) in picture.pixels.chunks_exact(line).enumerate() {
            let start = ((top + y) * width + left) * channels;
            pixels[start..start + line].copy_from_slice(row);
        }
    }
    Ok(Picture {
        width,
        height,
        channels,
        pixels,
    })
}

/// The bytes of a PNG file.
///
/// # Errors
/// [`ReportError::Pixels`], [`ReportError::Encode`].
pub fn png_bytes(picture: &Picture) -> Result<Vec<u8>> {
    picture.check()?;
    let kind = match picture.channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    PngEncoder::new(&mut bytes)
        .write_image(&picture.pixels, width, height, kind)
        .map_err(|e| encode("PNG", &e))?;
    Ok(bytes)
}

/// The bytes of a GIF file that shows `frames` again and again, `delay_ms` each.
///
/// Grey is exact; color is reduced to 256 colors a frame. The format counts hundredths of a second,
/// and browsers slow down what is faster than two of them.
///
/// # Errors
/// [`ReportError::NoPictures`], [`ReportError::Unequal`], [`ReportError::Pixels`],
/// [`ReportError::Encode`] for more than 65,535 pixels a side.
pub fn gif_bytes(frames: &[Picture], delay_ms: u32) -> Result<Vec<u8>> {
    let first = check_all(frames)?;
    let side = |n: usize| u16::try_from(n).map_err(|e| encode("GIF", &e));
    let (width, height) = (side(first.width)?, side(first.height)?);
    let greys: Vec<u8> = match first.channels {
        1 => (0..=255).flat_map(|grey| [grey; 3]).collect(),
        _ => Vec::new(),
    };
    let delay = u16::try_from(delay_ms.div_ceil(10))
        .unwrap_or(u16::MAX)
        .max(2);
    let mut bytes = Vec::new();
    let mut draw = || {
        let mut encoder = Encoder::new(&mut bytes, width, height, &greys)?;
        encoder.set_repeat(Repeat::Infinite)?;
        for picture in frames {
            let mut frame = match picture.channels {
                1 => Frame {
                    width,
                    height,
                    buffer: Cow::Borrowed(&picture.pixels),
                    ..Frame::default()
                },
                _ => Frame::from_rgb(width, height, &picture.pixels),
            };
            frame.delay = delay;
            encoder.write_frame(&frame)?;
        }
        Ok::<_, gif::EncodingError>(())
    };
    draw().map_err(|e| encode("GIF", &e))?;
    Ok(bytes)
}

fn encode(format: &'static str, error: &dyn std::error::Error) -> ReportError {
    ReportError::Encode {
        format,
        message: error.to_string(),
    }
}

/// The first of pictures that are all sound and of one size.
fn check_all(pictures: &[Picture]) -> Result<&Picture> {
    let first = pictures.first().ok_or(ReportError::NoPictures)?;
    for (index, picture) in pictures.iter().enumerate() {
        picture.check()?;
        if picture.size() != first.size() {
            return Err(ReportError::Unequal {
                index,
                expected: first.size(),
                got: picture.size(),
            });
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize, pixels: &[u8]) -> Picture {
        Picture {
            width,
            height,
            channels: 1,
            pixels: pixels.to_vec(),
        }
    }

    #[test]
    fn unit_values_become_bytes() {
        let values = [0.0, 1.0, 0.5, -3.0, 7.0, f32::NAN];
        let picture = Picture::from_unit_values(&values, 1, 2, 3).unwrap();
        assert_eq!(picture, grey(3, 2, &[0, 255, 128, 0, 255, 0]));
        // Channels lie apart in the values and side by side in the pixels.
        let values = [0.0, 1.0, 0.2, 0.4, 0.6, 0.8];
        let picture = Picture::from_unit_values(&values, 3, 1, 2).unwrap();
        assert_eq!(picture.pixels, [0, 51, 153, 255, 102, 204]);
    }

    #[test]
    fn a_grid_by_hand() {
        let pictures = [
            grey(1, 2, &[1, 2]),
            grey(1, 2, &[3, 4]),
            grey(1, 2, &[5, 6]),
        ];
        let options = GridOptions {
            scale: Some(1),
            gap: 1,
            background: 9,
        };
        let expected = [
            9, 9, 9, 9, 9, //
            9, 1, 9, 3, 9, //
            9, 2, 9, 4, 9, //
            9, 9, 9, 9, 9, //
            9, 5, 9, 9, 9, //
            9, 6, 9, 9, 9, //
            9, 9, 9, 9, 9, //
        ];
        assert_eq!(grid(&pictures, 2, options).unwrap(), grey(5, 7, &expected));
        assert_eq!(grid(&pictures, 99, options).unwrap().height, 4);
        let doubled = [1, 1, 2, 2, 1, 1, 2, 2];
        assert_eq!(grey(2, 1, &[1, 2]).enlarged(2), grey(4, 2, &doubled));
        let digit = [grey(8, 8, &[7; 64])];
        assert_eq!(grid(&digit, 1, GridOptions::default()).unwrap().width, 52);
    }

    #[test]
    fn png_is_read_back() {
        let pixels: Vec<u8> = (0..60).collect();
        for channels in [1, 3] {
            let picture = Picture {
                width: 5,
                height: 12 / channels,
                channels,
                pixels: pixels.clone(),
            };
            let bytes = png_bytes(&picture).unwrap();
            assert_eq!(bytes, png_bytes(&picture).unwrap());
            let read = image::load_from_memory(&bytes).unwrap();
            assert_eq!(read.color().channel_count() as usize, channels);
            assert_eq!(read.as_bytes(), pixels);
        }
    }

    #[test]
    fn gif_is_read_back() {
        let frames: Vec<Picture> = (0..3u8).map(|i| grey(4, 3, &[i * 90 + 7; 12])).collect();
        let bytes = gif_bytes(&frames, 125).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut reader = options.read_info(&bytes[..]).unwrap();
        for picture in &frames {
            let frame = reader.read_next_frame().unwrap().unwrap();
            assert_eq!(frame.delay, 13);
            let reds: Vec<u8> = frame.buffer.iter().copied().step_by(4).collect();
            assert_eq!(reds, picture.pixels);
        }
        assert!(reader.read_next_frame().unwrap().is_none());
        let color = Picture {
            width: 1,
            height: 1,
            channels: 3,
            pixels: vec![200, 10, 20],
        };
        assert!(gif_bytes(&[color], 40).unwrap().starts_with(b"GIF89a"));
    }

    #[test]
    fn faults_have_fields() {
        assert!(matches!(
            Picture::from_unit_values(&[0.0; 5], 1, 2, 3).unwrap_err(),
            ReportError::Pixels {
                width: 3,
                height: 2,
                channels: 1,
                got: 5
            }
        ));
        assert!(matches!(
            Picture::from_unit_values(&[0.0; 7], 1, 2, 3).unwrap_err(),
            ReportError::Pixels { got: 7, .. }
        ));
        assert!(Picture::from_unit_values(&[0.0; 12], 2, 2, 3).is_err());
        assert!(Picture::from_unit_values(&[], 0, 2, 3).is_err());
        assert!(matches!(
            grid(&[], 3, GridOptions::default()).unwrap_err(),
            ReportError::NoPictures
        ));
        let pictures = [grey(1, 1, &[0]), grey(2, 1, &[0, 0])];
        assert!(matches!(
            grid(&pictures, 3, GridOptions::default()).unwrap_err(),
            ReportError::Unequal {
                index: 1,
                expected: (1, 1, 1),
                got: (2, 1, 1)
            }
        ));
        assert!(gif_bytes(&pictures, 10).is_err());
        assert!(png_bytes(&grey(2, 2, &[0])).is_err());
        let wide = grey(70_000, 1, &[0; 70_000]);
        assert!(matches!(
            gif_bytes(&[wide], 10).unwrap_err(),
            ReportError::Encode { format: "GIF", .. }
        ));
    }
}
