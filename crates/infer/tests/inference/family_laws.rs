//! Laws that every variational family obeys: derivatives, entropy, score, normalization, draws.

use jensen_infer::family::{CouplingFlow, Family, FullRank, LowRank, MeanField, StudentT};
use jensen_rng::Stream;
use jensen_testkit::gradient;

/// Dimension of all families here; even and odd halves, and more than the rank of the low-rank family.
const DIM: usize = 3;
/// Finite differences of order h^4 with h = 1e-2 leave errors of 1e-8 for functions of size one; the
/// families' third derivatives are below a hundred at the points used.
const DIFFERENCE_TOLERANCE: f64 = 1e-6;
const DIFFERENCE_STEP: f64 = 1e-2;
/// Monte Carlo statements hold within this many standard errors; seeds are fixed.
const STANDARD_ERRORS: f64 = 5.0;
const N_DRAWS: usize = 20_000;

fn families() -> Vec<Box<dyn Family>> {
    vec![
        Box::new(MeanField { dim: DIM }),
        Box::new(FullRank { dim: DIM }),
        Box::new(LowRank { dim: DIM, rank: 2 }),
        Box::new(StudentT::product(DIM, 5.0)),
        Box::new(StudentT::full(DIM, 4.5)),
        Box::new(CouplingFlow {
            dim: DIM,
            n_layers: 3,
            width: 4,
        }),
    ]
}

/// Parameters away from the start, so that no derivative vanishes by accident.
fn params_of(family: &dyn Family) -> Vec<f64> {
    let mut stream = Stream::from_seed(3).child("params", 0);
    let mut params = family.start(&[0.5, -1.0, 2.0], &[0.7, 1.5, 1.0]);
    for p in &mut params {
        *p += 0.3 * stream.normal();
    }
    params
}

fn draw(family: &dyn Family, params: &[f64], stream: &mut Stream) -> (Vec<f64>, Vec<f64>) {
    let mut noise = vec![0.0; family.n_noise()];
    family.draw_noise(stream, &mut noise);
    let mut z = vec![0.0; family.dim()];
    family.transform(params, &noise, &mut z);
    (noise, z)
}

fn assert_near(name: &str, what: &str, found: &[f64], expected: &[f64]) {
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() < DIFFERENCE_TOLERANCE * (1.0 + b.abs()),
            "{name}, {what} {index}: {a} and {b} by differences"
        );
    }
}

/// Mean and standard error.
fn summary(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn pullback_is_the_derivative_of_the_transform() {
    for family in families() {
        let params = params_of(&*family);
        let mut stream = Stream::from_seed(1);
        let (noise, _) = draw(&*family, &params, &mut stream);
        let by_z = [0.3, -1.2, 0.8];
        // It adds to what is there.
        let mut by_params = vec![1.0; family.n_params()];
        family.pullback(&params, &noise, &by_z, &mut by_params);
        by_params.iter_mut().for_each(|g| *g -= 1.0);
        let along = |params: &[f64]| {
            let mut z = [0.0; DIM];
            family.transform(params, &noise, &mut z);
            z.iter().zip(&by_z).map(|(z, g)| z * g).sum()
        };
        let expected = gradient(along, &params, DIFFERENCE_STEP);
        assert_near(&family.name(), "pullback", &by_params, &expected);
    }
}

#[test]
fn gradients_of_the_density_are_its_derivatives() {
    for family in families() {
        let params = params_of(&*family);
        let (_, z) = draw(&*family, &params, &mut Stream::from_seed(2));
        let (mut by_z, mut by_params) = (vec![7.0; DIM], vec![7.0; family.n_params()]);
        family.ln_density_and_grads(&params, &z, &mut by_z, &mut by_params);
        let ln_q = |params: &[f64], z: &[f64]| {
            let mut scratch = vec![0.0; params.len()];
            family.ln_density_and_grads(params, z, &mut [0.0; DIM], &mut scratch)
        };
        let name = family.name();
        let by_differences = gradient(|z| ln_q(&params, z), &z, DIFFERENCE_STEP);
        assert_near(&name, "by z", &by_z, &by_differences);
        let by_differences = gradient(|params| ln_q(params, &z), &params, DIFFERENCE_STEP);
        assert_near(&name, "by lambda", &by_params, &by_differences);
        if let Some(product) = family.as_product() {
            let mut marginals = [0.0; DIM];
            product.ln_marginals(&params, &z, &mut marginals);
            let sum: f64 = marginals.iter().sum();
            assert!((sum - ln_q(&params, &z)).abs() < 1e-12, "{name}");
            for param in 0..family.n_params() {
                let mut moved = params.clone();
                moved[param] += 0.1;
                let mut others = [0.0; DIM];
                product.ln_marginals(&moved, &z, &mut others);
                for i in 0..DIM {
                    let own = product.coordinate_of(param) == i;
                    assert_eq!(others[i] != marginals[i], own, "{name}, parameter {param}");
                }
            }
        }
    }
}

#[test]
fn entropy_and_its_gradient_agree_with_the_density() {
    for family in families() {
        let (name, params) = (family.name(), params_of(&*family));
        let mut by_params = vec![0.0; family.n_params()];
        let Some(entropy) = family.entropy(&params, 2.0, &mut by_params) else {
            assert!(name.starts_with("coupling-flow"), "{name}");
            continue;
        };
        let value = |params: &[f64]| {
            let mut unused = vec![0.0; params.len()];
            2.0 * family.entropy(params, 0.0, &mut unused).unwrap()
        };
        let expected = gradient(value, &params, DIFFERENCE_STEP);
        assert_near(&name, "entropy", &by_params, &expected);
        let member = family.member(&params);
        let mut stream = Stream::from_seed(4);
        let surprises: Vec<f64> = (0..N_DRAWS)
            .map(|_| -member.sample(&mut stream, &mut [0.0; DIM]))
            .collect();
        let (mean, error) = summary(&surprises);
        assert!(
            (mean - entropy).abs() < STANDARD_ERRORS * error,
            "{name}: entropy {entropy}, by draws {mean} +- {error}"
        );
    }
}

#[test]
fn the_score_has_mean_zero_and_identity_covariance_in_local_coordinates_where_they_are_exact() {
    for family in families() {
        let (name, params) = (family.name(), params_of(&*family));
        let n = family.n_params();
        let mut scores = vec![Vec::new(); n];
        let mut stream = Stream::from_seed(5);
        for _ in 0..N_DRAWS {
            let (_, z) = draw(&*family, &params, &mut stream);
            let mut by_params = vec![0.0; n];
            family.ln_density_and_grads(&params, &z, &mut [0.0; DIM], &mut by_params);
            family.gradient_to_local(&params, &mut by_params);
            for (column, g) in scores.iter_mut().zip(&by_params) {
                column.push(*g);
            }
        }
        for (param, column) in scores.iter().enumerate() {
            let (mean, error) = summary(column);
            assert!(
                mean.abs() < STANDARD_ERRORS * error,
                "{name}, parameter {param}: {mean} +- {error}"
            );
        }
        if !["mean-field", "full-rank"].contains(&name.as_str()) {
            continue;
        }
        for i in 0..n {
            for j in 0..=i {
                let products: Vec<f64> = scores[i]
                    .iter()
                    .zip(&scores[j])
                    .map(|(a, b)| a * b)
                    .collect();
                let (mean, error) = summary(&products);
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!(
                    (mean - expected).abs() < STANDARD_ERRORS * error,
                    "{name}, {i} and {j}: {mean}"
                );
            }
        }
    }
}

#[test]
fn a_step_in_local_coordinates_is_the_adjoint_of_the_gradient() {
    // g^T (J u) = (J^T g)^T u.
    for family in families() {
        let params = params_of(&*family);
        let mut stream = Stream::from_seed(6);
        let mut normal = || -> Vec<f64> { params.iter().map(|_| stream.normal()).collect() };
        let (g, u) = (normal(), normal());
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let (mut pulled, mut pushed) = (g.clone(), u.clone());
        family.gradient_to_local(&params, &mut pulled);
        family.step_from_local(&params, &mut pushed);
        let (left, right) = (dot(&g, &pushed), dot(&pulled, &u));
        assert!(
            (left - right).abs() < 1e-12 * (1.0 + left.abs()),
            "{}",
            family.name()
        );
    }
}

#[test]
fn the_density_integrates_to_one() {
    // The integral of q is the mean of q / r over draws of a wide r with heavy tails, so that the weights
    // are bounded.
    let wide = StudentT::full(DIM, 3.0);
    let r = wide.member(&wide.start(&[0.5, -1.0, 2.0], &[4.0, 5.0, 4.0]));
    for family in families() {
        let q = family.member(&params_of(&*family));
        let mut stream = Stream::from_seed(7);
        let weights: Vec<f64> = (0..2 * N_DRAWS)
            .map(|_| {
                let mut z = [0.0; DIM];
                let ln_r = r.sample(&mut stream, &mut z);
                (q.ln_density(&z) - ln_r).exp()
            })
            .collect();
        let (mean, error) = summary(&weights);
        assert!(
            (mean - 1.0).abs() < STANDARD_ERRORS * error && error < 0.05,
            "{}: {mean} +- {error}",
            family.name()
        );
    }
}

#[test]
fn draws_of_the_member_are_the_transform_of_noise() {
    for family in families() {
        let (name, params) = (family.name(), params_of(&*family));
        let member = family.member(&params);
        assert_eq!(member.dim(), DIM);
        let (mut ours, mut theirs) = (Stream::from_seed(8), Stream::from_seed(8));
        for _ in 0..10 {
            let (_, z) = draw(&*family, &params, &mut ours);
            let mut sampled = [0.0; DIM];
            let ln_q = member.sample(&mut theirs, &mut sampled);
            for (a, b) in z.iter().zip(&sampled) {
                assert!((a - b).abs() < 1e-12, "{name}");
            }
            assert!((ln_q - member.ln_density(&z)).abs() < 1e-10, "{name}");
        }
    }
}

#[test]
fn the_start_has_the_moments_that_were_asked_for() {
    let (mean, sd) = ([0.5, -1.0, 2.0], [0.7, 1.5, 1.0]);
    for family in families() {
        let member = family.member(&family.start(&mean, &sd));
        let mut stream = Stream::from_seed(9);
        let mut columns = vec![Vec::new(); DIM];
        for _ in 0..N_DRAWS {
            let mut z = [0.0; DIM];
            member.sample(&mut stream, &mut z);
            for i in 0..DIM {
                columns[i].push((z[i] - mean[i]) / sd[i]);
            }
        }
        for column in &columns {
            let (found, error) = summary(column);
            assert!(found.abs() < STANDARD_ERRORS * error, "{}", family.name());
            let squares: Vec<f64> = column.iter().map(|x| x * x).collect();
            let (variance, error) = summary(&squares);
            assert!(
                (variance - 1.0).abs() < STANDARD_ERRORS * error,
                "{}",
                family.name()
            );
        }
    }
}
