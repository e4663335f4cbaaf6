//! The scale of a Gaussian or Laplace likelihood: a number, one learned number, or one per value.
//!
//! A learned scale removes the hand-tuned weight between reconstruction and KL ([rybkin-2021]).
//! Log scales are bounded below smoothly, which keeps the density bounded on constant pixels.

use crate::recipe::RecipeError;
use burn::tensor::{Tensor, activation};
use jensen_nets::{Builder, Handle, Init, Params};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Lower bound of log scales: a scale of 0.0025, which is 0.63 of a grey level of 8-bit images on [0, 1].
const MIN_LOG_SCALE: f32 = -6.0;

/// Options of a likelihood with a location and a scale.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Options {
    /// `"shared"` (one learned number), `"per_value"` (decoder output), or a fixed positive number.
    pub(super) scale: Choice,
}

/// A scale as a recipe says it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Choice {
    Fixed(f64),
    Named(String),
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because an untagged enum would not say what is expected.
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Choice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"shared\", \"per_value\" or a number")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Choice, E> {
                Ok(Choice::Fixed(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Choice, E> {
                Ok(Choice::Fixed(value as f64))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Choice, E> {
                Ok(Choice::Named(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scale: Choice::Named("shared".to_owned()),
        }
    }
}

/// Where the scale comes from.
pub(super) enum Scale {
    Fixed(f64),
    Shared(Handle<2>),
    PerValue,
}

impl Scale {
    pub(super) fn new(options: &Options, builder: &mut Builder) -> Result<Self, RecipeError> {
        match &options.scale {
            Choice::Fixed(scale) if *scale > 0.0 => Ok(Self::Fixed(*scale)),
            Choice::Fixed(scale) => Err(RecipeError::value(
                "likelihood",
                format!("scale = {scale}: a scale is positive"),
            )),
            Choice::Named(name) => match name.as_str() {
                "shared" => {
                    let start = Init::Constant(0.0);
                    Ok(Self::Shared(builder.register(
                        "raw_log_scale",
                        [1, 1],
                        start,
                    )))
                }
                "per_value" => Ok(Self::PerValue),
                other => Err(RecipeError::value(
                    "likelihood",
                    format!("scale = \"{other}\": expected \"shared\", \"per_value\" or a number"),
                )),
            },
        }
    }

    pub(super) fn n_params(&self) -> usize {
        match self {
            Self::Fixed(_) | Self::Shared(_) => 1,
            Self::PerValue => 2,
        }
    }

    /// Location `[R, P]` and log scale `[R, P]` or `[1, 1]`.
    pub(super) fn split(&self, params: &Params, outputs: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match self {
            Self::Fixed(scale) => {
                let log_scale = Tensor::full([1, 1], scale.ln(), &outputs.device());
                (outputs, log_scale)
            }
            Self::Shared(handle) => (outputs, bounded(params.get(*handle))),
            Self::PerValue => {
                let mut planes = super::planes(outputs, 2);
                let raw = planes.pop().expect("internal error: two planes");
                let location = planes.pop().expect("internal error: two planes");
                (location, bounded(raw))
            }
        }
    }
}

/// A smooth lower bound: the identity far above it.
fn bounded(raw: Tensor<2>) -> Tensor<2> {
    activation::softplus(raw - MIN_LOG_SCALE, 1.0) + MIN_LOG_SCALE
}
