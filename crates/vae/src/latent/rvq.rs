//! Residual vector quantization: several books one after the other at each position, each for what the books
//! before it left over.
//!
//! r_1 = v, e_j the code of book j nearest to r_j, r_{j+1} = r_j - e_j, so that v = e_1 + ... + e_m + r_{m+1}. z is
//! e_1 ... e_m side by side, and the gradient of each passes to v unchanged. The commitment is w times the sum of
//! |r_j - sg(e_j)|^2. A position has m codes, coarse to fine, one after the other.
//! Sources: [zeghidour-2021], algorithm 1; [lee-2022], section 3.1. Cost: B n m K D a step.
//!
//! Differences from the papers: their decoders see the sum of the codes; side by side, codes can be told from z, and a
//! decoder whose first layer has the same weights for all of them sees the sum.

use super::book::{Book, Cover};
use super::discrete::{PointMass, Positions, join, split, sum_of_example};
use super::vq::check_commitment;
use super::{CodeBook, Latent, Posterior, Seen};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor};
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of residual vector quantization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Codes K of each book, at least 2.
    pub codes: usize,
    /// Books m at each position, at least 1.
    pub books: usize,
    /// Numbers D of a code, at least 1.
    pub dim: usize,
    /// Places, at a port without them; 0 at a map, which brings them.
    pub positions: usize,
    /// Where the features come from: `bottom` (the encoder's last layer) or a layer such as `h1`.
    pub port: String,
    /// Factor of the commitment in the loss, at least 0.
    pub commitment: f64,
    /// Decay of the moving averages that codes follow, in [0, 1); 0 trains them by gradients.
    pub decay: f64,
    /// Steps without use after which a code moves to where vectors are; 0 leaves it.
    pub revive_after: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            codes: 64,
            books: 2,
            dim: 16,
            positions: 0,
            port: "bottom".to_owned(),
            commitment: 0.25,
            decay: 0.99,
            revive_after: 50,
        }
    }
}

/// Far more books than leave anything over.
const MOST_BOOKS: usize = 64;

struct Rvq {
    positions: Positions,
    options: Options,
    books: Vec<Book>,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "rvq",
    about: "several books of codes, each for what those before it left over",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "uniform",
        build: |table, place, port, builder| {
            let options: Options = part::options(table, place)?;
            let cover = Cover {
                codes: options.codes,
                dim: options.dim,
                decay: options.decay,
                cosine: false,
                revive_after: options.revive_after,
            };
            cover.check(place)?;
            check_commitment(options.commitment, place)?;
            if !(1..=MOST_BOOKS).contains(&options.books) {
                return Err(RecipeError::value(
                    place,
                    format!("books = {}: expected 1 to {MOST_BOOKS}", options.books),
                ));
            }
            let positions = Positions::new(options.positions, options.dim, port, place, builder)?;
            let books = (1..=options.books)
                .map(|j| {
                    builder
                        .within(&format!("book{j}"), |b| Book::new(b, cover))
                        .1
                })
                .collect();
            Ok(Box::new(Rvq {
                positions,
                options,
                books,
            }))
        },
    },
};

impl Rvq {
    /// Codes `[R, n m]` of one list a book, each `[R n]`.
    fn number(&self, codes: Vec<Tensor<1, Int>>) -> Tensor<2, Int> {
        let rows = codes[0].dims()[0];
        let columns = codes.into_iter().map(|codes| codes.reshape([rows, 1]));
        let n = self.positions.n;
        Tensor::cat(columns.collect(), 1).reshape([rows / n, n * self.books.len()])
    }
}

impl Latent for Rvq {
    fn dim(&self) -> usize {
        self.positions.dim() * self.books.len()
    }

    fn map(&self) -> Option<[usize; 3]> {
        let [width, height, columns] = self.positions.map()?;
        Some([width * self.books.len(), height, columns])
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let n = self.positions.n;
        let mut rest = self.positions.vectors(params, features);
        let (mut parts, mut codes, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        let mut commitment: Option<Tensor<1>> = None;
        let mut pull: Option<Tensor<1>> = None;
        let add = |sum: &mut Option<Tensor<1>>, rows: Tensor<2>| {
            let next = sum_of_example(rows, n);
            *sum = Some(match sum.take() {
                Some(sum) => sum + next,
                None => next,
            });
        };
        for book in &self.books {
            let code = book.nearest(params, rest.clone());
            let chosen = book.codes(params).select(0, code.clone());
            let fixed = chosen.clone().detach();
            let here = rest.clone().detach();
            parts.push(rest.clone() + (fixed.clone() - here.clone()));
            add(&mut commitment, (rest.clone() - fixed.clone()).square());
            if book.wants_gradients() {
                add(&mut pull, (here.clone() - chosen).square());
            }
            rest = rest - fixed;
            codes.push(code);
            seen.push(here);
        }
        let commitment = commitment.expect("internal error: no book");
        let mut penalties = vec![("commitment", commitment, self.options.commitment)];
        penalties.extend(pull.map(|pull| ("codebook", pull, 1.0)));
        Box::new(PointMass {
            z: join(Tensor::cat(parts, 1), n),
            codes: self.number(codes),
            vectors: Some(Tensor::cat(seen, 1)),
            penalties,
        })
    }

    fn code_book(&self) -> Option<&dyn CodeBook> {
        Some(self)
    }

    /// `seen` has the vectors `[B n, m D]` and codes `[B n, m]` of all books side by side.
    fn adapt(&self, params: &mut Params, seen: &Seen, stream: &mut Stream) {
        let (d, m) = (self.options.dim, self.books.len());
        for (j, book) in self.books.iter().enumerate() {
            let rows = seen.vectors.chunks_exact(m * d);
            let vectors: Vec<f32> = rows.flat_map(|row| &row[j * d..][..d]).copied().collect();
            let codes: Vec<u32> = seen.codes.iter().skip(j).step_by(m).copied().collect();
            book.adapt(
                params,
                &vectors,
                &codes,
                &mut stream.child("book", j as u64),
            );
        }
    }
}

impl CodeBook for Rvq {
    fn n_positions(&self) -> usize {
        self.positions.n * self.books.len()
    }

    fn n_codes(&self) -> usize {
        self.options.codes
    }

    fn embed(&self, params: &Params, codes: Tensor<2, Int>) -> Tensor<2> {
        let [n_rows, n_codes] = codes.dims();
        let m = self.books.len();
        let by_place = codes.reshape([n_rows * n_codes / m, m]);
        let part = |(j, book): (usize, &Book)| {
            let column = by_place.clone().narrow(1, j, 1);
            let n_places = column.dims()[0];
            book.codes(params).select(0, column.reshape([n_places]))
        };
        let parts = self.books.iter().enumerate().map(part).collect();
        join(Tensor::cat(parts, 1), self.positions.n)
    }

    fn codes(&self, params: &Params, z: Tensor<2>) -> Tensor<2, Int> {
        let (d, m) = (self.options.dim, self.books.len());
        let parts = split(z, m * d);
        let column =
            |(j, book): (usize, &Book)| book.nearest(params, parts.clone().narrow(1, j * d, d));
        self.number(self.books.iter().enumerate().map(column).collect())
    }

    /// `usage`: the share of codes used in the last epoch; `perplexity` of the decayed counts; means over the books.
    fn measures(&self, params: &Params, steps_per_epoch: u64) -> Vec<(&'static str, f64)> {
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        let books = || self.books.iter();
        let usage = books().map(|book| book.usage(params, steps_per_epoch));
        let mut measures = vec![("usage", mean(usage.collect()))];
        let perplexity: Option<Vec<f64>> = books().map(|book| book.perplexity(params)).collect();
        measures.extend(perplexity.map(|found| ("perplexity", mean(found))));
        measures
    }
}
