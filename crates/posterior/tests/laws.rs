//! Laws of approximations, over all of them: normalized, draws know their density, draws have the moments.

use jensen_posterior::{Approximation, Gaussian, LowRankGaussian, Mixture, Scale, StudentT};
use jensen_rng::Stream;
use jensen_testkit::integrate_line;

/// A member with its mean `[d]` and marginal variances `[d]`.
struct Case {
    q: Box<dyn Approximation>,
    mean: Vec<f64>,
    variances: Vec<f64>,
}

fn gaussian(mean: &[f64], scale: Scale) -> Case {
    let variances = scale.variances();
    let mean = mean.to_vec();
    Case {
        q: Box::new(Gaussian {
            mean: mean.clone(),
            scale,
        }),
        mean,
        variances,
    }
}

fn low_rank(mean: &[f64], diagonal: &[f64], factor: &[f64]) -> Case {
    let q = LowRankGaussian::new(mean.to_vec(), diagonal.to_vec(), factor.to_vec()).unwrap();
    Case {
        mean: mean.to_vec(),
        variances: q.variances(),
        q: Box::new(q),
    }
}

fn student(location: &[f64], scale: Scale, dof: f64) -> Case {
    let spread = dof / (dof - 2.0);
    Case {
        mean: location.to_vec(),
        variances: scale.variances().iter().map(|v| v * spread).collect(),
        q: Box::new(StudentT::new(location.to_vec(), scale, dof).unwrap()),
    }
}

fn mixture(weights: &[f64], parts: Vec<Case>) -> Case {
    let d = parts[0].mean.len();
    let average = |f: &dyn Fn(&Case, usize) -> f64, i| -> f64 {
        weights
            .iter()
            .zip(&parts)
            .map(|(w, part)| w * f(part, i))
            .sum()
    };
    let mean: Vec<f64> = (0..d)
        .map(|i| average(&|part, i| part.mean[i], i))
        .collect();
    let second = |part: &Case, i: usize| part.variances[i] + part.mean[i].powi(2);
    Case {
        variances: (0..d)
            .map(|i| average(&second, i) - mean[i].powi(2))
            .collect(),
        mean,
        q: Box::new(Mixture::new(weights, parts.into_iter().map(|p| p.q).collect()).unwrap()),
    }
}

fn catalogue() -> Vec<Case> {
    let lower = |rows: &[f64]| Scale::Lower(rows.to_vec());
    let diagonal = |sd: &[f64]| Scale::Diagonal(sd.to_vec());
    vec![
        gaussian(&[3.0], diagonal(&[0.2])),
        gaussian(
            &[0.0, 1.0, -2.0],
            lower(&[1.0, 0.0, 0.0, -0.9, 0.5, 0.0, 0.3, 2.0, 1.5]),
        ),
        low_rank(&[1.0, -1.0], &[0.3, 0.8], &[2.0, -1.0]),
        low_rank(
            &[0.0, 5.0, 0.0, 0.0, -1.0],
            &[1.0, 0.1, 2.0, 0.5, 0.7],
            &[1.0, 0.0, 0.5, 0.5, -2.0, 0.1, 0.0, 0.0, 0.3, 3.0],
        ),
        student(&[-2.0], diagonal(&[0.5]), 9.0),
        student(&[0.5, 0.0], lower(&[1.0, 0.0, 0.7, 0.4]), 10.0),
        student(&[0.0; 5], lower(&identity(5)), 12.0),
        mixture(
            &[0.3, 0.7],
            vec![
                gaussian(&[-3.0], diagonal(&[0.5])),
                gaussian(&[1.0], diagonal(&[1.5])),
            ],
        ),
        mixture(
            &[0.6, 0.4],
            vec![
                low_rank(&[0.0, 0.0, 2.0], &[1.0, 0.5, 0.5], &[1.0, 1.0, 1.0]),
                student(&[1.0, 1.0, -1.0], diagonal(&[1.0, 2.0, 0.5]), 11.0),
            ],
        ),
    ]
}

fn identity(d: usize) -> Vec<f64> {
    (0..d * d)
        .map(|ij| if ij % (d + 1) == 0 { 1.0 } else { 0.0 })
        .collect()
}

/// Mean and standard error of the mean.
fn averaged(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Standard errors within which estimates have to lie.
const N_ERRORS: f64 = 5.0;
const N_DRAWS: usize = 20_000;

#[test]
fn densities_integrate_to_one_by_quadrature() {
    for case in catalogue() {
        let (q, m) = (&case.q, &case.mean);
        let sd: Vec<f64> = case.variances.iter().map(|v| v.sqrt()).collect();
        let total = match m.len() {
            1 => integrate_line(|x| q.ln_density(&[x]).exp(), m[0], sd[0]),
            2 => {
                let along = |x| integrate_line(|y| q.ln_density(&[x, y]).exp(), m[1], sd[1]);
                integrate_line(along, m[0], sd[0])
            }
            _ => continue,
        };
        // The rule itself reaches 1e-9 on smooth tails.
        assert!((total - 1.0).abs() < 1e-7, "{}: {total}", q.describe());
    }
}

/// E_r[q/r] = 1 for any normalized r that covers q: normalization in any dimension.
#[test]
fn densities_integrate_to_one_by_importance() {
    let root = Stream::from_seed(31);
    for (index, case) in catalogue().iter().enumerate() {
        let mut stream = root.child("case", index as u64);
        let wide = case.variances.iter().map(|v| 1.3 * v.sqrt()).collect();
        let r = StudentT::new(case.mean.clone(), Scale::Diagonal(wide), 4.0).unwrap();
        let mut z = vec![0.0; case.mean.len()];
        let ratios: Vec<f64> = (0..N_DRAWS)
            .map(|_| {
                let ln_r = r.sample(&mut stream, &mut z);
                (case.q.ln_density(&z) - ln_r).exp()
            })
            .collect();
        let (mean, error) = averaged(&ratios);
        assert!(
            (mean - 1.0).abs() < N_ERRORS * error,
            "{}: {mean} +- {error}",
            case.q.describe()
        );
        assert!(
            error < 0.1,
            "{}: the check is blunt, {error}",
            case.q.describe()
        );
    }
}

#[test]
fn draws_know_their_density_and_have_the_moments() {
    let root = Stream::from_seed(17);
    for (index, case) in catalogue().iter().enumerate() {
        let (q, d) = (&case.q, case.mean.len());
        assert_eq!(q.dim(), d);
        let mut stream = root.child("case", index as u64);
        let mut columns = vec![Vec::with_capacity(N_DRAWS); d];
        let mut z = vec![0.0; d];
        for _ in 0..N_DRAWS {
            let told = q.sample(&mut stream, &mut z);
            let asked = q.ln_density(&z);
            // What a round trip through a factor with condition 100 may lose.
            assert!(
                (told - asked).abs() < 1e-9 * asked.abs().max(1.0),
                "{}",
                q.describe()
            );
            for (column, z) in columns.iter_mut().zip(&z) {
                column.push(*z);
            }
        }
        for (i, column) in columns.iter().enumerate() {
            let (mean, error) = averaged(column);
            assert!(
                (mean - case.mean[i]).abs() < N_ERRORS * error,
                "{} mean {i}",
                q.describe()
            );
            let squares: Vec<f64> = column.iter().map(|x| (x - case.mean[i]).powi(2)).collect();
            let (square, error) = averaged(&squares);
            let miss = (square - case.variances[i]).abs();
            assert!(
                miss < N_ERRORS * error,
                "{} variance {i}: {square}",
                q.describe()
            );
        }
    }
}

#[test]
fn the_same_stream_gives_the_same_draw() {
    for case in catalogue() {
        let draw = || {
            let mut z = vec![0.0; case.mean.len()];
            let ln_q = case.q.sample(&mut Stream::from_seed(5), &mut z);
            (z, ln_q)
        };
        assert_eq!(draw(), draw());
    }
}
