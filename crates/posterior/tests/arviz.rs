//! Figures of ArviZ 0.23.4 (NumPy 2.4.6, SciPy 1.17.1) on fixed input: diagnostics, Pareto smoothing, leave-one-out,
//! WAIC, comparison.
//!
//! `tables/draws.csv`: five quantities, 4 chains of 51 draws after each other: autoregressive (slow, anti),
//! Cauchy (heavy), with chain means 0, 0, 0.5, 1 (shifted), whole numbers with ties (counts), from a linear
//! congruential generator and rounded to six places. `tables/ln_weights.csv`: 300 log weights of four
//! tails. `tables/predictive_draws.csv`: 4 chains of 200 autoregressive draws z, so many that the length of the tails
//! depends on the relative efficiency. `tables/arviz.csv`: `az.ess`, `az.rhat`, `az.mcse`, `az.hdi`, `np.quantile`,
//! `az.psislw`, `az.loo`, `az.waic`, `az.compare` on them; the likelihoods are those of `models` below.

use jensen_posterior::compare::compare;
use jensen_posterior::interval::{highest_density, quantile};
use jensen_posterior::loo::loo;
use jensen_posterior::waic::waic;
use jensen_posterior::{
    Chains, Draws, Psis, ess, mcse, pseudo_bma_plus, rhat, stacking, summarize,
};
use jensen_rng::Stream;
use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

/// Two ways of summing some hundred numbers in double precision.
const ROUNDING: f64 = 1e-10;
/// ArviZ leaves out nodes of the profile with weights below 2e-15, which we keep.
const NODES: f64 = 1e-9;
/// SLSQP ends within 1e-6 of its score, which is flat to second order in the weights.
const WEIGHT: f64 = 1e-3;

/// Figures by name, each to be asked for once.
struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// The figures of a group.
    fn of(group: Group) -> Self {
        let lines = include_str!("tables/arviz.csv").lines().skip(1);
        let figures = lines.map(|line| {
            let (name, value) = line.split_once(',').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Self(
            figures
                .filter(|(name, _)| Group::of(name) == group)
                .collect(),
        )
    }

    /// Checks that every figure was asked for.
    fn close(self) {
        let forgotten: Vec<String> = self.0.into_keys().collect();
        assert!(forgotten.is_empty(), "not asked for: {forgotten:?}");
    }

    fn take(&mut self, name: &str) -> f64 {
        self.0
            .remove(name)
            .unwrap_or_else(|| panic!("no figure `{name}`"))
    }

    fn check(&mut self, name: &str, ours: f64, tolerance: f64) {
        let theirs = self.take(name);
        assert!(
            (ours - theirs).abs() <= tolerance * theirs.abs().max(1e-3),
            "{name}: {ours} against {theirs}"
        );
    }
}

/// What a figure is about.
#[derive(PartialEq)]
enum Group {
    Chains,
    Weights,
    Predictive,
    Comparison,
}

impl Group {
    fn of(name: &str) -> Self {
        let mut words = name.split(' ');
        match (words.next(), words.next()) {
            (Some("loo" | "waic"), _) => Self::Predictive,
            (Some("compare" | "pair"), _) => Self::Comparison,
            (_, Some("reff")) => Self::Weights,
            _ => Self::Chains,
        }
    }
}

/// Columns of a table by name, in their order.
fn table(text: &str) -> Vec<(String, Vec<f64>)> {
    let mut lines = text.lines();
    let names = lines.next().unwrap().split(',');
    let mut columns: Vec<(String, Vec<f64>)> = names.map(|n| (n.to_owned(), Vec::new())).collect();
    for line in lines {
        for ((_, column), cell) in columns.iter_mut().zip(line.split(',')) {
            column.push(cell.parse().unwrap());
        }
    }
    columns
}

fn draws() -> Vec<(String, Vec<f64>)> {
    table(include_str!("tables/draws.csv"))
}

const N_DRAWS: usize = 51;

#[test]
fn diagnostics_of_chains() {
    let mut figures = Figures::of(Group::Chains);
    for (name, column) in draws() {
        let chains = column.chunks_exact(N_DRAWS).map(<[f64]>::to_vec).collect();
        let x = Chains::new(&name, chains).unwrap();
        let dense = highest_density(&column, 0.8);
        let ours = [
            ("mean", x.mean()),
            ("sd", x.sd()),
            ("quantile 0.05", quantile(&column, 0.05)),
            ("quantile 0.5", quantile(&column, 0.5)),
            ("quantile 0.9", quantile(&column, 0.9)),
            ("hdi low", dense.low),
            ("hdi high", dense.high),
            ("ess bulk", ess::bulk(&x)),
            ("ess tail", ess::tail(&x)),
            ("ess mean", ess::mean(&x)),
            ("ess sd", ess::sd(&x)),
            ("ess quantile 0.1", ess::quantile(&x, 0.1)),
            ("ess quantile 0.5", ess::quantile(&x, 0.5)),
            ("rhat rank", rhat::rank(&x)),
            ("rhat split", rhat::split(&x)),
            ("mcse mean", mcse::mean(&x)),
            ("mcse sd", mcse::sd(&x)),
            ("mcse quantile 0.1", mcse::quantile(&x, 0.1)),
            ("mcse quantile 0.5", mcse::quantile(&x, 0.5)),
        ];
        for (what, value) in ours {
            figures.check(&format!("{name} {what}"), value, ROUNDING);
        }
    }
    figures.close();
}

#[test]
fn the_summary_holds_the_same_figures() {
    let columns = draws();
    let names: Vec<String> = columns.iter().map(|c| c.0.clone()).collect();
    let values = (0..4 * N_DRAWS)
        .flat_map(|i| columns.iter().map(move |c| c.1[i]))
        .collect();
    let rows = summarize(&Draws::new(names, 4, N_DRAWS, values)).unwrap();
    let mut figures = Figures::of(Group::Chains);
    for row in rows {
        let ours = [
            ("mean", row.mean),
            ("sd", row.sd),
            ("mcse mean", row.mcse_mean),
            ("mcse sd", row.mcse_sd),
            ("quantile 0.05", row.quantiles[0]),
            ("quantile 0.5", row.quantiles[1]),
            ("ess bulk", row.ess_bulk),
            ("ess tail", row.ess_tail),
            ("rhat rank", row.rhat),
        ];
        for (what, value) in ours {
            figures.check(&format!("{} {what}", row.quantity), value, ROUNDING);
        }
    }
}

#[test]
fn pareto_smoothing() {
    let mut figures = Figures::of(Group::Weights);
    for (name, ln_weights) in table(include_str!("tables/ln_weights.csv")) {
        let top = ln_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let at_top = ln_weights.iter().position(|x| *x == top).unwrap();
        for efficiency in ["1.0", "0.4"] {
            let smoothed = Psis::smooth_chain(&ln_weights, efficiency.parse().unwrap()).unwrap();
            let mut check = |what: &str, value: f64| {
                figures.check(&format!("{name} reff {efficiency} {what}"), value, NODES);
            };
            check("k", smoothed.k_hat);
            check("ess", smoothed.effective_draws());
            check("ln mean weight", smoothed.ln_mean_weight);
            for i in [0, 7, at_top] {
                check(&format!("ln weight {i}"), smoothed.ln_weights[i]);
            }
        }
    }
    figures.close();
}

const Y: [f64; 10] = [-1.2, -0.4, 0.1, 0.35, 0.6, 0.8, 1.1, 1.4, 2.3, 4.5];

/// Log likelihoods `[s, 10]` of three models with location 0.3 z + 0.5.
fn models() -> [(&'static str, Vec<f64>); 3] {
    let z = table(include_str!("tables/predictive_draws.csv"))
        .remove(0)
        .1;
    let residuals = || z.iter().flat_map(|x| Y.map(|y| y - (x * 0.3 + 0.5)));
    [
        (
            "normal",
            residuals().map(|r| -0.5 * TAU.ln() - 0.5 * r * r).collect(),
        ),
        (
            "laplace",
            residuals().map(|r| -(2f64.ln()) - r.abs()).collect(),
        ),
        (
            "cauchy",
            residuals().map(|r| -PI.ln() - (r * r).ln_1p()).collect(),
        ),
    ]
}

#[test]
fn predictive_densities() {
    let mut figures = Figures::of(Group::Predictive);
    let n = Y.len() as f64;
    // ArviZ divides variances over points by n, we by n - 1.
    let over_points = (n / (n - 1.0)).sqrt();
    for (name, ln_likelihood) in models() {
        for efficiency in ["1.0", "0.4"] {
            let ours = loo(&ln_likelihood, Y.len(), efficiency.parse().unwrap()).unwrap();
            let mut check = |what: &str, value: f64| {
                figures.check(
                    &format!("loo {name} reff {efficiency} {what}"),
                    value,
                    NODES,
                );
            };
            check("elpd", ours.elpd);
            check("se", ours.se / over_points);
            check("p", ours.p_loo);
            for i in [0, 9] {
                check(&format!("k {i}"), ours.k_hat[i]);
                check(&format!("elpd {i}"), ours.pointwise[i]);
            }
        }
        // ArviZ divides variances over draws by S, we by S - 1.
        let s = ln_likelihood.len() as f64 / n;
        let over_draws = s / (s - 1.0);
        let ours = waic(&ln_likelihood, Y.len()).unwrap();
        let p = figures.take(&format!("waic {name} p"));
        assert!((ours.p_waic - over_draws * p).abs() < ROUNDING * p);
        let elpd = figures.take(&format!("waic {name} elpd")) + p - over_draws * p;
        assert!((ours.elpd - elpd).abs() < ROUNDING * elpd.abs());
        // Of each point p changes by a share of 1/S, which is less than that of the error.
        let se = over_points * figures.take(&format!("waic {name} se"));
        assert!((ours.se / se - 1.0).abs() < 1.0 / s, "{} {se}", ours.se);
    }
    figures.close();
}

#[test]
fn comparison_of_models() {
    let mut figures = Figures::of(Group::Comparison);
    let models = models();
    let fitted = models
        .each_ref()
        .map(|(_, l)| loo(l, Y.len(), 1.0).unwrap());
    let pointwise = fitted.each_ref().map(|l| l.pointwise.as_slice());
    let over_points = (10.0f64 / 9.0).sqrt();
    for row in compare(&pointwise).unwrap() {
        let name = models[row.model].0;
        figures.check(
            &format!("compare {name} difference"),
            row.behind.value,
            NODES,
        );
        figures.check(
            &format!("compare {name} dse"),
            row.behind.se / over_points,
            NODES,
        );
    }
    let weights = stacking(&pointwise).unwrap();
    let averaged = pseudo_bma_plus(&pointwise, 20_000, &Stream::from_seed(2)).unwrap();
    let names = models.each_ref().map(|m| m.0);
    let theirs = names.map(|name| figures.take(&format!("compare {name} stacking")));
    let score = |w: &[f64]| -> f64 {
        (0..Y.len())
            .map(|i| {
                (0..3)
                    .map(|k| w[k] * pointwise[k][i].exp())
                    .sum::<f64>()
                    .ln()
            })
            .sum()
    };
    // Ours stop 1e-12 for each point below the maximum; theirs come from SLSQP with a tolerance of 1e-6.
    assert!(score(&weights) >= score(&theirs) - 1e-10);
    assert!(score(&weights) - score(&theirs) < 1e-4);
    // Of the first and the last each is better at some points, so that both have a weight.
    let pair = stacking(&[pointwise[0], pointwise[2]]).unwrap();
    for (ours, name) in pair.iter().zip(["normal", "cauchy"]) {
        let theirs = figures.take(&format!("pair {name} stacking"));
        assert!(
            (ours - theirs).abs() < WEIGHT,
            "{name}: {ours} against {theirs}"
        );
        assert!(theirs > 0.4, "{name}: {theirs}");
    }
    for ((name, ours), theirs) in names.iter().zip(&averaged).zip(names) {
        let theirs = figures.take(&format!("compare {theirs} pseudo-bma+"));
        // Five standard errors of a mean of 20000 numbers in [0, 1], theirs of 400000.
        let error = (theirs * (1.0 - theirs) / 20_000.0).sqrt() * 1.03;
        assert!(
            (ours - theirs).abs() < 5.0 * error,
            "{name}: {ours} against {theirs}"
        );
    }
    figures.close();
}
