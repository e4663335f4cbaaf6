//! The comparison of a block with loops: values, and gradients against central differences of the loops.

use burn::tensor::{Device, Tensor, TensorData};
use jensen_nets::{HostTensor, Params};
use jensen_rng::Stream;
use jensen_testkit::gradient;

/// Relative L2 error of a few dozen operations in f32.
const VALUE_TOLERANCE: f64 = 3e-6;
/// The same for backward passes, whose sums are longer.
const GRADIENT_TOLERANCE: f64 = 2e-5;
/// Step of the differences: with extrapolation their error is of order h^4.
const STEP: f64 = 1e-3;
/// What normalization adds to a variance.
pub(crate) const EPSILON: f64 = 1e-5;

/// The input and the parameters by name, in f64.
pub(crate) type Inputs = Vec<(String, Vec<f64>)>;

pub(crate) fn find<'a>(inputs: &'a Inputs, name: &str) -> &'a [f64] {
    let found = inputs.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("no `{name}`")).1
}

pub(crate) fn upload<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

pub(crate) fn download<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let values = tensor.inner().into_data().try_into_vec::<f32>().unwrap();
    values.into_iter().map(f64::from).collect()
}

pub(crate) fn normals(stream: &mut Stream, n: usize) -> Vec<f64> {
    // Numbers that f32 has exactly, so that both sides see the same.
    (0..n).map(|_| f64::from(stream.normal() as f32)).collect()
}

#[track_caller]
pub(crate) fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    let scale = norm(&mut expected.iter().copied());
    assert!(
        difference <= tolerance * scale,
        "{what}: relative error {}",
        difference / scale
    );
}

/// Compares a block at random parameters with its loop, `plain`.
pub(crate) fn check<const D: usize>(
    what: &str,
    mut params: Params,
    shape: [usize; D],
    own: impl Fn(&Params, Tensor<D>) -> Tensor<D>,
    plain: impl Fn(&Inputs) -> Vec<f64>,
) {
    let mut stream = Stream::from_seed(6);
    let n: usize = shape.iter().product();
    let mut inputs: Inputs = vec![("x".to_owned(), normals(&mut stream, n))];
    let mut host: Vec<HostTensor> = params.to_host();
    for tensor in &mut host {
        let values = normals(&mut stream, tensor.values.len());
        tensor.values = values.iter().map(|&v| v as f32).collect();
        inputs.push((tensor.name.clone(), values));
    }
    params.load(&host).unwrap();
    let upstream = normals(&mut stream, n);

    let tracked = params.tracked();
    let x = upload(&inputs[0].1, shape).autodiff().require_grad();
    let y = own(&tracked, x.clone());
    close(what, &download(y.clone()), &plain(&inputs), VALUE_TOLERANCE);
    let mut grads = (y * upload(&upstream, shape)).sum().backward();
    let mut found = vec![download(x.grad_remove(&mut grads).unwrap())];
    for (index, tensor) in host.iter().enumerate() {
        found.push(match tensor.shape.len() {
            1 => download(tracked.at::<1>(index).grad_remove(&mut grads).unwrap()),
            2 => download(tracked.at::<2>(index).grad_remove(&mut grads).unwrap()),
            _ => download(tracked.at::<4>(index).grad_remove(&mut grads).unwrap()),
        });
    }
    for (index, found) in found.iter().enumerate() {
        let loss = |values: &[f64]| -> f64 {
            let mut inputs = inputs.clone();
            inputs[index].1 = values.to_vec();
            plain(&inputs)
                .iter()
                .zip(&upstream)
                .map(|(y, u)| y * u)
                .sum()
        };
        let expected = gradient(loss, &inputs[index].1, STEP);
        let what = format!("{what}: gradient of {}", inputs[index].0);
        close(&what, found, &expected, GRADIENT_TOLERANCE);
    }
}
