//! The variance of the score-function gradient against the reparameterized one: why the trick makes models
//! trainable.
//!
//! p = N(0, 1), q = N(m, s^2), z = m + s e. The gradient of the ELBO by m is -m; its estimates from one draw are
//!
//! - score function: (ln p(z) - ln q(z)) e / s, variance ((a^2 + 6 a c + 3 b^2 + 15 c^2) / s^2 - m^2), where
//!   ln p - ln q = a + b e + c e^2 with a = ln s - m^2 / 2, b = -m s, c = (1 - s^2) / 2
//! - score function less the mean of the other M - 1 draws: the sample covariance of ln p - ln q and e / s, with
//!   variance (3 b^2 + 10 c^2) / (M s^2) - (M - 2) m^2 / (M (M - 1)) + (b^2 + 2 c^2) / (M (M - 1) s^2) from M draws
//! - reparameterized: -z, variance s^2
//! - sticking the landing: -z + e / s, variance (s - 1/s)^2: none where q = p
//!
//! As q narrows the score function's variance grows like (ln s)^2 / s^2; the path's falls like s^2.
//! [ranganath-2014], [kingma-2014], [roeder-2017], [kool-2019]; the moments of normal draws are standard.
//! Cost: half a million draws.
//!
//! `cargo run --release --example gradient_variance -- [FOLDER]` writes two pictures to the folder.

use jensen::Silent;
use jensen::density::{Evaluator, Layout, LogDensity, Variable, from_fn};
use jensen::infer::drive::{Flow, drive};
use jensen::infer::family::{Family, MeanField};
use jensen::infer::vi::{
    Baseline, Batch, Estimator, Objective, Problem, Reparameterization, Score, Sgvi,
};
use jensen::posterior::{Approximation, Gaussian, PosteriorError, Scale, kl_gaussian};
use jensen::report::chart::{LineChart, Series, write_svg};
use jensen::rng::Stream;
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// The mean of q, one standard deviation of p away.
const M: f64 = 1.0;
/// Draws of one estimate, and estimates whose variance is measured.
const N_DRAWS: usize = 10;
const N_ESTIMATES: usize = 4000;
/// Pairs of coordinates of the model that is trained, their correlation, and the steps.
const N_PAIRS: usize = 10;
const CORRELATION: f64 = 0.8;
const N_STEPS: u64 = 1000;

/// Every estimator with its name.
fn estimators() -> [(&'static str, Estimator); 4] {
    let score = |baseline| {
        Estimator::Score(Score {
            baseline,
            rao_blackwell: false,
        })
    };
    let path = Estimator::Reparameterization;
    let others = score(Baseline::LeaveOneOut);
    let landing = path(Reparameterization::StickingTheLanding);
    [
        ("score function", score(Baseline::None)),
        ("score, leave-one-out baseline", others),
        ("reparameterized", path(Reparameterization::Plain)),
        ("sticking the landing", landing),
    ]
}

/// The variance of each estimate, in the same order, from [`N_DRAWS`] draws.
fn closed_form(s: f64) -> [f64; 4] {
    let n = N_DRAWS as f64;
    let (a, b, c) = (s.ln() - 0.5 * M * M, -M * s, 0.5 * (1.0 - s * s));
    let score = (a * a + 6.0 * a * c + 3.0 * b * b + 15.0 * c * c) / (s * s) - M * M;
    let pairs = n * (n - 1.0);
    [
        score / n,
        (3.0 * b * b + 10.0 * c * c) / (n * s * s) - (n - 2.0) * M * M / pairs
            + (b * b + 2.0 * c * c) / (pairs * s * s),
        s * s / n,
        (s - 1.0 / s).powi(2) / n,
    ]
}

/// A Gaussian as a density.
fn density(p: &Gaussian) -> impl LogDensity {
    let layout = Layout::new(vec![Variable::new("z", &[p.mean.len()])]);
    from_fn(layout, |z, grad| p.ln_density_and_grad(z, grad))
}

/// The target of the first picture, N(0, 1).
fn standard() -> Gaussian {
    Gaussian {
        mean: vec![0.0],
        scale: Scale::Diagonal(vec![1.0]),
    }
}

/// The target that is trained on: mean 1 and variance 1 everywhere, coordinates correlated in pairs.
fn pairs() -> Result<Gaussian, PosteriorError> {
    let d = 2 * N_PAIRS;
    let mut covariance = vec![0.0; d * d];
    for i in 0..d {
        covariance[i * d + i] = 1.0;
        // i ^ 1 is the other of the pair.
        covariance[i * d + (i ^ 1)] = CORRELATION;
    }
    Ok(Gaussian {
        mean: vec![1.0; d],
        scale: Scale::from_covariance(&covariance, d)?,
    })
}

/// KL(q || p), nats, of the best mean-field q: -ln(1 - r^2) / 2 for each pair.
fn unavoidable() -> f64 {
    -0.5 * N_PAIRS as f64 * (1.0 - CORRELATION * CORRELATION).ln()
}

/// Many estimates of the gradient by m for one s, `[4, N_ESTIMATES]`.
fn estimates(s: f64) -> [Vec<f64>; 4] {
    let (family, p) = (MeanField { dim: 1 }, standard());
    let target = density(&p);
    let params = family.start(&[M], &[s]);
    let mut evaluator = Evaluator::new(&target);
    let problem = Problem {
        family: &family,
        params: &params,
        objective: Objective::Kl,
        factored: None,
        baseline: None,
    };
    let mut found: [Vec<f64>; 4] = Default::default();
    for i in 0..N_ESTIMATES {
        let stream = Stream::from_seed(2).child("estimate", i as u64);
        let batch = Batch::draw(&family, &params, &mut evaluator, &stream, N_DRAWS);
        for (found, (_, estimator)) in found.iter_mut().zip(estimators()) {
            // Rows of the gradient by (m, ln s), one a draw.
            let rows = estimator.gradients(problem, &batch);
            found.push(rows.iter().step_by(2).sum::<f64>() / N_DRAWS as f64);
        }
    }
    found
}

/// Mean and variance of numbers, each with its standard error.
fn moments(values: &[f64]) -> [(f64, f64); 2] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let central = |power| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
    let (variance, fourth) = (central(2), central(4));
    let error = ((fourth - variance * variance) / n).sqrt();
    [(mean, (variance / n).sqrt()), (variance, error)]
}

/// How far KL(q || p) is above the least after every step of training, nats.
fn train(estimator: Estimator) -> Result<Vec<f64>, Box<dyn Error>> {
    let (family, p) = (MeanField { dim: 2 * N_PAIRS }, pairs()?);
    let sgvi = Sgvi {
        estimator,
        n_draws: N_DRAWS,
        ..Sgvi::new(&family)
    };
    let mut gap = Vec::new();
    drive(
        &sgvi,
        &density(&p),
        &[0.0; 2 * N_PAIRS],
        N_STEPS,
        &Stream::from_seed(1),
        None,
        &mut Silent,
        |_, state, _| {
            let q = family.member(&state.averaged);
            gap.extend(q.as_gaussian().map(|q| kl_gaussian(q, &p) - unavoidable()));
            Flow::Continue
        },
    )?;
    Ok(gap)
}

/// Standard deviations of q at which variances are measured.
fn spreads() -> impl Iterator<Item = f64> {
    (0..13).map(|i| 10f64.powf(-2.0 + f64::from(i) / 5.0))
}

fn variances(measured: &[(f64, [f64; 4])]) -> String {
    let mut series = Vec::new();
    for (i, (name, _)) in estimators().iter().enumerate() {
        let curve = (0..=120).map(|k| 10f64.powf(-2.0 + 2.4 * f64::from(k) / 120.0));
        let closed = curve.map(|s| (s, closed_form(s)[i]));
        series.push(Series::line(name, closed).with_color(i));
        let dots = measured.iter().map(|(s, variance)| (*s, variance[i]));
        let name = if i == 3 { "dots: measured" } else { "" };
        series.push(Series::dots(name, dots).with_color(i));
    }
    LineChart {
        title: "The noise of four gradients of the same bound".into(),
        note: "Lines: closed forms. Where q is narrow, the score function drowns in noise; the reparameterized \
               gradient does not. Sticking the landing is noisy there too, but silent where q = p."
            .into(),
        x_label: "standard deviation of q (that of p is 1)".into(),
        y_label: "variance of the gradient".into(),
        series,
        log_x: true,
        log_y: true,
        ..LineChart::default()
    }
    .svg()
}

fn training(curves: &[(&str, Vec<f64>)]) -> String {
    let series = |(name, gap): &(&str, Vec<f64>)| {
        let points = gap.iter().enumerate();
        Series::line(name, points.map(|(t, gap)| ((t + 1) as f64, *gap)))
    };
    LineChart {
        title: format!(
            "Training in {} dimensions, {N_DRAWS} draws a step",
            2 * N_PAIRS
        ),
        note: "The same steps with four gradients. What is left falls as far as the noise lets it."
            .into(),
        x_label: "steps".into(),
        y_label: "KL(q || p) above its least, nats".into(),
        series: curves.iter().map(series).collect(),
        log_x: true,
        log_y: true,
        ..LineChart::default()
    }
    .svg()
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or("examples-out".into());
    draw(Path::new(&folder), &mut std::io::stdout().lock())
}

/// Prints the numbers and writes the pictures.
fn draw(folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    writeln!(
        out,
        "Variance of the gradient by the mean of q, {N_DRAWS} draws: closed form (measured)\n\n  \
         sd of q  score function       leave-one-out        reparameterized      sticking the landing"
    )?;
    let mut measured = Vec::new();
    for s in spreads() {
        let found = estimates(s).map(|values| moments(&values)[1].0);
        let cells = [0, 1, 2, 3].map(|i| format!("{:9.2e} ({:.2e})", closed_form(s)[i], found[i]));
        writeln!(out, "  {s:7.3}  {}", cells.join("  "))?;
        measured.push((s, found));
    }
    writeln!(
        out,
        "\nKL(q || p) above its least after {N_STEPS} steps in {} dimensions, nats",
        2 * N_PAIRS
    )?;
    let mut curves = Vec::new();
    for (name, estimator) in estimators() {
        let kl = train(estimator)?;
        writeln!(out, "  {name:30} {:.5}", kl[kl.len() - 1])?;
        curves.push((name, kl));
    }
    let pictures = [
        ("gradient_variance", variances(&measured)),
        ("gradient_training", training(&curves)),
    ];
    for (name, svg) in pictures {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_testkit::integrate;
    use std::f64::consts::TAU;

    /// Quadrature of polynomials times a normal density, relative.
    const ROUNDING: f64 = 1e-9;
    /// Standard errors: a false alarm in two million.
    const N_ERRORS: f64 = 5.0;

    /// The mean of a function of e ~ N(0, 1); beyond 12 there is less than rounding.
    fn mean_of(f: impl Fn(f64) -> f64) -> f64 {
        integrate(|e| f(e) * (-0.5 * e * e).exp() / TAU.sqrt(), -12.0, 12.0)
    }

    #[test]
    fn closed_forms_agree_with_quadrature() {
        for s in spreads() {
            let z = |e: f64| M + s * e;
            let ln_w = |e: f64| -0.5 * z(e).powi(2) + 0.5 * e * e + s.ln();
            let of_one: [&dyn Fn(f64) -> f64; 3] =
                [&|e| ln_w(e) * e / s, &|e| -z(e), &|e| -z(e) + e / s];
            let closed = closed_form(s);
            for (f, closed) in of_one.iter().zip([closed[0], closed[2], closed[3]]) {
                let (mean, square) = (mean_of(f), mean_of(|e| f(e).powi(2)));
                assert!((mean + M).abs() < ROUNDING * square.sqrt().max(1.0));
                let variance = (square - mean * mean) / N_DRAWS as f64;
                assert!((variance - closed).abs() < ROUNDING * square, "s = {s}");
            }
            // The sample covariance of x = ln w and y = e / s from n draws.
            let (x, y) = (mean_of(ln_w), |e: f64| e / s);
            let moment = |i, j| mean_of(|e| (ln_w(e) - x).powi(i) * y(e).powi(j));
            let n = N_DRAWS as f64;
            let variance = moment(2, 2) / n - (n - 2.0) / (n * (n - 1.0)) * moment(1, 1).powi(2)
                + moment(2, 0) * moment(0, 2) / (n * (n - 1.0));
            let off = (variance - closed[1]).abs();
            assert!(off < ROUNDING * moment(2, 2), "s = {s}");
        }
    }

    #[test]
    fn measured_means_and_variances_agree_with_closed_forms() {
        for s in [0.01, 0.1, 0.5, 1.0, 2.0] {
            for (i, values) in estimates(s).iter().enumerate() {
                let [(mean, mean_error), (variance, error)] = moments(values);
                let closed = closed_form(s)[i];
                // Without noise there is rounding alone.
                let near = |off: f64, error: f64| off.abs() <= N_ERRORS * error + ROUNDING;
                assert!(near(mean + M, mean_error), "{i}, s = {s}: {mean}");
                assert!(
                    near(variance - closed, error),
                    "{i}, s = {s}: {variance} {closed}"
                );
            }
        }
    }

    #[test]
    fn the_score_function_drowns_and_the_path_does_not() {
        // Ten times narrower: about a hundred times the noise, and a hundredth of it.
        let (wide, narrow) = (closed_form(0.1), closed_form(0.01));
        assert!(narrow[0] / wide[0] > 100.0 && narrow[1] / wide[1] > 50.0);
        assert!((narrow[2] / wide[2] - 0.01).abs() < ROUNDING);
        assert_eq!(closed_form(1.0)[3], 0.0);
    }

    #[test]
    fn noise_decides_how_far_training_comes() {
        /// With this seed the baseline saves a factor of 70, and the path another of 10.
        const FACTOR: f64 = 5.0;
        let [none, baseline, plain, landing] =
            estimators().map(|(_, estimator)| *train(estimator).unwrap().last().unwrap());
        assert!(none > FACTOR * baseline, "{none} {baseline}");
        let best = plain.max(landing);
        assert!(baseline > FACTOR * best, "{baseline} {best}");
        // Nothing is better than the best.
        assert!(plain > 0.0 && landing > 0.0, "{plain} {landing}");
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "gradient_variance");
    }
}
