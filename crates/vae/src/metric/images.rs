//! Metrics of images: how near reconstructions are to test examples, and how near samples are to them as a whole.
//!
//! Reconstructions: decibels (PSNR), structural similarity and mean absolute error, of the likelihood's mean through the
//! posterior's mean. Samples, in the feature space of a classifier: Frechet and kernel distance, precision, recall,
//! density and coverage; the Frechet distance of reconstructions says what a perfect prior would reach. Names carry
//! space, window, scales and number of images, on which the numbers depend.

use super::{Advance, batches, frechet, kernel_distance, neighbors, psnr, ssim};
use crate::features::{self, Classifier};
use crate::feed::Feed;
use crate::generate;
use crate::model::Model;
use jensen_data::Layout;
use jensen_nets::Params;
use jensen_rng::Stream;

/// Most images that are looked at, and most values of all of them.
const N_IMAGES: usize = 2000;
const N_VALUES: usize = 1 << 24;
/// Fewest that say anything about a distribution.
const FEWEST: usize = 20;
/// Images per pass.
const BATCH: usize = 500;

/// Metrics by name; none of data that are no images. `None` once `advance` asks for a stop.
pub fn measure(
    model: &Model,
    params: &Params,
    test: &Feed,
    classifier: Option<&Classifier>,
    stream: &Stream,
    advance: &mut Advance<'_>,
) -> Option<Vec<(String, f64)>> {
    let Some(shape) = shape(model) else {
        return Some(Vec::new());
    };
    let test = test.sample(n_images(model, test.len()), &stream.child("test", 0));
    let mut data = Vec::new();
    let mut reconstructed = Vec::new();
    for indices in batches(test.len(), BATCH) {
        let batch = test.batch(&indices, &stream.child("batch", indices[0] as u64));
        let x = batch.x;
        reconstructed.extend(generate::reconstruct(model, params, x.clone()));
        data.extend(crate::ledger::to_f32(x));
        if !advance(None) {
            return None;
        }
    }
    let facts = &model.site().facts;
    let mut found = similarity(
        &data,
        &reconstructed,
        shape,
        f64::from(facts.max - facts.min),
    );
    let Some(classifier) = classifier.filter(|_| test.len() >= FEWEST) else {
        return Some(found);
    };
    let mut samples = Vec::new();
    for indices in batches(test.len(), BATCH) {
        let stream = stream.child("samples", indices[0] as u64);
        samples.extend(generate::sample(
            model,
            params,
            indices.len(),
            false,
            &stream,
        ));
        if !advance(None) {
            return None;
        }
    }
    let [data, reconstructed, samples] =
        [data, reconstructed, samples].map(|values| classifier.features(&values, facts));
    let dim = features::WIDTH;
    let [distance, error] = kernel_distance::distance(&samples, &data, dim);
    if !advance(None) {
        return None;
    }
    let near = neighbors::compare(&data, &samples, dim, neighbors::K);
    let values = [
        frechet::distance(&samples, &data, dim),
        frechet::distance(&reconstructed, &data, dim),
        distance,
        error,
        near.precision,
        near.recall,
        near.density,
        near.coverage,
    ];
    found.extend(of_samples(test.len()).into_iter().zip(values));
    Some(found)
}

/// Names of what [`measure`] measures on n test examples.
pub fn names(model: &Model, n_test: usize, has_classifier: bool) -> Vec<String> {
    let Some(shape) = shape(model) else {
        return Vec::new();
    };
    let n = n_images(model, n_test);
    let mut names = of_reconstructions(shape);
    if has_classifier && n >= FEWEST {
        names.extend(of_samples(n));
    }
    names
}

fn of_reconstructions([_, height, width]: [usize; 3]) -> Vec<String> {
    let mut names = ["l1", "psnr"]
        .map(|what| format!("reconstruction_{what}"))
        .to_vec();
    let scales = ssim::n_scales(height, width);
    if scales > 0 {
        names.push(format!("reconstruction_ssim_{}", ssim::WINDOW));
    }
    if scales > 1 {
        names.push(format!("reconstruction_ms_ssim_{scales}"));
    }
    names
}

fn of_samples(n: usize) -> Vec<String> {
    let kinds = [
        "fd",
        "fd_reconstruction",
        "kd",
        "kd_error",
        "precision",
        "recall",
        "density",
        "coverage",
    ];
    let space = features::NAME;
    kinds.map(|kind| format!("{kind}_{space}_{n}")).to_vec()
}

/// Means over images of what [`of_reconstructions`] names.
fn similarity(data: &[f32], made: &[f32], shape: [usize; 3], range: f64) -> Vec<(String, f64)> {
    let names = of_reconstructions(shape);
    let size = shape.iter().product();
    let scales = ssim::n_scales(shape[1], shape[2]);
    let mut sums = vec![0.0; names.len()];
    for (x, y) in data.chunks_exact(size).zip(made.chunks_exact(size)) {
        let [x, y] = [x, y].map(|image| image.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
        let l1 = x.iter().zip(&y).map(|(x, y)| (x - y).abs()).sum::<f64>() / (range * size as f64);
        let mut values = vec![l1, psnr::psnr(&x, &y, range)];
        values.extend(ssim::ssim(&x, &y, shape, range));
        if scales > 1 {
            values.extend(ssim::ms_ssim(&x, &y, shape, range, scales));
        }
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
    }
    let n = (data.len() / size) as f64;
    names
        .into_iter()
        .zip(sums.into_iter().map(|sum| sum / n))
        .collect()
}

fn n_images(model: &Model, n_test: usize) -> usize {
    let most = (N_VALUES / model.site().layout.n_values()).clamp(FEWEST, N_IMAGES);
    n_test.min(most)
}

/// `[channels, height, width]` of images.
fn shape(model: &Model) -> Option<[usize; 3]> {
    match model.site().layout {
        Layout::Image {
            channels,
            height,
            width,
        } => Some([channels, height, width]),
        Layout::Vector { .. } => None,
    }
}
