//! A feature space: the inner layers of a small convolutional classifier of the data set's own labels.
//!
//! Distances of samples and perceptual terms need a space in which near means alike. Networks trained on photographs
//! are the usual choice and are neither here nor made for digits; a classifier of the same data is trained in seconds.
//! It learns from the whole training part with a seed of its own, whatever the recipe holds out or starts from, so that
//! every model of a data set is measured in the same space. A run keeps it in `features/`.
//!
//! Images `[B, P]` are taken with values in [0, 1]. Three convolutions give maps of features, a fully connected layer
//! the vector of features, another one the classes. Features are scaled to a mean square of 1, so that distances of
//! different data sets have at least the same unit.

use crate::feed::Feed;
use crate::ledger::{to_f32, to_f64};
use crate::likelihood::DataFacts;
use crate::optimizer::{self, Gradient};
use crate::{noise, part};
use burn::tensor::{Device, Tensor, activation};
use jensen_data::{Examples, Layout};
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{Activation, Builder, Conv2d, ConvShape, Linear, Params};
use jensen_rng::Stream;
use jensen_run::tensors::{self, View};
use jensen_run::{RunError, RunFolder};
use std::collections::BTreeMap;

/// Name of the space in those of metrics.
pub const NAME: &str = "classifier";
/// Seed of its weights and batches.
pub const SEED: u64 = 0;
/// Features of an image.
pub const WIDTH: usize = 32;

/// Where a run keeps its classifier.
const FILE: &str = "features/classifier.safetensors";
const CHANNELS: [usize; 3] = [16, 32, 64];
/// Images of at least this side are halved from the first layer on.
const LARGE: usize = 16;
const N_STEPS: usize = 400;
const BATCH: usize = 64;
const LEARNING_RATE: f64 = 2e-3;
/// Images by which features are scaled.
const N_SCALE: usize = 2000;
/// Images per pass when features are read out.
const ROWS: usize = 500;

/// The layers that give features.
#[derive(Clone, Debug)]
pub struct Layers {
    shape: [usize; 3],
    stages: Vec<Conv2d>,
    last: Linear,
}

impl Layers {
    /// The layers for images of a layout; `None` for data that are no images.
    pub fn new(b: &mut Builder, layout: Layout) -> Option<Self> {
        let Layout::Image {
            channels,
            height,
            width,
        } = layout
        else {
            return None;
        };
        let (mut n_in, mut height_now, mut width_now) = (channels, height, width);
        let mut stages = Vec::new();
        for (i, n_out) in CHANNELS.into_iter().enumerate() {
            let is_halved = i > 0 || height.min(width) >= LARGE;
            let shape = ConvShape {
                kernel: 3,
                stride: if is_halved { 2 } else { 1 },
                padding: 1,
            };
            height_now = shape.output(height_now)?;
            width_now = shape.output(width_now)?;
            stages.push(Conv2d::new(
                b,
                &format!("conv{}", i + 1),
                n_in,
                n_out,
                shape,
                Activation::Relu,
            ));
            n_in = n_out;
        }
        let last = Linear::new(
            b,
            "fc",
            n_in * height_now * width_now,
            WIDTH,
            Activation::Relu,
        );
        Some(Self {
            shape: [channels, height, width],
            stages,
            last,
        })
    }

    /// The maps `[B, C, H, W]` of every stage for images `[B, P]` in [0, 1].
    pub fn maps(&self, params: &Params, images: Tensor<2>) -> Vec<Tensor<4>> {
        let [channels, height, width] = self.shape;
        let mut maps: Vec<Tensor<4>> = Vec::new();
        for stage in &self.stages {
            let before = match maps.last() {
                Some(map) => map.clone(),
                None => unflatten(images.clone(), channels, height, width),
            };
            maps.push(stage.forward(params, before));
        }
        maps
    }

    /// The features `[B, WIDTH]`.
    pub fn features(&self, params: &Params, images: Tensor<2>) -> Tensor<2> {
        let last = self
            .maps(params, images)
            .pop()
            .expect("internal error: a network without layers");
        self.last.forward(params, flatten(last))
    }
}

/// Values as a model sees them, in [0, 1].
pub fn to_unit(images: Tensor<2>, facts: &DataFacts) -> Tensor<2> {
    match (facts.min, facts.max) {
        (0.0, 1.0) => images,
        (min, max) => (images - min) / (max - min).max(f32::MIN_POSITIVE),
    }
}

/// A trained classifier.
pub struct Classifier {
    layers: Layers,
    head: Linear,
    params: Params,
    n_classes: usize,
}

impl Classifier {
    fn new(layout: Layout, n_classes: usize, device: &Device) -> Option<Self> {
        let mut b = Builder::new(Stream::from_seed(SEED).child("init", 0), device);
        let layers = Layers::new(&mut b, layout)?;
        let head = Linear::new(&mut b, "head", WIDTH, n_classes, Activation::Identity);
        Some(Self {
            layers,
            head,
            params: b.finish(),
            n_classes,
        })
    }

    /// Whether there is something to learn in these examples: images with labels that differ.
    pub fn fits(examples: &Examples) -> bool {
        let is_image = matches!(examples.layout, Layout::Image { .. });
        let labels = examples.labels.as_deref().unwrap_or_default();
        is_image && labels.iter().any(|label| *label != labels[0])
    }

    /// Trains on these examples, which a feed treats as those of the recipe but for their binarization; `None` where
    /// they are no images, have no labels, or all the same.
    pub fn train(examples: &Examples, feed: &Feed, device: &Device) -> Option<Self> {
        let labels = examples.labels.clone().filter(|_| Self::fits(examples))?;
        let n_classes = *labels.iter().max()? as usize + 1;
        let mut net = Self::new(examples.layout, n_classes, device)?;
        let feed = feed.with_examples(examples.clone()).plain();
        let facts = feed.site().facts;
        let mut rule = part::defaults::<optimizer::adam::Options>();
        rule.insert("kind".to_owned(), "adam".into());
        rule.insert("lr".to_owned(), LEARNING_RATE.into());
        let mut optimizer =
            optimizer::build(&rule, NAME).expect("internal error: the classifier's optimizer");
        let stream = Stream::from_seed(SEED).child("batches", 0);
        let mut batches =
            jensen_data::Batches::new(feed.len(), BATCH.min(feed.len()), stream.clone());
        for _ in 0..N_STEPS {
            let indices = batches.next_batch().to_vec();
            let x = to_unit(feed.batch(&indices, &stream).x, &facts);
            let mut wanted = vec![0.0; indices.len() * n_classes];
            for (row, index) in indices.iter().enumerate() {
                wanted[row * n_classes + labels[*index] as usize] = 1.0;
            }
            let wanted = noise::upload(wanted, indices.len(), n_classes, device);
            let tracked = net.params.tracked();
            let log_p = activation::log_softmax(net.logits(&tracked, x), 1);
            let mut grads = (log_p * wanted).sum_dim(1).mean().neg().backward();
            let gradients: Vec<_> = (0..tracked.entries().len())
                .map(|index| Gradient::take(&tracked, index, &mut grads))
                .collect();
            drop((tracked, grads));
            for (index, gradient) in gradients.into_iter().enumerate() {
                if let Some(gradient) = gradient {
                    optimizer.step(&mut net.params, index, gradient, 1.0);
                }
            }
        }
        net.rescale(&feed);
        Some(net)
    }

    /// Gives features a mean square of 1 on these examples: a rectifier takes a positive factor through, so the next layer
    /// can take it back, and the classes stay the same.
    fn rescale(&mut self, feed: &Feed) {
        let stream = Stream::from_seed(SEED).child("scale", 0);
        let some = feed.sample(N_SCALE, &stream);
        let values = some.host(&(0..some.len()).collect::<Vec<_>>(), &stream);
        let features = self.features(&values, &feed.site().facts);
        let mean_square = features.iter().map(|f| f * f).sum::<f64>() / features.len() as f64;
        if mean_square == 0.0 {
            return;
        }
        let scale = mean_square.sqrt() as f32;
        let mut host = self.params.to_host();
        for tensor in &mut host {
            let factor = match tensor.name.as_str() {
                "fc.weight" | "fc.bias" => 1.0 / scale,
                "head.weight" => scale,
                _ => continue,
            };
            tensor.values.iter_mut().for_each(|value| *value *= factor);
        }
        let fits = self.params.load(&host);
        fits.expect("internal error: parameters of another classifier");
    }

    /// The classifier that a run keeps, or a new one, which it then keeps. A folder that cannot be written costs only
    /// the time to train it again.
    pub fn of_run(
        run: &RunFolder,
        examples: &Examples,
        feed: &Feed,
        device: &Device,
    ) -> Option<Self> {
        if let Some(kept) = Self::kept(run, examples.layout, device) {
            return Some(kept);
        }
        let trained = Self::train(examples, feed, device)?;
        trained.save(run).ok();
        Some(trained)
    }

    /// The classifier that a run keeps, if it has one for images of this layout.
    pub fn kept(run: &RunFolder, layout: Layout, device: &Device) -> Option<Self> {
        let stored = tensors::read(run.path(FILE)).ok()?;
        let n_classes = stored.get("head.bias")?.shape.iter().product();
        let mut net = Self::new(layout, n_classes, device)?;
        let host: Vec<_> = (stored.tensors.into_iter())
            .map(|t| jensen_nets::HostTensor {
                name: t.name,
                shape: t.shape,
                values: t.values,
            })
            .collect();
        net.params.load(&host).ok()?;
        Some(net)
    }

    fn save(&self, run: &RunFolder) -> Result<(), RunError> {
        let host = self.params.to_host();
        let views: Vec<View<'_>> = (host.iter())
            .map(|t| View {
                name: &t.name,
                shape: &t.shape,
                values: &t.values,
            })
            .collect();
        let metadata = BTreeMap::from([("seed".to_owned(), SEED.to_string())]);
        tensors::write(run.path(FILE), &views, &metadata)
    }

    /// The number of classes.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Values of the layers that give features, for a network of the same layers.
    pub fn values(&self) -> Vec<jensen_nets::HostTensor> {
        self.params.to_host()
    }

    fn logits(&self, params: &Params, images: Tensor<2>) -> Tensor<2> {
        self.head
            .forward(params, self.layers.features(params, images))
    }

    /// Features of images, row-major `[n, WIDTH]`, from `[n, P]` values as the model sees them.
    pub fn features(&self, values: &[f32], facts: &DataFacts) -> Vec<f64> {
        let p: usize = self.layers.shape.iter().product();
        let chunks = values.chunks(ROWS * p).map(|chunk| {
            let x = noise::upload(chunk.to_vec(), chunk.len() / p, p, self.params.device());
            to_f64(self.layers.features(&self.params, to_unit(x, facts)))
        });
        chunks.flatten().collect()
    }

    /// Share of examples whose class it gets right; `None` without labels.
    pub fn accuracy(&self, feed: &Feed) -> Option<f64> {
        let feed = feed.plain();
        let (facts, stream) = (feed.site().facts, Stream::from_seed(SEED));
        let mut n_right = 0;
        for indices in crate::metric::batches(feed.len(), ROWS) {
            let labels = feed.examples().gather_labels(&indices)?;
            let x = to_unit(feed.batch(&indices, &stream).x, &facts);
            let logits = to_f32(self.logits(&self.params, x));
            for (row, label) in logits.chunks_exact(self.n_classes).zip(labels) {
                let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
                n_right += usize::from(best == Some(label as usize));
            }
        }
        Some(f64::from(n_right as u32) / feed.len() as f64)
    }
}
