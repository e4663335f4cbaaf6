//! The paper of a chart: size, style, title, legend, grid lines and the marks of both axes.

use super::axis::Axis;
use crate::text::escape;
use std::fmt::Write;

/// Width of every chart in its own units, which are pixels at a width of a half page.
pub(super) const WIDTH: f64 = 520.0;
/// The right end of the data.
pub(super) const RIGHT: f64 = 508.0;
/// Height of the rectangle of the data.
const TALL: f64 = 198.0;
/// Where words begin, and how far lines of words lie apart.
const MARGIN: f64 = 12.0;
const LINE: f64 = 16.0;
/// No font is measured; this is a wide guess for a character of a sans serif of twelve units.
const CHARACTER: f64 = 6.6;

/// Number of colors; a chart with more series begins again.
pub(super) const N_COLORS: usize = 10;

/// What is written around the data; an empty text takes no room.
pub(super) struct Words<'a> {
    pub(super) title: &'a str,
    /// Sentences below the title, broken into lines.
    pub(super) note: &'a str,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    pub(super) legend: Vec<Key>,
}

/// An entry of the legend.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) color: usize,
    pub(super) style: Style,
}

/// How the points of a series are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line through them, with dots where they are few.
    #[default]
    Line,
    /// A broken line.
    Dashed,
    /// Dots alone.
    Dots,
    /// Rings around places, to mark dots of others.
    Rings,
}

/// Where things lie on the paper.
pub(super) struct Paper {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    height: f64,
    /// Places of the legend's entries.
    keys: Vec<(f64, f64)>,
    note: Vec<String>,
}

impl Paper {
    /// Room for the data and all words.
    pub(super) fn of(words: &Words<'_>) -> Self {
        let note = lines(words.note, ((WIDTH - 2.0 * MARGIN) / CHARACTER) as usize);
        let (mut x, mut y) = (MARGIN, 46.0 + LINE * note.len() as f64);
        let mut keys = Vec::new();
        for key in &words.legend {
            let wide = 18.0 + CHARACTER * key.name.chars().count() as f64;
            if x > MARGIN && x + wide > WIDTH - MARGIN {
                (x, y) = (MARGIN, y + LINE);
            }
            keys.push((x, y));
            x += wide + 14.0;
        }
        let top = y + 12.0;
        Self {
            left: if words.y_label.is_empty() { 54.0 } else { 70.0 },
            top,
            bottom: top + TALL,
            height: top + TALL + 44.0,
            keys,
            note,
        }
    }

    /// Width and height of the rectangle of the data.
    pub(super) fn size(&self) -> (f64, f64) {
        (RIGHT - self.left, TALL)
    }

    /// `body` in a nested picture that cuts off what lies outside, without a name that could clash.
    pub(super) fn cut(&self, body: &str) -> String {
        // Room for dots and rings at both ends.
        let (width, height) = (RIGHT - self.left + 14.0, TALL + 4.0);
        let (left, top) = (self.left - 7.0, self.top - 2.0);
        format!(
            r#"<svg x="{left}" y="{top}" width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">{body}</svg>
"#
        )
    }

    /// A mark below the x axis.
    pub(super) fn x_mark(&self, out: &mut String, x: f64, label: &str) {
        let bottom = self.bottom;
        let (end, y) = (bottom + 4.0, bottom + 18.0);
        // A long label at the right end moves in.
        let middle = x.min(WIDTH - 2.0 - 0.5 * CHARACTER * label.chars().count() as f64);
        put(
            out,
            format_args!(r#"<path class="axis" d="M{x:.1} {bottom}V{end}"/>"#),
        );
        put(
            out,
            format_args!(
                r#"<text class="mid" x="{middle:.1}" y="{y}">{}</text>"#,
                escape(label)
            ),
        );
    }
}

/// Both axes of a chart, and what is written beside them.
pub(super) struct Frame<'a> {
    pub(super) words: &'a Words<'a>,
    pub(super) paper: &'a Paper,
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
    /// Whether the x axis has marks of its own.
    pub(super) x_ticks: bool,
}

impl Frame<'_> {
    /// Places of a point in the chart's units; none where it cannot be shown.
    pub(super) fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.x_place(x)?, self.y_place(y)?))
    }

    pub(super) fn x_place(&self, x: f64) -> Option<f64> {
        Some(self.paper.left + self.x.place(x)? * (RIGHT - self.paper.left))
    }

    pub(super) fn y_place(&self, y: f64) -> Option<f64> {
        // Far outside the frame a place would need needless digits.
        let place = (TALL * self.y.place(y)?).clamp(-9999.0, 9999.0);
        Some(self.paper.bottom - place)
    }

    /// The whole chart with `body` in its rectangle.
    pub(super) fn svg(&self, body: &str) -> String {
        let Paper { left, bottom, .. } = *self.paper;
        let mut out = self.open();
        self.legend(&mut out);
        for tick in self.y.ticks(5) {
            let Some(y) = self.y_place(tick.value) else {
                continue;
            };
            put(
                &mut out,
                format_args!(r#"<path class="grid" d="M{left} {y:.1}H{RIGHT}"/>"#),
            );
            let (x, y) = (left - 8.0, y + 4.0);
            put(
                &mut out,
                format_args!(
                    r#"<text class="end" x="{x}" y="{y:.1}">{}</text>"#,
                    tick.label
                ),
            );
        }
        put(
            &mut out,
            format_args!(r#"<path class="axis" d="M{left} {bottom}H{RIGHT}"/>"#),
        );
        if self.x_ticks {
            for tick in self.x.ticks(6) {
                if let Some(x) = self.x_place(tick.value) {
                    self.paper.x_mark(&mut out, x, &tick.label);
                }
            }
        }
        let (x, y) = (0.5 * (left + RIGHT), self.paper.height - 8.0);
        put(
            &mut out,
            format_args!(
                r#"<text class="mid" x="{x}" y="{y}">{}</text>"#,
                escape(self.words.x_label)
            ),
        );
        if !self.words.y_label.is_empty() {
            let (x, y) = (18.0, bottom - 0.5 * TALL);
            put(
                &mut out,
                format_args!(
                    r#"<text class="mid" transform="translate({x} {y}) rotate(-90)">{}</text>"#,
                    escape(self.words.y_label)
                ),
            );
        }
        out + body + "</svg>\n"
    }

    /// The opening tag, the style, the ground, the title and the note.
    fn open(&self) -> String {
        let (title, height) = (escape(self.words.title), self.paper.height);
        let mut out = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">
<style>{STYLE}</style>
<path class="paper" d="M0 0H{WIDTH}V{height}H0z"/>
<text class="title" x="{MARGIN}" y="23">{title}</text>
"#
        );
        for (i, line) in self.paper.note.iter().enumerate() {
            let y = 42.0 + LINE * i as f64;
            put(
                &mut out,
                format_args!(r#"<text x="{MARGIN}" y="{y}">{}</text>"#, escape(line)),
            );
        }
        out
    }

    fn legend(&self, out: &mut String) {
        for (key, (x, y)) in self.words.legend.iter().zip(&self.paper.keys) {
            let color = key.color % N_COLORS;
            let (end, middle) = (x + 14.0, y - 4.0);
            let mark = match key.style {
                Style::Line => format!(r#"d="M{x:.1} {middle}H{end:.1}" class="line c{color}""#),
                Style::Dashed => {
                    format!(r#"d="M{x:.1} {middle}H{end:.1}" class="line dashed c{color}""#)
                }
                Style::Dots => format!(
                    r#"d="M{:.1} {middle}h.01" class="dots c{color}" stroke-width="7""#,
                    x + 7.0
                ),
                Style::Rings => format!(r#"d="{}" class="line c{color}""#, ring(x + 7.0, middle)),
            };
            put(out, format_args!("<path {mark}/>"));
            let x = x + 18.0;
            put(
                out,
                format_args!(
                    r#"<text class="key" x="{x:.1}" y="{y}">{}</text>"#,
                    escape(&key.name)
                ),
            );
        }
    }
}

/// The path of a ring around a place.
pub(super) fn ring(x: f64, y: f64) -> String {
    format!("M{:.1} {y:.1}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0", x - 5.0)
}

/// Breaks a text at spaces into lines of at most `longest` characters, unless a word is longer.
fn lines(text: &str, longest: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= longest => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Appends to a text, which cannot fail.
pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("internal error: writing to a text");
}

const STYLE: &str = include_str!("chart.css");

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(note: &'a str, y_label: &'a str, names: &[&str]) -> Words<'a> {
        let key = |name: &&str| Key {
            name: (*name).to_owned(),
            color: 0,
            style: Style::Line,
        };
        Words {
            title: "t",
            note,
            x_label: "x",
            y_label,
            legend: names.iter().map(key).collect(),
        }
    }

    #[test]
    fn words_make_their_own_room() {
        let plain = Paper::of(&words("", "", &["a", "b"]));
        assert_eq!((plain.left, plain.top, plain.height), (54.0, 58.0, 300.0));
        let name = "a name that takes more than half of the width of the chart";
        let long = Paper::of(&words("", "nats", &[name, name, name]));
        assert_eq!((long.left, long.top), (70.0, 58.0 + 2.0 * LINE));
        assert!(long.keys.iter().all(|key| key.0 == MARGIN));
        let note = "one sentence about what is to be seen here, and another one, so long that \
                    they need two lines of the paper";
        let noted = Paper::of(&words(note, "", &[]));
        assert_eq!((noted.note.len(), noted.top), (2, 58.0 + 2.0 * LINE));
        assert_eq!(noted.note.join(" "), note);
        assert_eq!(noted.size().1, plain.size().1);
    }

    #[test]
    fn a_long_word_has_a_line_of_its_own() {
        assert_eq!(lines("ab abcdef c d", 4), ["ab", "abcdef", "c d"]);
    }
}
