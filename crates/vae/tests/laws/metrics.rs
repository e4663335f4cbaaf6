//! Metrics of samples and reconstructions against closed forms and against values of other programs.

use jensen_rng::Stream;
use jensen_vae::metric::{frechet, kernel_distance, neighbors, psnr, ssim};

/// Both sides sum in f64 in different orders.
const ROUNDING: f64 = 1e-9;

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() < tolerance,
        "found {found}, expected {expected}"
    );
}

/// `[n, d]`: sin(1.3 i + 0.7 j^2 + s) + 0.3 cos(0.11 i (j + 1) + s^2), as in the scripts that made the values below.
fn features(n: usize, d: usize, s: f64, scale: f64, shift: f64) -> Vec<f64> {
    let at = |i: f64, j: f64| {
        (1.3 * i + 0.7 * j * j + s).sin() + 0.3 * (0.11 * i * (j + 1.0) + s * s).cos()
    };
    let places = (0..n * d).map(|place| at((place / d) as f64, (place % d) as f64));
    places.map(|x| scale * x + shift).collect()
}

/// 0.5 + 0.4 sin(0.3 i + 0.2 j + s) cos(0.1 i j / (1 + s)).
fn image(height: usize, width: usize, s: f64) -> Vec<f64> {
    let at = |i: f64, j: f64| {
        0.5 + 0.4 * (0.3 * i + 0.2 * j + s).sin() * (0.1 * i * j / (1.0 + s)).cos()
    };
    (0..height * width)
        .map(|place| at((place / width) as f64, (place % width) as f64))
        .collect()
}

/// numpy 2 and `scipy.linalg.sqrtm`; with fewer rows than columns the covariances are singular.
#[test]
fn frechet_distance_of_samples_agrees_with_scipy() {
    let (a, b) = (
        features(40, 6, 0.0, 1.0, 0.0),
        features(30, 6, 0.9, 1.2, 0.1),
    );
    close(
        frechet::distance(&a, &b, 6),
        0.192_293_483_003_812_38,
        ROUNDING,
    );
    // The root of a singular matrix has half the digits, in scipy too.
    close(
        frechet::distance(&a[..24], &b[..30], 6),
        0.933_513_878_653_724_1,
        1e-6,
    );
    close(frechet::distance(&a, &a, 6), 0.0, ROUNDING);
}

/// For covariances that commute: |m_a - m_b|^2 + sum over axes of (s_a - s_b)^2, in turned coordinates.
#[test]
fn frechet_distance_of_gaussians_is_the_closed_form() {
    let (c, s) = (0.6, 0.8);
    let turned = |a: f64, b: f64| {
        vec![
            c * c * a + s * s * b,
            c * s * (a - b),
            c * s * (a - b),
            s * s * a + c * c * b,
        ]
    };
    let found = frechet::of_gaussians(
        &[1.0, -2.0],
        &turned(4.0, 0.25),
        &[0.5, 0.0],
        &turned(1.0, 9.0),
    );
    close(found, 0.25 + 4.0 + 1.0 + 2.5f64.powi(2), 1e-12);
    // One of them has no width along an axis.
    let flat = frechet::of_gaussians(&[0.0; 2], &turned(4.0, 0.0), &[0.0; 2], &turned(1.0, 9.0));
    close(flat, 1.0 + 9.0, 1e-12);
}

/// `sklearn.metrics.pairwise.polynomial_kernel`, the error by leaving rows out one after the other.
#[test]
fn kernel_distance_agrees_with_sklearn_and_its_error_with_leaving_rows_out() {
    let (a, b) = (
        features(40, 6, 0.0, 1.0, 0.0),
        features(30, 6, 0.9, 1.2, 0.1),
    );
    let [value, error] = kernel_distance::distance(&a, &b, 6);
    close(value, -0.083_470_573_871_712_53, ROUNDING);
    close(error, 0.088_077_902_128_564_46, ROUNDING);
}

/// Without bias: over many samples of one density the mean is zero, and its spread what the error says.
#[test]
fn kernel_distance_of_equal_densities_is_zero_on_average() {
    let mut stream = Stream::from_seed(7);
    let mut draw = || -> Vec<f64> { (0..60).map(|_| stream.normal()).collect() };
    let found: Vec<[f64; 2]> = (0..300)
        .map(|_| kernel_distance::distance(&draw(), &draw(), 3))
        .collect();
    let values: Vec<f64> = found.iter().map(|[value, _]| *value).collect();
    let (mean, error) = crate::common::mean_and_error(&values);
    assert!(mean.abs() < 4.0 * error, "{mean} +- {error}");
    let told = found.iter().map(|[_, error]| error).sum::<f64>() / 300.0;
    let spread = error * 300f64.sqrt();
    // The jackknife is too large rather than too small where the distance is zero.
    assert!(
        told > 0.8 * spread && told < 2.5 * spread,
        "{told}, {spread}"
    );
}

/// The package `prdc` of the authors.
#[test]
fn neighbors_agree_with_prdc() {
    let a = features(40, 6, 0.0, 1.0, 0.0);
    let b = features(30, 6, 0.9, 1.2, 0.1);
    let (near, far) = b.split_at(90);
    let moved = near
        .iter()
        .enumerate()
        .map(|(i, x)| x + 0.5 * (i % 6) as f64);
    let b: Vec<f64> = moved.chain(far.iter().map(|x| 0.7 * x)).collect();
    let expected = |precision, recall, density, coverage| neighbors::Neighbors {
        precision,
        recall,
        density,
        coverage,
    };
    let found = neighbors::compare(&a, &b, 6, 5);
    close(found.density, 0.56, ROUNDING);
    assert_eq!(found, expected(0.5, 1.0, found.density, 0.975));
    let found = neighbors::compare(&b, &a, 6, 3);
    close(found.density, 1.025, ROUNDING);
    assert_eq!(found, expected(0.975, 0.5, found.density, 0.5));
}

/// Samples far away reach nothing; data themselves are in all balls.
#[test]
fn neighbors_of_far_and_of_equal_samples() {
    let a = features(40, 6, 0.0, 1.0, 0.0);
    let far = neighbors::compare(&a, &features(30, 6, 0.9, 1.0, 99.0), 6, 5);
    assert_eq!(
        [far.precision, far.recall, far.density, far.coverage],
        [0.0; 4]
    );
    let same = neighbors::compare(&a, &a, 6, 5);
    assert_eq!([same.precision, same.recall, same.coverage], [1.0; 3]);
}

/// `skimage.metrics` with the paper's window; for several scales numpy by the definition, with which `pytorch_msssim`
/// agrees as far as its window of f32 goes (0.28743).
#[test]
fn similarity_agrees_with_skimage_and_pytorch_msssim() {
    let (x, y) = (image(24, 28, 0.0), image(24, 28, 0.4));
    close(psnr::psnr(&x, &y, 1.0), 12.134_209_708_505_688, ROUNDING);
    close(
        ssim::ssim(&x, &y, [1, 24, 28], 1.0).unwrap(),
        0.029_492_203_007_612_1,
        ROUNDING,
    );
    let (x, y) = (image(192, 208, 0.0), image(192, 208, 0.01));
    close(
        ssim::ms_ssim(&x, &y, [1, 192, 208], 1.0, 5).unwrap(),
        0.287_424_853_254_427_24,
        ROUNDING,
    );
    close(
        ssim::ms_ssim(&x, &y, [1, 192, 208], 1.0, 2).unwrap(),
        0.096_996_523_799_397_1,
        ROUNDING,
    );
}

#[test]
fn similarity_is_one_of_equal_images_a_mean_over_channels_and_refuses_small_ones() {
    let (x, y) = (image(24, 28, 0.0), image(24, 28, 0.4));
    close(ssim::ssim(&x, &x, [1, 24, 28], 1.0).unwrap(), 1.0, 1e-12);
    assert_eq!(psnr::psnr(&x, &x, 1.0), f64::INFINITY);
    let two = ssim::ssim(
        &[x.clone(), x.clone()].concat(),
        &[x.clone(), y.clone()].concat(),
        [2, 24, 28],
        1.0,
    );
    let one = ssim::ssim(&x, &y, [1, 24, 28], 1.0).unwrap();
    close(two.unwrap(), (1.0 + one) / 2.0, 1e-12);
    // The unit does not matter, if the range is in it too.
    let scaled = |image: &[f64]| -> Vec<f64> { image.iter().map(|x| 255.0 * x).collect() };
    close(
        ssim::ssim(&scaled(&x), &scaled(&y), [1, 24, 28], 255.0).unwrap(),
        one,
        1e-9,
    );
    assert_eq!(
        [
            ssim::n_scales(28, 28),
            ssim::n_scales(176, 200),
            ssim::n_scales(10, 99)
        ],
        [2, 5, 0]
    );
    assert_eq!(ssim::ms_ssim(&x, &y, [1, 24, 28], 1.0, 3), None);
    assert_eq!(ssim::ssim(&x[..80], &y[..80], [1, 8, 10], 1.0), None);
}
