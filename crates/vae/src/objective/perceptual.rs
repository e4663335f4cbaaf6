//! Perceptual distance: data and reconstructions compared by the features of a network that knows classes of them.
//!
//! ```text
//! sum over layers of the mean over places of |u(f(x)) - u(f(y))|^2,  u(f) = f / |f|
//! ```
//!
//! with f the channels at a place and |f| their length. Source: [zhang-2018], equation 1, with all its channel weights
//! 1 and the classifier of the data's own labels ([`crate::features`]) in place of a network trained on photographs. Its
//! layers are stored with the model and not trained.

use super::output::{Kind, OutputContext, OutputTerm, at_border, carry};
use crate::features::{Layers, to_unit};
use crate::ledger::{Ledger, Role};
use crate::likelihood::DataFacts;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Options of the perceptual distance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Factor in the loss. The distance is some tenths of a layer whatever the size of the image, and
    /// a log-likelihood a sum over values: a weight of the order of their number makes both count.
    pub weight: Schedule,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight: Schedule::Constant(1.0),
        }
    }
}

/// Added to squared lengths.
const EPSILON: f64 = 1e-10;
/// Name of the layers among the parameters.
const LAYERS: &str = "features";

struct Perceptual {
    weight: Schedule,
    layers: Layers,
    facts: DataFacts,
    path: String,
}

pub(super) const ENTRY: Entry<Kind> = Entry {
    kind: "perceptual",
    about: "distance of reconstructions by the layers of a classifier of the data's labels",
    defaults: part::defaults::<Options>,
    build: Kind {
        optimizer: None,
        build: |table, place, site, builder| {
            let options: Options = part::options(table, place)?;
            if let Some(fault) = options.weight.fault() {
                return Err(RecipeError::value(place, format!("weight: {fault}")));
            }
            let (path, layers) =
                builder.within(LAYERS, |b| b.fixed(|b| Layers::new(b, site.layout)));
            let layers = layers.ok_or_else(|| {
                RecipeError::value(
                    place,
                    "this term compares images, and these data are vectors",
                )
            })?;
            Ok(Box::new(Perceptual {
                weight: options.weight,
                layers,
                facts: site.facts.clone(),
                path,
            }))
        },
    },
};

impl OutputTerm for Perceptual {
    fn add(&self, context: &OutputContext<'_>, ledger: &mut Ledger) {
        let weight = self.weight.at(context.progress);
        let frozen = context.params.frozen();
        let maps = |x| self.layers.maps(&frozen, to_unit(x, &self.facts));
        let wanted = maps(context.x_of_samples());
        let (values, gradient) = at_border(&context.outputs, |outputs| {
            let found = maps(context.likelihood.mean(&frozen, outputs));
            let each = wanted.into_iter().zip(found).map(|(x, y)| distance(x, y));
            let sum = each.reduce(|sum, next| sum + next);
            sum.expect("internal error: a network without layers")
        });
        let n_rows = context.outputs.dims()[0] / context.x.dims()[0];
        context.note_pull(gradient.clone() * (weight / n_rows as f64));
        let term = context.per_example(carry(&context.outputs, values, gradient));
        ledger.push("perceptual", term, Role::Penalty, weight);
    }

    fn space(&self) -> Option<&str> {
        Some(&self.path)
    }
}

/// The distance of one layer's maps `[R, C, H, W]`, `[R]`.
fn distance(x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
    let unit = |f: Tensor<4>| f.clone() / (f.square().sum_dim(1) + EPSILON).sqrt();
    let [n_rows, _, height, width] = x.dims();
    let squares = (unit(x) - unit(y)).square().sum_dim(1);
    squares
        .reshape([n_rows, height * width])
        .mean_dim(1)
        .reshape([n_rows])
}
