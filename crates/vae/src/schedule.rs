//! How a weight changes over a run: constant, linear, sigmoid or cyclical.
//!
//! Time is the fraction of the training steps done, 0 to 1. In a recipe a number is a constant weight
//! and a table names the others, for example `{ kind = "linear", from = 0.0, to = 1.0, until = 0.3 }`.
//! Sources: [bowman-2016] (linear and sigmoid annealing), [fu-2019] (cyclical annealing).

use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A weight as a function of training progress.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Schedule {
    /// The same value always.
    Constant(f64),
    /// One of the moving forms.
    Moving(Moving),
}

/// The schedules that move from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Moving {
    /// Straight from `from` at the start to `to` at `until`, then constant.
    Linear {
        /// First value.
        from: f64,
        /// Last value.
        to: f64,
        /// Fraction of the run at which `to` is reached, in (0, 1].
        until: f64,
    },
    /// A logistic curve from `from` to `to`, halfway at `until / 2`, then constant.
    Sigmoid {
        /// First value.
        from: f64,
        /// Last value.
        to: f64,
        /// Fraction of the run at which `to` is reached, in (0, 1].
        until: f64,
    },
    /// `cycles` equal cycles, each linear from `from` to `to` in its first `ramp` part, then constant.
    Cyclical {
        /// Value at the start of each cycle.
        from: f64,
        /// Value at the end of each cycle.
        to: f64,
        /// Number of cycles, at least 1.
        cycles: u32,
        /// Fraction of a cycle spent rising, in (0, 1].
        ramp: f64,
    },
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because an untagged enum would not say what is wrong with a table.
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Schedule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a table with the kind of a schedule")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(value as f64))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Schedule, E> {
                Ok(Schedule::Constant(value as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Schedule, A::Error> {
                Moving::deserialize(MapAccessDeserializer::new(table)).map(Schedule::Moving)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Half-width of the logistic curve in its own units: beyond it lies 0.25 % of the step at each end, 0.5 %
/// together, by which the curve is stretched.
const SIGMOID_REACH: f64 = 6.0;

impl Schedule {
    /// The value at `progress` in [0, 1].
    pub fn at(&self, progress: f64) -> f64 {
        let mix = |from: f64, to: f64, part: f64| from + (to - from) * part;
        match *self {
            Self::Constant(value) => value,
            Self::Moving(Moving::Linear { from, to, until }) => {
                mix(from, to, (progress / until).min(1.0))
            }
            Self::Moving(Moving::Sigmoid { from, to, until }) => {
                let logistic = |t: f64| 1.0 / (1.0 + (-t).exp());
                let t = SIGMOID_REACH * (2.0 * (progress / until).min(1.0) - 1.0);
                let (low, high) = (logistic(-SIGMOID_REACH), logistic(SIGMOID_REACH));
                mix(from, to, (logistic(t) - low) / (high - low))
            }
            Self::Moving(Moving::Cyclical {
                from,
                to,
                cycles,
                ramp,
            }) => {
                if progress >= 1.0 {
                    return to;
                }
                let phase = (progress * f64::from(cycles)).fract();
                mix(from, to, (phase / ramp).min(1.0))
            }
        }
    }

    /// What is wrong with the numbers, if anything.
    pub fn fault(&self) -> Option<String> {
        let share = |name: &str, value: f64| {
            (!(value > 0.0 && value <= 1.0)).then(|| format!("{name} = {value} is not in (0, 1]"))
        };
        // Terms are written so that the loss falls with them.
        let amount = |name: &str, value: f64| {
            (value < 0.0).then(|| format!("{name}{value}: expected a number of at least 0"))
        };
        let ends = |from, to| amount("from = ", from).or_else(|| amount("to = ", to));
        match *self {
            Self::Constant(value) if !value.is_finite() => Some(format!("{value} is not finite")),
            Self::Constant(value) => amount("", value),
            Self::Moving(
                Moving::Linear { from, to, until } | Moving::Sigmoid { from, to, until },
            ) => ends(from, to).or_else(|| share("until", until)),
            Self::Moving(Moving::Cyclical { cycles: 0, .. }) => {
                Some("cycles = 0: expected at least 1".to_owned())
            }
            Self::Moving(Moving::Cyclical { from, to, ramp, .. }) => {
                ends(from, to).or_else(|| share("ramp", ramp))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_hand() {
        let read = |text: &str| -> Schedule {
            let table: toml::Table = text.parse().unwrap();
            table["w"].clone().try_into().unwrap()
        };
        let constant = read("w = 4");
        assert_eq!(constant.at(0.0), 4.0);
        let linear = read("w = { kind = 'linear', from = 0.0, to = 2.0, until = 0.5 }");
        assert_eq!(
            [0.0, 0.25, 0.5, 1.0].map(|t| linear.at(t)),
            [0.0, 1.0, 2.0, 2.0]
        );
        let sigmoid = read("w = { kind = 'sigmoid', from = 0.0, to = 1.0, until = 0.5 }");
        assert!(sigmoid.at(0.0).abs() < 1e-12 && (sigmoid.at(0.25) - 0.5).abs() < 1e-12);
        assert!((sigmoid.at(0.7) - 1.0).abs() < 1e-12 && sigmoid.at(0.05) < 0.02);
        let cyclical =
            read("w = { kind = 'cyclical', from = 0.0, to = 1.0, cycles = 4, ramp = 0.5 }");
        let at = [0.0, 0.0625, 0.125, 0.2, 0.25, 0.3125, 1.0].map(|t| cyclical.at(t));
        assert_eq!(at, [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0]);
        for bad in [
            "w = { kind = 'linear', from = 0.0, to = 1.0, until = 0.0 }",
            "w = { kind = 'cyclical', from = 0.0, to = 1.0, cycles = 0, ramp = 0.5 }",
            "w = { kind = 'linear', from = -0.1, to = 1.0, until = 0.5 }",
            "w = { kind = 'sigmoid', from = 0.0, to = -1.0, until = 0.5 }",
            "w = { kind = 'cyclical', from = 0.0, to = -1.0, cycles = 2, ramp = 0.5 }",
            "w = nan",
            "w = -1",
        ] {
            assert!(read(bad).fault().is_some(), "{bad}");
        }
        assert_eq!(linear.fault(), None);
    }
}
