//! Sprites: white shapes on black, every combination of five factors once, in an order drawn from a seed.
//!
//! After dSprites ([matthey-2017]), smaller: squares, ellipses and triangles of 32 x 32 pixels, 4 sizes, 8 angles over a
//! quarter turn (so that no two angles of a square look alike), 12 x 12 places. Grey levels are the share of 16 points of
//! a pixel that lie in the shape.

use super::{Entry, Storage};
use crate::readers::Parts;
use crate::{DataError, Examples, Factors, Layout, Values};
use jensen_rng::Stream;
use std::f64::consts::FRAC_PI_2;

const SIDE: usize = 32;
/// Shapes, sizes, angles, columns, rows.
const N_VALUES: [usize; 5] = [3, 4, 8, 12, 12];
const NAMES: [&str; 5] = ["shape", "size", "angle", "x", "y"];
const N: usize = 3 * 4 * 8 * 12 * 12;
const N_TEST: usize = 2000;
const SEED: u64 = 0x7370_7269;
/// Points along a side of a pixel.
const N_POINTS: usize = 4;
const LAYOUT: Layout = Layout::Image {
    channels: 1,
    height: SIDE,
    width: SIDE,
};

pub(super) const ENTRY: Entry = Entry {
    name: "sprites",
    summary: "white squares, ellipses and triangles, 32 x 32 pixels, with their five factors; made from a seed",
    license: "none needed",
    origin: "made by this program, after dSprites",
    layout: LAYOUT,
    n_train: N - N_TEST,
    n_test: N_TEST,
    label_names: &["square", "ellipse", "triangle"],
    judge: None,
    storage: Storage::Embedded(make),
};

fn make() -> Result<Parts, DataError> {
    let order = Stream::from_seed(SEED).child("order", 0).permutation(N);
    let (test, train) = order.split_at(N_TEST);
    Ok(Parts::new(examples(train), Some(examples(test))))
}

fn examples(numbers: &[usize]) -> Examples {
    let factors: Vec<[u16; 5]> = numbers.iter().map(|&number| factors(number)).collect();
    let bytes: Vec<u8> = factors.iter().flat_map(draw).collect();
    let labels: Vec<u32> = factors.iter().map(|row| u32::from(row[0])).collect();
    let values = Values::U8 {
        bytes: bytes.into(),
        max: (N_POINTS * N_POINTS) as u8,
    };
    Examples::new(LAYOUT, values, Some(labels.into())).with_factors(Some(Factors {
        names: NAMES.map(str::to_owned).into(),
        n_values: N_VALUES.into(),
        values: factors.concat().into(),
    }))
}

/// The factors of a combination by its number.
fn factors(mut number: usize) -> [u16; 5] {
    N_VALUES.map(|n| {
        let value = number % n;
        number /= n;
        value as u16
    })
}

/// Grey levels of the sprite with these factors, row by row.
fn draw(&[shape, size, angle, x, y]: &[u16; 5]) -> Vec<u8> {
    // Half the side of a square, pixels.
    let half = 2.5 + 0.7 * f64::from(size);
    let (sin, cos) = (FRAC_PI_2 * f64::from(angle) / 8.0).sin_cos();
    // The largest shape stays within the picture wherever it is.
    let place = |value: u16| 8.0 + 16.0 * f64::from(value) / 11.0;
    let is_inside = |px: f64, py: f64| {
        let (dx, dy) = (px - place(x), py - place(y));
        let (u, v) = ((cos * dx + sin * dy) / half, (cos * dy - sin * dx) / half);
        match shape {
            0 => u.abs() <= 1.0 && v.abs() <= 1.0,
            1 => (u / 1.4).powi(2) + (v / 0.7).powi(2) <= 1.0,
            // Corners on a circle of radius 1.5, one of them on the left.
            _ => {
                // Outward normals at 0 and +-120 degrees.
                let (cos, sin) = (-0.5, 0.75f64.sqrt());
                u <= 0.75 && cos * u + sin * v <= 0.75 && cos * u - sin * v <= 0.75
            }
        }
    };
    let point = |i: usize| (i as f64 + 0.5) / N_POINTS as f64;
    // No shape reaches farther, pixel included.
    let reach = 1.5 * half + 1.0;
    let level = |row: usize, column: usize| {
        let far = |at: usize, value: u16| (at as f64 + 0.5 - place(value)).abs() > reach;
        if far(column, x) || far(row, y) {
            return 0;
        }
        let points = (0..N_POINTS * N_POINTS).filter(|i| {
            let (px, py) = (point(i % N_POINTS), point(i / N_POINTS));
            is_inside(column as f64 + px, row as f64 + py)
        });
        points.count() as u8
    };
    let pixels = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column)));
    pixels.map(|(row, column)| level(row, column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_combination_occurs_once() {
        let parts = make().unwrap();
        let mut seen = HashSet::new();
        for examples in [&parts.train, parts.test.as_ref().unwrap()] {
            let found = examples.factors.as_ref().unwrap();
            let labels = examples.labels.as_ref().unwrap();
            for (row, &label) in found.values.chunks_exact(5).zip(labels.iter()) {
                assert!(seen.insert(row.to_vec()));
                assert_eq!(u32::from(row[0]), label);
            }
        }
        assert_eq!(seen.len(), N);
    }

    #[test]
    fn sprites_are_where_and_as_large_as_their_factors_say() {
        let area = |sprite: &[u8]| sprite.iter().map(|&b| f64::from(b)).sum::<f64>() / 16.0;
        for shape in 0..3 {
            for size in 0..4 {
                let half = 2.5 + 0.7 * f64::from(size);
                // Of a unit: 4, pi 1.4 0.7, and 3 sqrt(3) / 4 1.5^2.
                let unit = [4.0, 0.98 * std::f64::consts::PI, 2.9228][usize::from(shape)];
                for (angle, x, y) in [(0, 0, 0), (5, 11, 3), (7, 4, 11)] {
                    let sprite = draw(&[shape, size, angle, x, y]);
                    let found = area(&sprite);
                    let expected = unit * half * half;
                    // Points are a quarter of a pixel apart, so an edge may lie an eighth beside its place.
                    assert!((found - expected).abs() < half, "{found}, {expected}");
                    let mean = |of: fn(usize) -> usize| {
                        let pixels = sprite.iter().enumerate();
                        let sum: f64 = pixels
                            .map(|(i, &b)| f64::from(b) / 16.0 * (of(i) as f64 + 0.5))
                            .sum();
                        sum / found
                    };
                    let place = |value: u16| 8.0 + 16.0 * f64::from(value) / 11.0;
                    assert!((mean(|i| i % SIDE) - place(x)).abs() < 0.15);
                    assert!((mean(|i| i / SIDE) - place(y)).abs() < 0.15);
                }
            }
        }
    }

    #[test]
    fn no_two_sprites_look_alike() {
        let distinct: HashSet<Vec<u8>> = (0..N).map(|number| draw(&factors(number))).collect();
        assert_eq!(distinct.len(), N);
    }
}
