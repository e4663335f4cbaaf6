//! KL(q || p) against KL(p || q) on two modes: seeking one against covering both.
//!
//! p = w N(-a, 1) + (1 - w) N(a, 1) and q = N(m, s^2).
//!
//! - KL(q || p), that of variational inference, is large where q has mass and p has none: q keeps to a mode. Far
//!   apart, each mode is a local optimum with KL = -ln of its weight
//! - KL(p || q), that of maximum likelihood and expectation propagation, is large where p has mass and q has
//!   none: q covers both modes. Its optimum has the moments of p: m = a (1 - 2 w), s^2 = 1 + 4 w (1 - w) a^2
//!
//! [wainwright-2008], ch. 5 and 4. Both are found by L-BFGS over (m, ln s) with integrals by quadrature; the
//! first also by stochastic gradients. Cost: some thousand integrals.
//!
//! `cargo run --release --example two_divergences -- [FOLDER]` writes two pictures to the folder.

use jensen::Silent;
use jensen::density::{Layout, LogDensity, Variable, from_fn};
use jensen::infer::InferError;
use jensen::infer::family::MeanField;
use jensen::infer::optimize::{lbfgs::Lbfgs, maximize};
use jensen::infer::vi;
use jensen::posterior::Approximation;
use jensen::report::chart::{LineChart, Series, write_svg};
use jensen::rng::Stream;
use jensen_testkit::integrate;
use std::error::Error;
use std::f64::consts::TAU;
use std::io::Write;
use std::path::Path;

/// Weight of the left mode.
const WEIGHT: f64 = 0.6;
/// Half the distance of the modes in the first picture, standard deviations of a mode.
const HALF: f64 = 3.0;
/// Beyond this many standard deviations a normal density counts for nothing.
const FAR: f64 = 12.0;
/// Steps after which an ascent gives up.
const MAX_STEPS: u64 = 1000;

/// ln N(x; m, s^2).
fn ln_normal(x: f64, m: f64, s: f64) -> f64 {
    -0.5 * (TAU.ln() + ((x - m) / s).powi(2)) - s.ln()
}

/// Two modes.
#[derive(Clone, Copy)]
struct Modes {
    half: f64,
}

impl Modes {
    /// ln p and its derivative.
    fn ln_p(&self, x: f64) -> (f64, f64) {
        let left = WEIGHT.ln() + ln_normal(x, -self.half, 1.0);
        let right = (1.0 - WEIGHT).ln() + ln_normal(x, self.half, 1.0);
        let top = left.max(right);
        let ln_p = top + ((left - top).exp() + (right - top).exp()).ln();
        let share = (left - ln_p).exp();
        (
            ln_p,
            -share * (x + self.half) - (1.0 - share) * (x - self.half),
        )
    }

    fn density(self) -> impl LogDensity {
        from_fn(Layout::new(vec![Variable::real("x")]), move |x, grad| {
            let (ln_p, slope) = self.ln_p(x[0]);
            grad[0] = slope;
            ln_p
        })
    }

    /// The integral over all x where p has mass.
    fn integral(&self, f: impl Fn(f64) -> f64) -> f64 {
        let end = self.half + FAR;
        // Split in the middle, so that nodes lie at both modes.
        integrate(&f, -end, 0.0) + integrate(&f, 0.0, end)
    }

    /// KL(q || p), nats.
    fn exclusive(&self, m: f64, s: f64) -> f64 {
        let f = |x: f64| {
            let ln_q = ln_normal(x, m, s);
            ln_q.exp() * (ln_q - self.ln_p(x).0)
        };
        integrate(f, m - FAR * s, m + FAR * s)
    }

    /// KL(p || q), nats.
    fn inclusive(&self, m: f64, s: f64) -> f64 {
        self.integral(|x| {
            let ln_p = self.ln_p(x).0;
            ln_p.exp() * (ln_p - ln_normal(x, m, s))
        })
    }

    /// The (m, s) with the least KL(q || p) uphill of a start: minus its gradient by (m, ln s) is the mean of
    /// (g, g s e + 1) with g = d ln p / dx at x = m + s e.
    fn best_exclusive(&self, start: [f64; 2]) -> Result<[f64; 2], InferError> {
        climb(start, |[m, s], grad| {
            let mean = |f: &dyn Fn(f64, f64) -> f64| {
                let f = |e: f64| ln_normal(e, 0.0, 1.0).exp() * f(e, self.ln_p(m + s * e).1);
                integrate(f, -FAR, FAR)
            };
            grad[0] = mean(&|_, g| g);
            grad[1] = mean(&|e, g| g * s * e) + 1.0;
            -self.exclusive(m, s)
        })
    }

    /// The (m, s) with the least KL(p || q): minus its gradient is the mean by p of the score of q.
    fn best_inclusive(&self, start: [f64; 2]) -> Result<[f64; 2], InferError> {
        climb(start, |[m, s], grad| {
            let mean = |f: &dyn Fn(f64) -> f64| self.integral(|x| self.ln_p(x).0.exp() * f(x));
            grad[0] = mean(&|x| (x - m) / (s * s));
            grad[1] = mean(&|x| ((x - m) / s).powi(2) - 1.0);
            -self.inclusive(m, s)
        })
    }

    /// The better of the optima of KL(q || p) that are reached from both modes and from between.
    fn global_exclusive(&self) -> Result<[f64; 2], InferError> {
        let mut best = self.best_exclusive([-self.half, 1.0])?;
        for start in [[self.half, 1.0], [0.0, 1.0 + self.half]] {
            let other = self.best_exclusive(start)?;
            if self.exclusive(other[0], other[1]) < self.exclusive(best[0], best[1]) {
                best = other;
            }
        }
        Ok(best)
    }

    /// The same optimum by stochastic gradients.
    fn stochastic(&self, start: f64) -> Result<[f64; 2], Box<dyn Error>> {
        let (density, family) = (self.density(), MeanField { dim: 1 });
        let stream = Stream::from_seed(1);
        let fit = vi::fit(&density, &family, &[start], 10_000, &stream, &mut Silent)?;
        let q = fit.approximation.as_gaussian().ok_or("not a Gaussian")?;
        Ok([q.mean[0], q.covariance(0, 0).sqrt()])
    }
}

/// L-BFGS over (m, ln s) for an objective of (m, s) with its gradient by (m, ln s).
fn climb(
    start: [f64; 2],
    objective: impl Fn([f64; 2], &mut [f64]) -> f64 + Sync,
) -> Result<[f64; 2], InferError> {
    let layout = Layout::new(vec![Variable::real("m"), Variable::real("ln_s")]);
    let target = from_fn(layout, |x, grad| objective([x[0], x[1].exp()], grad));
    let start = [start[0], start[1].ln()];
    let position = maximize(&Lbfgs::default(), &target, &start, MAX_STEPS)?
        .place
        .position;
    Ok([position[0], position[1].exp()])
}

/// The target and three Gaussians.
fn densities(modes: &Modes, left: [f64; 2], right: [f64; 2], both: [f64; 2]) -> String {
    let curve = |density: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        let xs = (0..=240).map(|i| -7.0 + 14.0 * f64::from(i) / 240.0);
        xs.map(|x| (x, density(x))).collect()
    };
    let normal = |[m, s]: [f64; 2]| curve(&|x| ln_normal(x, m, s).exp());
    LineChart {
        title: "The best Gaussian depends on the direction of the divergence".into(),
        note: "KL(q || p) keeps to one mode and says nothing of the other; KL(p || q) covers both, and the \
               valley between."
            .into(),
        x_label: "x".into(),
        y_label: "probability density".into(),
        series: vec![
            Series::line("target p", curve(&|x| modes.ln_p(x).0.exp())),
            Series::line("least KL(q || p)", normal(left)),
            Series::dashed("its other local optimum", normal(right)),
            Series::line("least KL(p || q)", normal(both)),
        ],
        ..LineChart::default()
    }
    .svg()
}

/// The standard deviation of both optima over the distance of the modes.
fn spread_over_distance() -> Result<String, InferError> {
    let (mut exclusive, mut inclusive) = (Vec::new(), Vec::new());
    for i in 0..=32 {
        let modes = Modes {
            half: f64::from(i) / 10.0,
        };
        exclusive.push((2.0 * modes.half, modes.global_exclusive()?[1]));
        inclusive.push((
            2.0 * modes.half,
            modes.best_inclusive([0.0, 1.0 + modes.half])?[1],
        ));
    }
    Ok(LineChart {
        title: "How wide the best Gaussian is as two modes move apart".into(),
        note: "While the modes overlap, both directions agree. Then KL(q || p) gives up one mode at once."
            .into(),
        x_label: "distance of the modes (each has standard deviation 1)".into(),
        y_label: "standard deviation of q".into(),
        series: vec![
            Series::line("least KL(q || p)", exclusive).with_color(1),
            Series::line("least KL(p || q)", inclusive).with_color(3),
        ],
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
    let modes = Modes { half: HALF };
    let (left, right) = (
        modes.best_exclusive([-HALF, 1.0])?,
        modes.best_exclusive([HALF, 1.0])?,
    );
    let both = modes.best_inclusive([0.0, 1.0])?;
    writeln!(
        out,
        "p = {WEIGHT} N(-{HALF}, 1) + {:.1} N({HALF}, 1)\n",
        1.0 - WEIGHT
    )?;
    writeln!(
        out,
        "                            mean      sd   KL(q || p)   KL(p || q)"
    )?;
    let rows = [
        ("least KL(q || p)", left),
        ("  by stochastic gradients", modes.stochastic(-HALF)?),
        ("its other local optimum", right),
        ("least KL(p || q)", both),
    ];
    for (name, [m, s]) in rows {
        let (exclusive, inclusive) = (modes.exclusive(m, s), modes.inclusive(m, s));
        writeln!(
            out,
            "  {name:25} {m:6.3}  {s:6.3}   {exclusive:10.4}   {inclusive:10.4}"
        )?;
    }
    let pictures = [
        ("two_divergences", densities(&modes, left, right, both)),
        ("two_divergences_distance", spread_over_distance()?),
    ];
    for (name, svg) in pictures {
        writeln!(out, "wrote {}", write_svg(folder, name, &svg)?.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen::posterior::{Gaussian, Scale, kl_gaussian};

    /// Quadrature of smooth functions that vanish at both ends.
    const ROUNDING: f64 = 1e-8;
    /// An ascent ends when a step gains 1e-9 nats: with curvatures of about one, positions agree to the root.
    const OF_ASCENT: f64 = 1e-4;
    /// The stop rule of stochastic VI is satisfied when further steps gain less than 0.02 nats.
    const OF_STOP_RULE: f64 = 0.02;

    #[test]
    fn divergences_of_one_mode_are_those_of_gaussians() {
        let one = Modes { half: 0.0 };
        let gaussian = |m: f64, s: f64| Gaussian {
            mean: vec![m],
            scale: Scale::Diagonal(vec![s]),
        };
        let (p, q) = (gaussian(0.0, 1.0), gaussian(0.7, 1.5));
        assert!((one.exclusive(0.7, 1.5) - kl_gaussian(&q, &p)).abs() < ROUNDING);
        assert!((one.inclusive(0.7, 1.5) - kl_gaussian(&p, &q)).abs() < ROUNDING);
    }

    #[test]
    fn covering_has_the_moments_of_the_target() {
        for half in [0.5, HALF, 4.0] {
            let [m, s] = Modes { half }.best_inclusive([0.0, 1.0]).unwrap();
            let exact = [
                half * (1.0 - 2.0 * WEIGHT),
                (1.0 + 4.0 * WEIGHT * (1.0 - WEIGHT) * half * half).sqrt(),
            ];
            // In units of its own, wide, standard deviation.
            assert!((m - exact[0]).abs() < OF_ASCENT * exact[1], "{half}: {m}");
            assert!((s / exact[1] - 1.0).abs() < OF_ASCENT, "{half}: {s}");
        }
    }

    #[test]
    fn seeking_keeps_to_a_mode_at_the_price_of_its_weight() {
        /// Modes ten standard deviations apart share less than 1e-5 of their mass.
        const OVERLAP: f64 = 1e-4;
        let modes = Modes { half: 5.0 };
        for (start, weight) in [(-5.0, WEIGHT), (5.0, 1.0 - WEIGHT)] {
            let [m, s] = modes.best_exclusive([start, 1.0]).unwrap();
            assert!(
                (m - start).abs() < OVERLAP && (s - 1.0).abs() < OVERLAP,
                "{m} {s}"
            );
            assert!((modes.exclusive(m, s) + weight.ln()).abs() < OVERLAP);
        }
        let best = modes.global_exclusive().unwrap();
        assert!(
            (best[0] + 5.0).abs() < OVERLAP,
            "the heavier mode is the better one"
        );
    }

    #[test]
    fn each_optimum_is_best_for_its_own_divergence() {
        let modes = Modes { half: HALF };
        let (one, both) = (
            modes.global_exclusive().unwrap(),
            modes.best_inclusive([0.0, 1.0]).unwrap(),
        );
        assert!(modes.exclusive(one[0], one[1]) < modes.exclusive(both[0], both[1]));
        assert!(modes.inclusive(both[0], both[1]) < modes.inclusive(one[0], one[1]));
        for ([m, s], kl) in [
            (
                one,
                &(|m, s| modes.exclusive(m, s)) as &dyn Fn(f64, f64) -> f64,
            ),
            (both, &|m, s| modes.inclusive(m, s)),
        ] {
            for (dm, ds) in [(0.05, 1.0), (-0.05, 1.0), (0.0, 1.05), (0.0, 0.95)] {
                assert!(kl(m + dm, s * ds) > kl(m, s));
            }
        }
    }

    #[test]
    fn stochastic_gradients_find_the_same_mode() {
        let modes = Modes { half: HALF };
        for start in [-HALF, HALF] {
            let exact = modes.best_exclusive([start, 1.0]).unwrap();
            let [m, s] = modes.stochastic(start).unwrap();
            let lost = modes.exclusive(m, s) - modes.exclusive(exact[0], exact[1]);
            assert!(
                (-ROUNDING..OF_STOP_RULE).contains(&lost),
                "{lost} nats lost"
            );
        }
    }

    #[test]
    fn it_draws_the_pictures_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &mut std::io::sink()).unwrap();
        jensen_testkit::check_pictures(folder.path(), "two_divergences");
    }
}
