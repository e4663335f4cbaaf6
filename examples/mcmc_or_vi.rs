//! Markov chains against variational inference: error against the number of evaluations.
//!
//! Regression with correlated inputs and unknown noise: y = X beta + N(0, 1/tau), beta | tau ~ N(0, v I / tau),
//! tau ~ gamma(a, b). Conjugate, so that the answer is known: with L = X'X + I / v and m = L^-1 X'y
//!
//! - tau ~ gamma(a_n, b_n), a_n = a + n / 2, b_n = b + (y'y - m'L m) / 2
//! - beta | tau ~ N(m, (tau L)^-1), so that beta has mean m and covariance b_n / (a_n - 1) L^-1
//!
//! Random-walk Metropolis and Gibbs (one coordinate at a time) end exactly, after infinitely many steps: their
//! error falls like 1 / sqrt of the evaluations. VI ends sooner, at the best of its family: means right here, the
//! variances of full-rank Gaussians (a_n - 1) / a_n of the true ones, those of mean-field Gaussians
//! (a_n - 1) / (a_n L_ii (L^-1)_ii), whatever is spent. Closed forms: maximize the ELBO by E tau = a_n / b_n.
//!
//! [hastings-1970], [kucukelbir-2017]. Cost: a million evaluations of 100 products.
//!
//! `cargo run --release -p jensen --example mcmc_or_vi -- [FOLDER]` writes two pictures to the folder.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use jensen::Silent;
use jensen::density::{Layout, LogDensity, Variable, from_fn};
use jensen::dist::Univariate;
use jensen::dist::univariate::Gamma;
use jensen::infer::InferError;
use jensen::infer::drive::{Flow, drive};
use jensen::infer::family::{Family, FullRank, MeanField};
use jensen::infer::mcmc::{
    Block, Blocks, ChainOptions, Kernel, Metropolis, Sampled, Update, sample_chains,
};
use jensen::infer::vi::Sgvi;
use jensen::report::chart::{LineChart, Series, write_svg};
use jensen::rng::Stream;
use std::error::Error;
use std::io::Write;
use std::time::Instant;

/// Coefficients, and points.
const D: usize = 8;
const N: usize = 40;
/// Correlation of neighboring inputs.
const CORRELATION: f64 = 0.8;
/// Prior: v, a, b.
const V: f64 = 10.0;
const PRIOR: [f64; 2] = [2.0, 2.0];
/// Evaluations that every method may spend, and runs of every method with other randomness.
const BUDGET: u64 = 20_000;
const N_RUNS: u64 = 10;

/// The posterior in numbers that suffice.
struct Posterior {
    /// L, and its inverse.
    precision: Mat<f64>,
    inverse: Mat<f64>,
    mean: Vec<f64>,
    shape: f64,
    rate: f64,
}

impl Posterior {
    fn draw() -> Result<Self, Box<dyn Error>> {
        let mut stream = Stream::from_seed(6).child("data", 0);
        let mut x = Mat::<f64>::zeros(N, D);
        for i in 0..N {
            for j in 0..D {
                let before = if j == 0 {
                    stream.normal()
                } else {
                    x[(i, j - 1)]
                };
                let rest = (1.0 - CORRELATION * CORRELATION).sqrt() * stream.normal();
                x[(i, j)] = CORRELATION * before + rest;
            }
        }
        let truth = |j: usize| if j.is_multiple_of(2) { 1.0 } else { -0.5 };
        let y = Mat::from_fn(N, 1, |i, _| {
            (0..D).map(|j| x[(i, j)] * truth(j)).sum::<f64>() + stream.normal()
        });
        let precision = x.transpose() * &x + Mat::<f64>::identity(D, D) * (1.0 / V);
        let factor = precision
            .llt(Side::Lower)
            .map_err(|error| format!("{error:?}"))?;
        let (xy, inverse) = (x.transpose() * &y, factor.solve(Mat::<f64>::identity(D, D)));
        let mean: Vec<f64> = (0..D)
            .map(|i| (0..D).map(|j| inverse[(i, j)] * xy[(j, 0)]).sum())
            .collect();
        let squares: f64 = (0..N).map(|i| y[(i, 0)].powi(2)).sum();
        let explained: f64 = (0..D).map(|j| mean[j] * xy[(j, 0)]).sum();
        Ok(Self {
            precision,
            inverse,
            mean,
            shape: PRIOR[0] + 0.5 * N as f64,
            rate: PRIOR[1] + 0.5 * (squares - explained),
        })
    }

    /// L (beta - m) in `pull`, and (beta - m)'L (beta - m).
    fn distance(&self, beta: &[f64], pull: &mut [f64]) -> f64 {
        let mut distance = 0.0;
        for (i, pull) in pull.iter_mut().enumerate() {
            let row = (0..D).map(|j| self.precision[(i, j)] * (beta[j] - self.mean[j]));
            *pull = row.sum();
            distance += *pull * (beta[i] - self.mean[i]);
        }
        distance
    }

    /// Over (beta, ln tau): ln p = (a_n + d/2) ln tau - tau (b_n + (beta - m)'L (beta - m) / 2).
    fn density(&self) -> impl LogDensity {
        let layout = Layout::new(vec![Variable::new("beta", &[D]), Variable::real("ln_tau")]);
        from_fn(layout, |x, grad| {
            let (beta, ln_tau) = (&x[..D], x[D]);
            let tau = ln_tau.exp();
            let half = self.rate + 0.5 * self.distance(beta, &mut grad[..D]);
            grad[..D].iter_mut().for_each(|g| *g *= -tau);
            let shape = self.shape + 0.5 * D as f64;
            grad[D] = shape - tau * half;
            shape * ln_tau - tau * half
        })
    }

    /// The standard deviation of a coefficient.
    fn sd(&self, i: usize) -> f64 {
        (self.rate / (self.shape - 1.0) * self.inverse[(i, i)]).sqrt()
    }

    /// Standard deviations of the best full-rank and mean-field Gaussians, in true ones.
    fn best_sd(&self, i: usize) -> [f64; 2] {
        let full = ((self.shape - 1.0) / self.shape).sqrt();
        [
            full,
            full / (self.precision[(i, i)] * self.inverse[(i, i)]).sqrt(),
        ]
    }

    /// Gibbs sampling: every coordinate from its conditional.
    fn gibbs(&self) -> Blocks<'_> {
        let coefficient = |i: usize| Block {
            coordinates: vec![i],
            update: Update::Exact(Box::new(move |x, values, stream| {
                let others = (0..D).filter(|j| *j != i);
                let pull: f64 = others
                    .map(|j| self.precision[(i, j)] * (x[j] - self.mean[j]))
                    .sum();
                let own = self.precision[(i, i)];
                let sd = (x[D].exp() * own).powf(-0.5);
                values[0] = self.mean[i] - pull / own + sd * stream.normal();
            })),
        };
        let precision = Block {
            coordinates: vec![D],
            update: Update::Exact(Box::new(|x, values, stream| {
                let half = self.rate + 0.5 * self.distance(&x[..D], &mut [0.0; D]);
                let shape = self.shape + 0.5 * D as f64;
                values[0] = Gamma.sample(&[shape, half], stream).ln();
            })),
        };
        Blocks {
            n_warmup: 0,
            blocks: (0..D).map(coefficient).chain([precision]).collect(),
        }
    }
}

/// Evaluations at which errors are read off.
fn readings() -> impl Iterator<Item = u64> {
    (0..17).map(|i| (BUDGET as f64 * 10f64.powf(f64::from(i - 16) / 8.0)).round() as u64)
}

/// The errors of a method at every reading: root mean squares over runs and coefficients of the error of the mean,
/// in standard deviations, and of the relative error of the standard deviation.
#[derive(Default)]
struct Curve {
    name: &'static str,
    mean: Vec<(f64, f64)>,
    sd: Vec<(f64, f64)>,
    seconds: f64,
}

impl Curve {
    /// From the estimates of every run: evaluations, then means and standard deviations, `[d]` each.
    fn of(name: &'static str, exact: &Posterior, runs: &[Vec<Estimate>], seconds: f64) -> Self {
        let mut curve = Self {
            name,
            seconds,
            ..Self::default()
        };
        for reading in readings() {
            let (mut mean, mut sd, mut n) = (0.0, 0.0, 0.0);
            for run in runs {
                let known = run
                    .iter()
                    .take_while(|estimate| estimate.n_evaluations <= reading);
                let Some(estimate) = known.last() else {
                    continue;
                };
                for i in 0..D {
                    mean += ((estimate.mean[i] - exact.mean[i]) / exact.sd(i)).powi(2);
                    sd += (estimate.sd[i] / exact.sd(i) - 1.0).powi(2);
                    n += 1.0;
                }
            }
            if n > 0.0 {
                curve.mean.push((reading as f64, (mean / n).sqrt()));
                curve.sd.push((reading as f64, (sd / n).sqrt()));
            }
        }
        curve
    }
}

/// What a run believes after some evaluations.
struct Estimate {
    n_evaluations: u64,
    mean: [f64; D],
    sd: [f64; D],
}

/// One chain of a kernel from a random start; its draws.
fn chain<K: Kernel>(
    kernel: &K,
    exact: &Posterior,
    n_draws: u64,
    run: u64,
) -> Result<Sampled, InferError> {
    let options = ChainOptions {
        n_chains: 1,
        n_draws: n_draws as usize,
        ..ChainOptions::default()
    };
    let stream = Stream::from_seed(1).child(kernel.name(), run);
    sample_chains(
        kernel,
        &exact.density(),
        &options,
        &stream,
        None,
        &mut Silent,
    )
}

/// A chain's running means and standard deviations; a draw costs `per_draw` evaluations.
fn running(sampled: &Sampled, per_draw: u64) -> Vec<Estimate> {
    let (mut mean, mut squares) = ([0.0; D], [0.0; D]);
    let warmup = sampled.chains[0].n_gradients_warmup;
    let mut estimates = Vec::new();
    for (k, draw) in sampled.draws.rows().enumerate() {
        let n = (k + 1) as f64;
        for i in 0..D {
            let before = draw[i] - mean[i];
            mean[i] += before / n;
            squares[i] += before * (draw[i] - mean[i]);
        }
        if k > 0 {
            estimates.push(Estimate {
                n_evaluations: warmup + (k as u64 + 1) * per_draw,
                mean,
                sd: squares.map(|s| (s / (n - 1.0)).sqrt()),
            });
        }
    }
    estimates
}

/// What stochastic-gradient VI believes after every step.
fn ascent(exact: &Posterior, family: &dyn Family, run: u64) -> Result<Vec<Estimate>, InferError> {
    let sgvi = Sgvi::new(family);
    let density = exact.density();
    let stream = Stream::from_seed(1).child(&family.name(), run);
    let start = jensen::infer::starts::random(&density, &stream)?;
    let (mut spent, mut estimates) = (1, Vec::new());
    drive(
        &sgvi,
        &density,
        &start,
        BUDGET,
        &stream,
        None,
        &mut Silent,
        |_, state, info| {
            spent += info.n_gradients;
            let member = family.member(&state.averaged);
            estimates.extend(member.as_gaussian().map(|q| Estimate {
                n_evaluations: spent,
                mean: std::array::from_fn(|i| q.mean[i]),
                sd: std::array::from_fn(|i| q.covariance(i, i).sqrt()),
            }));
            match spent < BUDGET {
                true => Flow::Continue,
                false => Flow::Done,
            }
        },
    )?;
    Ok(estimates)
}

/// All methods.
fn compare(exact: &Posterior) -> Result<[Curve; 4], InferError> {
    let measured = |name, run: &dyn Fn(u64) -> Result<Vec<Estimate>, InferError>| {
        let started = Instant::now();
        let runs = (0..N_RUNS).map(run).collect::<Result<Vec<_>, _>>()?;
        let seconds = started.elapsed().as_secs_f64() / N_RUNS as f64;
        Ok::<_, InferError>(Curve::of(name, exact, &runs, seconds))
    };
    let (metropolis, gibbs) = (Metropolis::default(), exact.gibbs());
    let (full, independent) = (FullRank { dim: D + 1 }, MeanField { dim: D + 1 });
    let sweep = D as u64 + 1;
    Ok([
        measured("Metropolis", &|run| {
            Ok(running(&chain(&metropolis, exact, BUDGET, run)?, 1))
        })?,
        measured("Gibbs", &|run| {
            Ok(running(&chain(&gibbs, exact, BUDGET / sweep, run)?, sweep))
        })?,
        measured("VI, full rank", &|run| ascent(exact, &full, run))?,
        measured("VI, mean-field", &|run| ascent(exact, &independent, run))?,
    ])
}

/// One of the two pictures.
fn picture(title: &str, note: &str, y_label: &str, series: Vec<Series>) -> String {
    LineChart {
        title: title.to_owned(),
        note: note.to_owned(),
        x_label: "evaluations of the density".into(),
        y_label: y_label.to_owned(),
        series,
        log_x: true,
        log_y: true,
        ..LineChart::default()
    }
    .svg()
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or("examples-out".into());
    let mut out = std::io::stdout().lock();
    let exact = Posterior::draw()?;
    let curves = compare(&exact)?;
    writeln!(
        out,
        "Regression with {D} correlated inputs, {N_RUNS} runs of {BUDGET} evaluations\n"
    )?;
    writeln!(
        out,
        "                  error of means, sds of the posterior   error of sds   seconds a run"
    )?;
    writeln!(
        out,
        "                  after {:6}      after {BUDGET}",
        BUDGET / 10
    )?;
    for curve in &curves {
        let at = |back: usize| curve.mean[curve.mean.len() - 1 - back].1;
        let sd = curve.sd[curve.sd.len() - 1].1;
        writeln!(
            out,
            "  {:15} {:10.4}        {:10.4}                 {:8.1} %     {:.3}",
            curve.name,
            at(8),
            at(0),
            100.0 * sd,
            curve.seconds
        )?;
    }
    let floor = |which: usize| {
        let squares = (0..D).map(|i| (exact.best_sd(i)[which] - 1.0).powi(2));
        (squares.sum::<f64>() / D as f64).sqrt()
    };
    writeln!(
        out,
        "\nlimits of VI's sds: full rank {:.1} %, mean-field {:.1} %",
        100.0 * floor(0),
        100.0 * floor(1)
    )?;
    let series = |values: &dyn Fn(&Curve) -> Vec<(f64, f64)>| -> Vec<Series> {
        let lines = curves
            .iter()
            .map(|curve| Series::line(curve.name, values(curve)));
        lines.collect()
    };
    let limit = |name: &str, which: usize| {
        let points = readings().map(|n| (n as f64, floor(which)));
        // In the color of its method.
        Series::dashed(name, points).with_color(2 + which)
    };
    let mut sds = series(&|curve| curve.sd.clone());
    sds.extend([
        limit("limit of full rank", 0),
        limit("limit of mean-field", 1),
    ]);
    let means = picture(
        "Means: chains against variational inference",
        "Chains need a hundred times the evaluations for a tenth of the error; Metropolis first spends 1000 to find its step.",
        "error of means, posterior sds",
        series(&|curve| curve.mean.clone()),
    );
    let sds = picture(
        "Standard deviations: chains against variational inference",
        "VI ends at the best of its family; chains go on, and overtake it sooner or later.",
        "relative error of sds",
        sds,
    );
    for (name, svg) in [("mcmc_or_vi", means), ("mcmc_or_vi_sd", sds)] {
        writeln!(out, "wrote {}", write_svg(&folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen::posterior::mcse;
    use jensen_testkit::gradient;

    /// Standard errors: a false alarm in two million.
    const N_ERRORS: f64 = 5.0;

    #[test]
    fn the_density_is_that_of_the_closed_form() {
        /// Differences of a smooth function, and sums of some hundred products.
        const ROUNDING: f64 = 1e-6;
        let exact = Posterior::draw().unwrap();
        let density = exact.density();
        let value = |x: &[f64]| {
            density
                .log_density_and_grad(x, &mut [0.0; D + 1], &mut [])
                .unwrap()
        };
        let x: [f64; D + 1] = std::array::from_fn(|i| 0.1 * i as f64 - 0.2);
        let mut grad = [0.0; D + 1];
        density
            .log_density_and_grad(&x, &mut grad, &mut [])
            .unwrap();
        for (exact, numeric) in grad.iter().zip(gradient(value, &x, 1e-2)) {
            assert!(
                (exact - numeric).abs() < ROUNDING * exact.abs().max(1.0),
                "{exact} {numeric}"
            );
        }
        // At beta = m the density is gamma(tau; a_n, b_n) tau from ln tau, times sqrt tau for every coefficient
        // from the height of N(m, (tau L)^-1).
        let at = |ln_tau: f64| {
            let mut x = exact.mean.clone();
            x.push(ln_tau);
            let closed = Gamma.ln_prob(ln_tau.exp(), &[exact.shape, exact.rate]);
            value(&x) - (closed + (1.0 + 0.5 * D as f64) * ln_tau)
        };
        assert!((at(0.4) - at(-1.3)).abs() < ROUNDING);
    }

    #[test]
    fn chains_find_the_closed_form() {
        let exact = Posterior::draw().unwrap();
        let sampled = [
            chain(&exact.gibbs(), &exact, 20_000, 99).unwrap(),
            chain(&Metropolis::default(), &exact, 100_000, 99).unwrap(),
        ];
        for sampled in sampled {
            for i in 0..D {
                let draws = sampled.draws.quantity(i).unwrap();
                let off = draws.mean() - exact.mean[i];
                assert!(off.abs() < N_ERRORS * mcse::mean(&draws), "{i}: {off}");
                let off = draws.sd() - exact.sd(i);
                assert!(off.abs() < N_ERRORS * mcse::sd(&draws), "sd {i}: {off}");
            }
        }
    }

    #[test]
    fn errors_fall_as_they_should() {
        /// Ten times the draws: sqrt 10 = 3.2 less error. A root mean square over ten runs of some five
        /// independent directions is known to 10 %, a ratio of two to 14 %; three times that either way.
        const TENFOLD: std::ops::Range<f64> = 1.8..5.5;
        let exact = Posterior::draw().unwrap();
        let [metropolis, gibbs, full, independent] = compare(&exact).unwrap();
        let last = |curve: &[(f64, f64)], back: usize| curve[curve.len() - 1 - back].1;
        let ratio = last(&gibbs.mean, 8) / last(&gibbs.mean, 0);
        assert!(TENFOLD.contains(&ratio), "Gibbs: {ratio}");
        // The order of the picture.
        assert!(last(&metropolis.mean, 0) > last(&gibbs.mean, 0));
        assert!(last(&gibbs.mean, 0) > last(&full.mean, 0));
        // Standard deviations of VI end where closed forms say, however much is spent.
        /// Steps go on until the budget ends; noise of the averaged scales, relative.
        const OF_NOISE: f64 = 0.05;
        for (curve, which) in [(&full, 0), (&independent, 1)] {
            let limit = (0..D).map(|i| (exact.best_sd(i)[which] - 1.0).powi(2));
            let limit = (limit.sum::<f64>() / D as f64).sqrt();
            assert!(
                (last(&curve.sd, 0) - limit).abs() < OF_NOISE,
                "{}: {limit}",
                curve.name
            );
        }
        assert!(
            last(&independent.sd, 0) > last(&gibbs.sd, 0),
            "chains overtake mean-field"
        );
    }
}
