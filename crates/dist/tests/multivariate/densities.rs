//! Log densities and their partials, by quadrature, differences, special cases and other sources.

use crate::support::*;
use jensen_dist::multivariate::{CATALOGUE, Set};
use jensen_dist::univariate;
use jensen_testkit::gradient;

#[test]
fn partials_agree_with_differences() {
    for_each(|law, d, theta, _| {
        for x in draws(law, d, theta, 10) {
            let (value, by) = partials(law, d, &x, theta);
            assert!(value.is_finite(), "{}", law.name());
            let all: Vec<&[f64]> = std::iter::once(x.as_slice())
                .chain(theta.iter().copied())
                .collect();
            let sets: Vec<Set> = std::iter::once(law.set())
                .chain(law.params().iter().map(|p| p.set))
                .collect();
            for (which, (&set, &values)) in sets.iter().zip(&all).enumerate() {
                if matches!(set, Set::Count | Set::Counts) {
                    assert!(by[which].iter().all(|&g| g == 0.0), "{}", law.name());
                }
                for (entries, scale) in moves(set, d, values) {
                    let at = |u: &[f64]| {
                        let mut all: Vec<Vec<f64>> = all.iter().map(|v| v.to_vec()).collect();
                        for &i in &entries {
                            all[which][i] += scale * u[0];
                        }
                        let theta: Vec<&[f64]> = all[1..].iter().map(Vec::as_slice).collect();
                        let mut unused: Vec<Vec<f64>> = all.clone();
                        let (by_x, by_theta) = unused.split_first_mut().unwrap();
                        let mut by_theta: Vec<&mut [f64]> =
                            by_theta.iter_mut().map(Vec::as_mut_slice).collect();
                        law.formula(d, &all[0], &theta, by_x, &mut by_theta)
                    };
                    let difference = gradient(at, &[0.0], STEP)[0];
                    let partial = scale * entries.iter().map(|&i| by[which][i]).sum::<f64>();
                    assert!(
                        (difference - partial).abs()
                            <= DIFFERENCE * (1.0 + value.abs() + partial.abs()),
                        "{} argument {which} entries {entries:?}: {partial} against {difference}",
                        law.name()
                    );
                }
            }
        }
    });
}

/// The integral over R^k of a smooth f that vanishes at the ends, by the trapezoid rule; with each variable
/// taken as tanh, exp or itself the error is below e^-25 at this step.
fn trapezoid(ranges: &[[f64; 2]], f: &mut dyn FnMut(&[f64]) -> f64) -> f64 {
    const STEP: f64 = 0.3;
    fn inner(ranges: &[[f64; 2]], x: &mut Vec<f64>, f: &mut dyn FnMut(&[f64]) -> f64) -> f64 {
        let Some(([low, high], rest)) = ranges.split_first() else {
            return f(x);
        };
        let n = ((high - low) / STEP).ceil() as usize;
        (0..=n)
            .map(|i| {
                x.push(low + STEP * i as f64);
                let value = STEP * inner(rest, x, f);
                x.pop();
                value
            })
            .sum()
    }
    inner(ranges, &mut Vec::new(), f)
}

/// What the rules leave for these integrands.
const QUADRATURE: f64 = 1e-8;

#[test]
fn the_total_mass_is_one() {
    let check =
        |what: &str, total: f64| assert!((total - 1.0).abs() < QUADRATURE, "{what}: {total}");
    let [a, b]: [&[f64]; 2] = [&[2.0, 0.6, 0.6, 1.0], &[0.7, -0.3, -0.3, 1.9]];
    let l: &[f64] = &[1.4, 0.4, 0.0, 0.9];
    let mut seen = Vec::new();

    for (name, spread) in [
        ("multi_normal", a),
        ("multi_normal", b),
        ("multi_normal_prec", a),
        ("multi_normal_cholesky", l),
    ] {
        let theta: &[&[f64]] = &[&[0.5, -1.0], spread];
        let mut density = |x: &[f64]| law(name).ln_prob(2, x, theta).exp();
        check(name, trapezoid(&[[-14.0, 14.0]; 2], &mut density));
        seen.push(name);
    }

    // W_11 = e^y, W_22 = e^z, W_21 = tanh(u) sqrt(W_11 W_22).
    for (name, dof, scale) in [
        ("wishart", 4.5, a),
        ("wishart", 6.0, b),
        ("inv_wishart", 4.5, a),
        ("inv_wishart", 6.0, b),
    ] {
        let theta: &[&[f64]] = &[&[dof], scale];
        let mut density = |at: &[f64]| {
            let (y, z, r) = (at[0].exp(), at[1].exp(), at[2].tanh());
            let across = r * (y * z).sqrt();
            // sech^2 without the cancellation of 1 - tanh^2.
            let volume = (y * z).powf(1.5) * at[2].cosh().powi(-2);
            let value = law(name).ln_prob(2, &[y, across, across, z], theta);
            // So near to a singular matrix that it counts as one there is no mass to speak of.
            if value > f64::NEG_INFINITY {
                value.exp() * volume
            } else {
                0.0
            }
        };
        let tails = if name == "wishart" {
            [-11.0, 6.0]
        } else {
            [-6.0, 11.0]
        };
        check(name, trapezoid(&[tails, tails, [-8.0, 8.0]], &mut density));
        seen.push(name);
    }

    // Each row by hyperbolic tangents of the share of what the entries before leave.
    for shape in [0.7, 3.0] {
        let theta: &[&[f64]] = &[&[shape]];
        let sech = |u: f64| 1.0 / u.cosh();
        let mut line = |at: &[f64]| {
            let x = [1.0, at[0].tanh(), 0.0, sech(at[0])];
            law("lkj_corr_cholesky").ln_prob(2, &x, theta).exp() * sech(at[0]).powi(2)
        };
        check("lkj_corr_cholesky", trapezoid(&[[-20.0, 20.0]], &mut line));
        let mut solid = |at: &[f64]| {
            let (left, rest) = (sech(at[1]), at[2].tanh());
            let mut x = [
                1.0,
                at[0].tanh(),
                at[1].tanh(),
                0.0,
                sech(at[0]),
                left * rest,
                0.0,
                0.0,
                0.0,
            ];
            x[8] = left * sech(at[2]);
            let volume = sech(at[0]).powi(2) * left.powi(3) * sech(at[2]).powi(2);
            law("lkj_corr_cholesky").ln_prob(3, &x, theta).exp() * volume
        };
        check(
            "lkj_corr_cholesky",
            trapezoid(&[[-16.0, 16.0]; 3], &mut solid),
        );
    }
    seen.push("lkj_corr_cholesky");

    for a in [[2.5, 0.8, 4.0], [1.0, 1.5, 0.6]] {
        let theta: &[&[f64]] = &[&a];
        // x_1 = s(u), x_2 = (1 - x_1) s(v) with the logistic function s.
        let mut density = |at: &[f64]| {
            let [s, t, not_s, not_t] =
                [at[0], at[1], -at[0], -at[1]].map(|u| 1.0 / (1.0 + (-u).exp()));
            let x = [s, not_s * t, not_s * not_t];
            law("dirichlet").ln_prob(3, &x, theta).exp() * s * not_s * not_s * t * not_t
        };
        check("dirichlet", trapezoid(&[[-36.0, 36.0]; 2], &mut density));
    }
    seen.push("dirichlet");

    for (n, p) in [
        (9.0, [0.2, 0.5, 0.3]),
        (40.0, [0.0, 0.9, 0.1]),
        (0.0, [0.2, 0.5, 0.3]),
    ] {
        let theta: &[&[f64]] = &[&[n], &p];
        let counts = (0..=n as u32).flat_map(|i| (0..=n as u32 - i).map(move |j| (i, j)));
        let total: f64 = counts
            .map(|(i, j)| {
                let (i, j) = (f64::from(i), f64::from(j));
                law("multinomial")
                    .ln_prob(3, &[i, j, n - i - j], theta)
                    .exp()
            })
            .sum();
        check("multinomial", total);
    }
    seen.push("multinomial");

    for law in CATALOGUE {
        assert!(seen.contains(&law.name()), "{}", law.name());
    }
}

/// In the smallest dimension each is a known law of one number, which fixes the constants.
#[test]
fn small_members_are_laws_of_one_number() {
    let single = |name: &str, x: f64, theta: &[f64]| {
        let law = univariate::CATALOGUE
            .iter()
            .find(|law| law.name() == name)
            .unwrap();
        law.ln_prob(x, theta)
    };
    let cases = [
        (
            law("multi_normal").ln_prob(1, &[0.7], &[&[0.2], &[4.0]]),
            single("normal", 0.7, &[0.2, 2.0]),
        ),
        (
            law("multi_normal_prec").ln_prob(1, &[0.7], &[&[0.2], &[0.25]]),
            single("normal", 0.7, &[0.2, 2.0]),
        ),
        (
            law("multi_normal_cholesky").ln_prob(1, &[0.7], &[&[0.2], &[2.0]]),
            single("normal", 0.7, &[0.2, 2.0]),
        ),
        (
            law("wishart").ln_prob(1, &[0.7], &[&[3.0], &[2.0]]),
            single("gamma", 0.7, &[1.5, 0.25]),
        ),
        (
            law("inv_wishart").ln_prob(1, &[0.7], &[&[3.0], &[2.0]]),
            single("inv_gamma", 0.7, &[1.5, 1.0]),
        ),
        (
            law("dirichlet").ln_prob(2, &[0.3, 0.7], &[&[2.5, 0.8]]),
            single("beta", 0.3, &[2.5, 0.8]),
        ),
        (
            law("multinomial").ln_prob(2, &[3.0, 6.0], &[&[9.0], &[0.3, 0.7]]),
            single("binomial", 3.0, &[9.0, 0.3]),
        ),
        // The correlation r = L_21 has the density of 2 Beta(e, e) - 1.
        (
            law("lkj_corr_cholesky").ln_prob(2, &[1.0, 0.6, 0.0, 0.8], &[&[2.5]]),
            single("beta", 0.8, &[2.5, 2.5]) - 2.0f64.ln(),
        ),
    ];
    for (found, expected) in cases {
        assert!((found - expected).abs() < ROUNDING, "{found} {expected}");
    }
}

/// Log densities from scipy 1.17.1 (scipy.stats). Those of LKJ are volumes: of the sets of correlation
/// matrices, pi^2 / 2 for d = 3 and 32 pi^2 / 27 for d = 4 ([rousseeuw-1994]), at the identity.
#[test]
fn log_densities_agree_with_other_sources() {
    let x = &[0.3, 0.9, -1.1];
    let pi2 = std::f64::consts::PI.powi(2);
    let identity = |d: usize| {
        (0..d * d)
            .map(|i| f64::from(u8::from(i % (d + 1) == 0)))
            .collect()
    };
    let [three, four]: [Vec<f64>; 2] = [3, 4].map(identity);
    type Slices<'a> = &'a [&'a [f64]];
    let cases: &[(&str, usize, &[f64], Slices<'_>, f64)] = &[
        ("multi_normal", 3, x, &[U, A], -25.571565724908965),
        ("multi_normal_prec", 3, x, &[U, A], -5.686406304768897),
        ("multi_normal_cholesky", 3, x, &[U, L], -29.70487037629965),
        ("wishart", 3, B, &[&[4.5], A], -7.963321591047335),
        ("inv_wishart", 3, B, &[&[4.5], A], -9.060586485208333),
        (
            "dirichlet",
            3,
            &[0.2, 0.5, 0.3],
            &[&[2.5, 0.8, 4.0]],
            -0.9680553405955319,
        ),
        (
            "multinomial",
            3,
            &[2.0, 6.0, 1.0],
            &[&[9.0], &[0.2, 0.5, 0.3]],
            -3.052302625042385,
        ),
        ("lkj_corr_cholesky", 3, &three, &[&[1.0]], -(pi2 / 2.0).ln()),
        (
            "lkj_corr_cholesky",
            4,
            &four,
            &[&[1.0]],
            -(32.0 * pi2 / 27.0).ln(),
        ),
    ];
    for (name, d, x, theta, expected) in cases {
        let law = law(name);
        let found = law.ln_prob(*d, x, theta);
        assert!(
            (found - expected).abs() < ROUNDING * 100.0,
            "{name}: {found} {expected}"
        );
    }
}
