//! Normalization and the residual block against loops in f64: values, and gradients against central
//! differences of the loops.

use crate::common::{EPSILON, Inputs, check, find, normals, upload};
use burn::tensor::Device;
use jensen_nets::{Activation, Builder, Norm, NormKind, Residual};
use jensen_rng::Stream;

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
