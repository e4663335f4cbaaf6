//! Layers for sequences against loops in f64, and sequences that grow step by step against whole ones.

use crate::common::{EPSILON, Inputs, check, close, download, find, normals, upload};
use burn::tensor::{Device, Int, Tensor, TensorData};
use jensen_nets::{
    Activation, Attention, Builder, Embedding, LayerNorm, Params, Transformer, TransformerShape,
};
use jensen_rng::Stream;

/// The rounding of a few hundred sums in f32, relative.
const STEP_TOLERANCE: f64 = 3e-6;

fn layer_norm(inputs: &Inputs, name: &str, x: &[f64], width: usize) -> Vec<f64> {
    let gain = find(inputs, &format!("{name}.gain"));
    let shift = find(inputs, &format!("{name}.shift"));
    let row = |row: &[f64]| -> Vec<f64> {
        let mean = row.iter().sum::<f64>() / width as f64;
        let var = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let unit = row.iter().map(|x| (x - mean) / (var + EPSILON).sqrt());
        unit.zip(gain.iter().zip(shift))
            .map(|(x, (gain, shift))| x * gain + shift)
            .collect()
    };
    x.chunks(width).flat_map(row).collect()
}

fn linear(inputs: &Inputs, name: &str, x: &[f64], n_in: usize) -> Vec<f64> {
    let weight = find(inputs, &format!("{name}.weight"));
    let bias = find(inputs, &format!("{name}.bias"));
    let n_out = bias.len();
    let row = |x: &[f64]| -> Vec<f64> {
        let sum = |j: usize| -> f64 { (0..n_in).map(|i| x[i] * weight[i * n_out + j]).sum() };
        (0..n_out).map(|j| sum(j) + bias[j]).collect()
    };
    x.chunks(n_in).flat_map(row).collect()
}

/// Sequences of n positions, one after the other.
fn attention(
    inputs: &Inputs,
    name: &str,
    x: &[f64],
    width: usize,
    heads: usize,
    n: usize,
) -> Vec<f64> {
    let all = linear(inputs, &format!("{name}.inputs"), x, width);
    let size = width / heads;
    let mut found = vec![0.0; x.len()];
    for sequence in 0..x.len() / (n * width) {
        // Number i of what (0: query, 1: key, 2: value) at a position.
        let at = |position: usize, what: usize, i: usize| {
            all[((sequence * n + position) * 3 + what) * width + i]
        };
        for t in 0..n {
            for head in 0..heads {
                let own = head * size..(head + 1) * size;
                let score = |s: usize| -> f64 {
                    let product: f64 = own.clone().map(|i| at(t, 0, i) * at(s, 1, i)).sum();
                    product / (size as f64).sqrt()
                };
                let weights: Vec<f64> = (0..=t).map(|s| score(s).exp()).collect();
                let total: f64 = weights.iter().sum();
                for i in own {
                    let sum: f64 = (0..=t).map(|s| weights[s] * at(s, 2, i)).sum();
                    found[(sequence * n + t) * width + i] = sum / total;
                }
            }
        }
    }
    linear(inputs, &format!("{name}.output"), &found, width)
}

fn silu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| x / (1.0 + (-x).exp())).collect()
}

fn sum(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x + y).collect()
}

fn transformer(inputs: &Inputs, shape: TransformerShape, n: usize) -> Vec<f64> {
    let width = shape.width;
    let mut x = find(inputs, "x").to_vec();
    for i in 1..=shape.n_layers {
        let name = |part: &str| format!("body.block{i}.{part}");
        let normed = layer_norm(inputs, &name("norm1"), &x, width);
        let attended = attention(inputs, &name("attention"), &normed, width, shape.n_heads, n);
        let h = sum(&x, &attended);
        let normed = layer_norm(inputs, &name("norm2"), &h, width);
        let hidden = silu(linear(inputs, &name("fc1"), &normed, width));
        x = sum(&h, &linear(inputs, &name("fc2"), &hidden, shape.n_hidden));
    }
    layer_norm(inputs, "body.norm", &x, width)
}

const SHAPE: TransformerShape = TransformerShape {
    width: 6,
    n_layers: 2,
    n_heads: 3,
    n_hidden: 5,
};

#[test]
fn layer_norm_is_its_formula() {
    // Two numbers would always give 1 and -1, whose gradient is nothing but epsilon's.
    for shape in [[3, 5], [1, 3], [7, 16]] {
        let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
        let layer = LayerNorm::new(&mut builder, "norm", shape[1]);
        check(
            &format!("layer norm of {shape:?}"),
            builder.finish(),
            shape,
            |params, x| layer.forward(params, x),
            |inputs| layer_norm(inputs, "norm", find(inputs, "x"), shape[1]),
        );
    }
}

#[test]
fn attention_is_its_formula() {
    for (batch, n, width, heads) in [(2, 3, 4, 2), (1, 5, 3, 1), (3, 1, 4, 4), (2, 4, 6, 3)] {
        let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
        let layer = Attention::new(&mut builder, "attention", width, heads);
        check(
            &format!("attention of {batch} x {n} x {width} with {heads} heads"),
            builder.finish(),
            [batch * n, width],
            |params, x| layer.forward(params, x, n),
            |inputs| attention(inputs, "attention", find(inputs, "x"), width, heads, n),
        );
    }
}

#[test]
fn a_transformer_is_its_formula() {
    let n = 3;
    let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
    let body = Transformer::new(&mut builder, "body", SHAPE, Activation::Silu);
    check(
        "transformer",
        builder.finish(),
        [2 * n, SHAPE.width],
        |params, x| body.forward(params, x, n),
        |inputs| transformer(inputs, SHAPE, n),
    );
}

/// A transformer with random parameters, and 4 sequences of n positions `[4 n, W]`.
fn example(n: usize) -> (Transformer, Params, Vec<f64>) {
    let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
    let body = Transformer::new(&mut builder, "body", SHAPE, Activation::Relu);
    let mut params = builder.finish();
    let mut stream = Stream::from_seed(5);
    let mut host = params.to_host();
    for tensor in &mut host {
        let values = normals(&mut stream, tensor.values.len());
        tensor.values = values.iter().map(|&v| v as f32).collect();
    }
    params.load(&host).unwrap();
    let x = normals(&mut stream, 4 * n * SHAPE.width);
    (body, params, x)
}

#[test]
fn sequences_that_grow_are_the_whole_ones() {
    let n = 7;
    let (body, params, x) = example(n);
    let whole = download(body.forward(&params, upload(&x, [4 * n, SHAPE.width]), n));
    let mut memories = body.memories();
    for t in 0..n {
        // Position t of every sequence.
        let of = |all: &[f64]| -> Vec<f64> {
            let rows = all.chunks(SHAPE.width).skip(t).step_by(n);
            rows.flatten().copied().collect()
        };
        let y = body.step(&params, upload(&of(&x), [4, SHAPE.width]), &mut memories);
        close(
            &format!("step {t}"),
            &download(y),
            &of(&whole),
            STEP_TOLERANCE,
        );
    }
}

#[test]
fn no_position_sees_those_after_it() {
    let n = 5;
    let (body, params, x) = example(n);
    let before = download(body.forward(&params, upload(&x, [4 * n, SHAPE.width]), n));
    for changed in 0..n {
        let mut other = x.clone();
        // The second sequence alone, at one position; one number, because a shift of all is normalized away.
        other[(n + changed) * SHAPE.width] += 1.0;
        let after = download(body.forward(&params, upload(&other, [4 * n, SHAPE.width]), n));
        for row in 0..4 * n {
            let at = row * SHAPE.width..(row + 1) * SHAPE.width;
            let sees = row / n == 1 && row % n >= changed;
            assert_eq!(
                before[at.clone()] != after[at],
                sees,
                "row {row}, changed {changed}"
            );
        }
    }
}

#[test]
fn an_embedding_looks_up_rows_and_adds_their_gradients() {
    let device = Device::flex();
    let mut builder = Builder::new(Stream::from_seed(1), &device);
    let layer = Embedding::new(&mut builder, "codes", 4, 3, 0.5);
    let params = builder.finish().tracked();
    let index = TensorData::new(vec![2i64, 0, 2], [3]);
    let index = Tensor::<1, Int>::from_data(index, &device);
    let table = download(layer.table(&params));
    let y = layer.forward(&params, index);
    let expected = [&table[6..9], &table[..3], &table[6..9]].concat();
    assert_eq!(download(y.clone()), expected);
    let upstream: Vec<f64> = (1..=9).map(f64::from).collect();
    let mut grads = (y * upload(&upstream, [3, 3])).sum().backward();
    let found = download(params.at::<2>(0).grad_remove(&mut grads).unwrap());
    let expected = [4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 8.0, 10.0, 12.0, 0.0, 0.0, 0.0];
    assert_eq!(found, expected);
}
