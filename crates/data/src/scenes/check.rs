//! Whether an image shows what a sentence says, by looking at it.
//!
//! Each pixel belongs to the color, or the black, that is nearest. The largest connected region of a color is the thing
//! of that color; its shape is the one that, filling the region's box, has most in common with it (intersection over
//! union); its size is told by the box. Nothing else may be in the image but crumbs.

use super::draw::{cover, levels};
use super::{Caption, Color, Phrase, Relation, SIDE, Shape, Size};
use std::fmt;

/// Regions smaller than this are crumbs, pixels.
const CRUMB: usize = 12;
/// A region must have so much in common with a shape.
const LEAST_OVERLAP: f64 = 0.7;
/// Mean sides up to this are small, pixels.
const LARGEST_SMALL: f64 = 10.5;
/// Centers that are closer are beside each other in no direction, pixels.
const LEAST_DISTANCE: f64 = 1.5;

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing of this color.
    Missing(Color),
    /// There is something of a color that was not said, or more than one thing of a color.
    TooMuch(Color),
    /// The thing of this color has this shape, or none that is known.
    Shape(Color, Option<Shape>),
    /// The thing of this color has this size.
    Size(Color, Size),
    /// Things do not stand as was said.
    Relation(Relation),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(color) => write!(f, "nothing is {}", color.word()),
            Self::TooMuch(color) => write!(f, "too much is {}", color.word()),
            Self::Shape(color, Some(shape)) => {
                write!(f, "the {} thing is a {}", color.word(), shape.word())
            }
            Self::Shape(color, None) => write!(f, "the {} thing has no known shape", color.word()),
            Self::Size(color, size) => write!(f, "the {} thing is {}", color.word(), size.word()),
            Self::Relation(relation) => write!(f, "the first is not {}", relation.word()),
        }
    }
}

/// A connected region.
struct Region {
    /// Which pixels of the canvas belong to it.
    pixels: Vec<bool>,
    n: usize,
    /// First and last column, first and last row.
    columns: [usize; 2],
    rows: [usize; 2],
}

/// Whether an image `[3, 32, 32]` with values in [0, 1] shows what is said of it.
pub fn satisfies(caption: &Caption, image: &[f32]) -> Result<(), Fault> {
    let colors = nearest_colors(image);
    let mut centers = Vec::new();
    for phrase in &caption.phrases {
        centers.push(check_thing(phrase, &colors)?);
    }
    let said = caption.phrases.map(|phrase| phrase.color);
    for &color in Color::ALL.iter().filter(|color| !said.contains(color)) {
        if !regions(&colors, color).is_empty() {
            return Err(Fault::TooMuch(color));
        }
    }
    let [right, down] = [0, 1].map(|axis| centers[1][axis] - centers[0][axis]);
    let distance: f64 = match caption.relation {
        Relation::Left => right,
        Relation::Right => -right,
        Relation::Above => down,
        Relation::Below => -down,
    };
    match distance >= LEAST_DISTANCE {
        true => Ok(()),
        false => Err(Fault::Relation(caption.relation)),
    }
}

/// The center of the thing that a phrase is about, if it is as the phrase says.
fn check_thing(phrase: &Phrase, colors: &[Option<Color>]) -> Result<[f64; 2], Fault> {
    let color = phrase.color;
    let regions = regions(colors, color);
    let [region] = regions.as_slice() else {
        return Err(match regions.is_empty() {
            true => Fault::Missing(color),
            false => Fault::TooMuch(color),
        });
    };
    let shape = region.shape();
    if shape != Some(phrase.shape) {
        return Err(Fault::Shape(color, shape));
    }
    let size = region.size();
    if phrase.size.is_some_and(|said| said != size) {
        return Err(Fault::Size(color, size));
    }
    Ok([region.columns, region.rows].map(|[first, last]| (first + last + 1) as f64 / 2.0))
}

/// The color of each pixel; none where it is black.
fn nearest_colors(image: &[f32]) -> Vec<Option<Color>> {
    let n = SIDE * SIDE;
    let color_of = |pixel: usize| {
        let values = [0, 1, 2].map(|channel| f64::from(image[channel * n + pixel]) * 255.0);
        let distance =
            |to: [f64; 3]| -> f64 { values.iter().zip(to).map(|(a, b)| (a - b).powi(2)).sum() };
        let mut best = (distance([0.0; 3]), None);
        for &color in Color::ALL {
            let found = distance(levels(color).map(f64::from));
            if found < best.0 {
                best = (found, Some(color));
            }
        }
        best.1
    };
    (0..n).map(color_of).collect()
}

/// The connected regions of a color that are more than crumbs.
fn regions(colors: &[Option<Color>], color: Color) -> Vec<Region> {
    let mut seen = vec![false; colors.len()];
    let mut regions = Vec::new();
    for start in 0..colors.len() {
        if seen[start] || colors[start] != Some(color) {
            continue;
        }
        let mut region = Region {
            pixels: vec![false; colors.len()],
            n: 0,
            columns: [SIDE, 0],
            rows: [SIDE, 0],
        };
        let mut open = vec![start];
        seen[start] = true;
        while let Some(pixel) = open.pop() {
            let (column, row) = (pixel % SIDE, pixel / SIDE);
            region.pixels[pixel] = true;
            region.n += 1;
            for (ends, at) in [(&mut region.columns, column), (&mut region.rows, row)] {
                *ends = [ends[0].min(at), ends[1].max(at)];
            }
            let beside = [
                (column > 0).then(|| pixel - 1),
                (column + 1 < SIDE).then_some(pixel + 1),
                (row > 0).then(|| pixel - SIDE),
                (row + 1 < SIDE).then_some(pixel + SIDE),
            ];
            for next in beside.into_iter().flatten() {
                if !seen[next] && colors[next] == Some(color) {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
        if region.n >= CRUMB {
            regions.push(region);
        }
    }
    regions
}

impl Region {
    fn sides(&self) -> [usize; 2] {
        [self.columns, self.rows].map(|[first, last]| last - first + 1)
    }

    fn size(&self) -> Size {
        let [width, height] = self.sides();
        match (width + height) as f64 / 2.0 <= LARGEST_SMALL {
            true => Size::Small,
            false => Size::Large,
        }
    }

    /// The shape with which the region has most in common, if that is enough.
    fn shape(&self) -> Option<Shape> {
        let [width, height] = self.sides();
        let overlap = |shape: Shape| {
            let (mut both, mut either) = (0.0, 0.0);
            for (i, cover) in cover(shape, [width, height]).into_iter().enumerate() {
                let (column, row) = (self.columns[0] + i % width, self.rows[0] + i / width);
                let own = f64::from(u8::from(self.pixels[row * SIDE + column]));
                both += cover.min(own);
                either += cover.max(own);
            }
            both / either
        };
        let all = Shape::ALL.iter().map(|&shape| (overlap(shape), shape));
        let best = all.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 >= LEAST_OVERLAP).then_some(best.1)
    }
}
