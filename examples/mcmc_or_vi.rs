//! Markov chains against variational inference: error against evaluations, and against computing time.
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
//! `cargo run --release --example mcmc_or_vi -- [FOLDER]` writes three pictures to the folder.

use faer::linalg::solvers::DenseSolveCore;
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
use std::path::Path;
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
            let mut before = stream.normal();
            for j in 0..D {
                let rest = (1.0 - CORRELATION * CORRELATION).sqrt() * stream.normal();
                before = CORRELATION * before + rest;
                x[(i, j)] = before;
            }
        }
        let truth = |j: usize| if j.is_multiple_of(2) { 1.0 } else { -0.5 };
        let y = Mat::from_fn(N, 1, |i, _| {
            (0..D).map(|j| x[(i, j)] * truth(j)).sum::<f64>() + stream.normal()
        });
        let precision = x.transpose() * &x + Mat::<f64>::identity(D, D) * (1.0 / V);
        let inverse = precision.llt(Side::Lower)?.inverse();
        let xy = x.transpose() * &y;
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

    /// Relative errors of the standard deviations of the best full-rank and mean-field Gaussians, root mean
    /// squares over coefficients.
    fn limits(&self) -> [f64; 2] {
        let full = ((self.shape - 1.0) / self.shape).sqrt();
        let narrowed = |i: usize| (self.precision[(i, i)] * self.inverse[(i, i)]).sqrt();
        let of = |sd: &dyn Fn(usize) -> f64| {
            let squares = (0..D).map(|i| (sd(i) - 1.0).powi(2));
            (squares.sum::<f64>() / D as f64).sqrt()
        };
        [of(&|_| full), of(&|i| full / narrowed(i))]
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

/// What a run believes after some evaluations and seconds.
struct Estimate {
    n_evaluations: u64,
    seconds: f64,
    mean: [f64; D],
    sd: [f64; D],
}

/// The errors of a method after some evaluations and seconds (the median over runs): root mean squares over runs
/// and coefficients of the error of the mean, in standard deviations, and of the relative error of the standard
/// deviation.
struct Errors {
    n_evaluations: f64,
    seconds: f64,
    mean: f64,
    sd: f64,
}

/// The errors of a method at every reading.
struct Curve {
    name: &'static str,
    errors: Vec<Errors>,
}

impl Curve {
    /// From the estimates of every run.
    fn of(name: &'static str, exact: &Posterior, runs: &[Vec<Estimate>]) -> Self {
        let errors = readings().filter_map(|reading| {
            let known = |run: &Vec<Estimate>| run.partition_point(|e| e.n_evaluations <= reading);
            let known: Vec<&Estimate> = (runs.iter())
                .filter_map(|run| run[..known(run)].last())
                .collect();
            let root_mean_square = |error: &dyn Fn(&Estimate, usize) -> f64| {
                let squares = known
                    .iter()
                    .flat_map(|e| (0..D).map(|i| error(e, i).powi(2)));
                (squares.sum::<f64>() / (known.len() * D) as f64).sqrt()
            };
            let mut seconds: Vec<f64> = known.iter().map(|estimate| estimate.seconds).collect();
            seconds.sort_by(f64::total_cmp);
            Some(Errors {
                n_evaluations: reading as f64,
                seconds: *seconds.get(seconds.len() / 2)?,
                mean: root_mean_square(&|e, i| (e.mean[i] - exact.mean[i]) / exact.sd(i)),
                sd: root_mean_square(&|e, i| e.sd[i] / exact.sd(i) - 1.0),
            })
        });
        Self {
            name,
            errors: errors.collect(),
        }
    }

    /// The errors so many readings before the last: eight of them are ten times the evaluations.
    fn before_last(&self, back: usize) -> &Errors {
        &self.errors[self.errors.len() - 1 - back]
    }
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
    let (density, stream) = (exact.density(), Stream::from_seed(1));
    let stream = stream.child(kernel.name(), run);
    sample_chains(kernel, &density, &options, &stream, None, &mut Silent)
}

/// A chain's running means and standard deviations; a draw costs `per_draw` evaluations, and the time of the chain
/// is shared evenly by its evaluations.
fn running<K: Kernel>(
    kernel: &K,
    exact: &Posterior,
    per_draw: u64,
    run: u64,
) -> Result<Vec<Estimate>, InferError> {
    let started = Instant::now();
    let sampled = chain(kernel, exact, BUDGET / per_draw, run)?;
    let seconds = started.elapsed().as_secs_f64();
    let spent = |n_draws: u64| sampled.chains[0].n_gradients_warmup + n_draws * per_draw;
    let seconds_each = seconds / spent(BUDGET / per_draw) as f64;
    let (mut mean, mut squares) = ([0.0; D], [0.0; D]);
    let mut estimates = Vec::new();
    for (draw, n) in sampled.draws.rows().zip(1..) {
        for i in 0..D {
            let before = draw[i] - mean[i];
            mean[i] += before / n as f64;
            squares[i] += before * (draw[i] - mean[i]);
        }
        if n > 1 {
            estimates.push(Estimate {
                n_evaluations: spent(n),
                seconds: seconds_each * spent(n) as f64,
                mean,
                sd: squares.map(|s| (s / (n - 1) as f64).sqrt()),
            });
        }
    }
    Ok(estimates)
}

/// What stochastic-gradient VI believes after every step; the time of looking is not counted.
fn ascent(exact: &Posterior, family: &dyn Family, run: u64) -> Result<Vec<Estimate>, InferError> {
    let sgvi = Sgvi::new(family);
    let density = exact.density();
    let stream = Stream::from_seed(1).child(&family.name(), run);
    let start = jensen::infer::starts::random(&density, &stream)?;
    let (mut spent, mut seconds, mut resumed) = (1, 0.0, Instant::now());
    let mut estimates = Vec::new();
    drive(
        &sgvi,
        &density,
        &start,
        BUDGET,
        &stream,
        None,
        &mut Silent,
        |_, state, info| {
            seconds += resumed.elapsed().as_secs_f64();
            spent += info.n_gradients;
            let member = family.member(&state.averaged);
            estimates.extend(member.as_gaussian().map(|q| Estimate {
                n_evaluations: spent,
                seconds,
                mean: std::array::from_fn(|i| q.mean[i]),
                sd: std::array::from_fn(|i| q.covariance(i, i).sqrt()),
            }));
            resumed = Instant::now();
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
        let runs = (0..N_RUNS).map(run).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, InferError>(Curve::of(name, exact, &runs))
    };
    let (metropolis, gibbs, sweep) = (Metropolis::default(), exact.gibbs(), D as u64 + 1);
    let (full, independent) = (FullRank { dim: D + 1 }, MeanField { dim: D + 1 });
    Ok([
        measured("Metropolis", &|run| running(&metropolis, exact, 1, run))?,
        measured("Gibbs", &|run| running(&gibbs, exact, sweep, run))?,
        measured("VI, full rank", &|run| ascent(exact, &full, run))?,
        measured("VI, mean-field", &|run| ascent(exact, &independent, run))?,
    ])
}

/// One of the pictures.
fn picture(title: &str, note: &str, [x_label, y_label]: [&str; 2], series: Vec<Series>) -> String {
    LineChart {
        title: title.to_owned(),
        note: note.to_owned(),
        x_label: x_label.to_owned(),
        y_label: y_label.to_owned(),
        series,
        log_x: true,
        log_y: true,
        ..LineChart::default()
    }
    .svg()
}

fn pictures(curves: &[Curve], limits: [f64; 2]) -> [(&'static str, String); 3] {
    let series = |point: &dyn Fn(&Errors) -> (f64, f64)| -> Vec<Series> {
        let line = |curve: &Curve| Series::line(curve.name, curve.errors.iter().map(point));
        curves.iter().map(line).collect()
    };
    let evaluations = "evaluations of the density";
    let mut sds = series(&|errors| (errors.n_evaluations, errors.sd));
    for (i, name) in ["limit of full rank", "limit of mean-field"]
        .iter()
        .enumerate()
    {
        let points = readings().map(|n| (n as f64, limits[i]));
        // In the color of its method.
        sds.push(Series::dashed(name, points).with_color(2 + i));
    }
    let of_mean = "error of means, posterior sds";
    let means = picture(
        "Means: chains against variational inference",
        "Chains need a hundred times the evaluations for a tenth of the error; Metropolis first spends 1000 to find its step.",
        [evaluations, of_mean],
        series(&|errors| (errors.n_evaluations, errors.mean)),
    );
    let times = picture(
        "The same means against computing time",
        "Measured on the machine that drew this. An evaluation by Gibbs costs the least, one by full-rank VI the most; in the end the order stays.",
        ["seconds, median of ten runs", of_mean],
        series(&|errors| (errors.seconds, errors.mean)),
    );
    let sds = picture(
        "Standard deviations: chains against variational inference",
        "VI ends at the best of its family; chains go on, and overtake it sooner or later.",
        [evaluations, "relative error of sds"],
        sds,
    );
    [
        ("mcmc_or_vi", means),
        ("mcmc_or_vi_time", times),
        ("mcmc_or_vi_sd", sds),
    ]
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or("examples-out".into());
    draw(Path::new(&folder), &mut std::io::stdout().lock())
}

/// Prints the numbers and writes the pictures.
fn draw(folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let exact = Posterior::draw()?;
    let curves = compare(&exact)?;
    writeln!(
        out,
        "Regression with {D} correlated inputs, {N_RUNS} runs of {BUDGET} evaluations\n"
    )?;
    writeln!(
        out,
        "                  error of means, sds of the posterior   error of sds   seconds a run\n\
         {:18}after {:6}      after {BUDGET}",
        "",
        BUDGET / 10
    )?;
    for curve in &curves {
        let (tenth, last) = (curve.before_last(8).mean, curve.before_last(0));
        let (name, mean, sd, seconds) = (curve.name, last.mean, 100.0 * last.sd, last.seconds);
        writeln!(
            out,
            "  {name:15} {tenth:10.4}        {mean:10.4}                 {sd:8.1} %     {seconds:.3}"
        )?;
    }
    let limits = exact.limits();
    let [full, independent] = limits.map(|limit| 100.0 * limit);
    writeln!(
        out,
        "\nlimits of VI's sds: full rank {full:.1} %, mean-field {independent:.1} %"
    )?;
    for (name, svg) in pictures(&curves, limits) {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen::density::Evaluator;
    use jensen::posterior::mcse;
    use jensen_testkit::gradient_error;

    /// Standard errors: a false alarm in two million.
    const N_ERRORS: f64 = 5.0;

    #[test]
    fn the_density_is_that_of_the_closed_form() {
        /// Differences of a smooth function, and sums of some hundred products.
        const ROUNDING: f64 = 1e-6;
        let exact = Posterior::draw().unwrap();
        let density = exact.density();
        let x: [f64; D + 1] = std::array::from_fn(|i| 0.1 * i as f64 - 0.2);
        let error = gradient_error(&density, &x, 1e-3);
        assert!(error < ROUNDING, "{error}");
        // At beta = m the density is gamma(tau; a_n, b_n) tau from ln tau, times sqrt tau for every coefficient
        // from the height of N(m, (tau L)^-1).
        let at = |ln_tau: f64| {
            let x = [&exact.mean[..], &[ln_tau]].concat();
            let closed = Gamma.ln_prob(ln_tau.exp(), &[exact.shape, exact.rate]);
            Evaluator::new(&density).log_density(&x) - (closed + (1.0 + 0.5 * D as f64) * ln_tau)
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
        let ratio = gibbs.before_last(8).mean / gibbs.before_last(0).mean;
        assert!(TENFOLD.contains(&ratio), "Gibbs: {ratio}");
        let [metropolis, gibbs, full, independent] =
            [&metropolis, &gibbs, &full, &independent].map(|curve| curve.before_last(0));
        // The order of the picture.
        assert!(metropolis.mean > gibbs.mean && gibbs.mean > full.mean);
        // Standard deviations of VI end where closed forms say, however much is spent.
        /// Steps go on until the budget ends; noise of the averaged scales, relative.
        const OF_NOISE: f64 = 0.05;
        for (found, limit) in [full, independent].iter().zip(exact.limits()) {
            assert!(
                (found.sd - limit).abs() < OF_NOISE,
                "{}, not {limit}",
                found.sd
            );
        }
        // Chains overtake mean-field.
        assert!(independent.sd > gibbs.sd);
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "mcmc_or_vi");
    }
}
