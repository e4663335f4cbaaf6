//! Shapes as pixels, with smooth edges.

use super::{Color, N_VALUES, SIDE, Shape, Thing};

/// Points of a pixel in each direction whose share inside the shape is its cover.
const POINTS: usize = 4;

/// Levels of red, green and blue.
pub(super) fn levels(color: Color) -> [u8; 3] {
    match color {
        Color::Red => [230, 40, 40],
        Color::Green => [40, 200, 60],
        Color::Blue => [50, 80, 240],
        Color::Yellow => [240, 220, 50],
    }
}

/// Whether a point of the unit square, from the left and from above, lies in a shape that fills it.
fn is_inside(shape: Shape, x: f64, y: f64) -> bool {
    match shape {
        Shape::Square => true,
        Shape::Circle => (x - 0.5).powi(2) + (y - 0.5).powi(2) <= 0.25,
        // On its base.
        Shape::Triangle => (x - 0.5).abs() <= y / 2.0,
    }
}

/// How much of each pixel a shape covers that fills a box of these sides, row-major.
pub(super) fn cover(shape: Shape, [width, height]: [usize; 2]) -> Vec<f64> {
    let mut cover = Vec::with_capacity(width * height);
    let n = (POINTS * POINTS) as f64;
    for row in 0..height {
        for column in 0..width {
            let inside = (0..POINTS * POINTS).filter(|point| {
                let at = |pixel: usize, point: usize, side: usize| {
                    (pixel as f64 + (point as f64 + 0.5) / POINTS as f64) / side as f64
                };
                let x = at(column, point % POINTS, width);
                let y = at(row, point / POINTS, height);
                is_inside(shape, x, y)
            });
            cover.push(inside.count() as f64 / n);
        }
    }
    cover
}

/// Puts a thing on a black image.
pub(super) fn fill(image: &mut [u8], thing: &Thing) {
    assert_eq!(image.len(), N_VALUES, "internal error: size of a scene");
    let cover = cover(thing.shape, [thing.side; 2]);
    for (i, share) in cover.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let [column, row] = [thing.at[0] + i % thing.side, thing.at[1] + i / thing.side];
        for (channel, level) in levels(thing.color).into_iter().enumerate() {
            let level = (share * f64::from(level)).round() as u8;
            image[(channel * SIDE + row) * SIDE + column] = level;
        }
    }
}
