//! Terms of the objective that look at what the decoder gives out: reconstructions and samples of the prior.
//!
//! A term may have networks of its own under `objective.<kind>.`. There is one loss and one backward pass, and each
//! network gets its own gradient only:
//!
//! - what judges the decoder runs with frozen parameters, on a leaf of its own that stands at the decoder's outputs
//!   ([`at_border`]); the gradient found there becomes a term that is linear in the outputs ([`carry`]), so that the
//!   one backward pass takes it on to decoder and encoder. It is at hand before, for weights made of its size.
//! - what trains the judge sees outputs without a way back.

use crate::ledger::{Ledger, Readout};
use crate::likelihood::{DataFacts, Likelihood};
use crate::part::Entry;
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_nets::{Builder, Params};
use std::cell::RefCell;
use toml::Table;

/// What a term must know of the data.
pub struct OutputSite<'a> {
    /// Shape of an example.
    pub layout: Layout,
    /// Range of the values.
    pub facts: &'a DataFacts,
}

/// What a term sees of a step.
pub struct OutputContext<'a> {
    /// The parameters in training.
    pub params: &'a Params,
    /// What the outputs mean.
    pub likelihood: &'a dyn Likelihood,
    /// The batch `[B, P]`.
    pub x: Tensor<2>,
    /// The decoder's outputs for it, `[B K, n P]`, n numbers a value.
    pub outputs: Tensor<2>,
    /// The same outputs, made again of codes that have no way back to the encoder.
    pub again: &'a dyn Fn() -> Tensor<2>,
    /// Outputs `[B, n P]` for codes of the prior.
    pub from_prior: &'a dyn Fn() -> Tensor<2>,
    /// Fraction of the training steps done, in [0, 1].
    pub progress: f64,
    /// Sum of the weighted gradients at the outputs of the terms so far that compare them with data, beside that of
    /// the likelihood.
    pub pull: RefCell<Option<Tensor<2>>>,
}

impl OutputContext<'_> {
    /// Tells later terms of the gradient `[B K, n P]` of one that compares outputs with data.
    pub fn note_pull(&self, gradient: Tensor<2>) {
        let before = self.pull.take();
        self.pull.replace(Some(match before {
            Some(sum) => sum + gradient,
            None => gradient,
        }));
    }

    /// The batch with each example as often as it has samples, `[B K, P]`.
    pub fn x_of_samples(&self) -> Tensor<2> {
        let ([n, _], [n_rows, _]) = (self.x.dims(), self.outputs.dims());
        rows::repeat(self.x.clone(), n_rows / n)
    }

    /// Values of rows `[B K]` as values of examples `[B]`.
    pub fn per_example(&self, values: Tensor<1>) -> Tensor<1> {
        let ([n, _], [n_rows]) = (self.x.dims(), values.dims());
        rows::mean_of_samples(values, n_rows / n)
    }
}

/// One term.
pub trait OutputTerm: Send + Sync {
    /// Adds the term to the ledger.
    fn add(&self, context: &OutputContext<'_>, ledger: &mut Ledger);

    /// Changes what no gradient trains, after a step with this ledger.
    fn adapt(&self, _params: &mut Params, _read: &Readout) {}

    /// Path of the layers that it takes over from the classifier of the data, if it looks through one.
    fn space(&self) -> Option<&str> {
        None
    }
}

/// Builds a term from its options, for its place in the recipe.
pub type Build =
    fn(&Table, &str, &OutputSite<'_>, &mut Builder) -> Result<Box<dyn OutputTerm>, RecipeError>;

/// What the catalogue keeps of a kind of term.
pub struct Kind {
    /// The optimizer of its own parameters, a group of [train.groups] under the name of the kind, if it trains some.
    pub optimizer: Option<fn() -> Table>,
    /// Builds it.
    pub build: Build,
}

/// The known terms, in the order in which they are added: an adaptive weight looks at those before it.
pub const CATALOGUE: &[Entry<Kind>] = &[
    super::likelihood::ENTRY,
    super::perceptual::ENTRY,
    super::adversary::ENTRY,
];

/// Values `[R]` of a function of outputs `[R, n P]`, and the gradient of their sum there: neither has a way back.
pub fn at_border(
    outputs: &Tensor<2>,
    of: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<2>) {
    let leaf = outputs.clone().inner().autodiff().require_grad();
    let values = of(leaf.clone());
    let mut grads = values.clone().sum().backward();
    let gradient = leaf.grad_remove(&mut grads);
    let gradient = gradient.unwrap_or_else(|| outputs.clone().inner().zeros_like());
    (values.inner(), gradient)
}

/// A term with these values `[R]` whose gradient at the outputs `[R, n P]` is this one.
pub fn carry(outputs: &Tensor<2>, values: Tensor<1>, gradient: Tensor<2>) -> Tensor<1> {
    let linear = rows::sum(outputs.clone() * gradient);
    values + (linear.clone() - linear.detach())
}
