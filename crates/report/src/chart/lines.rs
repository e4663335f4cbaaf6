//! Values over steps, one line a series.

use super::axis::Axis;
use super::frame::{BOTTOM, Frame, LEFT, N_COLORS, RIGHT, TOP, put};
use crate::text::{escape, number};

/// A chart of lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineChart {
    /// Above the chart, with the unit.
    pub title: String,
    /// Below the x axis.
    pub x_label: String,
    /// The lines, in the order of their colors.
    pub series: Vec<Series>,
    /// Logarithmic x axis; points at or below zero are not drawn.
    pub log_x: bool,
    /// Logarithmic y axis; points at or below zero are not drawn.
    pub log_y: bool,
    /// Fits the y axis to what follows the first twentieth of the x axis where the beginning would
    /// flatten the rest; the chart says so.
    pub focus: bool,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// In the legend, which adds the last value.
    pub name: String,
    /// Points from left to right; a value that is not finite interrupts the line.
    pub points: Vec<(f64, f64)>,
}

impl LineChart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::over(points().map(|p| p.0), self.log_x).begun_at_zero();
        let full = Axis::over(points().map(|p| p.1), self.log_y);
        let settled = points().filter(|p| x.place(p.0).is_some_and(|place| place >= 0.05));
        let settled = Axis::over(settled.map(|p| p.1), self.log_y);
        let focused = self.focus && !self.log_y && full.span() > 3.0 * settled.span();
        let y = if focused { settled } else { full }.with_margin(0.06);
        let legend: Vec<(String, usize)> = (self.series.iter().enumerate())
            .map(|(color, series)| match series.points.last() {
                Some(&(_, last)) => (format!("{} {}", series.name, number(last)), color),
                None => (series.name.clone(), color),
            })
            .collect();
        let frame = Frame {
            title: &self.title,
            x_label: &self.x_label,
            x: &x,
            y: &y,
            x_ticks: true,
            legend: &legend,
        };
        let mut body = String::new();
        // A nested picture cuts off what lies outside, without a name that could clash.
        let (width, height) = (RIGHT - LEFT + 8.0, BOTTOM - TOP + 4.0);
        let (left, top) = (LEFT - 4.0, TOP - 2.0);
        put(
            &mut body,
            format_args!(
                r#"<svg x="{left}" y="{top}" width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">"#
            ),
        );
        for (color, series) in self.series.iter().enumerate() {
            draw(&mut body, &frame, series, color % N_COLORS);
        }
        body += "</svg>\n";
        if focused {
            let (x, y) = (RIGHT, TOP - 12.0);
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

/// Draws one line, and dots where there are few points.
fn draw(out: &mut String, frame: &Frame<'_>, series: &Series, color: usize) {
    let mut path = String::new();
    let mut dots = String::new();
    let mut pen_down = false;
    let points = thin(&series.points);
    for &(x, y) in &points {
        let Some((left, top)) = frame.place(x, y) else {
            pen_down = false;
            continue;
        };
        // Far outside the frame a place would need needless digits.
        let top = top.clamp(-9999.0, 9999.0);
        let command = if pen_down { 'L' } else { 'M' };
        put(&mut path, format_args!("{command}{left:.1} {top:.1}"));
        put(&mut dots, format_args!("M{left:.1} {top:.1}h0"));
        pen_down = true;
    }
    let name = escape(&series.name);
    // Many points are often noisy; a thinner line lets the others be seen.
    let dense = if points.len() > 10 * FEW {
        " dense"
    } else {
        ""
    };
    put(
        out,
        format_args!(
            r#"<path class="line c{color}{dense}" d="{path}"><title>{name}</title></path>"#
        ),
    );
    if points.len() <= FEW {
        put(
            out,
            format_args!(r#"<path class="dots c{color}" stroke-width="5" d="{dots}"/>"#),
        );
    }
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
            series: vec![Series {
                name: "train & co".into(),
                points,
            }],
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
