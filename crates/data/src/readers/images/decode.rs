//! One image file as pixels: turned as its EXIF note says, laid on white where it is transparent.
//!
//! Opacity a of 255 leaves (a c + (255 - a) 255) / 255 of a stored value c, rounded; the background that most
//! transparent drawings are made for, and never the value that happens to be stored below transparent pixels.

use crate::files::io_error;
use crate::{DataError, Malformed, Place};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, ImageResult, Limits};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// An image in 8 bits.
pub(super) struct Decoded {
    /// 1 for grey, 3 for red, green, blue.
    pub(super) channels: usize,
    /// Pixels.
    pub(super) height: usize,
    /// Pixels.
    pub(super) width: usize,
    /// By channel, row, column.
    pub(super) bytes: Vec<u8>,
    /// Whether some pixel was not opaque.
    pub(super) was_transparent: bool,
}

/// Reads an image.
pub(super) fn decode(path: &Path) -> Result<Decoded, DataError> {
    let image = with_reader(path, |reader| {
        let mut decoder = reader.into_decoder()?;
        Limits::default().reserve(decoder.total_bytes())?;
        let orientation = decoder.orientation()?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        Ok(image)
    })?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    let color = image.color();
    let (channels, pixels) = match (color.has_color(), color.has_alpha()) {
        (false, false) => (1, image.into_luma8().into_raw()),
        (false, true) => (1, image.into_luma_alpha8().into_raw()),
        (true, false) => (3, image.into_rgb8().into_raw()),
        (true, true) => (3, image.into_rgba8().into_raw()),
    };
    let mut was_transparent = false;
    let pixels = match color.has_alpha() {
        true => on_white(&pixels, channels, &mut was_transparent),
        false => pixels,
    };
    Ok(Decoded {
        channels,
        height,
        width,
        bytes: planes(&pixels, channels),
        was_transparent,
    })
}

/// Whether an image has color, by its header.
pub(super) fn has_color(path: &Path) -> Result<bool, DataError> {
    with_reader(path, |reader| {
        Ok(reader.into_decoder()?.color_type().has_color())
    })
}

/// Pixels without their opacity, which comes last in each; tells whether it ever mattered.
fn on_white(pixels: &[u8], channels: usize, was_transparent: &mut bool) -> Vec<u8> {
    const OPAQUE: u32 = 255;
    let mut out = Vec::with_capacity(pixels.len() / (channels + 1) * channels);
    for pixel in pixels.chunks_exact(channels + 1) {
        let opacity = u32::from(pixel[channels]);
        *was_transparent |= opacity < OPAQUE;
        let lay = |&value: &u8| {
            let sum = opacity * u32::from(value) + (OPAQUE - opacity) * OPAQUE;
            ((sum + OPAQUE / 2) / OPAQUE) as u8
        };
        out.extend(pixel[..channels].iter().map(lay));
    }
    out
}

/// From the channels of each pixel to a plane for each.
fn planes(pixels: &[u8], channels: usize) -> Vec<u8> {
    (0..channels)
        .flat_map(|c| pixels.iter().skip(c).step_by(channels).copied())
        .collect()
}

/// Runs a decoder over a file and tells where it stopped if it failed.
fn with_reader<T>(
    path: &Path,
    run: impl FnOnce(ImageReader<&mut Cursor<&[u8]>>) -> ImageResult<T>,
) -> Result<T, DataError> {
    let bytes = fs::read(path).map_err(|e| io_error(path, "read", e))?;
    let mut cursor = Cursor::new(&bytes[..]);
    let result = ImageReader::new(&mut cursor)
        .with_guessed_format()
        .map_err(ImageError::IoError)
        .and_then(run);
    result.map_err(|error| {
        DataError::from(Malformed {
            file: path.to_path_buf(),
            place: Place::Byte {
                offset: cursor.position(),
                unpacked: false,
            },
            expected: "a PNG or JPEG image".into(),
            found: error.to_string(),
            hint: Some("remove the file, or copy it again".into()),
        })
    })
}
