//! The uniform prior over codes: every code at every position is as likely as any other, log p(z) = -n ln K.

use super::{Prior, PriorContext, code_book};
use crate::part::{self, Entry};
use burn::tensor::{Int, Tensor, TensorData};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// The uniform prior has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {}

struct Uniform;

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "uniform",
    about: "every code of a discrete latent alike",
    defaults: part::defaults::<Options>,
    build: |_, place, site, _| {
        super::expect_codes("uniform", place, site)?;
        Ok(Box::new(Uniform))
    },
};

impl Prior for Uniform {
    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        log_prob(context, z)
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        sample(context, n, stream)
    }
}

/// -n ln K for each row.
pub(super) fn log_prob(context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
    let book = code_book(context);
    let nats = book.n_positions() as f64 * (book.n_codes() as f64).ln();
    Tensor::zeros([z.dims()[0]], &z.device().inner()) - nats
}

/// n draws `[n, d]`.
pub(super) fn sample(context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
    let book = code_book(context);
    let shape = [n, book.n_positions()];
    let codes: Vec<i64> = (0..shape[0] * shape[1])
        .map(|_| stream.below(book.n_codes()) as i64)
        .collect();
    let codes = Tensor::<2, Int>::from_data(TensorData::new(codes, shape), context.params.device());
    book.embed(context.params, codes)
}
