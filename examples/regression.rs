//! Linear regression four ways: normal equations, gradient descent, exact posterior, mean-field VI.
//!
//! y = X beta + noise N(0, s^2) with s known, prior beta ~ N(0, t^2 I).
//!
//! - normal equations: (X'X + (s/t)^2 I) beta = X'y, the maximum of the posterior; without the ridge
//!   (s/t)^2 that of the likelihood
//! - gradient descent climbs to the same maximum
//! - posterior: N(m, L^-1) with L = X'X / s^2 + I / t^2 and m the solution above
//! - mean-field VI: m again, but variances 1 / L_ii, which are never larger than the true (L^-1)_ii; for two
//!   coefficients with correlation r they are (1 - r^2) times those
//!
//! Standard; the mean-field optimum as in [wainwright-2008], ch. 5. Cost: O(n d^2) for the exact answers, n a
//! gradient for the others.
//!
//! `cargo run --release --example regression -- [FOLDER]` writes two pictures to the folder.

use faer::linalg::solvers::{DenseSolveCore, Solve};
use faer::{Mat, Side};
use jensen::Silent;
use jensen::density::{Layout, LogDensity, Variable, from_fn};
use jensen::dist::Univariate;
use jensen::dist::univariate::Normal;
use jensen::infer::InferError;
use jensen::infer::family::MeanField;
use jensen::infer::optimize::gradient_descent::GradientDescent;
use jensen::infer::optimize::{Optimum, maximize_watched};
use jensen::infer::vi;
use jensen::posterior::{Approximation, Gaussian, Scale};
use jensen::report::chart::{LineChart, ScatterChart, Series, write_svg};
use jensen::rng::Stream;
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// The straight line behind the data, and the standard deviation of the noise.
const TRUTH: [f64; 2] = [1.0, 0.6];
const NOISE_SD: f64 = 0.5;
/// Standard deviation of the prior of both coefficients.
const PRIOR_SD: f64 = 3.0;
/// (s/t)^2, which the prior adds to the normal equations.
const RIDGE: f64 = (NOISE_SD / PRIOR_SD) * (NOISE_SD / PRIOR_SD);
const N: usize = 20;
/// Steps after which gradient descent and VI give up.
const MAX_STEPS: u64 = 10_000;

/// Points that follow the line, with noise.
struct Data {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Data {
    fn draw() -> Self {
        let mut stream = Stream::from_seed(4).child("data", 0);
        let x: Vec<f64> = (0..N).map(|_| 4.0 * stream.uniform()).collect();
        let y = (x.iter())
            .map(|x| TRUTH[0] + TRUTH[1] * x + NOISE_SD * stream.normal())
            .collect();
        Self { x, y }
    }

    /// X'X and X'y.
    fn moments(&self) -> (Mat<f64>, Mat<f64>) {
        let x = Mat::from_fn(N, 2, |i, j| if j == 0 { 1.0 } else { self.x[i] });
        let y = Mat::from_fn(N, 1, |i, _| self.y[i]);
        (x.transpose() * &x, x.transpose() * y)
    }

    /// Way 1: the normal equations.
    fn normal_equations(&self, ridge: f64) -> Result<[f64; 2], Box<dyn Error>> {
        let (xx, xy) = self.moments();
        let system = xx + Mat::<f64>::identity(2, 2) * ridge;
        let beta = system.llt(Side::Lower)?.solve(&xy);
        Ok([beta[(0, 0)], beta[(1, 0)]])
    }

    /// ln p(beta) + ln p(y | beta), nats.
    fn log_density(&self) -> impl LogDensity {
        let layout = Layout::new(vec![Variable::real("intercept"), Variable::real("slope")]);
        from_fn(layout, |beta, grad| {
            let mut ln_p = 0.0;
            let mut partials = [0.0; 3];
            for (beta, grad) in beta.iter().zip(grad.iter_mut()) {
                ln_p += Normal.ln_prob_and_partials(*beta, &[0.0, PRIOR_SD], &mut partials);
                *grad = partials[0];
            }
            for (x, y) in self.x.iter().zip(&self.y) {
                let mean = beta[0] + beta[1] * x;
                ln_p += Normal.ln_prob_and_partials(*y, &[mean, NOISE_SD], &mut partials);
                grad[0] += partials[1];
                grad[1] += partials[1] * x;
            }
            ln_p
        })
    }

    /// Way 2: gradient descent, with the places it passed.
    fn gradient_descent(&self) -> Result<(Optimum, Vec<(f64, f64)>), InferError> {
        let mut path = Vec::new();
        let optimum = maximize_watched(
            &GradientDescent,
            &self.log_density(),
            &[0.0, 0.0],
            MAX_STEPS,
            &mut |state, _| path.push((state.place.position[0], state.place.position[1])),
        )?;
        Ok((optimum, path))
    }

    /// The precision L of the posterior.
    fn precision(&self) -> Mat<f64> {
        let identity = Mat::<f64>::identity(2, 2) * PRIOR_SD.powi(-2);
        self.moments().0 * NOISE_SD.powi(-2) + identity
    }

    /// Way 3: the posterior.
    fn posterior(&self) -> Result<Gaussian, Box<dyn Error>> {
        let covariance = self.precision().llt(Side::Lower)?.inverse();
        let rows: Vec<f64> = (0..4).map(|k| covariance[(k / 2, k % 2)]).collect();
        Ok(Gaussian {
            mean: self.normal_equations(RIDGE)?.to_vec(),
            scale: Scale::from_covariance(&rows, 2)?,
        })
    }

    /// Way 4: mean-field VI, and the steps it took.
    fn mean_field(&self) -> Result<(Gaussian, u64), Box<dyn Error>> {
        let (family, stream, start) = (MeanField { dim: 2 }, Stream::from_seed(1), [0.0; 2]);
        let density = self.log_density();
        let fit = vi::fit(&density, &family, &start, MAX_STEPS, &stream, &mut Silent)?;
        let found = fit.approximation.as_gaussian().ok_or("not a Gaussian")?;
        Ok((found.clone(), fit.n_steps))
    }

    /// What mean-field VI would find without noise.
    fn best_mean_field(&self) -> Result<Gaussian, Box<dyn Error>> {
        let precision = self.precision();
        Ok(Gaussian {
            mean: self.posterior()?.mean,
            scale: Scale::Diagonal((0..2).map(|i| precision[(i, i)].powf(-0.5)).collect()),
        })
    }
}

/// Mean and standard deviation of the line at x.
fn line(q: &Gaussian, x: f64) -> (f64, f64) {
    let variance = q.covariance(0, 0) + 2.0 * x * q.covariance(0, 1) + x * x * q.covariance(1, 1);
    (q.mean[0] + q.mean[1] * x, variance.sqrt())
}

/// Data, and the line with its uncertainty by the posterior and by mean-field VI.
fn lines(data: &Data, posterior: &Gaussian, mean_field: &Gaussian) -> String {
    let xs = || (0..=100).map(|i| -0.5 + 5.0 * f64::from(i) / 100.0);
    let points = |q: &Gaussian| xs().map(|x| (x, line(q, x).0)).collect::<Vec<_>>();
    let band = |q: &Gaussian| {
        let band = xs().map(|x| (x, line(q, x)));
        band.map(|(x, (mean, sd))| (x, mean - 2.0 * sd, mean + 2.0 * sd))
            .collect::<Vec<_>>()
    };
    let data = data.x.iter().copied().zip(data.y.iter().copied());
    LineChart {
        title: "A straight line through noisy points".into(),
        note: "Bands: the line ± 2 standard deviations. Without the correlation of intercept and slope, \
               mean-field VI is too unsure in the middle and too sure outside."
            .into(),
        x_label: "x".into(),
        y_label: "y".into(),
        series: vec![
            Series::line("exact posterior", points(posterior)).with_band(band(posterior)),
            Series::dashed("mean-field VI", points(mean_field)).with_band(band(mean_field)),
            Series::dots("data", data).with_color(9),
        ],
        ..LineChart::default()
    }
    .svg()
}

/// The plane of coefficients: the way of gradient descent, the posterior and its mean-field approximation.
fn plane(path: &[(f64, f64)], posterior: &Gaussian, mean_field: &Gaussian) -> String {
    let ellipse = |q: &Gaussian| q.ellipse([0, 1], 2.0, 100);
    ScatterChart {
        title: "Intercept and slope: four ways to one place".into(),
        note: "Ellipses lie 2 standard deviations from the mean. All means agree; the mean-field ellipse is \
               as wide as a slice through the exact one, not as its shadow."
            .into(),
        x_label: "intercept".into(),
        y_label: "slope".into(),
        curves: vec![
            Series::line("exact posterior", ellipse(posterior)),
            Series::dashed("mean-field VI", ellipse(mean_field)),
            Series::line("gradient descent", path.iter().copied()),
            Series::rings("normal equations", [(posterior.mean[0], posterior.mean[1])]),
        ],
        ..ScatterChart::default()
    }
    .svg()
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or("examples-out".into());
    draw(Path::new(&folder), &mut std::io::stdout().lock())
}

/// Prints the numbers and writes the pictures.
fn draw(folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let data = Data::draw();
    let (least_squares, ridge) = (data.normal_equations(0.0)?, data.normal_equations(RIDGE)?);
    let (climbed, path) = data.gradient_descent()?;
    let posterior = data.posterior()?;
    let (mean_field, n_steps) = data.mean_field()?;
    writeln!(out, "{N} points, truth {TRUTH:?}\n")?;
    writeln!(out, "{:32}{:17}slope", "", "intercept")?;
    let mut row = |name: &str, mean: &[f64], sd: Option<Vec<f64>>| {
        let cell = |i: usize| match &sd {
            Some(sd) => format!("{:.4} ± {:.4}", mean[i], sd[i]),
            None => format!("{:.4}         ", mean[i]),
        };
        writeln!(out, "  {name:28}  {}  {}", cell(0), cell(1))
    };
    let sd = |q: &Gaussian| Some(q.scale.variances().iter().map(|v| v.sqrt()).collect());
    row("normal equations, no prior", &least_squares, None)?;
    row("normal equations", &ridge, None)?;
    row("gradient descent", &climbed.place.position, None)?;
    let best = data.best_mean_field()?;
    row("exact posterior", &posterior.mean, sd(&posterior))?;
    row("mean-field VI", &mean_field.mean, sd(&mean_field))?;
    row("mean-field, closed form", &best.mean, sd(&best))?;
    let n_climbed = climbed.n_steps;
    writeln!(
        out,
        "\n{n_climbed} steps of gradient descent, {n_steps} of VI"
    )?;
    let pictures = [
        ("regression", lines(&data, &posterior, &mean_field)),
        ("regression_plane", plane(&path, &posterior, &mean_field)),
    ];
    for (name, svg) in pictures {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen::infer::laplace::laplace;
    use jensen::posterior::kl_gaussian;

    /// Two equations of numbers near a hundred, solved in double precision.
    const ROUNDING: f64 = 1e-9;
    /// An ascent ends when a step gains less than 1e-9 nats. With condition number k some k / 4 times that is
    /// left, and the distance in standard deviations is the root of twice what is left: 1e-3 for k = 2000.
    const OF_ASCENT: f64 = 1e-3;
    /// The stop rule of stochastic VI is satisfied when further steps gain less than 0.02 nats.
    const OF_STOP_RULE: f64 = 0.02;

    #[test]
    fn gradient_descent_ends_at_the_normal_equations() {
        let data = Data::draw();
        let (climbed, path) = data.gradient_descent().unwrap();
        let posterior = data.posterior().unwrap();
        let mut off: Vec<f64> = (climbed.place.position.iter().zip(&posterior.mean))
            .map(|(found, exact)| found - exact)
            .collect();
        posterior.scale.solve(&mut off);
        assert!(off.iter().all(|off| off.abs() < OF_ASCENT), "{off:?}");
        assert_eq!(path.len() as u64, climbed.n_steps + 1);
    }

    #[test]
    fn the_prior_pulls_least_squares_towards_zero_as_it_should() {
        let data = Data::draw();
        // (X'X + k I) ridge = X'X least squares.
        let [free, ridge] = [0.0, RIDGE].map(|k| data.normal_equations(k).unwrap());
        let xx = data.moments().0;
        for i in 0..2 {
            let pulled: f64 = (0..2).map(|j| xx[(i, j)] * (free[j] - ridge[j])).sum();
            assert!((pulled - RIDGE * ridge[i]).abs() < ROUNDING);
        }
        assert!(ridge[1].hypot(ridge[0]) < free[1].hypot(free[0]));
    }

    #[test]
    fn laplace_is_the_exact_posterior_of_a_linear_model() {
        /// Second derivatives by differences of gradients agree to about 1e-8; the divergence is their square.
        const OF_DIFFERENCES: f64 = 1e-10;
        let data = Data::draw();
        let (found, _) = laplace(&data.log_density(), &[0.0, 0.0]).unwrap();
        assert!(kl_gaussian(&found, &data.posterior().unwrap()) < OF_DIFFERENCES);
    }

    #[test]
    fn mean_field_finds_the_best_of_its_family_which_is_too_narrow() {
        let data = Data::draw();
        let (posterior, best) = (data.posterior().unwrap(), data.best_mean_field().unwrap());
        let r = posterior.covariance(0, 1)
            / (posterior.covariance(0, 0) * posterior.covariance(1, 1)).sqrt();
        for i in 0..2 {
            let ratio = best.covariance(i, i) / posterior.covariance(i, i);
            assert!((ratio - (1.0 - r * r)).abs() < ROUNDING);
        }
        let unavoidable = kl_gaussian(&best, &posterior);
        assert!((unavoidable + 0.5 * (1.0 - r * r).ln()).abs() < ROUNDING);
        let (found, _) = data.mean_field().unwrap();
        let lost = kl_gaussian(&found, &posterior) - unavoidable;
        assert!((0.0..OF_STOP_RULE).contains(&lost), "{lost} nats lost");
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "regression");
    }
}
