//! Model selection by evidence: which degree has the polynomial behind the data?
//!
//! y = sum_k beta_k P_k(x) + noise N(0, s^2) with s known, prior beta_k ~ N(0, t^2), Phi the matrix of the Legendre
//! polynomials P_k [dlmf-2024], which are of about one size on [-1, 1].
//!
//! - evidence ln p(y) = ln N(y; 0, s^2 I + t^2 Phi Phi'), exact; it pays for fit and charges for what the model could
//!   have said as well, so it rises to the true degree and falls after it (Occam's hill)
//! - the greatest likelihood rises with every degree and chooses nothing
//! - ELBO of full-rank Gaussians = evidence, as the posterior N(m, L^-1) is one of them; the bound is absolute
//!   because the log density is: no constant may be left out
//! - ELBO of mean-field Gaussians = evidence - (sum_k ln L_kk - ln det L) / 2, the more below it the more
//!   correlated the coefficients are
//!
//! Standard. Cost: O(n^3) for the exact evidence, O(n d) a gradient.
//!
//! `cargo run --release --example polynomial_degree -- [FOLDER]` writes two pictures to the folder.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use jensen::Silent;
use jensen::density::{Layout, LogDensity, Variable, from_fn};
use jensen::infer::InferError;
use jensen::infer::family::{Family, FullRank, MeanField};
use jensen::infer::vi::{self, Fit};
use jensen::posterior::{Approximation, Gaussian, PosteriorError, Scale};
use jensen::report::chart::{LineChart, Series, write_svg};
use jensen::rng::Stream;
use std::error::Error;
use std::f64::consts::TAU;
use std::io::Write;
use std::path::Path;

/// The coefficients behind the data: degree 3.
const TRUTH: [f64; 4] = [0.2, -0.4, 0.4, 0.7];
const NOISE_SD: f64 = 0.2;
/// The standard deviation t of the prior of every coefficient.
const PRIOR_SD: f64 = 1.0;
/// (s/t)^2, which the prior adds to the normal equations.
const RIDGE: f64 = (NOISE_SD / PRIOR_SD) * (NOISE_SD / PRIOR_SD);
const N: usize = 30;
const MAX_DEGREE: usize = 8;
/// Steps after which a fit gives up.
const MAX_STEPS: u64 = 30_000;

/// Points that follow the polynomial, with noise.
struct Data {
    x: Vec<f64>,
    y: Vec<f64>,
}

/// P_0(x), P_1(x), ..., without end: (k + 1) P_k+1 = (2 k + 1) x P_k - k P_k-1, [dlmf-2024], 18.9.
fn legendre(x: f64) -> impl Iterator<Item = f64> {
    let (mut k, mut pair) = (0.0, [0.0, 1.0]);
    std::iter::repeat_with(move || {
        let [before, here] = pair;
        pair = [here, ((2.0 * k + 1.0) * x * here - k * before) / (k + 1.0)];
        k += 1.0;
        here
    })
}

fn polynomial(beta: &[f64], x: f64) -> f64 {
    beta.iter().zip(legendre(x)).map(|(beta, p)| beta * p).sum()
}

/// (X'X + ridge I)^-1 X'y and X'X + ridge I.
struct Normal {
    beta: Vec<f64>,
    matrix: Mat<f64>,
}

impl Data {
    fn draw() -> Self {
        let mut stream = Stream::from_seed(8).child("data", 0);
        // All over [-1, 1], denser in the middle: on even points the polynomials would be all but orthogonal,
        // and mean-field VI all but exact.
        let x: Vec<f64> = (0..N)
            .map(|i| 2.0 * (i as f64 + stream.uniform()) / N as f64 - 1.0)
            .map(|t| t * t.abs())
            .collect();
        let y = x
            .iter()
            .map(|x| polynomial(&TRUTH, *x) + NOISE_SD * stream.normal());
        Self { y: y.collect(), x }
    }

    /// The exact evidence, nats.
    fn ln_evidence(&self, degree: usize) -> Result<f64, PosteriorError> {
        let covariance = |i: usize, j: usize| {
            let both = legendre(self.x[i]).zip(legendre(self.x[j]));
            let shared: f64 = both.take(degree + 1).map(|(a, b)| a * b).sum();
            PRIOR_SD * PRIOR_SD * shared + if i == j { NOISE_SD * NOISE_SD } else { 0.0 }
        };
        let rows: Vec<f64> = (0..N * N).map(|k| covariance(k / N, k % N)).collect();
        let before_the_data = Gaussian {
            mean: vec![0.0; N],
            scale: Scale::from_covariance(&rows, N)?,
        };
        Ok(before_the_data.ln_density(&self.y))
    }

    fn normal_equations(&self, degree: usize, ridge: f64) -> Result<Normal, Box<dyn Error>> {
        let rows: Vec<Vec<f64>> = (self.x.iter())
            .map(|x| legendre(*x).take(degree + 1).collect())
            .collect();
        let phi = Mat::from_fn(N, degree + 1, |i, k| rows[i][k]);
        let y = Mat::from_fn(N, 1, |i, _| self.y[i]);
        let ridge = Mat::<f64>::identity(degree + 1, degree + 1) * ridge;
        let matrix = phi.transpose() * &phi + ridge;
        let solution = matrix.llt(Side::Lower)?.solve(phi.transpose() * y);
        let beta = (0..=degree).map(|k| solution[(k, 0)]).collect();
        Ok(Normal { beta, matrix })
    }

    /// ln p(y | beta), nats.
    fn ln_likelihood(&self, beta: &[f64]) -> f64 {
        let squares = self.x.iter().zip(&self.y);
        let squares: f64 = squares
            .map(|(x, y)| (y - polynomial(beta, *x)).powi(2))
            .sum();
        -0.5 * (squares / NOISE_SD.powi(2) + N as f64 * (TAU * NOISE_SD.powi(2)).ln())
    }

    /// The greatest likelihood, nats.
    fn best_ln_likelihood(&self, degree: usize) -> Result<f64, Box<dyn Error>> {
        Ok(self.ln_likelihood(&self.normal_equations(degree, 0.0)?.beta))
    }

    /// What mean-field VI would find without noise: evidence - (sum ln L_kk - ln det L) / 2.
    fn best_mean_field(&self, degree: usize) -> Result<f64, Box<dyn Error>> {
        // L without the factor 1 / s^2, which cancels.
        let precision = self.normal_equations(degree, RIDGE)?.matrix;
        let factor = precision.llt(Side::Lower)?;
        let lost = (0..=degree).map(|k| precision[(k, k)].ln() - 2.0 * factor.L()[(k, k)].ln());
        Ok(self.ln_evidence(degree)? - 0.5 * lost.sum::<f64>())
    }

    /// ln p(beta) + ln p(y | beta), nats, with every constant.
    fn log_density(&self, degree: usize) -> impl LogDensity {
        let layout = Layout::new(vec![Variable::new("beta", &[degree + 1])]);
        from_fn(layout, |beta, grad| {
            let mut ln_p = self.ln_likelihood(beta);
            for (beta, grad) in beta.iter().zip(grad.iter_mut()) {
                ln_p -= 0.5 * ((beta / PRIOR_SD).powi(2) + (TAU * PRIOR_SD.powi(2)).ln());
                *grad = -beta / PRIOR_SD.powi(2);
            }
            for (x, y) in self.x.iter().zip(&self.y) {
                let pull = (y - polynomial(beta, *x)) / NOISE_SD.powi(2);
                for (grad, p) in grad.iter_mut().zip(legendre(*x)) {
                    *grad += pull * p;
                }
            }
            ln_p
        })
    }

    /// Fits a family of approximations to the coefficients.
    fn fit(&self, degree: usize, family: &dyn Family) -> Result<Fit, InferError> {
        let (density, start) = (self.log_density(degree), vec![0.0; degree + 1]);
        let stream = Stream::from_seed(1).child("degree", degree as u64);
        vi::fit(&density, family, &start, MAX_STEPS, &stream, &mut Silent)
    }
}

/// What every degree reaches, nats.
struct Row {
    best_likelihood: f64,
    evidence: f64,
    full_rank: (f64, f64),
    mean_field: (f64, f64),
    best_mean_field: f64,
}

fn table(data: &Data) -> Result<Vec<Row>, Box<dyn Error>> {
    (0..=MAX_DEGREE)
        .map(|degree| {
            let full_rank = data.fit(degree, &FullRank { dim: degree + 1 })?;
            let mean_field = data.fit(degree, &MeanField { dim: degree + 1 })?;
            Ok(Row {
                best_likelihood: data.best_ln_likelihood(degree)?,
                evidence: data.ln_evidence(degree)?,
                full_rank: (full_rank.elbo, full_rank.elbo_error),
                mean_field: (mean_field.elbo, mean_field.elbo_error),
                best_mean_field: data.best_mean_field(degree)?,
            })
        })
        .collect()
}

/// The degree where a number is greatest.
fn chosen(rows: &[Row], of: impl Fn(&Row) -> f64) -> usize {
    (0..rows.len())
        .max_by(|a, b| of(&rows[*a]).total_cmp(&of(&rows[*b])))
        .unwrap_or(0)
}

fn hill(rows: &[Row]) -> String {
    let of = |number: fn(&Row) -> f64| {
        let rows = rows.iter().enumerate();
        rows.map(move |(degree, row)| (degree as f64, number(row)))
    };
    LineChart {
        title: "Occam's hill: the evidence of polynomials".into(),
        note: "Points that follow degree 3. The greatest likelihood always rises; the evidence, and bounds of it, \
               are highest at the true degree."
            .into(),
        x_label: "degree of the polynomial".into(),
        y_label: "nats".into(),
        series: vec![
            Series::dashed("greatest ln likelihood", of(|row| row.best_likelihood)).with_color(9),
            Series::line("exact ln evidence", of(|row| row.evidence)).with_color(0),
            Series::rings("ELBO, full rank", of(|row| row.full_rank.0)).with_color(1),
            Series::line("ELBO, mean-field", of(|row| row.mean_field.0)).with_color(2),
        ],
        ..LineChart::default()
    }
    .svg()
}

/// The data, and the posterior means of three degrees.
fn fits(data: &Data) -> Result<String, Box<dyn Error>> {
    let points = data.x.iter().copied().zip(data.y.iter().copied());
    let mut series = vec![Series::dots("data", points).with_color(9)];
    for degree in [1, 3, MAX_DEGREE] {
        let beta = data.normal_equations(degree, RIDGE)?.beta;
        let xs = (0..=200).map(|i| -1.0 + 2.0 * f64::from(i) / 200.0);
        let curve = xs.map(|x| (x, polynomial(&beta, x)));
        let name = format!("degree {degree}");
        series.push(match degree {
            3 => Series::line(&name, curve),
            _ => Series::dashed(&name, curve),
        });
    }
    Ok(LineChart {
        title: "Too simple, right, and more than needed".into(),
        note:
            "Posterior means. Degree 8 fits no worse than degree 3; it could have fitted much else."
                .into(),
        x_label: "x".into(),
        y_label: "y".into(),
        series,
        ..LineChart::default()
    }
    .svg())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or("examples-out".into());
    draw(Path::new(&folder), &mut std::io::stdout().lock())
}

/// Prints the numbers and writes the pictures.
fn draw(folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let data = Data::draw();
    let rows = table(&data)?;
    let truth = TRUTH.len() - 1;
    writeln!(out, "{N} points that follow degree {truth}, nats\n")?;
    writeln!(
        out,
        "degree  greatest      exact    ELBO, full rank     ELBO, mean-field    its closed form\n      \
         likelihood   evidence"
    )?;
    for (degree, row) in rows.iter().enumerate() {
        let (full, mean_field) = (row.full_rank, row.mean_field);
        writeln!(
            out,
            "{degree:6} {:9.3}  {:9.3}  {:9.3} ± {:.3}   {:9.3} ± {:.3}   {:9.3}",
            row.best_likelihood,
            row.evidence,
            full.0,
            full.1,
            mean_field.0,
            mean_field.1,
            row.best_mean_field
        )?;
    }
    writeln!(
        out,
        "\nchosen by likelihood {}, evidence {}, full rank {}, mean-field {}",
        chosen(&rows, |row| row.best_likelihood),
        chosen(&rows, |row| row.evidence),
        chosen(&rows, |row| row.full_rank.0),
        chosen(&rows, |row| row.mean_field.0)
    )?;
    for (name, svg) in [
        ("polynomial_degree", hill(&rows)),
        ("polynomial_fits", fits(&data)?),
    ] {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen::density::Evaluator;
    use jensen::infer::laplace::laplace;
    use jensen_testkit::integrate_line;

    /// Cholesky factors of thirty rows with condition numbers up to 1e4, and quadrature.
    const ROUNDING: f64 = 1e-8;
    /// The stop rule of stochastic VI is satisfied when further steps gain less than 0.02 nats.
    const OF_STOP_RULE: f64 = 0.02;
    /// Standard errors: a false alarm in two million.
    const N_ERRORS: f64 = 5.0;

    #[test]
    fn the_evidence_is_the_integral_of_the_joint_density() {
        let data = Data::draw();
        let density = data.log_density(0);
        // About its mode, to stay clear of underflow: the mean of y, s / sqrt n wide.
        let mode = data.normal_equations(0, RIDGE).unwrap().beta[0];
        let ln_p = |b: f64| Evaluator::new(&density).log_density(&[b]);
        let top = ln_p(mode);
        let integral = integrate_line(|b| (ln_p(b) - top).exp(), mode, NOISE_SD);
        assert!((top + integral.ln() - data.ln_evidence(0).unwrap()).abs() < ROUNDING);
    }

    #[test]
    fn laplace_gives_the_evidence_of_every_degree() {
        /// Second derivatives by differences of gradients, relative 1e-8 and up to 1e-4 of small eigenvalues.
        const OF_DIFFERENCES: f64 = 1e-4;
        let data = Data::draw();
        for degree in 0..=MAX_DEGREE {
            let (_, info) = laplace(&data.log_density(degree), &vec![0.0; degree + 1]).unwrap();
            let evidence = data.ln_evidence(degree).unwrap();
            assert!(
                (info.log_evidence - evidence).abs() < OF_DIFFERENCES,
                "degree {degree}"
            );
        }
    }

    #[test]
    fn bounds_are_what_closed_forms_say_and_all_choose_the_true_degree() {
        let data = Data::draw();
        let rows = table(&data).unwrap();
        for (degree, row) in rows.iter().enumerate() {
            let near = |(elbo, error): (f64, f64), best: f64| {
                let off = elbo - best;
                (-OF_STOP_RULE - N_ERRORS * error..N_ERRORS * error + ROUNDING).contains(&off)
            };
            let (full, mean_field) = (row.full_rank, row.mean_field);
            assert!(
                near(full, row.evidence),
                "{degree}: {full:?}, {}",
                row.evidence
            );
            assert!(
                near(mean_field, row.best_mean_field),
                "{degree}: {mean_field:?}, {}",
                row.best_mean_field
            );
            assert!(row.best_mean_field <= row.evidence + ROUNDING);
        }
        let truth = TRUTH.len() - 1;
        assert_eq!(chosen(&rows, |row| row.evidence), truth);
        assert_eq!(chosen(&rows, |row| row.full_rank.0), truth);
        assert_eq!(chosen(&rows, |row| row.mean_field.0), truth);
    }

    #[test]
    fn likelihood_alone_chooses_the_largest() {
        let data = Data::draw();
        let best: Vec<f64> = (0..=MAX_DEGREE)
            .map(|d| data.best_ln_likelihood(d).unwrap())
            .collect();
        assert!(
            best.windows(2).all(|pair| pair[1] >= pair[0] - ROUNDING),
            "{best:?}"
        );
        // Its evidence is paid for: the difference between both grows with every further degree.
        let price = |d: usize| best[d] - data.ln_evidence(d).unwrap();
        assert!((TRUTH.len()..=MAX_DEGREE).all(|d| price(d) > price(d - 1)));
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "polynomial_degree");
    }
}
