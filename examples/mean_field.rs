//! Mean-field against full-rank Gaussians on a correlated Gaussian: what independence costs.
//!
//! p = N(m, C) with unit variances and correlation r, L = C^-1.
//!
//! - full rank: q = p, KL(q || p) = 0
//! - mean-field: the mean is right, the precision is the diagonal of L, so that variances are 1 - r^2 and
//!   KL(q || p) = (sum_i ln L_ii - ln det L) / 2 = -ln(1 - r^2) / 2 nats
//!
//! [wainwright-2008], ch. 5: KL(q || p) makes q small where p is small, so q fits inside p. Cost: some
//! hundred steps of ten gradients for each fit.
//!
//! `cargo run --release --example mean_field -- [FOLDER]` writes two pictures to the folder.

use jensen::Silent;
use jensen::density::{Layout, LogDensity, Variable, from_fn};
use jensen::infer::family::{Family, FullRank, MeanField};
use jensen::infer::vi;
use jensen::posterior::{Approximation, Gaussian, PosteriorError, Scale, kl_gaussian};
use jensen::report::chart::{LineChart, ScatterChart, ScatterClass, Series, write_svg};
use jensen::rng::Stream;
use std::error::Error;
use std::io::Write;
use std::path::Path;

const MEAN: [f64; 2] = [1.0, -0.5];
/// The correlation of the picture.
const CORRELATION: f64 = 0.9;
/// Correlations at which both families are fitted.
const CORRELATIONS: [f64; 7] = [0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95];

/// The target as data.
fn target(r: f64) -> Result<Gaussian, PosteriorError> {
    Ok(Gaussian {
        mean: MEAN.to_vec(),
        scale: Scale::from_covariance(&[1.0, r, r, 1.0], 2)?,
    })
}

/// The target as a density.
fn density(p: &Gaussian) -> impl LogDensity {
    let layout = Layout::new(vec![Variable::new("x", &[2])]);
    from_fn(layout, |x, grad| p.ln_density_and_grad(x, grad))
}

/// The best mean-field approximation.
fn best_mean_field(r: f64) -> Gaussian {
    Gaussian {
        mean: MEAN.to_vec(),
        scale: Scale::Diagonal(vec![(1.0 - r * r).sqrt(); 2]),
    }
}

/// Fits a family; the Gaussian found, and its ELBO with standard error, nats.
fn fit(p: &Gaussian, family: &dyn Family) -> Result<(Gaussian, f64, f64), Box<dyn Error>> {
    let (stream, density) = (Stream::from_seed(3), density(p));
    let fit = vi::fit(&density, family, &[0.0, 0.0], 20_000, &stream, &mut Silent)?;
    let found = fit.approximation.as_gaussian().ok_or("not a Gaussian")?;
    Ok((found.clone(), fit.elbo, fit.elbo_error))
}

/// The three ellipses of the picture.
fn ellipses(p: &Gaussian, full_rank: &Gaussian, mean_field: &Gaussian) -> String {
    let mut stream = Stream::from_seed(5);
    let mut x = [0.0; 2];
    let draws = (0..400).map(|_| {
        p.sample(&mut stream, &mut x);
        (x[0], x[1])
    });
    ScatterChart {
        title: format!("Two variables with correlation {CORRELATION}"),
        note: "Ellipses lie 2 standard deviations from the mean. Without correlations, the approximation fits \
               inside the target and knows nothing of its length."
            .into(),
        x_label: "first variable".into(),
        y_label: "second variable".into(),
        classes: vec![ScatterClass::new("draws of the target", draws)],
        curves: vec![
            Series::line("full rank", full_rank.ellipse([0, 1], 2.0, 100)),
            Series::line("mean-field", mean_field.ellipse([0, 1], 2.0, 100)),
        ],
    }
    .svg()
}

/// Standard deviations found over the correlation, beside the closed form.
fn narrowing(found: &[(f64, f64, f64)]) -> String {
    // Denser towards 1, where the curve is steep.
    let curve = || (0..=100).map(|i| 1.0 - (1.0 - f64::from(i) / 100.0).powi(2));
    let narrowed = curve().map(|r| (r, (1.0 - r * r).sqrt()));
    let full_rank = found.iter().map(|f| (f.0, f.1));
    let mean_field = found.iter().map(|f| (f.0, f.2));
    LineChart {
        title: "How narrow independence makes an approximation".into(),
        note: "Mean-field VI reports a standard deviation that is too small by the root of 1 − r²."
            .into(),
        x_label: "correlation r of the target".into(),
        y_label: "standard deviation, target = 1".into(),
        series: vec![
            Series::line("truth", curve().map(|r| (r, 1.0))).with_color(1),
            Series::line("mean-field, closed form", narrowed).with_color(2),
            Series::dots("full rank, fitted", full_rank).with_color(1),
            Series::dots("mean-field, fitted", mean_field).with_color(2),
        ],
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
        "Standard deviation of the first variable (truth 1) and KL(q || p), nats\n"
    )?;
    writeln!(
        out,
        "     r   full rank          mean-field         closed form"
    )?;
    let (full, independent) = (FullRank { dim: 2 }, MeanField { dim: 2 });
    let mut found = Vec::new();
    for r in CORRELATIONS {
        let p = target(r)?;
        let (q_full, ..) = fit(&p, &full)?;
        let (q_independent, ..) = fit(&p, &independent)?;
        let best = best_mean_field(r);
        let [a, b, c] = [&q_full, &q_independent, &best].map(|q| {
            let sd = q.covariance(0, 0).sqrt();
            (sd, format!("{sd:.4}, KL {:.4}", kl_gaussian(q, &p)))
        });
        writeln!(out, "  {r:4.2}   {}   {}   {}", a.1, b.1, c.1)?;
        found.push((r, a.0, b.0));
    }
    let p = target(CORRELATION)?;
    let ellipses = ellipses(&p, &fit(&p, &full)?.0, &fit(&p, &independent)?.0);
    for (name, svg) in [
        ("mean_field", ellipses),
        ("mean_field_sd", narrowing(&found)),
    ] {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few products of numbers of about one.
    const ROUNDING: f64 = 1e-12;
    /// The stop rule is satisfied when further steps gain less than 0.02 nats.
    const OF_STOP_RULE: f64 = 0.02;
    /// Where q = p the gradient of sticking the landing has no noise and the steps go on to the optimum: what
    /// is left is the tail of the averaged start.
    const OF_EXACT_FAMILY: f64 = 0.005;
    /// Standard errors: a false alarm in two million.
    const N_ERRORS: f64 = 5.0;

    #[test]
    fn the_closed_form_is_the_optimum() {
        for r in CORRELATIONS {
            let (p, best) = (target(r).unwrap(), best_mean_field(r));
            let kl = kl_gaussian(&best, &p);
            assert!(
                (kl + 0.5 * (1.0 - r * r).ln()).abs() < ROUNDING,
                "r = {r}: {kl}"
            );
            // Every other member of the family is further away.
            for scale in [0.9, 1.1] {
                for shift in [0.0, 0.1] {
                    let mut other = best.clone();
                    other.mean[0] += shift;
                    other.scale =
                        Scale::Diagonal(vec![(1.0 - r * r).sqrt() * scale, (1.0 - r * r).sqrt()]);
                    assert!(kl_gaussian(&other, &p) > kl);
                }
            }
        }
    }

    #[test]
    fn full_rank_finds_the_target() {
        for r in CORRELATIONS {
            let p = target(r).unwrap();
            let (q, elbo, error) = fit(&p, &FullRank { dim: 2 }).unwrap();
            let kl = kl_gaussian(&q, &p);
            assert!(kl < OF_EXACT_FAMILY, "r = {r}: {kl}");
            assert!(
                (elbo + kl).abs() < N_ERRORS * error,
                "r = {r}: {elbo} ± {error}, KL {kl}"
            );
        }
    }

    #[test]
    fn mean_field_finds_the_best_of_its_family() {
        for r in CORRELATIONS {
            let p = target(r).unwrap();
            let (q, elbo, error) = fit(&p, &MeanField { dim: 2 }).unwrap();
            let kl = kl_gaussian(&q, &p);
            let lost = kl - kl_gaussian(&best_mean_field(r), &p);
            assert!((-ROUNDING..OF_STOP_RULE).contains(&lost), "r = {r}: {lost}");
            assert!(
                (elbo + kl).abs() < N_ERRORS * error,
                "r = {r}: {elbo} ± {error}, KL {kl}"
            );
        }
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "mean_field");
    }
}
