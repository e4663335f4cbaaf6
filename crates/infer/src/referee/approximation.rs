//! Judges an approximation q: by its own draws, and by others that know nothing of it (file `confirm`).
//!
//! Weights against a mixture of q and paths say where the means are, but they forgive a q that is too narrow: the
//! paths cover what it misses. So two checks ask q alone:
//!
//! - **own_k_hat**: the shape of the tail of p / q. From 0.7 on q does not cover p ([vehtari-2024], on the
//!   diagnostic). Without its uncertainty: no mean is taken from these weights.
//! - **own_stein**: Stein's identities over unweighted draws of q. That of z_j and g_i sees correlations which a
//!   factorized q has not, as |r| where p is a Gaussian with correlation r in two coordinates.

use super::blame::blamed;
use super::compare::Moments;
use super::confirm::{Claim, confirm};
use super::drift::moments;
use super::{Check, Report, Sense, stein_of};
use crate::InferError;
use crate::importance::pool;
use jensen_density::LogDensity;
use jensen_posterior::evidence::{self, Estimate};
use jensen_posterior::{Approximation, psis::threshold};
use jensen_rng::Stream;

/// Draws of q by which it is judged.
const N_DRAWS: usize = 2000;
/// Allowed error of Stein's identities over draws of q: a correlation of a half that q does not have, or a variance
/// half again too large; hopeless is a variance three times too large. Weights see errors of means that are smaller.
const STEIN: f64 = 0.5;
const STEIN_FAR: f64 = 2.0;
/// Draws of q whose moments are confirmed.
const N_CONFIRMED: u64 = 4000;

/// What an answer says of itself.
pub(crate) struct Own {
    pub(crate) checks: Vec<Check>,
    /// The ELBO, nats.
    pub(crate) elbo: Option<Estimate>,
    pub(crate) n_gradients: u64,
}

/// Judges an approximation of a density in its unconstrained coordinates; also the gradients used.
///
/// It is for what functions of single methods return; [`crate::fit_with`] judges by itself.
///
/// ```
/// use jensen_density::{Layout, Variable, from_fn};
/// use jensen_infer::laplace::laplace;
/// use jensen_infer::referee::{Verdict, judge_approximation};
/// use jensen_rng::Stream;
///
/// let target = from_fn(Layout::new(vec![Variable::new("x", &[2])]), |x, grad| {
///     grad[0] = 1.0 - x[0];
///     grad[1] = -4.0 * x[1];
///     x[0] - 0.5 * x[0] * x[0] - 2.0 * x[1] * x[1]
/// });
/// let (gaussian, _) = laplace(&target, &[0.0, 1.0])?;
/// let (report, _) = judge_approximation(&target, &gaussian, &Stream::from_seed(1))?;
/// assert_eq!(report.verdict, Verdict::Good, "{report}");
/// # Ok::<(), jensen_infer::InferError>(())
/// ```
///
/// # Errors
/// [`InferError::FamilyDim`] for an approximation of another dimension than the density.
pub fn judge_approximation(
    target: &dyn LogDensity,
    q: &dyn Approximation,
    stream: &Stream,
) -> Result<(Report, u64), InferError> {
    if q.dim() != target.dim() {
        return Err(InferError::FamilyDim {
            family: q.describe(),
            expected: target.dim(),
            found: q.dim(),
        });
    }
    let own = judge_own(target, q, &stream.child("own", 0));
    let mut position = vec![0.0; q.dim()];
    let mut values = vec![0.0; target.layout().n_values()];
    let rows: Vec<Vec<f64>> = (0..N_CONFIRMED)
        .map(|i| {
            q.sample(&mut stream.child("draw", i), &mut position);
            target.constrain(&position, &mut values);
            values.clone()
        })
        .collect();
    let (mean, sd) = moments(rows.iter(), values.len(), N_CONFIRMED as f64);
    let claim = Claim {
        moments: Moments {
            mean: &mean,
            sd: &sd,
        },
        proposal: Some(q),
    };
    let confirmed = confirm(target, &claim, stream);
    let checks = own.checks.into_iter().chain(confirmed.checks).collect();
    Ok((Report::of(checks), own.n_gradients + confirmed.n_gradients))
}

/// What draws of q alone say of it.
pub(crate) fn judge_own(target: &dyn LogDensity, q: &dyn Approximation, stream: &Stream) -> Own {
    let (most, limit) = (Sense::AtMost, threshold(N_DRAWS));
    let layout = target.layout();
    let coordinates: Vec<String> = (0..q.dim()).map(|i| layout.coordinate(i)).collect();
    let Ok(sample) = pool(target, &[q], N_DRAWS, stream) else {
        // No draw has a weight, so that any coordinate may be the reason.
        let check = Check::whole("own_k_hat", f64::INFINITY, most, limit, 1.0);
        return Own {
            checks: vec![check.blaming(|| coordinates)],
            elbo: None,
            n_gradients: N_DRAWS as u64,
        };
    };
    let ln_w: Vec<f64> = (sample.rows().zip(&sample.ln_p))
        .map(|(position, ln_p)| ln_p - q.ln_density(position))
        .collect();
    let elbo = evidence::elbo(&ln_w).ok();
    let n = sample.ln_p.len();
    let equal = vec![1.0 / n as f64; n];
    let errors = stein_of(sample.dim, &sample.positions, &sample.grads, &equal);
    let rows: Vec<&[f64]> = sample.rows().collect();
    Own {
        checks: vec![
            Check::whole("own_k_hat", sample.psis.k_hat, most, limit, 1.0)
                .blaming(|| blamed(&rows, &ln_w, &coordinates)),
            Check::each("own_stein", &errors, &coordinates, most, STEIN, STEIN_FAR),
        ],
        elbo: elbo.filter(|elbo| elbo.value.is_finite()),
        n_gradients: sample.n_gradients,
    }
}
