//! Small letters for pictures: the number of a dimension beside its row, a value above its column.
//!
//! Glyphs of 5 by 7 squares, enough for names and numbers; what has no glyph is drawn as a box. Capital
//! letters are drawn as small ones.

use crate::picture::Picture;

/// Width and height of a glyph with the space behind and below it, in squares.
const CELL: (usize, usize) = (6, 9);
/// Space around text, pixels.
const MARGIN: usize = 4;
/// Grey of letters.
const INK: u8 = 230;

/// Labels around a grid of pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Beside each row; a label may have several lines.
    pub rows: Vec<String>,
    /// Above each column; those for which there is no room are left out, but for the first and the last.
    pub columns: Vec<String>,
}

/// Pictures of text: its lines, and the side of a square in pixels.
#[derive(Clone, Copy)]
struct Text<'a> {
    text: &'a str,
    scale: usize,
}

impl Text<'_> {
    /// Width and height, pixels.
    fn size(self) -> (usize, usize) {
        let longest = self.text.lines().map(|line| line.chars().count()).max();
        (
            longest.unwrap_or(0) * CELL.0 * self.scale,
            self.text.lines().count() * CELL.1 * self.scale,
        )
    }

    fn draw(self, picture: &mut Picture, left: usize, top: usize) {
        for (line_idx, line) in self.text.lines().enumerate() {
            for (place, letter) in line.chars().enumerate() {
                let x = left + place * CELL.0 * self.scale;
                let y = top + line_idx * CELL.1 * self.scale;
                self.draw_letter(picture, letter, x, y);
            }
        }
    }

    fn draw_letter(self, picture: &mut Picture, letter: char, left: usize, top: usize) {
        for (row, bits) in glyph(letter).into_iter().enumerate() {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                for y in (0..self.scale).map(|y| top + row * self.scale + y) {
                    for x in (0..self.scale).map(|x| left + column * self.scale + x) {
                        if x < picture.width && y < picture.height {
                            let start = (y * picture.width + x) * picture.channels;
                            picture.pixels[start..start + picture.channels].fill(INK);
                        }
                    }
                }
            }
        }
    }
}

fn glyph(letter: char) -> [u8; 7] {
    if letter == ' ' {
        return [0; 7];
    }
    let letter = letter.to_ascii_lowercase();
    let found = GLYPHS.iter().find(|(known, _)| *known == letter);
    found.map_or(BOX, |(_, rows)| *rows)
}

/// A grid whose cells measure `cell` pixels (width, height) and begin behind `gap`, with labels at its
/// left and top on the same background.
pub(crate) fn labelled(
    grid: &Picture,
    labels: &Labels,
    cell: (usize, usize),
    gap: usize,
    background: u8,
) -> Picture {
    let fits = |scale: usize| {
        let height = |text: &String| Text { text, scale }.size().1;
        let shown = shown(&labels.columns, cell.0, scale);
        labels.rows.iter().all(|text| height(text) <= cell.1)
            && (shown.len() > 1 || labels.columns.len() <= 1)
    };
    let scale = if fits(2) { 2 } else { 1 };
    let largest = |labels: &[String]| {
        let sizes = labels.iter().map(|text| Text { text, scale }.size());
        sizes.fold((0, 0), |(w, h), (width, height)| {
            (w.max(width), h.max(height))
        })
    };
    let room = |size: usize| if size == 0 { 0 } else { size + 2 * MARGIN };
    let (left, top) = (
        room(largest(&labels.rows).0),
        room(largest(&labels.columns).1),
    );
    let mut picture = Picture {
        width: left + grid.width,
        height: top + grid.height,
        channels: grid.channels,
        pixels: vec![background; (left + grid.width) * (top + grid.height) * grid.channels],
    };
    let line = grid.width * grid.channels;
    for (y, row) in grid.pixels.chunks_exact(line).enumerate() {
        let start = ((top + y) * picture.width + left) * grid.channels;
        picture.pixels[start..start + line].copy_from_slice(row);
    }
    for (row, text) in labels.rows.iter().enumerate() {
        let text = Text { text, scale };
        let middle = top + gap + row * cell.1 + (cell.1 - gap) / 2;
        text.draw(
            &mut picture,
            MARGIN,
            middle.saturating_sub(text.size().1 / 2),
        );
    }
    for column in shown(&labels.columns, cell.0, scale) {
        let text = Text {
            text: &labels.columns[column],
            scale,
        };
        let middle = left + gap + column * cell.0 + (cell.0 - gap) / 2;
        // A label wider than its column stays inside the picture.
        let furthest = picture.width.saturating_sub(text.size().0);
        let at = middle.saturating_sub(text.size().0 / 2).min(furthest);
        text.draw(&mut picture, at, MARGIN);
    }
    picture
}

/// The columns whose labels are shown, so that a letter fits between any two: the first, every n-th and the
/// last. An n that ends with the last is preferred to a smaller one up to twice its size.
fn shown(labels: &[String], cell: usize, scale: usize) -> Vec<usize> {
    let Some(last) = labels.len().checked_sub(1) else {
        return Vec::new();
    };
    let widths = labels.iter().map(|text| Text { text, scale }.size().0);
    let room = widths.max().unwrap_or(0) + CELL.0 * scale;
    let least = room.div_ceil(cell).max(1);
    if last < least {
        return vec![0];
    }
    let even = (least..=2 * least).find(|n| last.is_multiple_of(*n));
    let n = even.unwrap_or(least);
    let before_last = (0..last).step_by(n).filter(|at| at + least <= last);
    before_last.chain([last]).collect()
}

const BOX: [u8; 7] = [
    0b11111, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11111,
];

/// Rows from the top, the highest of five bits at the left.
#[rustfmt::skip]
const GLYPHS: [(char, [u8; 7]); 43] = [
    ('0', [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110]),
    ('1', [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('2', [0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111]),
    ('3', [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110]),
    ('4', [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010]),
    ('5', [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110]),
    ('6', [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110]),
    ('7', [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000]),
    ('8', [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110]),
    ('9', [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100]),
    ('a', [0b00000, 0b00000, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111]),
    ('b', [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b11110]),
    ('c', [0b00000, 0b00000, 0b01110, 0b10000, 0b10000, 0b10001, 0b01110]),
    ('d', [0b00001, 0b00001, 0b01101, 0b10011, 0b10001, 0b10001, 0b01111]),
    ('e', [0b00000, 0b00000, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110]),
    ('f', [0b00110, 0b01001, 0b01000, 0b11100, 0b01000, 0b01000, 0b01000]),
    ('g', [0b00000, 0b01111, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110]),
    ('h', [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001]),
    ('i', [0b00100, 0b00000, 0b01100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('j', [0b00010, 0b00000, 0b00110, 0b00010, 0b00010, 0b10010, 0b01100]),
    ('k', [0b10000, 0b10000, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010]),
    ('l', [0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('m', [0b00000, 0b00000, 0b11010, 0b10101, 0b10101, 0b10001, 0b10001]),
    ('n', [0b00000, 0b00000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001]),
    ('o', [0b00000, 0b00000, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('p', [0b00000, 0b00000, 0b11110, 0b10001, 0b11110, 0b10000, 0b10000]),
    ('q', [0b00000, 0b00000, 0b01101, 0b10011, 0b01111, 0b00001, 0b00001]),
    ('r', [0b00000, 0b00000, 0b10110, 0b11001, 0b10000, 0b10000, 0b10000]),
    ('s', [0b00000, 0b00000, 0b01110, 0b10000, 0b01110, 0b00001, 0b11110]),
    ('t', [0b01000, 0b01000, 0b11100, 0b01000, 0b01000, 0b01001, 0b00110]),
    ('u', [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b10011, 0b01101]),
    ('v', [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100]),
    ('w', [0b00000, 0b00000, 0b10001, 0b10001, 0b10101, 0b10101, 0b01010]),
    ('x', [0b00000, 0b00000, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001]),
    ('y', [0b00000, 0b00000, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110]),
    ('z', [0b00000, 0b00000, 0b11111, 0b00010, 0b00100, 0b01000, 0b11111]),
    ('-', [0b00000, 0b00000, 0b00000, 0b11111, 0b00000, 0b00000, 0b00000]),
    ('+', [0b00000, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0b00000]),
    ('.', [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100]),
    ('_', [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b11111]),
    ('(', [0b00010, 0b00100, 0b01000, 0b01000, 0b01000, 0b00100, 0b00010]),
    (')', [0b01000, 0b00100, 0b00010, 0b00010, 0b00010, 0b00100, 0b01000]),
    ('/', [0b00000, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b00000]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn black(width: usize, height: usize) -> Picture {
        Picture {
            width,
            height,
            channels: 1,
            pixels: vec![0; width * height],
        }
    }

    #[test]
    fn labels_stand_beside_rows_and_above_columns() {
        let labels = Labels {
            rows: vec!["z0".to_owned(), "1\nto 2".to_owned()],
            columns: vec!["-3".to_owned(), "3".to_owned()],
        };
        // Two rows and columns of 48 pixels with a gap of 2.
        let grid = black(102, 102);
        let picture = labelled(&grid, &labels, (50, 50), 2, 68);
        let (left, top) = (picture.width - 102, picture.height - 102);
        assert_eq!((left, top), (4 * 12 + 8, 18 + 8));
        let ink = |from: (usize, usize), to: (usize, usize)| {
            let row =
                |y: usize| &picture.pixels[y * picture.width + from.0..y * picture.width + to.0];
            (from.1..to.1)
                .flat_map(row)
                .filter(|grey| **grey == INK)
                .count()
        };
        for (from, to) in [
            ((0, top), (left, top + 50)),
            ((0, top + 50), (left, top + 102)),
            ((left, 0), (left + 50, top)),
            ((left + 50, 0), (left + 102, top)),
        ] {
            assert!(ink(from, to) > 0, "{from:?}");
        }
        // The grid itself is as it was, and the corner empty.
        assert_eq!(
            ink((left, top), (left + 102, top + 102)) + ink((0, 0), (left, top)),
            0
        );
    }

    #[test]
    fn labels_of_columns_never_touch() {
        let values = |n: usize, text: &str| vec![text.to_owned(); n];
        for (n, text, cell, expected) in [
            (11, "3", 50, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..]),
            // 60 pixels with the letter between: every second.
            (11, "-2.4", 50, &[0, 2, 4, 6, 8, 10]),
            (31, "-2.4", 22, &[0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30]),
            // No number of columns up to 4 divides 11.
            (12, "-2.4", 50, &[0, 2, 4, 6, 8, 11]),
            (2, "-2.4", 50, &[0]),
            (1, "-2.4", 50, &[0]),
            (0, "", 50, &[]),
        ] {
            assert_eq!(shown(&values(n, text), cell, 2), expected, "{n} of {text}");
        }
        for n in 2..60 {
            for cell in [10, 50] {
                let shown = shown(&values(n, "-2.4"), cell, 2);
                let apart = shown
                    .windows(2)
                    .all(|pair| (pair[1] - pair[0]) * cell >= 60);
                assert!(apart && shown[0] == 0, "{n} in {cell}: {shown:?}");
            }
        }
    }

    #[test]
    fn long_labels_become_small_and_none_take_no_room() {
        let grid = black(20, 20);
        let none = labelled(&grid, &Labels::default(), (10, 10), 2, 68);
        assert_eq!(none, grid);
        let labels = Labels {
            rows: vec!["\u{3b1}".to_owned()],
            columns: Vec::new(),
        };
        let small = labelled(&grid, &labels, (10, 10), 2, 68);
        assert_eq!(small.width, 20 + 6 + 8);
    }
}
