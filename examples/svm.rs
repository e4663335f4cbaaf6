//! A soft-margin support vector machine: a quadratic program, its dual, and a pseudo-posterior.
//!
//! Points x_i with signs y_i, f(x) = w.x + b, hinge loss h(u) = max(0, u), cost C.
//!
//! - primal: least |w|^2 / 2 + C sum_i h(1 - y_i f(x_i))
//! - dual: greatest sum_i a_i - |sum_i a_i y_i x_i|^2 / 2 with 0 <= a_i <= C, sum_i a_i y_i = 0; then
//!   w = sum_i a_i y_i x_i, and the gap between both is zero at the optimum [cortes-1995]
//! - pseudo-posterior: ln p(w, b) = -(primal), a normal prior for w and exp(-C h) as pseudo-likelihood; its mode
//!   is the machine, and it has a width too [polson-2011]
//!
//! Both are quadratic programs. The dual is solved by sequential minimal optimization: as long as a pair of
//! multipliers violates the conditions of optimality, the pair that violates them most moves along the balance to
//! its best [platt-1998], [keerthi-2001]. What is left of the gap proves how close to the least the machine is.
//! The mode is climbed to with the smooth h_t(u) = t ln(1 + exp(u / t)), h <= h_t <= h + t ln 2, so that the
//! primal of the smooth mode is at most C n t ln 2 above the least.
//! Cost: n a step of the dual, n a gradient of the pseudo-posterior.
//!
//! `cargo run --release --example svm -- [FOLDER]` writes two pictures to the folder.

use jensen::Silent;
use jensen::density::{Layout, LogDensity, Variable, from_fn};
use jensen::infer::InferError;
use jensen::infer::family::FullRank;
use jensen::infer::mcmc::{ChainOptions, Nuts, Sampled, nuts};
use jensen::infer::optimize::{lbfgs::Lbfgs, maximize};
use jensen::infer::vi::{self, Fit};
use jensen::report::chart::{LineChart, ScatterChart, ScatterClass, Series, write_svg};
use jensen::rng::Stream;
use std::error::Error;
use std::io::Write;
use std::path::Path;

const N: usize = 40;
/// The cost C of a unit of hinge loss.
const COST: f64 = 1.0;
/// Points with a multiplier above this share of C are called support vectors.
const SUPPORT: f64 = 0.01;
/// The dual is solved when no pair violates its conditions by more; slopes are about one.
const VIOLATION: f64 = 1e-12;
/// The smooth hinges that lead to the mode, t from wide to narrow.
const SMOOTHING: [f64; 5] = [1.0, 0.1, 0.01, 1e-3, 1e-4];

/// Points of two classes.
struct Data {
    x: Vec<[f64; 2]>,
    y: Vec<f64>,
}

/// A machine f(x) = w.x + b as the position (w_1, w_2, b).
type Machine = [f64; 3];

/// The solution of the dual.
struct Dual {
    multipliers: Vec<f64>,
    value: f64,
}

fn f(machine: &[f64], x: &[f64; 2]) -> f64 {
    machine[0] * x[0] + machine[1] * x[1] + machine[2]
}

impl Data {
    fn draw() -> Self {
        let mut stream = Stream::from_seed(11).child("data", 0);
        let y: Vec<f64> = (0..N)
            .map(|i| if i.is_multiple_of(2) { 1.0 } else { -1.0 })
            .collect();
        let x = y
            .iter()
            .map(|y| [0.7, 1.1].map(|center| y * center + stream.normal()));
        Self { x: x.collect(), y }
    }

    /// |w|^2 / 2 + C sum h.
    fn primal(&self, machine: &[f64]) -> f64 {
        let losses = self.x.iter().zip(&self.y);
        let losses = losses.map(|(x, y)| (1.0 - y * f(machine, x)).max(0.0));
        0.5 * (machine[0].powi(2) + machine[1].powi(2)) + COST * losses.sum::<f64>()
    }

    /// sum_i a_i y_i x_i.
    fn weights(&self, a: &[f64]) -> [f64; 2] {
        let mut w = [0.0; 2];
        for ((a, x), y) in a.iter().zip(&self.x).zip(&self.y) {
            w[0] += a * y * x[0];
            w[1] += a * y * x[1];
        }
        w
    }

    /// The dual: the multipliers a, and its value.
    fn solve_dual(&self) -> Dual {
        let mut a = vec![0.0; N];
        loop {
            let w = self.weights(&a);
            // y_i times the slope of the dual along a_i: how far the point is from its margin.
            let lag = |i: usize| self.y[i] - w[0] * self.x[i][0] - w[1] * self.x[i][1];
            // Room of a_i y_i upwards, and downwards.
            let room = |i: usize, up: bool| {
                if up == (self.y[i] > 0.0) {
                    COST - a[i]
                } else {
                    a[i]
                }
            };
            let with_room = |up: bool| (0..N).filter(move |i| room(*i, up) > 0.0);
            let by_lag = |i: &usize, j: &usize| lag(*i).total_cmp(&lag(*j));
            let (i, j) = (
                with_room(true).max_by(by_lag),
                with_room(false).min_by(by_lag),
            );
            let Some((i, j)) = i.zip(j).filter(|(i, j)| lag(*i) - lag(*j) > VIOLATION) else {
                let value = a.iter().sum::<f64>() - 0.5 * (w[0].powi(2) + w[1].powi(2));
                return Dual {
                    multipliers: a,
                    value,
                };
            };
            let apart = [0, 1].map(|k| self.x[i][k] - self.x[j][k]);
            let best = (lag(i) - lag(j)) / (apart[0].powi(2) + apart[1].powi(2));
            let step = best.min(room(i, true)).min(room(j, false));
            a[i] += self.y[i] * step;
            a[j] -= self.y[j] * step;
        }
    }

    /// The machine of multipliers: b is where the points on the margin have y f = 1.
    fn machine(&self, a: &[f64]) -> Machine {
        let w = self.weights(a);
        let mut machine = [w[0], w[1], 0.0];
        let (mut sum, mut weight) = (0.0, 0.0);
        for ((a, x), y) in a.iter().zip(&self.x).zip(&self.y) {
            // Those most surely on the margin count most: 0 < a < C.
            let w = (a * (COST - a)).max(0.0).powi(2);
            sum += w * (y - f(&machine, x));
            weight += w;
        }
        machine[2] = sum / weight;
        machine
    }

    /// ln p(w, b) with the hinge smoothed by t; 0 leaves its corner.
    fn pseudo_posterior(&self, t: f64) -> impl LogDensity {
        let layout = Layout::new(vec![Variable::new("w", &[2]), Variable::real("b")]);
        from_fn(layout, move |machine, grad| {
            let mut ln_p = -0.5 * (machine[0].powi(2) + machine[1].powi(2));
            grad.copy_from_slice(&[-machine[0], -machine[1], 0.0]);
            for (x, y) in self.x.iter().zip(&self.y) {
                let (loss, slope) = hinge(1.0 - y * f(machine, x), t);
                ln_p -= COST * loss;
                for (g, x) in grad.iter_mut().zip([x[0], x[1], 1.0]) {
                    *g += COST * slope * y * x;
                }
            }
            ln_p
        })
    }

    /// The mode of the pseudo-posterior, along ever sharper hinges.
    fn mode(&self) -> Result<Machine, InferError> {
        let mut machine = [0.0; 3];
        for t in SMOOTHING {
            let density = self.pseudo_posterior(t);
            let found = maximize(&Lbfgs::default(), &density, &machine, 10_000)?;
            machine.copy_from_slice(&found.place.position);
        }
        Ok(machine)
    }

    /// Draws of the pseudo-posterior by the No-U-turn sampler.
    fn chains(&self) -> Result<Sampled, InferError> {
        let (nuts, options) = (Nuts::default(), ChainOptions::default());
        let (density, stream) = (self.pseudo_posterior(0.0), Stream::from_seed(1));
        let stream = stream.child("chains", 0);
        nuts::sample(&density, &nuts, &options, &stream, None, &mut Silent)
    }

    /// A Gaussian approximation of it.
    fn gaussian(&self) -> Result<Fit, InferError> {
        let (density, family) = (self.pseudo_posterior(0.0), FullRank { dim: 3 });
        let stream = Stream::from_seed(1).child("gaussian", 0);
        vi::fit(&density, &family, &[0.0; 3], 20_000, &stream, &mut Silent)
    }
}

/// h_t(u) and its derivative.
fn hinge(u: f64, t: f64) -> (f64, f64) {
    if t == 0.0 {
        return (u.max(0.0), if u > 0.0 { 1.0 } else { 0.0 });
    }
    let value = u.max(0.0) + t * (-(u / t).abs()).exp().ln_1p();
    (value, 1.0 / (1.0 + (-u / t).exp()))
}

/// x_2 where f(x) is `level`, at some x_1.
fn x2(machine: &[f64], x1: f64, level: f64) -> f64 {
    (level - machine[2] - machine[0] * x1) / machine[1]
}

/// The points of a class, or those that a test picks.
fn points(data: &Data, pick: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
    (0..N)
        .filter(|i| pick(*i))
        .map(|i| (data.x[i][0], data.x[i][1]))
        .collect()
}

/// The machine: boundary, margins, support vectors.
fn margins(data: &Data, machine: &Machine, a: &[f64]) -> String {
    let class = |name, y| ScatterClass::new(name, points(data, |i| data.y[i] == y));
    let level = |level: f64| {
        let x1s = (-60..=60).map(|i| f64::from(i) / 20.0);
        let line = x1s.map(move |x1| (x1, x2(machine, x1, level)));
        // Cut to the height of the data.
        line.filter(|point| point.1.abs() < 3.5)
    };
    let support = points(data, |i| a[i] > SUPPORT * COST);
    ScatterChart {
        title: "A soft-margin support vector machine".into(),
        note: "Only the ringed points, those on the wrong side of their margin or on it, decide where the \
               boundary lies."
            .into(),
        x_label: "first feature".into(),
        y_label: "second feature".into(),
        classes: vec![class("class +1", 1.0), class("class −1", -1.0)],
        curves: vec![
            Series::line("boundary", level(0.0)).with_color(9),
            Series::dashed("margins", level(1.0)).with_color(9),
            Series::dashed("", level(-1.0)).with_color(9),
            Series::rings("support vectors", support).with_color(2),
        ],
    }
    .svg()
}

/// The boundary with its uncertainty under the pseudo-posterior.
fn uncertainty(data: &Data, mode: &Machine, chains: &Sampled) -> String {
    let x1s = || (-30..=30).map(|i| f64::from(i) / 10.0);
    let band = x1s().map(|x1| {
        let mut ends: Vec<f64> = chains.draws.rows().map(|draw| x2(draw, x1, 0.0)).collect();
        ends.sort_by(f64::total_cmp);
        let twentieth = ends.len() / 20;
        (x1, ends[twentieth], ends[ends.len() - 1 - twentieth])
    });
    let boundary = x1s().map(|x1| (x1, x2(mode, x1, 0.0)));
    let class = |name, y| Series::dots(name, points(data, |i| data.y[i] == y));
    LineChart {
        title: "The same boundary as a pseudo-posterior".into(),
        note: "The mode is the support vector machine. Nine of ten draws of the boundary pass through the band."
            .into(),
        x_label: "first feature".into(),
        y_label: "second feature".into(),
        series: vec![
            class("class +1", 1.0),
            class("class −1", -1.0),
            Series::dashed("boundary of the mode, with its 90 % band", boundary)
                .with_band(band)
                .with_color(9),
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
    let data = Data::draw();
    let (dual, mode) = (data.solve_dual(), data.mode()?);
    let machine = data.machine(&dual.multipliers);
    let (chains, fit) = (data.chains()?, data.gaussian()?);
    let q = fit.approximation.as_gaussian().ok_or("not a Gaussian")?;
    writeln!(out, "{N} points, cost {COST}\n")?;
    writeln!(out, "{:34}w_1      w_2        b   |w|²/2 + C Σ hinge", "")?;
    let mut row = |name: &str, m: &[f64]| {
        let [w_1, w_2, b, value] = [m[0], m[1], m[2], data.primal(m)];
        writeln!(out, "  {name:26} {w_1:8.5} {w_2:8.5} {b:8.5}   {value:.6}")
    };
    row("machine of the dual", &machine)?;
    row("mode of pseudo-posterior", &mode)?;
    let n_support = dual
        .multipliers
        .iter()
        .filter(|a| **a > SUPPORT * COST)
        .count();
    let gap = data.primal(&machine) - dual.value;
    writeln!(
        out,
        "\n{n_support} support vectors; the dual is worth {:.6}, a gap of {gap:.0e}\n",
        dual.value
    )?;
    writeln!(
        out,
        "Pseudo-posterior: mean ± sd by chains, by a full-rank Gaussian"
    )?;
    for (i, name) in chains.draws.names().iter().enumerate() {
        let draws = chains.draws.quantity(i)?;
        let [mean, sd, q_mean] = [draws.mean(), draws.sd(), q.mean[i]];
        let q_sd = q.covariance(i, i).sqrt();
        writeln!(
            out,
            "  {name:5} {mean:6.3} ± {sd:.3}   {q_mean:6.3} ± {q_sd:.3}"
        )?;
    }
    let pictures = [
        ("svm", margins(&data, &machine, &dual.multipliers)),
        ("svm_posterior", uncertainty(&data, &mode, &chains)),
    ];
    for (name, svg) in pictures {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen::density::Evaluator;
    use jensen::posterior::{Chains, Weighted, mcse};
    use jensen_testkit::gradient_error;

    /// Multipliers up to one and slopes within 1e-12, over 40 points, leave values of about ten this exact.
    const OF_SOLVER: f64 = 1e-10;
    /// Standard errors: a false alarm in two million.
    const N_ERRORS: f64 = 5.0;

    #[test]
    fn primal_and_dual_meet() {
        let data = Data::draw();
        let dual = data.solve_dual();
        let machine = data.machine(&dual.multipliers);
        let gap = data.primal(&machine) - dual.value;
        assert!(gap.abs() < OF_SOLVER, "{gap}");
        // Weak duality: no machine is below, and this one is the best of its neighbors.
        for (i, step) in (0..3).flat_map(|i| [(i, 0.1), (i, -0.1)]) {
            let mut other = machine;
            other[i] += step;
            assert!(data.primal(&other) > dual.value + OF_SOLVER);
        }
    }

    #[test]
    fn the_conditions_of_karush_kuhn_and_tucker_hold() {
        let data = Data::draw();
        let a = data.solve_dual().multipliers;
        let machine = data.machine(&a);
        let balance: f64 = a.iter().zip(&data.y).map(|(a, y)| a * y).sum();
        assert!(balance.abs() < OF_SOLVER);
        let mut n_on_margin = 0;
        for ((a, x), y) in a.iter().zip(&data.x).zip(&data.y) {
            assert!((0.0..=COST).contains(a));
            let margin = y * f(&machine, x);
            // Beyond the margin a = 0, within it a = C, and between the two the point is on it.
            assert!(
                *a == 0.0 || margin < 1.0 + OF_SOLVER,
                "a = {a}, margin {margin}"
            );
            assert!(
                *a == COST || margin > 1.0 - OF_SOLVER,
                "a = {a}, margin {margin}"
            );
            n_on_margin += usize::from(*a > 0.0 && *a < COST);
        }
        // As many as fix a line and its width.
        assert!(n_on_margin >= 2, "{n_on_margin}");
    }

    #[test]
    fn the_mode_of_the_pseudo_posterior_is_the_machine() {
        let data = Data::draw();
        let (dual, mode) = (data.solve_dual(), data.mode().unwrap());
        let above = data.primal(&mode) - dual.value;
        // See the head: the last hinge is at most t ln 2 above the sharp one, for each of n points.
        let bound = COST * N as f64 * SMOOTHING[4] * 2f64.ln();
        assert!(above > -OF_SOLVER && above < bound, "{above}, not {bound}");
    }

    #[test]
    fn the_gradient_of_the_smooth_hinge_is_that_of_its_value() {
        /// Differences with steps of 1e-3 extrapolated: errors of the fourth power.
        const OF_DIFFERENCES: f64 = 1e-8;
        let data = Data::draw();
        let error = gradient_error(&data.pseudo_posterior(0.5), &[0.4, -0.3, 0.2], 1e-3);
        assert!(error < OF_DIFFERENCES, "{error}");
    }

    #[test]
    fn draws_of_the_pseudo_posterior_satisfy_an_exact_identity() {
        let data = Data::draw();
        let density = data.pseudo_posterior(0.0);
        let sampled = data.chains().unwrap();
        assert!(sampled.divergences.is_empty());
        // Integration by parts: the mean of x_i d ln p / dx_i is -1 for every coordinate.
        for i in 0..3 {
            let mut evaluator = Evaluator::new(&density);
            let of_draw = |draw: &[f64]| {
                let mut grad = [0.0; 3];
                evaluator.log_density_and_grad(draw, &mut grad).unwrap();
                draw[i] * grad[i]
            };
            let values: Vec<f64> = sampled.draws.rows().map(of_draw).collect();
            let n = sampled.draws.n_draws();
            let chains = values.chunks(n).map(<[f64]>::to_vec).collect();
            let chains = Chains::new("identity", chains).unwrap();
            let (off, error) = (chains.mean() + 1.0, mcse::mean(&chains));
            assert!(off.abs() < N_ERRORS * error, "coordinate {i}: {off}");
        }
    }

    #[test]
    fn the_gaussian_can_stand_for_the_pseudo_posterior() {
        /// Up to here importance weights repair an approximation [vehtari-2024].
        const K_HAT: f64 = 0.7;
        let data = Data::draw();
        let (density, fit) = (data.pseudo_posterior(0.0), data.gaussian().unwrap());
        let ln_p = |x: &[f64]| Evaluator::new(&density).log_density(x);
        let (q, names) = (&fit.approximation, density.layout().value_names());
        let stream = Stream::from_seed(1).child("draws", 0);
        let draws = Weighted::importance(q, names, ln_p, 4000, &stream).unwrap();
        assert!(draws.psis().k_hat < K_HAT, "k-hat {}", draws.psis().k_hat);
        // Reweighted, its draws have the means of the chains.
        let sampled = data.chains().unwrap();
        for i in 0..3 {
            let mean = draws.expectation(|x| x[i]);
            let ln_weights = draws.psis().ln_weights.iter();
            let squares = (ln_weights.zip(draws.rows()))
                .map(|(ln_w, x)| (ln_w.exp() * (x[i] - mean)).powi(2));
            let chains = sampled.draws.quantity(i).unwrap();
            let error = mcse::mean(&chains).hypot(squares.sum::<f64>().sqrt());
            let off = mean - chains.mean();
            assert!(
                off.abs() < N_ERRORS * error,
                "coordinate {i}: {off} ± {error}"
            );
        }
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "svm");
    }
}
