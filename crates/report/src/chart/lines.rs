//! Values over steps, one line a series.

use super::axis::Axis;
use super::frame::{Frame, Key, N_COLORS, Paper, RIGHT, Style, Words, put, ring};
use crate::text::{escape, number};

/// A chart of lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineChart {
    /// Above the chart, with the unit unless the y axis has a label.
    pub title: String,
    /// What is to be seen, in a sentence or two below the title.
    pub note: String,
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis, with the unit.
    pub y_label: String,
    /// The lines, in the order of their colors; a later one lies above an earlier one.
    pub series: Vec<Series>,
    /// Logarithmic x axis; points at or below zero are not drawn.
    pub log_x: bool,
    /// Logarithmic y axis; points at or below zero are not drawn.
    pub log_y: bool,
    /// Fits the y axis to what follows the first twentieth of the x axis where the beginning would
    /// flatten the rest; the chart says so.
    pub focus: bool,
    /// Whether the legend adds the last value of every line.
    pub last_values: bool,
}

/// A line, or points, with a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// In the legend; a line without a name is not there.
    pub name: String,
    /// Points from left to right; a value that is not finite interrupts the line.
    pub points: Vec<(f64, f64)>,
    /// How they are drawn.
    pub style: Style,
    /// A band behind the line from left to right: x, its lower and its upper end.
    pub band: Vec<(f64, f64, f64)>,
    /// Its color, one of ten; by default that of its place in the chart.
    pub color: Option<usize>,
}

impl LineChart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(Series::extent);
        let x = Axis::over(points().map(|p| p.0), self.log_x).begun_at_zero();
        let full = Axis::over(points().map(|p| p.1), self.log_y);
        let settled = points().filter(|p| x.place(p.0).is_some_and(|place| place >= 0.05));
        let settled = Axis::over(settled.map(|p| p.1), self.log_y);
        let focused = self.focus && !self.log_y && full.span() > 3.0 * settled.span();
        let y = if focused { settled } else { full }.with_margin(0.06);
        let key = |(place, series): (usize, &Series)| Key {
            name: match series.points.last() {
                Some(&(_, last)) if self.last_values => {
                    format!("{} {}", series.name, number(last))
                }
                _ => series.name.clone(),
            },
            color: series.color.unwrap_or(place),
            style: series.style,
        };
        let named = self.series.iter().enumerate();
        let named = named.filter(|(_, series)| !series.name.is_empty());
        let words = Words {
            title: &self.title,
            note: &self.note,
            x_label: &self.x_label,
            y_label: &self.y_label,
            legend: named.map(key).collect(),
        };
        let paper = Paper::of(&words);
        let frame = Frame {
            words: &words,
            paper: &paper,
            x: &x,
            y: &y,
            x_ticks: true,
        };
        let mut body = String::new();
        for (place, series) in self.series.iter().enumerate() {
            band(&mut body, &frame, series, place);
        }
        for (place, series) in self.series.iter().enumerate() {
            draw(&mut body, &frame, series, place);
        }
        let mut body = paper.cut(&body);
        if focused {
            let (x, y) = (RIGHT, paper.top - 12.0);
            put(
                &mut body,
                format_args!(
                    r#"<text class="end note" x="{x}" y="{y}">the first steps lie outside</text>"#
                ),
            );
        }
        frame.svg(&body)
    }
}

impl Series {
    /// A line through points.
    pub fn line(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            name: name.to_owned(),
            points: points.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A broken line through points.
    pub fn dashed(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            style: Style::Dashed,
            ..Self::line(name, points)
        }
    }

    /// Points alone.
    pub fn dots(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            style: Style::Dots,
            ..Self::line(name, points)
        }
    }

    /// Rings around points.
    pub fn rings(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            style: Style::Rings,
            ..Self::line(name, points)
        }
    }

    /// The same in one of ten colors.
    pub fn with_color(self, color: usize) -> Self {
        Self {
            color: Some(color),
            ..self
        }
    }

    /// The same with a band: x, its lower and its upper end.
    pub fn with_band(self, band: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        Self {
            band: band.into_iter().collect(),
            ..self
        }
    }

    /// Everything that the axes have to show.
    pub(super) fn extent(&self) -> impl Iterator<Item = (f64, f64)> {
        let ends = self.band.iter();
        let ends = ends.flat_map(|&(x, low, high)| [(x, low), (x, high)]);
        self.points.iter().copied().chain(ends)
    }
}

/// Draws the band of a series.
pub(super) fn band(out: &mut String, frame: &Frame<'_>, series: &Series, place: usize) {
    let color = series.color.unwrap_or(place) % N_COLORS;
    let upper = series.band.iter().map(|&(x, _, high)| (x, high));
    let lower = series.band.iter().rev().map(|&(x, low, _)| (x, low));
    let mut path = String::new();
    for (left, top) in upper.chain(lower).filter_map(|(x, y)| frame.place(x, y)) {
        let command = if path.is_empty() { 'M' } else { 'L' };
        put(&mut path, format_args!("{command}{left:.1} {top:.1}"));
    }
    if !path.is_empty() {
        put(
            out,
            format_args!(r#"<path class="fill band c{color}" d="{path}z"/>"#),
        );
    }
}

/// Draws one line, and dots where there are few points.
pub(super) fn draw(out: &mut String, frame: &Frame<'_>, series: &Series, place: usize) {
    let color = series.color.unwrap_or(place) % N_COLORS;
    let points = thin(&series.points);
    let name = escape(&series.name);
    // Many points are often noisy; a thinner line lets the others be seen.
    let (kind, path) = match series.style {
        Style::Dots => ("", String::new()),
        Style::Dashed => (" dashed", path(frame, &points)),
        Style::Rings => ("", rings(frame, &points)),
        Style::Line if points.len() > 10 * FEW => (" dense", path(frame, &points)),
        Style::Line => ("", path(frame, &points)),
    };
    if series.style != Style::Dots {
        put(
            out,
            format_args!(
                r#"<path class="line c{color}{kind}" d="{path}"><title>{name}</title></path>"#
            ),
        );
    }
    if series.style == Style::Dots || (series.style == Style::Line && points.len() <= FEW) {
        let dots = dots(frame, &points);
        put(
            out,
            format_args!(r#"<path class="dots c{color}" stroke-width="5" d="{dots}"/>"#),
        );
    }
}

/// The path of a line, interrupted where a point cannot be shown.
fn path(frame: &Frame<'_>, points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for &(x, y) in points {
        let Some((left, top)) = frame.place(x, y) else {
            pen_down = false;
            continue;
        };
        let command = if pen_down { 'L' } else { 'M' };
        put(&mut path, format_args!("{command}{left:.1} {top:.1}"));
        pen_down = true;
    }
    path
}

/// The path of dots: a line of no length with round ends is one, so that one path holds them all.
pub(super) fn dots(frame: &Frame<'_>, points: &[(f64, f64)]) -> String {
    let mut dots = String::new();
    for (left, top) in points.iter().filter_map(|&(x, y)| frame.place(x, y)) {
        put(&mut dots, format_args!("M{left:.1} {top:.1}h0"));
    }
    dots
}

/// The path of rings around points.
fn rings(frame: &Frame<'_>, points: &[(f64, f64)]) -> String {
    let places = points.iter().filter_map(|&(x, y)| frame.place(x, y));
    places.map(|(left, top)| ring(left, top)).collect()
}

/// Up to this many points of a line are marked by dots.
const FEW: usize = 30;

/// As many groups of points are drawn; about one for each unit of the chart's width.
const MAX_GROUPS: usize = 480;

/// At most two points a group, its lowest and its highest, so that no spike is lost.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * MAX_GROUPS {
        return points.to_vec();
    }
    let mut thinned = Vec::with_capacity(2 * MAX_GROUPS);
    for group in points.chunks(points.len().div_ceil(MAX_GROUPS)) {
        // A gap in the values stays a gap.
        if let Some(gap) = group.iter().find(|p| !p.1.is_finite()) {
            thinned.push(*gap);
        }
        let finite = || (0..group.len()).filter(|&i| group[i].1.is_finite());
        let by_value = |&i: &usize, &j: &usize| group[i].1.total_cmp(&group[j].1);
        if let (Some(low), Some(high)) = (finite().min_by(by_value), finite().max_by(by_value)) {
            thinned.push(group[low.min(high)]);
            if low != high {
                thinned.push(group[low.max(high)]);
            }
        }
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> LineChart {
        LineChart {
            title: "ELBO <nats>".into(),
            series: vec![Series::line("train & co", points)],
            last_values: true,
            ..LineChart::default()
        }
    }

    #[test]
    fn texts_are_escaped_and_last_values_shown() {
        let svg = chart(vec![(0.0, -3.0), (1.0, -1.5)]).svg();
        assert!(svg.contains("ELBO &lt;nats&gt;") && svg.contains("train &amp; co −1.5000"));
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_value_that_is_not_finite_interrupts_the_line() {
        let svg = chart(vec![
            (0.0, 1.0),
            (1.0, 2.0),
            (2.0, f64::NAN),
            (3.0, 1.0),
            (4.0, 2.0),
        ])
        .svg();
        let path = svg.split("line c0\" d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 2);
        assert_eq!(path.matches('L').count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_steep_beginning_does_not_flatten_the_rest() {
        let points: Vec<_> = (0..200)
            .map(f64::from)
            .map(|x| (x, -500.0 * (-x).exp() - 20.0 - 100.0 / (x + 20.0)))
            .collect();
        let steep = LineChart {
            focus: true,
            ..chart(points.clone())
        };
        assert!(steep.svg().contains("first steps lie outside"));
        assert!(!chart(points).svg().contains("first steps lie outside"));
        let gentle = LineChart {
            focus: true,
            ..chart((0..200).map(|i| (f64::from(i), f64::from(i))).collect())
        };
        assert!(!gentle.svg().contains("first steps lie outside"));
    }

    #[test]
    fn long_lines_are_thinned_without_losing_a_spike() {
        let mut points: Vec<_> = (0..100_000)
            .map(|i| (f64::from(i), f64::from(i % 7)))
            .collect();
        points[54_321].1 = 1000.0;
        points[77_777].1 = f64::NAN;
        let thinned = thin(&points);
        assert!(thinned.len() <= 3 * MAX_GROUPS);
        assert!(thinned.contains(&(54_321.0, 1000.0)));
        assert!(thinned.iter().any(|p| p.1.is_nan()));
        assert!(chart(points).svg().len() < 50_000);
    }

    #[test]
    fn bands_and_styles_are_drawn_and_seen_by_the_axes() {
        let points = [(0.0, 1.0), (1.0, 2.0)];
        let svg = LineChart {
            y_label: "nats".into(),
            note: "The band is <wide>.".into(),
            series: vec![
                Series::dashed("", points)
                    .with_band([(0.0, -90.0, 90.0), (1.0, f64::NAN, 1.0)])
                    .with_color(3),
                Series::dots("draws", points),
                Series::rings("marked", points),
            ],
            ..LineChart::default()
        }
        .svg();
        // Upper ends from left to right, lower ends back; the one that is not a number is left out.
        let band = svg.split("fill band c3\" d=\"").nth(1).unwrap();
        assert_eq!(band.split('"').next().unwrap().matches('L').count(), 2);
        assert!(svg.contains("line c3 dashed") && svg.contains("50</text>"));
        // Two rings and the one of the legend.
        assert_eq!(svg.matches("a5 5 0 1 0 10 0").count(), 3);
        // A series of dots has no line, and no last value unless asked for.
        assert!(!svg.contains("line c1") && svg.contains(">draws<"));
        assert!(svg.contains("&lt;wide&gt;") && svg.contains("rotate(-90)\">nats<"));
    }

    #[test]
    fn nothing_to_draw_is_no_fault() {
        for points in [vec![], vec![(1.0, f64::NAN)], vec![(5.0, 5.0)]] {
            for log in [false, true] {
                let svg = LineChart {
                    log_x: log,
                    log_y: log,
                    focus: true,
                    ..chart(points.clone())
                };
                assert!(!svg.svg().contains("NaN"));
            }
        }
    }
}
