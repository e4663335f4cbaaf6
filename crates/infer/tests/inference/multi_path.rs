//! Multi-path Pathfinder on a Gaussian, on two modes and on a banana, whose answers are known.

use jensen_infer::pathfinder::{MultiPath, Pathfinder, multi_path};
use jensen_posterior::{Approximation, psis};
use jensen_rng::Stream;
use jensen_testkit::targets::{Banana, Bimodal, Gaussian, Target};

const N_DRAWS: usize = 4000;
/// Monte Carlo statements hold within this many standard errors; seeds are fixed.
const STANDARD_ERRORS: f64 = 5.0;

fn pooled(target: &Target, seed: u64) -> MultiPath {
    let density = target.density.as_ref();
    let options = Pathfinder::default();
    multi_path(density, 6, N_DRAWS, &options, &Stream::from_seed(seed)).unwrap()
}

/// E of the mean of equally weighted rows.
fn error<'a>(target: &Target, rows: impl ExactSizeIterator<Item = &'a [f64]>) -> f64 {
    let n = rows.len() as f64;
    let mut mean = vec![0.0; target.density.dim()];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / n);
    }
    target.worst_error(&mean).0
}

/// What holds of every answer.
fn check(target: &Target, found: &MultiPath) {
    let d = target.density.dim();
    assert_eq!(found.resampled.len(), N_DRAWS * d);
    assert_eq!(found.mixture.components().len(), found.paths.len());
    // Weights are those of the density over the mixture, up to smoothing of the largest.
    let n = found.sample.ln_p.len();
    let smallest = (0..n)
        .min_by(|&i, &j| {
            let ln_w = &found.sample.psis.ln_weights;
            ln_w[i].total_cmp(&ln_w[j])
        })
        .unwrap();
    let ln_q = found
        .mixture
        .ln_density(&found.sample.positions[smallest * d..(smallest + 1) * d]);
    let psis = &found.sample.psis;
    let ln_w = psis.ln_weights[smallest] + psis.ln_mean_weight + (n as f64).ln();
    assert!((ln_w - (found.sample.ln_p[smallest] - ln_q)).abs() < 1e-9);
    // Every resampled draw is one of the pool.
    let first = found.rows().next().unwrap();
    assert!(found.sample.rows().any(|row| row == first));
    let paths: u64 = found.paths.iter().map(|path| path.n_gradients).sum();
    // Every start was taken at once.
    let n_starts = found.paths.len() as u64;
    assert_eq!(found.n_gradients, paths + n_starts + n as u64);
}

/// The evidence within its standard errors; its weights are trusted.
fn check_evidence(target: &Target, found: &MultiPath) {
    let exact = target.reference.log_normalizer.unwrap();
    let (ln_z, se) = (found.log_evidence.value, found.log_evidence.se);
    assert!(
        (ln_z - exact).abs() < STANDARD_ERRORS * se + 1e-6,
        "{}: {ln_z} +- {se} of {exact}",
        target.name
    );
    assert!(found.sample.psis.is_good(), "{}", found.sample.psis.k_hat);
}

#[test]
fn a_gaussian_is_drawn_from() {
    for target in [
        Gaussian::correlated(5, 0.9),
        Gaussian::scaled(&[1e-3, 1.0, 1e3]),
    ] {
        let target = target.target();
        let found = pooled(&target, 1);
        check(&target, &found);
        check_evidence(&target, &found);
        let worth = found.sample.psis.effective_draws().min(N_DRAWS as f64);
        // Weighting and resampling each add the error of as many draws.
        let bound = STANDARD_ERRORS * (2.0 / worth).sqrt();
        let e = error(&target, found.rows());
        assert!(e < bound, "{}: {e}", target.name);
    }
}

#[test]
fn modes_get_the_share_of_their_mass() {
    let target = Bimodal::new(3, 8.0, 0.3).target();
    let found = pooled(&target, 2);
    check(&target, &found);
    check_evidence(&target, &found);
    let left = found.rows().filter(|row| row[0] < 0.0).count() as f64 / N_DRAWS as f64;
    let se = (0.3 * 0.7 * 2.0 / found.sample.psis.effective_draws()).sqrt();
    assert!((left - 0.3).abs() < STANDARD_ERRORS * se, "{left}");
    // Before the weights, paths have the share of their starts.
    let paths_left = (found.paths.iter())
        .filter(|path| path.optimum.place.position[0] < 0.0)
        .count();
    assert!(paths_left > 0 && paths_left < found.paths.len());
}

#[test]
fn a_banana_is_better_than_its_gaussians_and_its_shape_says_that_it_is_not_good() {
    let target = Banana::default().target();
    let found = pooled(&target, 3);
    check(&target, &found);
    let k_hat = found.sample.psis.k_hat;
    assert!(k_hat > psis::threshold(N_DRAWS), "{k_hat}");
    let raw = error(&target, found.sample.rows());
    let weighted = error(&target, found.rows());
    assert!(weighted < raw, "{weighted}, {raw}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let target = Banana::default().target();
    let with = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        let found = pool.install(|| pooled(&target, 4));
        (found.resampled, found.log_evidence)
    };
    assert_eq!(with(1), with(3));
}
