//! The convolutional nets against their plain composition: burn's own convolutions and reshape, in the
//! logical order channel, row, column.

use crate::common::{parameter, recipe, site};
use burn::backend::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, activation, module};
use jensen_data::Layout;
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_vae::ledger::to_f64;
use jensen_vae::model::{DataSite, Model};
use jensen_vae::noise;

const BATCH: usize = 5;
/// Rounding of f32 sums of a few hundred products of order one.
const ROUNDING: f64 = 1e-5;

/// A fully connected layer.
fn linear(params: &Params, name: &str, x: Tensor<2>) -> Tensor<2> {
    let bias: Tensor<1> = parameter(params, &format!("{name}.bias"));
    let n_out = bias.dims()[0];
    x.matmul(parameter(params, &format!("{name}.weight"))) + bias.reshape([1, n_out])
}

/// Weight and bias of a convolution.
fn kernel(params: &Params, name: &str) -> (Tensor<4>, Option<Tensor<1>>) {
    let weight = parameter(params, &format!("{name}.conv.weight"));
    (
        weight,
        Some(parameter(params, &format!("{name}.conv.bias"))),
    )
}

#[track_caller]
fn same(found: Tensor<2>, expected: Tensor<2>) {
    assert_eq!(found.dims(), expected.dims());
    for (i, (found, expected)) in to_f64(found).iter().zip(to_f64(expected)).enumerate() {
        assert!(
            (found - expected).abs() < ROUNDING,
            "value {i}: {found}, {expected}"
        );
    }
}

#[test]
fn color_images_pass_in_the_order_channel_row_column() {
    let recipe = recipe(
        "
        encoder = { kind = 'conv', channels = [5, 4], fc = 7 }
        decoder = { kind = 'conv', channels = [5, 4], fc = 6 }
        likelihood = { kind = 'gaussian', scale = 'per_value' }
        latent = { z = { kind = 'gaussian', dim = 2 } }
        ",
    );
    let site = DataSite {
        layout: Layout::Image {
            channels: 3,
            height: 8,
            width: 8,
        },
        ..site(3 * 8 * 8)
    };
    let device = Device::flex();
    let (model, params) = Model::assemble(&recipe, &site, &device).unwrap();
    let mut stream = Stream::from_seed(1);
    let x = noise::normal(&mut stream, BATCH, 3 * 8 * 8, &device);
    let z = noise::normal(&mut stream, BATCH, 2, &device);

    // Kernel 4, stride 2, padding 1: 8 x 8, 4 x 4, 2 x 2.
    let mut h = x.clone().reshape([BATCH, 3, 8, 8]);
    for stage in ["encoder.stage1", "encoder.stage2"] {
        let (weight, bias) = kernel(&params, stage);
        let options = ConvOptions::new([2; 2], [1; 2], [1; 2], 1);
        h = activation::relu(module::conv2d(h, weight, bias, options));
    }
    let h = h.reshape([BATCH, 4 * 2 * 2]);
    let h = activation::relu(linear(&params, "encoder.fc", h));
    let head = linear(&params, "latent.z.head", h);
    let posterior = &model.posteriors(&params, x)[0];
    same(posterior.mean(), head.clone().narrow(1, 0, 2));
    let log_var = (head.narrow(1, 2, 2) * 0.1).tanh() * 10.0;
    same(posterior.gaussian().unwrap().log_var(), log_var);

    let h = activation::relu(linear(&params, "decoder.fc1", z.clone()));
    let h = activation::relu(linear(&params, "decoder.fc2", h));
    let mut h = h.reshape([BATCH, 4, 2, 2]);
    for (stage, is_last) in [("decoder.stage1", false), ("decoder.stage2", true)] {
        let (weight, bias) = kernel(&params, stage);
        let options = ConvTransposeOptions::new([2; 2], [1; 2], [0; 2], [1; 2], 1);
        h = module::conv_transpose2d(h, weight, bias, options);
        if !is_last {
            h = activation::relu(h);
        }
    }
    // Two planes, location and raw scale, each of three channels.
    same(
        model.decode(&params, &[z]),
        h.reshape([BATCH, 2 * 3 * 8 * 8]),
    );
}
