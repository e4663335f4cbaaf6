//! Points and curves of the plane: what a latent space looks like, the ellipses of a density.

use super::axis::Axis;
use super::frame::{Frame, Key, N_COLORS, Paper, Style, Words, put};
use super::lines::{Series, band, dots, draw};
use crate::text::escape;

/// A chart of points and curves; both axes have the same scale, so that circles look like circles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScatterChart {
    /// Above the chart.
    pub title: String,
    /// What is to be seen, in a sentence or two below the title.
    pub note: String,
    /// Below the x axis.
    pub x_label: String,
    /// Beside the y axis.
    pub y_label: String,
    /// The points by class, in the order of their colors.
    pub classes: Vec<ScatterClass>,
    /// Curves above the points; their colors follow those of the classes.
    pub curves: Vec<Series>,
}

/// The points of a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScatterClass {
    /// In the legend.
    pub name: String,
    /// Points; one that is not finite is left out.
    pub points: Vec<(f64, f64)>,
}

impl ScatterClass {
    /// A class of points.
    pub fn new(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            name: name.to_owned(),
            points: points.into_iter().collect(),
        }
    }
}

impl ScatterChart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let points = || {
            let of_classes = self.classes.iter().flat_map(|class| &class.points);
            of_classes
                .copied()
                .chain(self.curves.iter().flat_map(Series::extent))
        };
        let of_class = |(color, class): (usize, &ScatterClass)| Key {
            name: class.name.clone(),
            color,
            style: Style::Dots,
        };
        let of_curve = |(place, curve): (usize, &Series)| Key {
            name: curve.name.clone(),
            color: curve.color.unwrap_or(self.classes.len() + place),
            style: curve.style,
        };
        let keys = self.classes.iter().enumerate().map(of_class);
        let keys = keys.chain(self.curves.iter().enumerate().map(of_curve));
        let words = Words {
            title: &self.title,
            note: &self.note,
            x_label: &self.x_label,
            y_label: &self.y_label,
            legend: keys.filter(|key| !key.name.is_empty()).collect(),
        };
        let paper = Paper::of(&words);
        let x = Axis::over(points().map(|p| p.0), false).with_margin(0.04);
        let y = Axis::over(points().map(|p| p.1), false).with_margin(0.04);
        // The axis with less room for its span decides; the other is widened about its middle.
        let (width, height) = paper.size();
        let unit = f64::max(x.span() / width, y.span() / height);
        let widened = |axis: &Axis, length: f64| {
            let half = 0.5 * unit * length;
            Axis::over([axis.middle() - half, axis.middle() + half], false)
        };
        let (x, y) = (widened(&x, width), widened(&y, height));
        let frame = Frame {
            words: &words,
            paper: &paper,
            x: &x,
            y: &y,
            x_ticks: true,
        };
        let n_points: usize = self.classes.iter().map(|class| class.points.len()).sum();
        let size = if n_points > 2000 { 2.5 } else { 4.0 };
        let mut body = String::new();
        for (color, class) in self.classes.iter().enumerate() {
            let dots = dots(&frame, &class.points);
            let (color, name) = (color % N_COLORS, escape(&class.name));
            put(
                &mut body,
                format_args!(
                    r#"<path class="dots c{color}" stroke-width="{size}" stroke-opacity="0.75" d="{dots}"><title>{name}</title></path>"#
                ),
            );
        }
        for (place, curve) in self.curves.iter().enumerate() {
            band(&mut body, &frame, curve, self.classes.len() + place);
            draw(&mut body, &frame, curve, self.classes.len() + place);
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
            ..ScatterChart::default()
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
    #[test]
    fn curves_are_drawn_above_points_and_fit_in() {
        let turn = |i: i32| f64::from(i) * std::f64::consts::TAU / 100.0;
        let circle = (0..=100).map(|i| (9.0 * turn(i).cos(), 9.0 * turn(i).sin()));
        let chart = ScatterChart {
            classes: vec![ScatterClass::new("draws", [(0.0, 0.0)])],
            curves: vec![Series::dashed("circle", circle)],
            ..ScatterChart::default()
        };
        let svg = chart.svg();
        let path = svg.split("line c1 dashed\" d=\"").nth(1);
        let path = path.unwrap().split('"').next().unwrap();
        assert_eq!(path.matches('L').count(), 100);
        let places = path.split(['M', 'L']).skip(1).map(|place| {
            let (x, y) = place.split_once(' ').unwrap();
            (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
        });
        let (mut wide, mut tall) = (Vec::new(), Vec::new());
        for (x, y) in places {
            wide.push(x);
            tall.push(y);
        }
        let span = |x: &[f64]| {
            let over = |f: fn(f64, f64) -> f64, from| x.iter().copied().fold(from, f);
            over(f64::max, f64::MIN) - over(f64::min, f64::MAX)
        };
        assert!((span(&wide) - span(&tall)).abs() < 0.3);
        // The data's rectangle is 198 high; a margin of 4 % stays free at both ends.
        assert!(span(&tall) > 170.0 && span(&tall) < 198.0);
        assert!(svg.find(">circle<") > svg.find(">draws<"));
    }
}
