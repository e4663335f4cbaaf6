//! The paper of a chart: size, style, title, legend, grid lines and the marks of both axes.

use super::axis::Axis;
use crate::text::escape;
use std::fmt::Write;

/// Size of every chart in its own units, which are pixels at a width of a half page.
pub(super) const WIDTH: f64 = 520.0;
pub(super) const HEIGHT: f64 = 300.0;

/// The rectangle of the data.
pub(super) const LEFT: f64 = 54.0;
pub(super) const RIGHT: f64 = 508.0;
pub(super) const TOP: f64 = 58.0;
pub(super) const BOTTOM: f64 = 256.0;

/// Number of colors; a chart with more series begins again.
pub(super) const N_COLORS: usize = 10;

/// Both axes of a chart, and what is written beside them.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
    /// Whether the x axis has marks of its own.
    pub(super) x_ticks: bool,
    /// Names with the index of their color.
    pub(super) legend: &'a [(String, usize)],
}

impl Frame<'_> {
    /// Places of a point in the chart's units; none where it cannot be shown.
    pub(super) fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.x_place(x)?, self.y_place(y)?))
    }

    pub(super) fn x_place(&self, x: f64) -> Option<f64> {
        Some(LEFT + self.x.place(x)? * (RIGHT - LEFT))
    }

    pub(super) fn y_place(&self, y: f64) -> Option<f64> {
        Some(BOTTOM - self.y.place(y)? * (BOTTOM - TOP))
    }

    /// The whole chart with `body` in its rectangle.
    pub(super) fn svg(&self, body: &str) -> String {
        let mut out = open(self.title);
        self.legend(&mut out);
        for tick in self.y.ticks(5) {
            let Some(y) = self.y_place(tick.value) else {
                continue;
            };
            put(
                &mut out,
                format_args!(r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/>"#),
            );
            let (x, y) = (LEFT - 8.0, y + 4.0);
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
            format_args!(r#"<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>"#),
        );
        if self.x_ticks {
            for tick in self.x.ticks(6) {
                if let Some(x) = self.x_place(tick.value) {
                    x_mark(&mut out, x, &tick.label);
                }
            }
        }
        let (x, y) = (0.5 * (LEFT + RIGHT), HEIGHT - 8.0);
        put(
            &mut out,
            format_args!(
                r#"<text class="mid" x="{x}" y="{y}">{}</text>"#,
                escape(self.x_label)
            ),
        );
        out + body + "</svg>\n"
    }

    fn legend(&self, out: &mut String) {
        let mut x = 12.0;
        for (name, color) in self.legend {
            let color = color % N_COLORS;
            put(
                out,
                format_args!(
                    r#"<rect class="fill c{color}" x="{x:.1}" y="37" width="10" height="10" rx="2"/>"#
                ),
            );
            x += 15.0;
            put(
                out,
                format_args!(
                    r#"<text class="key" x="{x:.1}" y="46">{}</text>"#,
                    escape(name)
                ),
            );
            // No font is measured; this is a wide guess for a sans serif of twelve units.
            x += 6.6 * name.chars().count() as f64 + 16.0;
        }
    }
}

/// A mark below the x axis.
pub(super) fn x_mark(out: &mut String, x: f64, label: &str) {
    let (end, y) = (BOTTOM + 4.0, BOTTOM + 18.0);
    put(
        out,
        format_args!(r#"<path class="axis" d="M{x:.1} {BOTTOM}V{end}"/>"#),
    );
    put(
        out,
        format_args!(
            r#"<text class="mid" x="{x:.1}" y="{y}">{}</text>"#,
            escape(label)
        ),
    );
}

/// Appends to a text, which cannot fail.
pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("internal error: writing to a text");
}

/// The opening tag, the style and the title.
fn open(title: &str) -> String {
    let title = escape(title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">
<style>{STYLE}</style>
<text class="title" x="12" y="23">{title}</text>
"#
    )
}

const STYLE: &str = include_str!("chart.css");
