//! From values to places on paper, and the round values that deserve a mark.

/// One direction of a chart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

impl Axis {
    /// An axis that shows all `values` that can be shown; a logarithmic one only those above zero.
    pub(super) fn over(values: impl IntoIterator<Item = f64>, log: bool) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for x in values {
            if x.is_finite() && (!log || x > 0.0) {
                low = low.min(x);
                high = high.max(x);
            }
        }
        if low > high {
            (low, high) = if log { (1.0, 10.0) } else { (0.0, 1.0) };
        } else if low == high {
            // A constant gets room above and below.
            (low, high) = match (log, low) {
                (true, x) => (x / 2.0, x * 2.0),
                (false, 0.0) => (-1.0, 1.0),
                (false, x) => (x - 0.1 * x.abs(), x + 0.1 * x.abs()),
            };
        }
        Self { low, high, log }
    }

    /// The same axis, begun at zero where it begins shortly after.
    pub(super) fn begun_at_zero(self) -> Self {
        let low = if !self.log && self.low > 0.0 && self.low < 0.1 * self.high {
            0.0
        } else {
            self.low
        };
        Self { low, ..self }
    }

    /// The same axis with a margin of this part of its length at both ends.
    pub(super) fn with_margin(self, part: f64) -> Self {
        if self.log {
            let factor = (self.high / self.low).powf(part);
            Self {
                low: self.low / factor,
                high: self.high * factor,
                log: true,
            }
        } else {
            let margin = (self.high - self.low) * part;
            Self {
                low: self.low - margin,
                high: self.high + margin,
                log: false,
            }
        }
    }

    /// Length in the axis' own units.
    pub(super) fn span(&self) -> f64 {
        self.high - self.low
    }

    /// The middle, in the axis' own units.
    pub(super) fn middle(&self) -> f64 {
        self.low + 0.5 * self.span()
    }

    /// Whether a value lies on the axis.
    pub(super) fn holds(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }

    /// Where a value lies: 0 at the low end, 1 at the high end; none where it cannot be shown.
    pub(super) fn place(&self, x: f64) -> Option<f64> {
        let place = if self.log {
            (x / self.low).ln() / (self.high / self.low).ln()
        } else {
            (x - self.low) / self.span()
        };
        place.is_finite().then_some(place)
    }

    /// Round values on the axis, about `n` of them.
    pub(super) fn ticks(&self, n: usize) -> Vec<Tick> {
        if self.log {
            self.log_ticks(n)
        } else {
            self.linear_ticks(n)
        }
    }

    fn linear_ticks(&self, n: usize) -> Vec<Tick> {
        let rough = self.span() / n as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|digit| digit * power)
            .into_iter()
            .find(|step| self.span() / step <= n as f64 + 0.5)
            .unwrap_or(10.0 * power);
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        let first = (self.low / step).ceil();
        (0..=2 * n)
            .map(|i| (first + i as f64) * step)
            .take_while(|&value| value <= self.high + 1e-9 * step)
            .map(|value| Tick {
                value,
                label: label(value, decimals, self.low.abs().max(self.high.abs())),
            })
            .collect()
    }

    fn log_ticks(&self, n: usize) -> Vec<Tick> {
        let (first, last) = (
            self.low.log10().floor() as i32,
            self.high.log10().ceil() as i32,
        );
        let digits: &[f64] = if last - first > 3 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let every = ((last - first) as usize).div_ceil(n.max(1)).max(1) as i32;
        (first..=last)
            .filter(|power| power % every == 0)
            .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
            .filter(|&value| self.holds(value))
            .map(|value| {
                let decimals = (-value.log10().floor()).clamp(0.0, 12.0) as usize;
                Tick {
                    value,
                    label: label(value, decimals, value),
                }
            })
            .collect()
    }
}

/// A short label with a true minus sign: `1.5`, `20k`, `3M`, `2e-6`.
fn label(value: f64, decimals: usize, largest: f64) -> String {
    let size = value.abs();
    let (divisor, unit) = match largest {
        x if x >= 1e6 => (1e6, "M"),
        x if x >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let text = if largest >= 1e10 || (largest < 1e-4 && size > 0.0) {
        let text = format!("{size:.2e}");
        let (digits, power) = text.split_once('e').expect("internal error: no exponent");
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        format!("{digits}e{}", power.replace('-', "−"))
    } else if divisor > 1.0 {
        let text = format!("{:.3}", size / divisor);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if size == 0.0 {
            text.to_owned()
        } else {
            format!("{text}{unit}")
        }
    } else {
        format!("{size:.decimals$}")
    };
    let is_zero = !text.contains(|c: char| ('1'..='9').contains(&c));
    if value < 0.0 && !is_zero {
        format!("−{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, log: bool) -> Vec<String> {
        let ticks = Axis::over([low, high], log).ticks(5);
        ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn round_values() {
        for (low, high, log, expected) in [
            (0.0, 10.0, false, "0 2 4 6 8 10"),
            (-31.4, -21.9, false, "−30 −28 −26 −24 −22"),
            (-0.25, 0.25, false, "−0.2 −0.1 0.0 0.1 0.2"),
            (0.0, 4690.0, false, "0 1000 2000 3000 4000"),
            (0.0, 25_000.0, false, "0 5k 10k 15k 20k 25k"),
            (0.0, 2.5e6, false, "0 0.5M 1M 1.5M 2M 2.5M"),
            (0.001, 10.0, true, "0.001 0.01 0.1 1 10"),
            (3.0, 70.0, true, "5 10 20 50"),
        ] {
            assert_eq!(labels(low, high, log).join(" "), expected);
        }
    }

    #[test]
    fn odd_ranges() {
        assert_eq!(Axis::over([], false).place(0.5), Some(0.5));
        assert_eq!(
            Axis::over([f64::NAN, f64::INFINITY], false).ticks(5).len(),
            6
        );
        assert_eq!(Axis::over([-3.0], false).place(-3.0), Some(0.5));
        assert_eq!(Axis::over([0.0], false).place(0.0), Some(0.5));
        assert_eq!(Axis::over([-1.0, 0.0, 4.0], true).place(4.0), Some(0.5));
        assert_eq!(Axis::over([1.0, 100.0], true).place(0.0), None);
        for power in [-300, -12, 0, 12, 300] {
            let x = 10f64.powi(power);
            for log in [false, true] {
                let axis = Axis::over([x, 3.7 * x], log);
                let ticks = axis.ticks(5);
                assert!((2..=12).contains(&ticks.len()), "{power} {log} {ticks:?}");
                assert!(ticks.iter().all(|tick| tick.label.len() < 12));
            }
        }
    }

    #[test]
    fn the_margin_is_the_same_at_both_ends() {
        for log in [false, true] {
            let axis = Axis::over([2.0, 8.0], log).with_margin(0.1);
            let (low, high) = (axis.place(2.0).unwrap(), axis.place(8.0).unwrap());
            assert!((low - 0.1 / 1.2).abs() < 1e-12 && (1.0 - high - low).abs() < 1e-12);
        }
    }
}
