//! Draws of q with everything the estimators ask about them.

use crate::family::Family;
use jensen_density::{Cause, Evaluator, Reject};
use jensen_rng::Stream;

/// M accepted draws of q_lambda; a draw that the density refuses is left out and counted.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// ln p - ln q, nats, `[M]`.
    pub ln_w: Vec<f64>,
    /// Noise, `[M, n_noise]`.
    pub noise: Vec<f64>,
    /// Positions, `[M, d]`.
    pub positions: Vec<f64>,
    /// Gradients of ln p by the position, `[M, d]`.
    pub grad_p: Vec<f64>,
    /// Gradients of ln q by the position, `[M, d]`.
    pub grad_q: Vec<f64>,
    /// Gradients of ln q by lambda, `[M, n_params]`.
    pub scores: Vec<f64>,
    /// Draws left out.
    pub n_rejected: usize,
    /// The newest refusal.
    pub reject: Option<Reject>,
}

impl Batch {
    /// Draws M times; draw m takes its noise from the child `draw`, m of the stream.
    pub fn draw(
        family: &dyn Family,
        params: &[f64],
        evaluator: &mut Evaluator<'_>,
        stream: &Stream,
        n_draws: usize,
    ) -> Self {
        let mut batch = Self::default();
        let (d, n_params) = (family.dim(), family.n_params());
        let mut noise = vec![0.0; family.n_noise()];
        let (mut z, mut grad_p, mut grad_q) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        let mut score = vec![0.0; n_params];
        for m in 0..n_draws {
            family.draw_noise(&mut stream.child("draw", m as u64), &mut noise);
            family.transform(params, &noise, &mut z);
            let ln_w = evaluator
                .log_density_and_grad(&z, &mut grad_p)
                .and_then(|ln_p| {
                    let ln_q = family.ln_density_and_grads(params, &z, &mut grad_q, &mut score);
                    match ln_q.is_finite() {
                        true => Ok(ln_p - ln_q),
                        false => Err(Reject::at(family.name(), Cause::NotFiniteValue)),
                    }
                });
            match ln_w {
                Ok(ln_w) => {
                    batch.ln_w.push(ln_w);
                    batch.noise.extend_from_slice(&noise);
                    batch.positions.extend_from_slice(&z);
                    batch.grad_p.extend_from_slice(&grad_p);
                    batch.grad_q.extend_from_slice(&grad_q);
                    batch.scores.extend_from_slice(&score);
                }
                Err(reject) => {
                    batch.n_rejected += 1;
                    batch.reject = Some(reject);
                }
            }
        }
        batch
    }

    /// Draws accepted, M.
    pub fn len(&self) -> usize {
        self.ln_w.len()
    }

    /// Whether every draw was refused.
    pub fn is_empty(&self) -> bool {
        self.ln_w.is_empty()
    }
}

/// Row `index` of a matrix with rows of `len`.
pub(crate) fn row(values: &[f64], index: usize, len: usize) -> &[f64] {
    &values[index * len..(index + 1) * len]
}
