//! Coin tossing: prior, likelihood, posterior and prediction; the best coin against all coins.
//!
//! k heads in n tosses of a coin that falls on heads with chance theta:
//!
//! - likelihood binomial(k; n, theta), greatest at theta = k / n
//! - prior beta(theta; a, b), posterior beta(theta; a + k, b + n - k), evidence beta_binomial(k; n, a, b)
//! - j heads in m further tosses: beta_binomial(j; m, a + k, b + n - k) by all coins, each as likely as the
//!   posterior says; binomial(j; m, k / n) by the best coin alone
//!
//! Standard; with a = b = 1 the chance of heads in the next toss is the rule of succession [laplace-1774].
//! The ladder gets theta on the logit scale, knows nothing of beta laws, and finds the same posterior and
//! evidence. Cost: a few thousand evaluations.
//!
//! `cargo run --release --example coin -- [FOLDER]` writes two pictures to the folder.

use jensen::Silent;
use jensen::bijector::{Declared, Transformed};
use jensen::density::LogDensity;
use jensen::dist::Univariate;
use jensen::dist::univariate::{Beta, BetaBinomial, Binomial};
use jensen::infer::ladder::{self, Answer, Ladder};
use jensen::infer::optimize::{maximize, newton::Newton};
use jensen::report::chart::{LineChart, Series, write_svg};
use jensen::rng::Stream;
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// What is known before the tosses, and the tosses.
#[derive(Clone, Copy)]
struct Coin {
    /// Shapes a, b of the prior.
    prior: [f64; 2],
    heads: f64,
    tosses: f64,
}

/// Tosses to be predicted.
const N_FURTHER: f64 = 10.0;

impl Coin {
    /// Shapes of the posterior.
    fn posterior(&self) -> [f64; 2] {
        let [a, b] = self.prior;
        [a + self.heads, b + self.tosses - self.heads]
    }

    /// ln p(heads), nats: how probable the tosses were before they were seen.
    fn ln_evidence(&self) -> f64 {
        let [a, b] = self.prior;
        BetaBinomial.ln_prob(self.heads, &[self.tosses, a, b])
    }

    /// The chance of `heads` in the further tosses, by all coins.
    fn prediction(&self, heads: f64) -> f64 {
        let [a, b] = self.posterior();
        BetaBinomial.ln_prob(heads, &[N_FURTHER, a, b]).exp()
    }

    /// The same by the best coin alone.
    fn prediction_of_best(&self, heads: f64) -> f64 {
        let best = self.heads / self.tosses;
        Binomial.ln_prob(heads, &[N_FURTHER, best]).exp()
    }

    /// ln p(heads | theta), and its derivative.
    fn ln_likelihood(&self, theta: f64) -> (f64, f64) {
        let mut partials = [0.0; 3];
        let ln_p = Binomial.ln_prob_and_partials(self.heads, &[self.tosses, theta], &mut partials);
        (ln_p, partials[2])
    }

    /// Maximum likelihood by Newton's method over the logit of theta.
    fn best(&self) -> Result<f64, Box<dyn Error>> {
        let likelihood = |theta: &[f64], by: &mut [f64]| {
            let (ln_p, slope) = self.ln_likelihood(theta[0]);
            by[0] = slope;
            Ok(ln_p)
        };
        let likelihood = Transformed::new(vec![chance()], likelihood)?.without_jacobian();
        let best = maximize(&Newton, &likelihood, &[0.0], 100)?;
        let mut theta = [0.0];
        likelihood.constrain(&best.place.position, &mut theta);
        Ok(theta[0])
    }

    /// The posterior by the ladder, with no method named; all it gets is ln prior + ln likelihood.
    fn fit(&self) -> Result<Answer, Box<dyn Error>> {
        let joint = |theta: &[f64], by: &mut [f64]| {
            let mut by_prior = [0.0; 3];
            let ln_prior = Beta.ln_prob_and_partials(theta[0], &self.prior, &mut by_prior);
            let (ln_likelihood, slope) = self.ln_likelihood(theta[0]);
            by[0] = by_prior[0] + slope;
            Ok(ln_prior + ln_likelihood)
        };
        let (posterior, stream) = (
            Transformed::new(vec![chance()], joint)?,
            Stream::from_seed(1),
        );
        let ladder = Ladder::default();
        Ok(ladder::fit(
            &posterior,
            &ladder,
            &stream,
            None,
            &mut Silent,
        )?)
    }
}

/// The chance of heads as a variable: algorithms see its logit, and the log-determinant is added.
fn chance() -> Declared {
    Declared::interval("theta", &[], 0.0, 1.0)
}

/// Densities over theta: prior, likelihood as a density, posterior.
fn belief(coin: &Coin) -> String {
    let density = |shapes: [f64; 2]| {
        let thetas = (0..=200).map(|i| f64::from(i) / 200.0);
        thetas.map(move |theta| (theta, Beta.ln_prob(theta, &shapes).exp()))
    };
    // Divided by its integral, the likelihood is the posterior of a flat prior.
    let flat = Coin {
        prior: [1.0, 1.0],
        ..*coin
    };
    LineChart {
        title: format!(
            "A coin that fell on heads {} times of {}",
            coin.heads, coin.tosses
        ),
        note: "The posterior lies between what was believed before and what the tosses alone say."
            .into(),
        x_label: "chance of heads".into(),
        y_label: "probability density".into(),
        series: vec![
            Series::dashed("prior", density(coin.prior)),
            Series::dashed("likelihood, area made 1", density(flat.posterior())),
            Series::line("posterior", density(coin.posterior())),
        ],
        ..LineChart::default()
    }
    .svg()
}

/// The mass of the number of heads in further tosses.
fn prediction(coin: &Coin) -> String {
    let counts = || (0..=N_FURTHER as usize).map(|heads| heads as f64);
    let of_best = counts().map(|j| (j, coin.prediction_of_best(j)));
    let of_all = counts().map(|j| (j, coin.prediction(j)));
    LineChart {
        title: format!("Heads in the next {N_FURTHER} tosses"),
        note: "The best coin alone is too sure of itself: it forgets that it may be another one."
            .into(),
        x_label: "number of heads".into(),
        y_label: "probability".into(),
        series: vec![
            Series::line("best coin (maximum likelihood)", of_best),
            Series::line("all coins (Bayes)", of_all),
        ],
        ..LineChart::default()
    }
    .svg()
}

const TOSSED: Coin = Coin {
    prior: [4.0, 4.0],
    heads: 8.0,
    tosses: 10.0,
};

/// So few tosses that the best coin has no tails.
const SHORT: Coin = Coin {
    prior: [1.0, 1.0],
    heads: 3.0,
    tosses: 3.0,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or("examples-out".into());
    draw(Path::new(&folder), &mut std::io::stdout().lock())
}

/// Prints the numbers and writes the pictures.
fn draw(folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let coin = TOSSED;
    let (Coin { heads, tosses, .. }, shapes) = (coin, coin.posterior());
    let answer = coin.fit()?;
    let (found, error) = answer.log_evidence.ok_or("no evidence")?;
    writeln!(out, "{heads} heads in {tosses} tosses, prior beta(4, 4)\n")?;
    writeln!(out, "chance of heads            closed form   found")?;
    let sd = Beta.variance(&shapes).sqrt();
    for (name, exact, found) in [
        ("maximum likelihood", heads / tosses, coin.best()?),
        ("posterior mean", Beta.mean(&shapes), answer.mean[0]),
        ("posterior sd", sd, answer.sd[0]),
        ("ln evidence, nats", coin.ln_evidence(), found),
    ] {
        writeln!(out, "  {name:22} {exact:8.4}      {found:8.4}")?;
    }
    let verdict = answer.report.verdict;
    writeln!(
        out,
        "\nThe error of the evidence is {error:.4} nats; the ladder calls its answer {verdict:?}.\n"
    )?;
    let (best, all) = (SHORT.prediction_of_best(10.0), SHORT.prediction(10.0));
    writeln!(
        out,
        "After 3 heads in 3 tosses, chance of ten further heads:"
    )?;
    writeln!(out, "  best coin {best:.3}, all coins {all:.3}")?;
    for (name, svg) in [
        ("coin", belief(&coin)),
        ("coin_prediction", prediction(&coin)),
    ] {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_testkit::integrate;

    /// Quadrature of smooth functions on the unit interval, and formulas of log-gamma functions.
    const ROUNDING: f64 = 1e-10;
    /// Newton's method ends when a step gains 1e-9 nats; the curvature of ten tosses makes that 1e-4 at most.
    const OF_ASCENT: f64 = 1e-4;
    /// The ladder promises means within a tenth of a standard deviation (benches/records/protocol.md).
    const OF_LADDER: f64 = 0.1;
    /// Standard errors: a false alarm in two million.
    const N_ERRORS: f64 = 5.0;

    fn likelihood(coin: &Coin, theta: f64) -> f64 {
        Binomial.ln_prob(coin.heads, &[coin.tosses, theta]).exp()
    }

    #[test]
    fn the_best_coin_has_the_share_of_heads() {
        assert!((TOSSED.best().unwrap() - 0.8).abs() < OF_ASCENT);
    }

    #[test]
    fn prior_times_likelihood_is_evidence_times_posterior() {
        let joint =
            |theta: f64| Beta.ln_prob(theta, &TOSSED.prior).exp() * likelihood(&TOSSED, theta);
        let evidence = integrate(joint, 0.0, 1.0);
        assert!((evidence.ln() - TOSSED.ln_evidence()).abs() < ROUNDING);
        for theta in [0.1, 0.5, 0.7, 0.95] {
            let posterior = Beta.ln_prob(theta, &TOSSED.posterior()).exp();
            assert!((joint(theta) / evidence - posterior).abs() < ROUNDING);
        }
    }

    #[test]
    fn predictions_average_over_all_coins() {
        let shapes = TOSSED.posterior();
        let (mut mean, mut square) = (0.0, 0.0);
        for j in 0..=10 {
            let j = f64::from(j);
            let of_coin = |theta: f64| {
                Beta.ln_prob(theta, &shapes).exp() * Binomial.ln_prob(j, &[N_FURTHER, theta]).exp()
            };
            let chance = TOSSED.prediction(j);
            assert!((integrate(of_coin, 0.0, 1.0) - chance).abs() < ROUNDING);
            mean += chance * j;
            square += chance * j * j;
        }
        // m p (1 - p) (1 + (m - 1) / (a + b + 1)): wider than any single coin of the same mean.
        let p = Beta.mean(&shapes);
        let wider = 1.0 + (N_FURTHER - 1.0) / (shapes[0] + shapes[1] + 1.0);
        assert!((mean - N_FURTHER * p).abs() < ROUNDING);
        let variance = N_FURTHER * p * (1.0 - p) * wider;
        assert!((square - mean * mean - variance).abs() < ROUNDING * square);
    }

    #[test]
    fn three_heads_rule_out_tails_only_for_the_best_coin() {
        assert_eq!(SHORT.prediction_of_best(9.0), 0.0);
        // Laplace's rule toss by toss: 4/5 5/6 ... 13/14 = 4/14.
        assert!((SHORT.prediction(10.0) - 4.0 / 14.0).abs() < ROUNDING);
    }

    #[test]
    fn the_ladder_finds_posterior_and_evidence() {
        let answer = TOSSED.fit().unwrap();
        let shapes = TOSSED.posterior();
        let sd = Beta.variance(&shapes).sqrt();
        assert!(answer.is_good(), "{}", answer.report);
        assert!((answer.mean[0] - Beta.mean(&shapes)).abs() < OF_LADDER * sd);
        assert!((answer.sd[0] / sd - 1.0).abs() < OF_LADDER);
        let (found, error) = answer.log_evidence.unwrap();
        assert!((found - TOSSED.ln_evidence()).abs() < N_ERRORS * error);
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "coin");
    }
}
