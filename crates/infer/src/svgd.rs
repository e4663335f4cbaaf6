//! Stein variational gradient descent: particles that climb the density and keep apart.
//!
//! x_i <- x_i + e phi(x_i),
//! phi(x) = 1/n sum_j [ k(x_j, x) grad ln p(x_j) + grad_{x_j} k(x_j, x) ]
//!
//! ([liu-2016], Eq. 8 and Alg. 1) with k(x, y) = exp(-|x - y|^2 / h), h = med^2 / ln n, med the median
//! distance between particles. A step costs n gradients, which run in parallel, and order n^2 d operations.
//!
//! Both the kernel and the steps measure each coordinate in a scale of its own, so that units do not matter: a
//! change of variables x = s u, under which the method is the same for u. The scales, and where particles begin,
//! come from a Gaussian that a quasi-Newton ascent from the start finds, so nothing has to be set.
//!
//! Use it for a handful of dimensions where a few well-placed points are wanted: in many dimensions the
//! particles lie too close together and variances come out too small.
//!
//! # Differences from the paper
//!
//! AdaGrad ([duchi-2011], Fig. 1) divides by all squares since the beginning, so a bad start slows every later step.
//! Here phi is divided by the root of a running mean of its squares, and the steps shrink as
//! (1 + t / 100)^-1/2, which ends the jitter that a constant step leaves.

use crate::check::positive;
use crate::found::gaussian_from;
use crate::optimize::Place;
use crate::referee::drift::moments;
use crate::{Algorithm, InferError};
use jensen_density::{Evaluator, Layout, Reject};
use jensen_posterior::{Approximation, Draws};
use jensen_rng::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Options of Stein variational gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Svgd {
    /// Number of particles n, at least 2. Default 100.
    pub n_particles: usize,
    /// Where the first particles lie, and the scale of each coordinate.
    pub spread: Spread,
    /// Size of the first step in every coordinate, relative to its scale; positive. Default 0.1. It decides
    /// speed and not the result.
    pub step_size: f64,
}

/// Where the first particles lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Draws of a Gaussian, with its standard deviations as scales: that of a path of Pathfinder from the start, or
    /// Laplace's at its end, whichever has the better bound. Around the start with standard deviation 1 where there
    /// is none.
    Found,
    /// Around the start with this standard deviation in every coordinate, units of position; positive.
    Fixed(f64),
}

impl Default for Svgd {
    fn default() -> Self {
        Self {
            n_particles: 100,
            spread: Spread::Found,
            step_size: 0.1,
        }
    }
}

/// Where the particles are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SvgdState {
    /// The particles, `[n, d]`.
    pub particles: Vec<f64>,
    /// The scale of each coordinate, `[d]`, units of position.
    pub scales: Vec<f64>,
    /// Gradients used before the first step, those of the path included.
    pub n_gradients_start: u64,
    /// Running mean squares of phi, `[n, d]`.
    squares: Vec<f64>,
    /// Steps done.
    step: u64,
}

/// What a step measured.
#[derive(Clone, Debug, PartialEq)]
pub struct SvgdInfo {
    /// The bandwidth h, in squared scales.
    pub bandwidth: f64,
    /// Root mean square of phi over particles and coordinates, in scales: 0 at rest.
    pub phi_rms: f64,
    /// Mean log density of the accepted particles before the step, nats; none if all were refused.
    pub mean_log_density: Option<f64>,
    /// Gradients of this step; they are counted here, not by the evaluator, since each thread has its own.
    pub n_gradients: u64,
    /// Particles where the density refused; they feel only the others.
    pub n_rejected: u64,
    /// The refusal at the first of them.
    pub last_reject: Option<Reject>,
}

impl Algorithm for Svgd {
    type State = SvgdState;
    type Info = SvgdInfo;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        stream: &Stream,
    ) -> Result<SvgdState, InferError> {
        self.check()?;
        let before = evaluator.n_gradients();
        Place::start(evaluator, position)?;
        let mut n_gradients_start = evaluator.n_gradients() - before;
        let (particles, scales) = match self.spread {
            Spread::Fixed(sd) => around(position, sd, self.n_particles, stream),
            Spread::Found => {
                let (found, used) = gaussian_from(evaluator.target(), position, stream);
                n_gradients_start += used;
                match found {
                    Some(q) => drawn_from(q.approximation(), self.n_particles, stream),
                    None => around(position, 1.0, self.n_particles, stream),
                }
            }
        };
        Ok(SvgdState {
            squares: vec![0.0; particles.len()],
            particles,
            scales,
            n_gradients_start,
            step: 0,
        })
    }

    fn step(&self, evaluator: &mut Evaluator<'_>, state: &mut SvgdState, _: &Stream) -> SvgdInfo {
        let d = evaluator.dim();
        let target = evaluator.target();
        let gradients: Vec<(Result<f64, Reject>, Vec<f64>)> = (state.particles.par_chunks(d))
            .map_init(
                || Evaluator::new(target),
                |evaluator, particle| {
                    let mut grad = vec![0.0; d];
                    let value = evaluator.log_density_and_grad(particle, &mut grad);
                    if value.is_err() {
                        grad.fill(0.0);
                    }
                    (value, grad)
                },
            )
            .collect();
        // In units of the scales: u = x / s, and the gradient by u is s times that by x.
        let scales = state.scales.iter().cycle();
        let scaled: Vec<f64> = state
            .particles
            .iter()
            .zip(scales.clone())
            .map(|(x, s)| x / s)
            .collect();
        let by_scaled: Vec<Vec<f64>> = (gradients.iter())
            .map(|(_, grad)| grad.iter().zip(&state.scales).map(|(g, s)| g * s).collect())
            .collect();
        let bandwidth = median_bandwidth(&scaled, d);
        let phi = direction(&scaled, &by_scaled, bandwidth, d);
        state.step += 1;
        let size = self.step_size / (1.0 + state.step as f64 / 100.0).sqrt();
        let moving = state.particles.iter_mut().zip(&mut state.squares);
        for (((x, square), phi), scale) in moving.zip(&phi).zip(scales) {
            // The first square begins the mean; later ones enter with a tenth.
            let weight = if state.step == 1 { 1.0 } else { 0.1 };
            *square += weight * (phi * phi - *square);
            if *square > 0.0 {
                *x += scale * size * phi / square.sqrt();
            }
        }
        let values: Vec<f64> = gradients
            .iter()
            .filter_map(|(v, _)| v.clone().ok())
            .collect();
        let n = gradients.len();
        SvgdInfo {
            bandwidth,
            phi_rms: (phi.iter().map(|p| p * p).sum::<f64>() / phi.len() as f64).sqrt(),
            mean_log_density: (!values.is_empty())
                .then(|| values.iter().sum::<f64>() / values.len() as f64),
            n_gradients: n as u64,
            n_rejected: (n - values.len()) as u64,
            last_reject: gradients.into_iter().find_map(|(value, _)| value.err()),
        }
    }
}

impl Svgd {
    fn check(&self) -> Result<(), InferError> {
        if self.n_particles < 2 {
            return Err(InferError::Option {
                option: "n_particles",
                expected: "at least 2: one particle has no other to keep apart from".to_owned(),
                found: self.n_particles.to_string(),
            });
        }
        if let Spread::Fixed(sd) = self.spread {
            positive("spread", sd)?;
        }
        positive("step_size", self.step_size)
    }
}

/// Draws by which the standard deviations of a Gaussian are told: within five per cent.
const N_SCALE_DRAWS: u64 = 200;

/// Particles `[n, d]` drawn from a Gaussian, and its standard deviations `[d]`.
fn drawn_from(q: &dyn Approximation, n: usize, stream: &Stream) -> (Vec<f64>, Vec<f64>) {
    let draws = |label: &str, n: u64| -> Vec<f64> {
        (0..n)
            .flat_map(|i| {
                let mut position = vec![0.0; q.dim()];
                q.sample(&mut stream.child(label, i), &mut position);
                position
            })
            .collect()
    };
    let rows = draws("scale", N_SCALE_DRAWS);
    let (_, sd) = moments(rows.chunks_exact(q.dim()), q.dim(), N_SCALE_DRAWS as f64);
    (draws("particle", n as u64), sd)
}

/// Particles `[n, d]` around a position with one standard deviation, and the scales `[d]`.
fn around(position: &[f64], sd: f64, n: usize, stream: &Stream) -> (Vec<f64>, Vec<f64>) {
    let particles = (0..n as u64)
        .flat_map(|i| {
            let mut stream = stream.child("particle", i);
            let around = |x: &f64| x + sd * stream.normal();
            position.iter().map(around).collect::<Vec<f64>>()
        })
        .collect();
    (particles, vec![sd; position.len()])
}

impl SvgdState {
    /// The particles as one chain of n draws, named by coordinate. They are not independent: their spread
    /// around a mean is no measure of its error.
    pub fn draws(&self, layout: &Layout) -> Draws {
        let d = layout.dim();
        let names = (0..d).map(|i| layout.coordinate(i)).collect();
        Draws::new(
            names,
            1,
            self.particles.len() / d.max(1),
            self.particles.clone(),
        )
    }
}

/// h = med^2 / ln n, with the median distance over pairs; 1 where all particles are in one place.
fn median_bandwidth(particles: &[f64], d: usize) -> f64 {
    let n = particles.len() / d;
    let mut squares: Vec<f64> = (0..n)
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .map(|(i, j)| square_distance(&particles[i * d..][..d], &particles[j * d..][..d]))
        .collect();
    let middle = squares.len() / 2;
    let (_, median, _) = squares.select_nth_unstable_by(middle, f64::total_cmp);
    match *median > 0.0 {
        true => *median / (n as f64).ln(),
        false => 1.0,
    }
}

/// phi, `[n, d]`. Every sum runs over the particles in their order, whichever thread does it.
fn direction(particles: &[f64], gradients: &[Vec<f64>], bandwidth: f64, d: usize) -> Vec<f64> {
    let n = gradients.len() as f64;
    (particles.par_chunks(d))
        .flat_map_iter(|x| {
            let mut phi = vec![0.0; d];
            for (other, grad) in particles.chunks_exact(d).zip(gradients) {
                let kernel = (-square_distance(x, other) / bandwidth).exp();
                for (((phi, x), other), grad) in phi.iter_mut().zip(x).zip(other).zip(grad) {
                    // The derivative of the kernel by the other particle pushes away from it.
                    *phi += kernel * (grad + 2.0 / bandwidth * (x - other)) / n;
                }
            }
            phi
        })
        .collect()
}

fn square_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::{Flow, Keep, drive};
    use crate::mcmc::laws;
    use crate::targets::{Quadratic, Target};
    use jensen_density::LogDensity;
    use jensen_run::{Checkpoints, RunFolder, Silent};

    fn settled(svgd: &Svgd, target: &dyn LogDensity, start: &[f64], n_steps: u64) -> SvgdState {
        let stream = Stream::from_seed(3);
        let go_on = |_, _: &SvgdState, _| Flow::Continue;
        drive(
            svgd,
            target,
            start,
            n_steps,
            &stream,
            None,
            &mut Silent,
            go_on,
        )
        .unwrap()
        .state
    }

    /// The moments of a correlated Gaussian, as well as a hundred points can have them: particles settle
    /// deterministically, so the tolerance is that of the method, not of chance.
    #[test]
    fn particles_have_the_moments_of_a_gaussian() {
        const MEAN_TOLERANCE: f64 = 0.05;
        const SD_TOLERANCE: f64 = 0.1;
        let known = laws::gaussian();
        let state = settled(&Svgd::default(), &*known.target, &[0.0, 0.0], 2000);
        let draws = state.draws(known.target.layout());
        for i in 0..2 {
            let column = draws.column(i);
            let n = column.len() as f64;
            let mean = column.iter().sum::<f64>() / n;
            let sd = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            let expected_sd = (known.second[i] - known.first[i].powi(2)).sqrt();
            assert!(
                (mean - known.first[i]).abs() < MEAN_TOLERANCE * expected_sd,
                "{mean}"
            );
            assert!(
                (sd / expected_sd - 1.0).abs() < SD_TOLERANCE,
                "{sd}, {expected_sd}"
            );
        }
    }

    /// Whatever the units: means far from the start, standard deviations of 10^-4, 10^4 and both.
    #[test]
    fn particles_arrive_whatever_the_scales_are() {
        const MEAN_TOLERANCE: f64 = 0.05;
        const SD_TOLERANCE: f64 = 0.1;
        for (sd, mean) in [
            ([1e4, 1e4], [3e4, -2e4]),
            ([1e-4, 1e-4], [3e-4, -2e-4]),
            ([1e-4, 1e4], [2.0, 5e4]),
        ] {
            let target = Quadratic::new(&sd, &mean);
            let state = settled(&Svgd::default(), &target, &[0.0, 0.0], 1000);
            let (found, found_sd) = moments(state.particles.chunks_exact(2), 2, 100.0);
            for i in 0..2 {
                let off = (found[i] - mean[i]) / sd[i];
                assert!(off.abs() < MEAN_TOLERANCE, "{sd:?}: {off}");
                let ratio = found_sd[i] / sd[i];
                assert!((ratio - 1.0).abs() < SD_TOLERANCE, "{sd:?}: {ratio}");
            }
        }
    }

    /// Two particles at 0 and 2 on a standard normal: h = 4 / ln 2, kernel 1/2 between them.
    /// phi(0) = (0 + (-2 - 2 * 2 ln 2 / 4) / 2) / 2, phi(2) = (-2 + (0 + ln 2) / 2) / 2.
    #[test]
    fn the_direction_of_two_particles() {
        let particles = [0.0, 2.0];
        let h = median_bandwidth(&particles, 1);
        assert!((h - 4.0 / 2f64.ln()).abs() < 1e-14);
        let gradients = vec![vec![0.0], vec![-2.0]];
        let phi = direction(&particles, &gradients, h, 1);
        assert!((phi[0] - (-2.0 - 2f64.ln()) / 4.0).abs() < 1e-14, "{phi:?}");
        assert!((phi[1] - (-1.0 + 2f64.ln() / 4.0)).abs() < 1e-14, "{phi:?}");
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let known = laws::funnel();
        let on = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            pool.install(|| settled(&Svgd::default(), &*known.target, &[0.0, 0.0], 30))
        };
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(3));
    }

    #[test]
    fn a_resumed_run_has_the_bits_of_an_unbroken_one() {
        let known = laws::funnel();
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path().join("run")).unwrap();
        let keep = Keep {
            checkpoints: Checkpoints::of(&run),
            every: 7,
        };
        let (svgd, stream) = (Svgd::default(), Stream::from_seed(3));
        let until = |n_steps, keep| {
            let each = |_, _: &SvgdState, _| Flow::Continue;
            let start = [0.0, 0.0];
            drive(
                &svgd,
                &*known.target,
                &start,
                n_steps,
                &stream,
                keep,
                &mut Silent,
                each,
            )
            .unwrap()
        };
        assert_eq!(until(20, Some(&keep)).step, 20);
        assert_eq!(until(30, Some(&keep)).state, until(30, None).state);
    }

    #[test]
    fn refused_particles_are_counted_and_bad_options_refused() {
        let half = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = -1.0;
            if x[0] < 0.0 { f64::NEG_INFINITY } else { -x[0] }
        });
        let mut evaluator = Evaluator::new(&half);
        let svgd = Svgd {
            spread: Spread::Fixed(1.0),
            ..Svgd::default()
        };
        let stream = Stream::from_seed(1);
        let mut state = svgd.init(&mut evaluator, &[0.1], &stream).unwrap();
        let info = svgd.step(&mut evaluator, &mut state, &stream);
        assert!(info.n_rejected > 10 && info.n_rejected < 90, "{info:?}");
        assert!(info.mean_log_density.is_some_and(|mean| mean < 0.0) && info.last_reject.is_some());
        assert!(state.particles.iter().all(|x| x.is_finite()));
        for (option, svgd) in [
            (
                "n_particles",
                Svgd {
                    n_particles: 1,
                    ..svgd
                },
            ),
            (
                "spread",
                Svgd {
                    spread: Spread::Fixed(f64::INFINITY),
                    ..svgd
                },
            ),
            (
                "step_size",
                Svgd {
                    step_size: 0.0,
                    ..svgd
                },
            ),
        ] {
            match svgd.init(&mut evaluator, &[0.1], &stream).unwrap_err() {
                InferError::Option { option: found, .. } => assert_eq!(found, option),
                other => panic!("{other}"),
            }
        }
        assert!(matches!(
            svgd.init(&mut evaluator, &[-1.0], &stream),
            Err(InferError::StartRefused(_))
        ));
    }
}
