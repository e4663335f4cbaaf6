//! One bar a number, side by side, from zero up or down.

use super::axis::Axis;
use super::frame::{Frame, Paper, Words, put};
use crate::text::{escape, number};

/// A chart of bars.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarChart {
    /// Above the chart, with the unit unless the y axis has a label.
    pub title: String,
    /// What is to be seen, in a sentence or two below the title.
    pub note: String,
    /// Below the bars.
    pub x_label: String,
    /// Beside the y axis, with the unit.
    pub y_label: String,
    /// Name and height of each bar; one that is not finite is left out.
    pub bars: Vec<(String, f64)>,
}

impl BarChart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        let x = Axis::over([0.0, self.bars.len().max(1) as f64], false);
        let heights = self.bars.iter().map(|bar| bar.1);
        // Room above the highest bar only: bars stand on the axis.
        let highest = heights.clone().fold(0.0, f64::max) * 1.05;
        let y = Axis::over(heights.chain([0.0, highest]), false);
        let words = Words {
            title: &self.title,
            note: &self.note,
            x_label: &self.x_label,
            y_label: &self.y_label,
            legend: Vec::new(),
        };
        let paper = Paper::of(&words);
        let frame = Frame {
            words: &words,
            paper: &paper,
            x: &x,
            y: &y,
            x_ticks: false,
        };
        let mut body = String::new();
        let slot = paper.size().0 / self.bars.len().max(1) as f64;
        // A third of the slot is left free, but thin bars need all of theirs.
        let width = (0.7 * slot).max(slot - 8.0).max(0.5);
        let longest = self.bars.iter().map(|bar| bar.0.chars().count()).max();
        let room = 7.0 * longest.unwrap_or(0) as f64 + 8.0;
        let every = (room / slot).ceil().max(1.0) as usize;
        let ground = frame.y_place(0.0).unwrap_or(0.0);
        for (bar_idx, (name, height)) in self.bars.iter().enumerate() {
            let middle = paper.left + (bar_idx as f64 + 0.5) * slot;
            if bar_idx % every == 0 {
                paper.x_mark(&mut body, middle, name);
            }
            if let Some(end) = frame.y_place(*height) {
                let (left, top, tall) =
                    (middle - 0.5 * width, end.min(ground), (end - ground).abs());
                put(
                    &mut body,
                    format_args!(
                        r#"<rect class="fill c0" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{tall:.1}" rx="1"><title>{}: {}</title></rect>"#,
                        escape(name),
                        number(*height)
                    ),
                );
            }
        }
        frame.svg(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(heights: &[f64]) -> String {
        let bars = heights.iter().enumerate();
        BarChart {
            title: "KL".into(),
            x_label: "dimension".into(),
            bars: bars.map(|(i, &x)| (i.to_string(), x)).collect(),
            ..BarChart::default()
        }
        .svg()
    }

    #[test]
    fn one_bar_a_finite_number() {
        assert_eq!(
            chart(&[1.0, 0.0, f64::NAN, 2.5]).matches("<rect").count(),
            3
        );
        assert!(chart(&[1.0, 2.5]).contains("<title>1: 2.5000</title>"));
        assert_eq!(chart(&[]).matches("<rect").count(), 0);
        assert!(!chart(&[0.0, 0.0]).contains("NaN"));
        assert!(!chart(&[-1.0, 1.0]).contains("height=\"-"));
    }

    #[test]
    fn many_bars_have_fewer_names() {
        let marks = |n: usize| chart(&vec![1.0; n]).matches("text class=\"mid\"").count();
        assert_eq!(marks(10), 11);
        assert!((8..=30).contains(&marks(512)));
    }
}
