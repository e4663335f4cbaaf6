//! What critic and decoder make small, as functions of a logit l.
//!
//! | | critic on data | critic on what was made | decoder |
//! |---|---|---|---|
//! | hinge [lim-2017] | max(0, 1 - l) | max(0, 1 + l) | -l |
//! | nonsaturating [goodfellow-2014] | -log s(l) | -log s(-l) | -log s(l) |
//! | least squares [mao-2017] | (l - 1)^2 | l^2 | (l - 1)^2 |
//!
//! with s the logistic function.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// A pair of losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Margins of the logits.
    Hinge,
    /// Nats of the right answer.
    Nonsaturating,
    /// Squares of the distance to 1 and 0.
    LeastSquares,
}

impl Loss {
    /// The critic's loss for logits of data.
    pub fn of_data(self, logits: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Hinge => (logits.neg() + 1.0).clamp_min(0.0),
            Self::Nonsaturating => softplus(logits.neg()),
            Self::LeastSquares => (logits - 1.0).square(),
        }
    }

    /// The critic's loss for logits of what a decoder made.
    pub fn of_made(self, logits: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Hinge => (logits + 1.0).clamp_min(0.0),
            Self::Nonsaturating => softplus(logits),
            Self::LeastSquares => logits.square(),
        }
    }

    /// The decoder's loss.
    pub fn of_decoder(self, logits: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Hinge => logits.neg(),
            Self::Nonsaturating => softplus(logits.neg()),
            Self::LeastSquares => (logits - 1.0).square(),
        }
    }

    /// The least loss of a critic that gives data and what was made the same logit, mean of both.
    pub fn of_ignorance(self) -> f64 {
        match self {
            Self::Hinge => 1.0,
            Self::Nonsaturating => std::f64::consts::LN_2,
            Self::LeastSquares => 0.25,
        }
    }
}

/// log(1 + exp(l)).
fn softplus(logits: Tensor<2>) -> Tensor<2> {
    activation::softplus(logits, 1.0)
}
