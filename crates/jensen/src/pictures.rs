//! What a model makes, as pictures: grids of images, strips between images, maps of codes.

use crate::error::{Error, Result};
use crate::memory;
use jensen_data::Layout;
use jensen_report::chart::{ScatterChart, ScatterClass};
use jensen_report::{GridOptions, Labels, Picture, gif_bytes, grid, grid_size, labelled_grid};
use jensen_vae::model::DataSite;

/// Space between groups of pictures, pixels.
const GROUP_GAP: usize = 10;
/// Grey between pictures.
const BACKGROUND: u8 = 68;

/// Height and width of a picture of these data with its channels, where they can be seen.
pub fn shape(layout: Layout) -> Option<(usize, usize, usize)> {
    match layout {
        Layout::Image {
            channels: channels @ (1 | 3),
            height,
            width,
        } => Some((channels, height, width)),
        _ => None,
    }
}

/// Rows of values `[n, P]` in the units of the data as pictures; none where data are no images.
pub fn of_rows(values: &[f32], site: &DataSite) -> Result<Option<Vec<Picture>>> {
    let Some((channels, height, width)) = shape(site.layout) else {
        return Ok(None);
    };
    let (low, high) = visible_range(site);
    let pictures = values.chunks_exact(channels * height * width).map(|row| {
        let unit: Vec<f32> = row.iter().map(|x| (x - low) / (high - low)).collect();
        Picture::from_unit_values(&unit, channels, height, width)
    });
    Ok(Some(pictures.collect::<Result<_, _>>()?))
}

/// The values that are shown as black and white: [0, 1] where the data lie in it, else their range.
fn visible_range(site: &DataSite) -> (f32, f32) {
    let (min, max) = (site.facts.min, site.facts.max);
    match min >= 0.0 && max <= 1.0 {
        true => (0.0, 1.0),
        false => (min, max.max(min + f32::EPSILON)),
    }
}

/// A plain grid.
pub fn plain(pictures: &[Picture], columns: usize) -> Result<Picture> {
    Ok(grid(pictures, columns, GridOptions::default())?)
}

/// A grid with labels beside its rows and above its columns.
pub fn labelled(pictures: &[Picture], columns: usize, labels: &Labels) -> Result<Picture> {
    Ok(labelled_grid(
        pictures,
        columns,
        GridOptions::default(),
        labels,
    )?)
}

/// Most pixels of a side of a picture: GIF has no larger ones, and few viewers show them.
const LONGEST: usize = 65_535;

/// The columns or rows of a grid, and the option that decides about their number.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// Name of the option.
    pub option: &'static str,
    /// Columns or rows.
    pub lines: usize,
    /// By how much the option changes where there is one more.
    pub each: usize,
}

impl Side {
    /// As many lines as the option says.
    pub fn of(option: &'static str, lines: usize) -> Self {
        Self {
            option,
            lines,
            each: 1,
        }
    }

    /// Rows of [`COLUMNS`] pictures.
    pub fn rows_of(option: &'static str, n: usize) -> Self {
        Self {
            option,
            lines: n.div_ceil(COLUMNS),
            each: COLUMNS,
        }
    }
}

/// Refuses grids of these data that are larger than pictures can be, or than memory.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Option`] with the largest number that fits.
pub fn check_grid(site: &DataSite, columns: Side, rows: Side) -> Result<()> {
    let Some((channels, height, width)) = shape(site.layout) else {
        return Ok(());
    };
    let n = columns.lines.saturating_mul(rows.lines);
    memory::check_rows(&format!("holding {n} pictures"), n, site.layout.n_values())?;
    let options = GridOptions::default();
    let size = |lines| grid_size((width, height), lines, options);
    let (one, all) = (size((1, 1)), size((columns.lines, rows.lines)));
    for (side, one, all) in [(columns, one.0, all.0), (rows, one.1, all.1)] {
        if all > LONGEST && side.lines > 1 {
            // One picture more adds its side and one gap.
            let most = (LONGEST - options.gap) / (one - options.gap);
            return Err(Error::Option {
                name: side.option,
                expected: format!(
                    "at most {}, for a picture of at most {LONGEST} pixels a side",
                    most * side.each
                ),
                found: side.lines.saturating_mul(side.each).to_string(),
            });
        }
    }
    let (width, height) = all;
    let bytes = (width as u64)
        .saturating_mul(height as u64)
        .saturating_mul(channels as u64);
    // The grid, and the frames of an animation or the file, which hold the same pictures.
    memory::check(&format!("drawing {n} pictures"), bytes.saturating_mul(3))
}

/// Pairs in rows: the first of each pair above the second, the pairs side by side.
pub fn pairs(first: &[Picture], second: &[Picture], columns: usize) -> Result<Picture> {
    let rows = first.chunks(columns).zip(second.chunks(columns));
    let groups = rows
        .filter(|(above, _)| above.len() == columns || first.len() < columns)
        .map(|(above, below)| plain(&[above, below].concat(), above.len()));
    Ok(stack(&groups.collect::<Result<Vec<_>>>()?))
}

/// Pictures of one width above each other.
fn stack(groups: &[Picture]) -> Picture {
    let (width, channels) = groups.first().map_or((1, 1), |g| (g.width, g.channels));
    let gap = vec![BACKGROUND; GROUP_GAP * width * channels];
    let mut pixels = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        if i > 0 {
            pixels.extend_from_slice(&gap);
        }
        pixels.extend_from_slice(&group.pixels);
    }
    Picture {
        width,
        height: pixels.len() / (width * channels),
        channels,
        pixels,
    }
}

/// An animation of `[pairs, steps]` pictures: all pairs side by side, there and back.
pub fn animation(pictures: &[Picture], steps: usize) -> Result<Vec<u8>> {
    let n_pairs = pictures.len() / steps;
    let there = 0..steps;
    let back = (1..steps.saturating_sub(1)).rev();
    // The ends stay a little longer.
    let hold = |step: usize| {
        if step == 0 || step + 1 == steps {
            HOLD
        } else {
            1
        }
    };
    let mut frames = Vec::new();
    for step in there.chain(back) {
        let row: Vec<Picture> = (0..n_pairs)
            .map(|pair| pictures[pair * steps + step].clone())
            .collect();
        let frame = plain(&row, n_pairs.min(COLUMNS))?;
        frames.extend(std::iter::repeat_n(frame, hold(step)));
    }
    Ok(gif_bytes(&frames, FRAME_MS)?)
}

/// Frames for which an end of an interpolation is shown.
const HOLD: usize = 5;
/// Time of a frame, milliseconds.
const FRAME_MS: u32 = 80;
/// Pictures in a row of a grid.
pub const COLUMNS: usize = 10;

/// Codes `[n, d]` as points of the plane with the colors of their labels.
///
/// One dimension is drawn over the position in the list, two as they are, more along the two principal
/// directions of the codes.
pub fn map(codes: &[f64], dim: usize, labels: Option<&[u32]>, names: Option<&[String]>) -> String {
    let n = codes.len() / dim.max(1);
    let (points, what): (Vec<(f64, f64)>, &str) = match dim {
        1 => (
            codes
                .iter()
                .enumerate()
                .map(|(i, z)| (*z, i as f64 / n as f64))
                .collect(),
            "the code, over the examples",
        ),
        2 => (
            codes.chunks_exact(2).map(|z| (z[0], z[1])).collect(),
            "the two dimensions of the codes",
        ),
        _ => (
            principal_plane(codes, dim),
            "the two principal directions of the codes",
        ),
    };
    let n_classes = labels.map_or(1, |labels| labels.iter().max().map_or(1, |m| m + 1));
    let class = |class: u32| ScatterClass {
        name: match (labels, names.and_then(|names| names.get(class as usize))) {
            (None, _) => "examples".to_owned(),
            (_, Some(name)) => name.clone(),
            (_, None) => class.to_string(),
        },
        points: (points.iter().enumerate())
            .filter(|(i, _)| labels.is_none_or(|labels| labels[*i] == class))
            .map(|(_, point)| *point)
            .collect(),
    };
    let chart = ScatterChart {
        title: "Codes of test examples".to_owned(),
        x_label: what.to_owned(),
        classes: (0..n_classes).map(class).collect(),
        ..ScatterChart::default()
    };
    chart.svg()
}

/// The coordinates of codes `[n, d]` along their two directions of largest variance.
fn principal_plane(codes: &[f64], d: usize) -> Vec<(f64, f64)> {
    let n = (codes.len() / d) as f64;
    let mut mean = vec![0.0; d];
    for row in codes.chunks_exact(d) {
        mean.iter_mut().zip(row).for_each(|(m, z)| *m += z / n);
    }
    let centered: Vec<f64> = (codes.iter().enumerate())
        .map(|(i, z)| z - mean[i % d])
        .collect();
    let first = leading_direction(&centered, d, None);
    let second = leading_direction(&centered, d, Some(&first));
    let along = |row: &[f64], direction: &[f64]| -> f64 {
        row.iter().zip(direction).map(|(z, u)| z * u).sum()
    };
    centered
        .chunks_exact(d)
        .map(|row| (along(row, &first), along(row, &second)))
        .collect()
}

/// Steps of the power iteration; a picture needs no more.
const N_POWER: usize = 100;

/// The unit vector of largest variance, orthogonal to `other`, by power iteration.
fn leading_direction(centered: &[f64], d: usize, other: Option<&[f64]>) -> Vec<f64> {
    // No symmetry of the data lies in this start.
    let mut u: Vec<f64> = (0..d).map(|i| 1.0 + 0.1 * i as f64).collect();
    for _ in 0..N_POWER {
        let mut next = vec![0.0; d];
        for row in centered.chunks_exact(d) {
            let along: f64 = row.iter().zip(&u).map(|(z, u)| z * u).sum();
            next.iter_mut().zip(row).for_each(|(s, z)| *s += along * z);
        }
        if let Some(other) = other {
            let shared: f64 = next.iter().zip(other).map(|(a, b)| a * b).sum();
            next.iter_mut()
                .zip(other)
                .for_each(|(a, b)| *a -= shared * b);
        }
        let length = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length == 0.0 {
            break;
        }
        u = next.into_iter().map(|x| x / length).collect();
    }
    u
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_vae::likelihood::DataFacts;

    #[test]
    fn the_principal_plane_of_an_ellipsoid() {
        // Lengths 1, 3 and 2 along the axes.
        let codes = [
            [1.0, 0.0, 0.0],
            [-1.0, 0.0, 0.0],
            [0.0, 3.0, 0.0],
            [0.0, -3.0, 0.0],
            [0.0, 0.0, 2.0],
            [0.0, 0.0, -2.0],
        ];
        let plane = principal_plane(codes.as_flattened(), 3);
        let expected = [
            (0.0, 0.0),
            (0.0, 0.0),
            (3.0, 0.0),
            (3.0, 0.0),
            (0.0, 2.0),
            (0.0, 2.0),
        ];
        for ((x, y), (a, b)) in plane.into_iter().zip(expected) {
            assert!((x.abs() - a).abs() < 1e-9 && (y.abs() - b).abs() < 1e-9);
        }
    }

    #[test]
    fn maps_of_one_two_and_more_dimensions_are_drawn() {
        let codes: Vec<f64> = (0..12).map(|i| (f64::from(i) * 1.7).sin()).collect();
        for dim in [1, 2, 3] {
            let labels: Vec<u32> = (0..12 / dim as u32).map(|i| i % 3).collect();
            let svg = map(&codes, dim, Some(&labels), None);
            assert_eq!(svg.matches("h0").count(), 12 / dim);
            assert!(!svg.contains("NaN"));
        }
        assert!(map(&[0.0; 6], 3, None, None).contains("examples"));
    }

    #[test]
    fn pictures_have_a_largest_side() {
        let site = DataSite {
            layout: Layout::Image {
                channels: 1,
                height: 8,
                width: 8,
            },
            facts: DataFacts {
                min: 0.0,
                max: 1.0,
                levels: Some(17),
            },
            mean: vec![0.0; 64],
            n_train: 100,
            vocabulary: None,
        };
        let check = |columns, rows| {
            check_grid(
                &site,
                Side::of("--steps", columns),
                Side::of("--rows", rows),
            )
        };
        // 50 pixels each and a gap of 2.
        assert!(check(1310, 5).is_ok());
        let wide = check(1311, 5).unwrap_err().to_string();
        assert!(wide.starts_with("--steps: expected at most 1310"), "{wide}");
        let high = check(5, 2000).unwrap_err().to_string();
        assert!(high.starts_with("--rows: expected at most 1310"), "{high}");
        assert!(matches!(check(usize::MAX, 5), Err(Error::TooLarge { .. })));
        let vectors = DataSite {
            layout: Layout::Vector { len: 64 },
            ..site.clone()
        };
        let far = Side::of("--steps", 1 << 40);
        assert!(check_grid(&vectors, far, Side::of("--rows", 5)).is_ok());
        let columns = Side::of("-n", COLUMNS);
        assert!(check_grid(&site, columns, Side::rows_of("-n", 13_100)).is_ok());
        let many = check_grid(&site, columns, Side::rows_of("-n", 13_101)).unwrap_err();
        assert!(
            many.to_string().contains("-n: expected at most 13100"),
            "{many}"
        );
    }

    #[test]
    fn pairs_stand_above_each_other() {
        let grey = |value: u8| Picture {
            width: 60,
            height: 1,
            channels: 1,
            pixels: vec![value; 60],
        };
        let picture = pairs(&[grey(1), grey(2)], &[grey(3), grey(4)], 1).unwrap();
        let column: Vec<u8> = picture.pixels.chunks(64).map(|row| row[30]).collect();
        let seen: Vec<u8> = column
            .into_iter()
            .filter(|&grey| grey != BACKGROUND)
            .collect();
        assert_eq!(seen, [1, 3, 2, 4]);
    }
}
