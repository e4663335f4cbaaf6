//! Adam, fused and in place; with `weight_decay` the decoupled form (AdamW).
//!
//! Sources: [kingma-2015], Algorithm 1; [loshchilov-2019], Algorithm 2.

use super::Rule;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use jensen_kernels as kernels;
use serde::{Deserialize, Serialize};

/// Options of Adam.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Learning rate, per step.
    pub lr: f64,
    /// Decay of the first moment, in [0, 1).
    pub beta_1: f64,
    /// Decay of the second moment, in [0, 1).
    pub beta_2: f64,
    /// Added to the root of the second moment, in units of the gradient; above 0.
    pub epsilon: f64,
    /// Decoupled weight decay per unit of learning rate; 0 turns it off.
    pub weight_decay: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "adam",
    about: "adaptive moments; AdamW with weight_decay",
    defaults: part::defaults::<Options>,
    build: |table, place| {
        let o: Options = part::options(table, place)?;
        let decay = |beta: f64| (0.0..1.0).contains(&beta);
        let refuse = |message: String| Err(RecipeError::value(place, message));
        if !decay(o.beta_1) || !decay(o.beta_2) {
            return refuse(format!(
                "beta_1 = {}, beta_2 = {}: expected numbers in [0, 1)",
                o.beta_1, o.beta_2
            ));
        }
        // A gradient that has been zero so far would be divided by zero. The kernel computes in f32.
        if o.epsilon as f32 <= 0.0 {
            return refuse(format!(
                "epsilon = {:e}: expected a number above 0, such as 1e-8",
                o.epsilon
            ));
        }
        if o.weight_decay < 0.0 {
            return refuse(format!(
                "weight_decay = {}: expected a number of at least 0",
                o.weight_decay
            ));
        }
        let rule = kernels::Adam {
            beta_1: o.beta_1,
            beta_2: o.beta_2,
            epsilon: o.epsilon,
            weight_decay: o.weight_decay,
        };
        Ok(Box::new(Rule::new(rule, o.lr, place)?))
    },
};
