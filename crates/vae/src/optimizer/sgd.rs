//! Stochastic gradient descent with momentum: v = mu v + g, w = w - lr v, with v = g in the first step.
//!
//! Source: [robbins-1951]; momentum after [polyak-1964]. Differences from the papers: the rate multiplies
//! the velocity, not the gradient in it, so a change of the rate acts on all of it at once.

use super::Rule;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::optim::SgdConfig;
use burn::optim::momentum::MomentumConfig;
use serde::{Deserialize, Serialize};

/// Options of gradient descent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Learning rate, per step.
    pub lr: f64,
    /// Momentum, in [0, 1); 0 turns it off.
    pub momentum: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            momentum: 0.9,
        }
    }
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "sgd",
    about: "gradient descent with momentum",
    defaults: part::defaults::<Options>,
    build: |table, place| {
        let options: Options = part::options(table, place)?;
        if !(0.0..1.0).contains(&options.momentum) {
            return Err(RecipeError::value(place, "momentum is in [0, 1)"));
        }
        let momentum = (options.momentum > 0.0).then(|| {
            MomentumConfig::new()
                .with_momentum(options.momentum)
                .with_dampening(0.0)
        });
        let rule = SgdConfig::new().with_momentum(momentum).build();
        Ok(Box::new(Rule::new(rule, options.lr, place)?))
    },
};
