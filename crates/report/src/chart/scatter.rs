//! Points of the plane, colored by class: what a latent space looks like.

use super::axis::Axis;
use super::frame::{BOTTOM, Frame, LEFT, N_COLORS, RIGHT, TOP, put};
use crate::text::escape;

/// A chart of points; both axes have the same scale, so that circles look like circles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScatterChart {
    /// Above the chart.
    pub title: String,
    /// Below the x axis.
    pub x_label: String,
    /// The points by class, in the order of their colors.
    pub classes: Vec<ScatterClass>,
}

/// The points of a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScatterClass {
    /// In the legend.
    pub name: String,
    /// Points; one that is not finite is left out.
    pub points: Vec<(f64, f64)>,
}

impl ScatterChart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let points = || self.classes.iter().flat_map(|class| &class.points);
        let x = Axis::over(points().map(|p| p.0), false).with_margin(0.04);
        let y = Axis::over(points().map(|p| p.1), false).with_margin(0.04);
        // The axis with less room for its span decides; the other is widened about its middle.
        let unit = f64::max(x.span() / (RIGHT - LEFT), y.span() / (BOTTOM - TOP));
        let widened = |axis: &Axis, length: f64| {
            let half = 0.5 * unit * length;
            Axis::over([axis.middle() - half, axis.middle() + half], false)
        };
        let (x, y) = (widened(&x, RIGHT - LEFT), widened(&y, BOTTOM - TOP));
        let legend: Vec<(String, usize)> = (self.classes.iter().enumerate())
            .map(|(color, class)| (class.name.clone(), color))
            .collect();
        let frame = Frame {
            title: &self.title,
            x_label: &self.x_label,
            x: &x,
            y: &y,
            x_ticks: true,
            legend: &legend,
        };
        let n_points = points().count();
        let size = if n_points > 2000 { 2.5 } else { 4.0 };
        let mut body = String::new();
        for (color, class) in self.classes.iter().enumerate() {
            // A line of no length with round ends is a dot: one path holds a whole class.
            let mut dots = String::new();
            for (left, top) in class.points.iter().filter_map(|&(x, y)| frame.place(x, y)) {
                put(&mut dots, format_args!("M{left:.1} {top:.1}h0"));
            }
            let (color, name) = (color % N_COLORS, escape(&class.name));
            put(
                &mut body,
                format_args!(
                    r#"<path class="dots c{color}" stroke-width="{size}" stroke-opacity="0.75" d="{dots}"><title>{name}</title></path>"#
                ),
            );
        }
        frame.svg(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_point_is_drawn_at_one_scale() {
        let class = |name: &str, points: &[(f64, f64)]| ScatterClass {
            name: name.into(),
            points: points.to_vec(),
        };
        let chart = ScatterChart {
            title: "Latent space".into(),
            x_label: "first dimension".into(),
            classes: vec![
                class("0", &[(0.0, 0.0), (1.0, 0.0), (f64::NAN, 1.0)]),
                class("<1>", &[(0.0, 1.0)]),
            ],
        };
        let svg = chart.svg();
        assert_eq!(svg.matches("h0").count(), 3);
        assert!(svg.contains("&lt;1&gt;"));
        let place = |n: usize| {
            let text = svg.split("h0").nth(n).unwrap().rsplit('M').next().unwrap();
            let (x, y) = text.split_once(' ').unwrap();
            (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
        };
        let (origin, right, up) = (place(0), place(1), place(2));
        assert!((right.0 - origin.0 - (origin.1 - up.1)).abs() < 0.3);
        assert!(!ScatterChart::default().svg().contains("NaN"));
    }
}
