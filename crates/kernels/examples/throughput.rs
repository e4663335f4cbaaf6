//! Samples per second of whole training steps of two variational auto-encoders, plain burn beside the
//! fused operations, and the time of each operation.
//!
//! `cargo run --release -p jensen-kernels --example throughput -- [mlp|conv|parts] [threads] [rounds] [kept|system] [form]`
//!
//! The networks are 784-400-20-400-784 and convolutions of 32 and 64 channels (kernel 4, stride 2,
//! padding 1) with a layer of 256; batch 128, Adam, Bernoulli term from logits, as in `benches/`.
//! Rounds alternate between the forms, because the speed of a shared machine drifts.

#![allow(
    clippy::print_stdout,
    unsafe_code,
    reason = "a measurement prints, and switches between allocators"
)]

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData, activation, module};
use jensen_kernels::{self as kernels, Activation, Adam, CachingAllocator};
use jensen_rng::Stream;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const BATCH: usize = 128;
const N_BATCHES: usize = 64;
const PIXELS: usize = 784;
const LATENT: usize = 20;

/// Keeps blocks or not, as asked at the start of the process.
struct Switch;
static KEEPS: AtomicBool = AtomicBool::new(true);

// SAFETY: everything goes to one of two allocators, always the same one after `main` has begun; blocks
// made before are small and the system's in both.
unsafe impl GlobalAlloc for Switch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        unsafe {
            if KEEPS.load(Ordering::Relaxed) {
                CachingAllocator.alloc(layout)
            } else {
                System.alloc(layout)
            }
        }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe {
            if KEEPS.load(Ordering::Relaxed) {
                CachingAllocator.dealloc(pointer, layout);
            } else {
                System.dealloc(pointer, layout);
            }
        }
    }
}

#[global_allocator]
static ALLOCATOR: Switch = Switch;

/// Which parts of a step are fused.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Form {
    Plain,
    Layers,
    LayersAndTerms,
    All,
}

#[derive(Module, Debug)]
struct Affine {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Kernel {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

fn random<const D: usize>(
    shape: [usize; D],
    scale: f32,
    stream: &mut Stream,
    device: &Device,
) -> Tensor<D> {
    let mut values = vec![0f32; shape.iter().product()];
    stream.fill_normal(&mut values);
    values.iter_mut().for_each(|value| *value *= scale);
    Tensor::from_data(TensorData::new(values, shape), device)
}

impl Affine {
    fn new(n_in: usize, n_out: usize, stream: &mut Stream, device: &Device) -> Self {
        let scale = (n_in as f32).recip().sqrt();
        Self {
            weight: Param::from_tensor(random([n_in, n_out], scale, stream, device)),
            bias: Param::from_tensor(Tensor::zeros([n_out], device)),
        }
    }

    fn forward(&self, x: Tensor<2>, relu: bool, form: Form) -> Tensor<2> {
        if form >= Form::Layers {
            let act = if relu {
                Activation::Relu
            } else {
                Activation::Identity
            };
            return kernels::linear(x, self.weight.val(), Some(self.bias.val()), act);
        }
        let y = x.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        if relu { activation::relu(y) } else { y }
    }
}

impl Kernel {
    fn new(
        n_first: usize,
        n_second: usize,
        transposed: bool,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        let (n_in, n_out) = if transposed {
            (n_first, n_second)
        } else {
            (n_second, n_first)
        };
        let scale = (n_in as f32 * 4.0).recip().sqrt();
        Self {
            weight: Param::from_tensor(random([n_first, n_second, 4, 4], scale, stream, device)),
            bias: Param::from_tensor(Tensor::zeros([n_out], device)),
        }
    }

    fn down(&self, x: Tensor<4>, form: Form) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        if form >= Form::Layers {
            return kernels::conv2d(x, weight, bias, 2, 1, Activation::Relu);
        }
        activation::relu(module::conv2d(
            x,
            weight,
            bias,
            ConvOptions::new([2, 2], [1, 1], [1, 1], 1),
        ))
    }

    fn up(&self, x: Tensor<4>, relu: bool, form: Form) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        if form >= Form::Layers {
            let act = if relu {
                Activation::Relu
            } else {
                Activation::Identity
            };
            return kernels::conv_transpose2d(x, weight, bias, 2, 1, 0, act);
        }
        let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
        let y = module::conv_transpose2d(x, weight, bias, options);
        if relu { activation::relu(y) } else { y }
    }
}

/// The convolutional ends of a network; absent in the plain one.
#[derive(Module, Debug)]
struct Images {
    first: Kernel,
    second: Kernel,
    third: Kernel,
    fourth: Kernel,
    down: Affine,
    up: Affine,
}

#[derive(Module, Debug)]
struct Network {
    images: Option<Images>,
    input: Option<Affine>,
    output: Option<Affine>,
    mean: Affine,
    log_var: Affine,
    latent: Affine,
}

impl Network {
    fn new(convolutional: bool, device: &Device) -> Self {
        let mut root = Stream::from_seed(1);
        let s = &mut root;
        let hidden = if convolutional { 256 } else { 400 };
        Self {
            images: convolutional.then(|| Images {
                first: Kernel::new(32, 1, false, s, device),
                second: Kernel::new(64, 32, false, s, device),
                third: Kernel::new(64, 32, true, s, device),
                fourth: Kernel::new(32, 1, true, s, device),
                down: Affine::new(3136, 256, s, device),
                up: Affine::new(256, 3136, s, device),
            }),
            input: (!convolutional).then(|| Affine::new(PIXELS, hidden, s, device)),
            output: (!convolutional).then(|| Affine::new(hidden, PIXELS, s, device)),
            mean: Affine::new(hidden, LATENT, s, device),
            log_var: Affine::new(hidden, LATENT, s, device),
            latent: Affine::new(LATENT, hidden, s, device),
        }
    }

    /// The negative evidence lower bound, nats per sample.
    fn loss(&self, x: Tensor<2>, noise: Tensor<2>, form: Form) -> Tensor<1> {
        let mut h = x.clone();
        if let Some(images) = &self.images {
            let h4 = images
                .second
                .down(images.first.down(h.reshape([BATCH, 1, 28, 28]), form), form);
            h = if form >= Form::Layers {
                kernels::flatten(h4)
            } else {
                h4.flatten(1, 3)
            };
            h = images.down.forward(h, true, form);
        }
        if let Some(input) = &self.input {
            h = input.forward(h, true, form);
        }
        let (mean, log_var) = (
            self.mean.forward(h.clone(), false, form),
            self.log_var.forward(h, false, form),
        );
        let z = if form >= Form::LayersAndTerms {
            kernels::reparameterize(mean.clone(), log_var.clone(), noise)
        } else {
            mean.clone() + (log_var.clone() * 0.5).exp() * noise
        };
        let mut h = self.latent.forward(z, true, form);
        if let Some(images) = &self.images {
            let rows = images.up.forward(h, true, form);
            let h4 = if form >= Form::Layers {
                kernels::unflatten(rows, 64, 7, 7)
            } else {
                rows.reshape([BATCH, 64, 7, 7])
            };
            h = images
                .fourth
                .up(images.third.up(h4, true, form), false, form)
                .reshape([BATCH, PIXELS]);
        }
        if let Some(output) = &self.output {
            h = output.forward(h, false, form);
        }
        let total = if form >= Form::LayersAndTerms {
            let kl = kernels::kl_standard_normal(mean, log_var);
            kl.sum() - kernels::bernoulli_log_prob(h, x).sum()
        } else {
            let softplus = activation::relu(h.clone()) + (-h.clone().abs()).exp().log1p();
            let kl = (mean.square() + log_var.clone().exp() - log_var - 1.0) * 0.5;
            (softplus - x * h).sum() + kl.sum()
        };
        total / BATCH as f32
    }
}

/// A network in training.
struct Run {
    form: Form,
    network: Option<Network>,
    optimizer: ModuleOptimizer,
    data: Tensor<2>,
    noise: Stream,
    step: usize,
    device: Device,
}

impl Run {
    fn new(convolutional: bool, form: Form) -> Self {
        let device = Device::flex().autodiff();
        let mut data = vec![0f32; N_BATCHES * BATCH * PIXELS];
        Stream::from_seed(2).fill_uniform(&mut data);
        Self {
            form,
            network: Some(Network::new(convolutional, &device)),
            optimizer: if form == Form::All {
                Adam::default().into()
            } else {
                AdamConfig::new().with_epsilon(1e-8).init()
            },
            data: Tensor::from_data(TensorData::new(data, [N_BATCHES * BATCH, PIXELS]), &device),
            noise: Stream::from_seed(3),
            step: 0,
            device,
        }
    }

    fn step(&mut self) {
        let Some(network) = self.network.take() else {
            return;
        };
        let start = self.step % N_BATCHES * BATCH;
        let x = self.data.clone().slice([start..start + BATCH, 0..PIXELS]);
        let noise = random([BATCH, LATENT], 1.0, &mut self.noise, &self.device);
        let grads = network.loss(x, noise, self.form).backward();
        let grads = GradientsParams::from_grads(grads, &network);
        self.network = Some(self.optimizer.step(1e-3, network, grads));
        self.step += 1;
    }

    /// Samples per second over `n` steps.
    fn measure(&mut self, n: usize) -> f64 {
        let start = Instant::now();
        (0..n).for_each(|_| self.step());
        (n * BATCH) as f64 / start.elapsed().as_secs_f64()
    }
}

/// Lower quartile, median, upper quartile, and best.
fn quartiles(mut values: Vec<f64>) -> [f64; 4] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    [at(0.25), at(0.5), at(0.75), at(1.0)]
}

fn networks(convolutional: bool, n_rounds: usize, only: Option<&String>) {
    let mut forms = vec![Form::Plain, Form::Layers, Form::LayersAndTerms, Form::All];
    forms.retain(|form| only.is_none_or(|only| format!("{form:?}") == *only));
    let n_steps = if convolutional { 4 } else { 20 };
    let mut runs: Vec<(Run, Vec<f64>)> = forms
        .iter()
        .map(|&form| (Run::new(convolutional, form), Vec::new()))
        .collect();
    for (run, _) in &mut runs {
        run.measure(n_steps);
    }
    for _ in 0..n_rounds {
        for (run, speeds) in &mut runs {
            speeds.push(run.measure(n_steps));
        }
    }
    for (run, speeds) in runs {
        let [low, median, high, best] = quartiles(speeds);
        println!(
            "{:16} median {median:6.0}  quartiles {low:6.0} {high:6.0}  best {best:6.0} samples/s",
            format!("{:?}", run.form)
        );
    }
}

/// Median and quartiles of a function in microseconds.
fn time(what: &str, mut f: impl FnMut()) {
    (0..20).for_each(|_| f());
    let n = 20;
    let mut once = || {
        let start = Instant::now();
        (0..n).for_each(|_| f());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(n)
    };
    let speeds = quartiles((0..15).map(|_| once().recip()).collect());
    let [high, median, low, best] = speeds.map(f64::recip);
    println!("{what:44} median {median:8.1}  quartiles {low:8.1} {high:8.1}  best {best:8.1} us");
}

/// Forward alone, and forward with backward of the sum.
fn time_both<const D: usize, const E: usize>(
    what: &str,
    x: Tensor<D>,
    f: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    time(&format!("{what}, forward"), || {
        f(x.clone());
    });
    let x = x.require_grad();
    time(&format!("{what}, forward + backward"), || {
        f(x.clone()).sum().backward();
    });
}

fn parts() {
    let device = Device::flex().autodiff();
    let mut root = Stream::from_seed(5);
    let s = &mut root;
    let forms = [("plain", Form::Plain), ("fused", Form::All)];
    for (n_in, n_out) in [(784, 400), (400, 784), (400, 20), (3136, 256)] {
        let layer = Affine::new(n_in, n_out, s, &device);
        let x = random([BATCH, n_in], 1.0, s, &device);
        for (name, form) in forms {
            time_both(
                &format!("{name} linear {n_in}-{n_out}, ReLU"),
                x.clone(),
                |x| layer.forward(x, true, form),
            );
        }
    }
    for (shape, n_out) in [([BATCH, 1, 28, 28], 32), ([BATCH, 32, 14, 14], 64)] {
        let layer = Kernel::new(n_out, shape[1], false, s, &device);
        let x = random(shape, 1.0, s, &device);
        for (name, form) in forms {
            time_both(
                &format!("{name} conv {}-{n_out}, ReLU", shape[1]),
                x.clone(),
                |x| layer.down(x, form),
            );
        }
    }
    for (shape, n_out) in [([BATCH, 64, 7, 7], 32), ([BATCH, 32, 14, 14], 1)] {
        let layer = Kernel::new(shape[1], n_out, true, s, &device);
        let x = random(shape, 1.0, s, &device);
        for (name, form) in forms {
            time_both(
                &format!("{name} transposed conv {}-{n_out}", shape[1]),
                x.clone(),
                |x| layer.up(x, false, form),
            );
        }
    }
    let rows = random([BATCH, 3136], 1.0, s, &device);
    // Images with channels last, as the layers hand them on.
    let images = kernels::unflatten(rows.clone(), 64, 7, 7);
    time_both("plain flatten 64 x 7 x 7", images.clone(), |x| {
        x.flatten::<2>(1, 3)
    });
    time_both("fused flatten 64 x 7 x 7", images, kernels::flatten);
    time_both("plain unflatten 64 x 7 x 7", rows.clone(), |x| {
        x.reshape([BATCH, 64, 7, 7])
    });
    time_both("fused unflatten 64 x 7 x 7", rows, |x| {
        kernels::unflatten(x, 64, 7, 7)
    });
    for (shape, name) in [([32, 14], "32 x 14 x 14"), ([64, 7], "64 x 7 x 7")] {
        let [channels, side] = shape;
        let rows = random([BATCH, channels * side * side], 1.0, s, &device);
        let images = kernels::unflatten(rows, channels, side, side);
        let form = format!("plain SiLU {name}");
        time_both(&form, images.clone(), activation::silu);
        time_both(&format!("fused SiLU {name}"), images, kernels::silu);
    }
    let (logits, x) = (
        random([BATCH, PIXELS], 1.0, s, &device),
        random([BATCH, PIXELS], 1.0, s, &device),
    );
    time_both("plain Bernoulli term 784", logits.clone(), |l| {
        let softplus = activation::relu(l.clone()) + (-l.clone().abs()).exp().log1p();
        (x.clone() * l - softplus).sum_dim(1)
    });
    time_both("fused Bernoulli term 784", logits.clone(), |l| {
        kernels::bernoulli_log_prob(l, x.clone())
    });
    let log_scale = random([1, PIXELS], 0.1, s, &device);
    time_both("plain Gaussian term 784", logits.clone(), |m| {
        let z = (x.clone() - m) * (-log_scale.clone()).exp();
        (z.square() * -0.5 - log_scale.clone() - 0.918_938_5).sum_dim(1)
    });
    time_both("fused Gaussian term 784", logits, |m| {
        kernels::gaussian_log_prob(m, log_scale.clone(), x.clone())
    });
    let (mean, noise) = (
        random([BATCH, LATENT], 1.0, s, &device),
        random([BATCH, LATENT], 1.0, s, &device),
    );
    time_both("plain sample and KL 20", mean.clone(), |m| {
        let kl = (m.clone().square() + m.clone().exp() - m.clone() - 1.0) * 0.5;
        kl + m.clone() + (m * 0.5).exp() * noise.clone()
    });
    time_both("fused sample and KL 20", mean, |m| {
        kernels::kl_standard_normal(m.clone(), m.clone())
            + kernels::reparameterize(m.clone(), m, noise.clone())
    });
    for (name, mut optimizer) in [
        ("plain", ModuleOptimizer::from(AdamConfig::new().build())),
        ("fused", ModuleOptimizer::from(Adam::default())),
    ] {
        let mut layer = Some(Affine::new(784, 400, s, &device));
        let gradient: Tensor<2> = random([784, 400], 1.0, s, &Device::flex());
        time(
            &format!("{name} Adam, 784 x 400 (with a copied gradient)"),
            || {
                if let Some(old) = layer.take() {
                    let mut grads = GradientsParams::new();
                    grads.register(old.weight.id, gradient.clone() + 1.0);
                    layer = Some(optimizer.step(1e-3, old, grads));
                }
            },
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let what = arguments.first().map_or("mlp", String::as_str);
    let number = |index: usize, default: usize| {
        arguments
            .get(index)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    kernels::set_threads(number(1, 2));
    KEEPS.store(
        arguments.get(3).is_none_or(|text| text != "system"),
        Ordering::Relaxed,
    );
    match what {
        "parts" => parts(),
        other => networks(other == "conv", number(2, 9), arguments.get(4)),
    }
}
