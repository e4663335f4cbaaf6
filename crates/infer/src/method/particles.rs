//! The answer of Stein particles: two clouds, each from its own start, with what they say of themselves.

use super::Fitted;
use super::fit::{Drawn, Fit, N_SETTLE, coordinates};
use crate::InferError;
use crate::drive::{Flow, Keep};
use crate::importance::heavier;
use crate::referee::compare::in_units;
use crate::referee::importance::{AGREEMENT, DRIFT, STEIN};
use crate::referee::{Check, Own, Sense, drift, stein_of};
use crate::svgd::Svgd;
use crate::watch::watched;
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::{Approximation, Gaussian};
use jensen_run::Observer;

/// From where on Stein's identity, drift and the gap of two clouds are hopeless, as with weighted draws; their limits
/// are those of the referee.
const FAR: f64 = 1.0;
/// Degrees of freedom of the law around particles from which weights are taken: heavier than any Gaussian.
const DOF: f64 = 5.0;

impl Fit<'_> {
    /// The answer of two clouds of particles.
    pub(super) fn particles(
        &self,
        svgd: &Svgd,
        observer: &mut dyn Observer,
    ) -> Result<Fitted, InferError> {
        let d = self.target.dim();
        let n_steps = self.options.max_steps.unwrap_or(N_SETTLE);
        let (starts, mut n_gradients) = self.starts(2, observer)?;
        let mut positions = Vec::new();
        let mut clouds = Vec::new();
        for (cloud, start) in starts.iter().enumerate() {
            let keep = self.keep.map(|keep| Keep {
                checkpoints: (keep.checkpoints).within(&format!("cloud-{}", cloud + 1)),
                every: keep.every,
            });
            let keep = keep.as_ref();
            let go_on = |_: &_, _| Flow::Continue;
            let state = self.iterate(svgd, cloud as u64, start, n_steps, keep, observer, go_on)?;
            n_gradients += state.n_gradients_start + n_steps * svgd.n_particles as u64;
            clouds.push(self.values(state.particles.clone()));
            positions.extend(state.particles);
        }
        let [(draws, mean, sd), (_, other_mean, other_sd)] = &clouds[..] else {
            unreachable!("internal error: there are two clouds");
        };
        let gaps: Vec<f64> = (0..mean.len())
            .map(|j| {
                let sd = (0.5 * (sd[j].powi(2) + other_sd[j].powi(2))).sqrt();
                in_units((mean[j] - other_mean[j]).abs(), sd)
            })
            .collect();
        let judge = self.stream.child("judge", 0).child("drift", 0);
        let (errors, moved, n_judged) = watched(self.target, observer, |target| {
            let rows: Vec<&[f64]> = positions.chunks_exact(d).collect();
            let (moved, n_drift) = drift(target, &rows, &judge);
            let (grads, n_stein) = gradients(target, &positions);
            let equal = vec![1.0 / rows.len() as f64; rows.len()];
            let errors = stein_of(d, &positions, &grads, &equal);
            (errors, moved, n_drift + n_stein)
        })?;
        let (names, most) = (draws.names(), Sense::AtMost);
        let checks = vec![
            Check::each(
                "particles_stein",
                &errors,
                &coordinates(self.target),
                most,
                STEIN,
                FAR,
            ),
            Check::each("particles_drift", &moved, names, most, DRIFT, FAR),
            Check::each("particles_agreement", &gaps, names, most, AGREEMENT, FAR),
        ];
        let gaussian = Gaussian::of_draws(positions.chunks_exact(d)).ok();
        let proposal = gaussian.map(|gaussian| heavier(&gaussian, DOF));
        let drawn = Drawn {
            positions,
            n_gradients,
            own: Own {
                checks,
                elbo: None,
                n_gradients: n_judged,
            },
        };
        let proposal = proposal.as_ref().map(|q| q as &dyn Approximation);
        self.confirmed(drawn, proposal, observer)
    }
}

/// The gradients at positions `[n, d]`, zero where the density refuses, and their number.
fn gradients(target: &dyn LogDensity, positions: &[f64]) -> (Vec<f64>, u64) {
    let d = target.dim();
    let mut evaluator = Evaluator::new(target);
    let mut grads = vec![0.0; positions.len()];
    for (position, grad) in positions.chunks_exact(d).zip(grads.chunks_exact_mut(d)) {
        if evaluator.log_density_and_grad(position, grad).is_err() {
            grad.fill(0.0);
        }
    }
    (grads, evaluator.n_gradients())
}
