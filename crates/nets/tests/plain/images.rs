//! Normalization and the residual block against loops in f64: values, and gradients against central
//! differences of the loops.

use burn::tensor::{Device, Tensor, TensorData};
use jensen_nets::{Activation, Builder, HostTensor, Norm, NormKind, Params, Residual};
use jensen_rng::Stream;
use jensen_testkit::gradient;

/// Relative L2 error of a few dozen operations in f32.
const VALUE_TOLERANCE: f64 = 3e-6;
/// The same for backward passes, whose sums are longer.
const GRADIENT_TOLERANCE: f64 = 2e-5;
/// Step of the differences: with extrapolation their error is of order h^4.
const STEP: f64 = 1e-3;
/// What the layer adds to a variance.
const EPSILON: f64 = 1e-5;

/// Images and parameters by name, in f64.
type Inputs = Vec<(String, Vec<f64>)>;

fn find<'a>(inputs: &'a Inputs, name: &str) -> &'a [f64] {
    let found = inputs.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("no `{name}`")).1
}

/// Images `[B, C, H, W]`, groups of channels one after the other.
fn norm(inputs: &Inputs, name: &str, x: &[f64], shape: [usize; 4], groups: usize) -> Vec<f64> {
    let [_, channels, height, width] = shape;
    let gain = find(inputs, &format!("{name}.gain"));
    let shift = find(inputs, &format!("{name}.shift"));
    let per_group = channels / groups;
    let n = per_group * height * width;
    let mut y = Vec::new();
    for (index, group) in x.chunks(n).enumerate() {
        let mean = group.iter().sum::<f64>() / n as f64;
        let var = group.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        for (i, x) in group.iter().enumerate() {
            let channel = index % groups * per_group + i / (height * width);
            y.push((x - mean) / (var + EPSILON).sqrt() * gain[channel] + shift[channel]);
        }
    }
    y
}

/// A convolution with a kernel of 3 x 3 and a border of zeros that keeps the shape.
fn conv3(inputs: &Inputs, name: &str, x: &[f64], [b, c, h, w]: [usize; 4]) -> Vec<f64> {
    let weight = find(inputs, &format!("{name}.weight"));
    let bias = find(inputs, &format!("{name}.bias"));
    let mut y = Vec::new();
    for image in 0..b {
        for out in 0..c {
            for row in 0..h {
                for column in 0..w {
                    let mut sum = bias[out];
                    for channel in 0..c {
                        for (k, weight) in weight[(out * c + channel) * 9..][..9].iter().enumerate()
                        {
                            // Counted from the border, which is one pixel wide.
                            let (r, s) = (row + k / 3, column + k % 3);
                            if (1..=h).contains(&r) && (1..=w).contains(&s) {
                                let at = ((image * c + channel) * h + r - 1) * w + s - 1;
                                sum += weight * x[at];
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    y
}

fn silu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| x / (1.0 + (-x).exp())).collect()
}

fn upload<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn download<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let values = tensor.inner().into_data().try_into_vec::<f32>().unwrap();
    values.into_iter().map(f64::from).collect()
}

fn normals(stream: &mut Stream, n: usize) -> Vec<f64> {
    // Numbers that f32 has exactly, so that both sides see the same.
    (0..n).map(|_| f64::from(stream.normal() as f32)).collect()
}

#[track_caller]
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
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
fn check(
    what: &str,
    mut params: Params,
    shape: [usize; 4],
    own: impl Fn(&Params, Tensor<4>) -> Tensor<4>,
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

#[test]
fn a_norm_is_its_formula() {
    let cases = [
        (NormKind::Group, [2, 16, 2, 3], 8),
        (NormKind::Group, [2, 12, 3, 1], 6),
        (NormKind::Group, [3, 5, 1, 4], 5),
        (NormKind::Group, [2, 17, 1, 2], 1),
        (NormKind::Layer, [2, 6, 2, 2], 1),
    ];
    for (kind, shape, groups) in cases {
        let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
        let layer = Norm::new(&mut builder, "norm", shape[1], kind);
        check(
            &format!("{kind:?} norm of {shape:?}"),
            builder.finish(),
            shape,
            |params, x| layer.forward(params, x),
            |inputs| norm(inputs, "norm", find(inputs, "x"), shape, groups),
        );
    }
}

#[test]
fn a_residual_block_is_its_formula() {
    let cases = [
        (NormKind::None, [2, 3, 4, 3], 0),
        (NormKind::Layer, [2, 3, 3, 2], 1),
        (NormKind::Group, [2, 10, 2, 3], 5),
    ];
    for (kind, shape, groups) in cases {
        let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
        let block = Residual::new(&mut builder, "block", shape[1], kind, Activation::Silu);
        check(
            &format!("residual block with {kind:?} norm on {shape:?}"),
            builder.finish(),
            shape,
            |params, x| block.forward(params, x),
            |inputs| {
                let x = find(inputs, "x");
                let mut h = x.to_vec();
                for i in 1..=2 {
                    if groups > 0 {
                        h = norm(inputs, &format!("block.norm{i}"), &h, shape, groups);
                    }
                    h = conv3(inputs, &format!("block.conv{i}"), &silu(h), shape);
                }
                x.iter().zip(&h).map(|(x, h)| x + h).collect()
            },
        );
    }
}

#[test]
fn no_norm_has_no_parameters_and_changes_nothing() {
    let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
    let layer = Norm::new(&mut builder, "norm", 3, NormKind::None);
    let params = builder.finish();
    assert!(params.entries().is_empty());
    let x = upload(&normals(&mut Stream::from_seed(2), 12), [1, 3, 2, 2]);
    assert_eq!(layer.forward(&params, x.clone()).into_data(), x.into_data());
}
