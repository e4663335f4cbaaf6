//! Images in memory: folders, sizes, turned photos, transparency.

use super::*;
use crate::Place;
use image::{DynamicImage, GrayAlphaImage, GrayImage, LumaA, RgbImage, Rgba, RgbaImage};
use std::fs;
use tempfile::{TempDir, tempdir};

fn put(folder: &TempDir, name: &str, image: impl Into<DynamicImage>) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

fn grey(width: u32, height: u32, level: u8) -> GrayImage {
    GrayImage::from_pixel(width, height, image::Luma([level]))
}

fn bytes(examples: &Examples) -> &[u8] {
    match &examples.values {
        Values::U8 { bytes, max: 255 } => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn subfolders_are_classes_and_parts_are_honoured() {
    let folder = tempdir().unwrap();
    put(&folder, "train/cat/b.png", grey(3, 2, 10));
    put(&folder, "train/cat/a.png", grey(3, 2, 20));
    put(&folder, "train/ant/z.jpeg", grey(3, 2, 30));
    put(&folder, "test/cat/c.png", grey(3, 2, 40));
    fs::write(folder.path().join("train/cat/notes.txt"), "no image").unwrap();
    let parts = read(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(
        parts.train.layout,
        Layout::Image {
            channels: 1,
            height: 2,
            width: 3
        }
    );
    assert_eq!(parts.label_names.unwrap(), ["ant", "cat"]);
    assert_eq!(**parts.train.labels.as_ref().unwrap(), [0, 1, 1]);
    assert_eq!(bytes(&parts.train)[6], 20, "a.png comes before b.png");
    let test = parts.test.unwrap();
    assert_eq!(**test.labels.as_ref().unwrap(), [1]);
    assert_eq!(bytes(&test), [40; 6]);
}

#[test]
fn one_color_image_makes_all_color_unless_grey_is_asked_for() {
    let folder = tempdir().unwrap();
    put(&folder, "a.png", grey(2, 1, 50));
    let mut red = RgbImage::new(2, 1);
    red.put_pixel(1, 0, image::Rgb([255, 1, 2]));
    put(&folder, "b.png", red);
    let parts = read(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(
        bytes(&parts.train),
        [50, 50, 50, 50, 50, 50, 0, 255, 0, 1, 0, 2]
    );
    assert!(parts.train.labels.is_none() && parts.label_names.is_none());
    let options = OpenOptions {
        grey: true,
        ..OpenOptions::default()
    };
    let parts = read(folder.path(), &options).unwrap();
    // 0.2126 * 255 + 0.7152 * 1 + 0.0722 * 2 = 55.07
    assert_eq!(bytes(&parts.train), [50, 50, 0, 55]);
}

#[test]
fn mixed_sizes_need_resize() {
    let folder = tempdir().unwrap();
    put(&folder, "a.png", grey(4, 6, 9));
    put(&folder, "b.png", grey(5, 6, 9));
    let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
    assert!(
        matches!(
            &error,
            DataError::MixedSizes { file, expected: (6, 4), found: (6, 5), .. } if file.ends_with("b.png")
        ),
        "{error}"
    );
    assert!(error.to_string().contains("resize"));
    let options = OpenOptions {
        resize: Some((2, 3)),
        ..OpenOptions::default()
    };
    let parts = read(folder.path(), &options).unwrap();
    assert_eq!(bytes(&parts.train), [9; 12]);
}

#[test]
fn a_folder_without_images_says_what_it_holds() {
    let folder = tempdir().unwrap();
    let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
    assert!(matches!(&error, DataError::NoExamples { found, .. } if found == "an empty folder"));
    fs::write(folder.path().join("readme.md"), "x").unwrap();
    let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
    assert!(
        error.to_string().contains("found 1 name(s): readme.md"),
        "{error}"
    );
}

#[test]
fn images_beside_class_folders_are_refused() {
    let folder = tempdir().unwrap();
    put(&folder, "a.png", grey(1, 1, 0));
    put(&folder, "class/b.png", grey(1, 1, 0));
    let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("found 1 images and 1 more in subfolders")
    );
}

#[test]
fn an_unreadable_image_is_named_with_the_byte_where_reading_stopped() {
    let folder = tempdir().unwrap();
    put(&folder, "a.png", grey(40, 40, 7));
    let path = folder.path().join("a.png");
    let whole = fs::read(&path).unwrap();
    for (content, name) in [(&whole[..whole.len() / 2], "cut"), (b"<html>", "page")] {
        fs::write(&path, content).unwrap();
        let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
        let DataError::Malformed(malformed) = &error else {
            panic!("{name}: {error}")
        };
        assert!(malformed.file.ends_with("a.png"), "{name}");
        assert!(matches!(malformed.place, Place::Byte { .. }), "{name}");
        assert!(
            error.to_string().contains("expected a PNG or JPEG image"),
            "{name}: {error}"
        );
    }
}

/// A JPEG whose EXIF note holds one entry: the orientation (tag 0x0112, one short number).
fn with_orientation(image: &GrayImage, orientation: u8) -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    DynamicImage::from(image.clone())
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    let jpeg = jpeg.into_inner();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() + 2) as u16;
    let start = [&[0xff, 0xe1][..], &length.to_be_bytes(), &exif].concat();
    [&jpeg[..2], &start, &jpeg[2..]].concat()
}

#[test]
fn photos_stand_as_their_exif_notes_say() {
    let folder = tempdir().unwrap();
    // Dark on the left, two blocks of 8 x 8 so that the compression keeps the edge.
    let wide = GrayImage::from_fn(16, 8, |x, _| image::Luma([if x < 8 { 20 } else { 220 }]));
    let corners = |orientation: u8| {
        let path = folder.path().join("a.jpg");
        fs::write(path, with_orientation(&wide, orientation)).unwrap();
        let parts = read(folder.path(), &OpenOptions::default()).unwrap();
        let Layout::Image { height, width, .. } = parts.train.layout else {
            panic!()
        };
        let found = bytes(&parts.train);
        let is_bright = |i: usize| found[i] > 128;
        let last = height * width - 1;
        (
            height,
            width,
            is_bright(0),
            is_bright(width - 1),
            is_bright(last),
        )
    };
    assert_eq!(corners(1), (8, 16, false, true, true));
    assert_eq!(corners(3), (8, 16, true, false, false));
    // A quarter turn clockwise brings the dark left side to the top, one counterclockwise to the bottom.
    assert_eq!(corners(6), (16, 8, false, false, true));
    assert_eq!(corners(8), (16, 8, true, true, false));
    // No orientation is no reason to refuse a photo.
    assert_eq!(corners(9), (8, 16, false, true, true));
}

#[test]
fn transparent_images_are_laid_on_white() {
    let folder = tempdir().unwrap();
    // A black dot on nothing, half black, and red below full transparency.
    let mut dot = RgbaImage::from_pixel(3, 1, Rgba([0, 0, 0, 0]));
    dot.put_pixel(0, 0, Rgba([0, 0, 0, 255]));
    dot.put_pixel(1, 0, Rgba([0, 0, 0, 128]));
    dot.put_pixel(2, 0, Rgba([255, 0, 0, 0]));
    put(&folder, "a.png", dot);
    put(
        &folder,
        "b.png",
        GrayAlphaImage::from_pixel(3, 1, LumaA([100, 51])),
    );
    put(
        &folder,
        "c.png",
        RgbaImage::from_pixel(3, 1, Rgba([7, 7, 7, 255])),
    );
    let parts = read(
        folder.path(),
        &OpenOptions {
            grey: true,
            ..OpenOptions::default()
        },
    )
    .unwrap();
    // 100 at a fifth of opacity: 20 + 204.
    assert_eq!(bytes(&parts.train), [0, 127, 255, 224, 224, 224, 7, 7, 7]);
    assert_eq!(
        parts.notes,
        ["2 images are transparent in places (such as `a.png`): white shows there"]
    );
}
