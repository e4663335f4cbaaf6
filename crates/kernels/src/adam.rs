//! Adam, fused and in place: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
//! w = w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon), [kingma-2015], Alg. 1.
//!
//! With `weight_decay` > 0 the decoupled form of [loshchilov-2019]: w is first multiplied by
//! (1 - lr weight_decay).

use crate::buffer::Parts;
use crate::simd::{self, mul_add, vectorized};
use crate::{dense, pool};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// Options of Adam; the state of a parameter is an [`AdamState`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the first moment per step, in [0, 1); 0.9 in the paper.
    pub beta_1: f64,
    /// Decay of the second moment per step, in [0, 1); 0.999 in the paper.
    pub beta_2: f64,
    /// Added to the root of the second moment, units of the gradient; 1e-8 in the paper.
    pub epsilon: f64,
    /// Decoupled weight decay per unit of learning rate; 0 turns it off.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// What Adam remembers of one parameter.
#[derive(Clone, Debug)]
pub struct AdamState<const D: usize> {
    /// Steps taken.
    pub time: usize,
    /// Running mean of the gradient, shape of the parameter.
    pub moment_1: Tensor<D>,
    /// Running mean of the squared gradient, shape of the parameter.
    pub moment_2: Tensor<D>,
}

impl<const D: usize> RecordState for AdamState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_scalar(prefix, "time", self.time.into());
        out.push_tensor(prefix, "moment_1", self.moment_1.to_data());
        out.push_tensor(prefix, "moment_2", self.moment_2.to_data());
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        Some(Self {
            time: src.take_scalar(prefix, "time")?.try_into().ok()?,
            moment_1: Tensor::from_data(src.take_tensor(prefix, "moment_1")?, device),
            moment_2: Tensor::from_data(src.take_tensor(prefix, "moment_2")?, device),
        })
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let state = state.unwrap_or_else(|| AdamState {
            time: 0,
            moment_1: tensor.zeros_like(),
            moment_2: tensor.zeros_like(),
        });
        let time = state.time + 1;
        let (tensor, moment_1, moment_2) = Dispatch::adam_step(
            tensor.into_dispatch(),
            grad.into_dispatch(),
            state.moment_1.into_dispatch(),
            state.moment_2.into_dispatch(),
            self.factors(lr, time),
        );
        let state = AdamState {
            time,
            moment_1: Tensor::from_dispatch(moment_1),
            moment_2: Tensor::from_dispatch(moment_2),
        };
        (Tensor::from_dispatch(tensor), Some(state))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        AdamState {
            time: state.time,
            moment_1: state.moment_1.to_device(device),
            moment_2: state.moment_2.to_device(device),
        }
    }
}

/// The numbers of one step: w = keep w - rate m / (sqrt(v) root_factor + epsilon).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors {
    beta_1: f32,
    beta_2: f32,
    /// 1 - beta_1 and 1 - beta_2, computed in f64: in f32 half the digits of 1 - 0.999 would be lost.
    rest_1: f32,
    rest_2: f32,
    keep: f32,
    rate: f32,
    root_factor: f32,
    epsilon: f32,
}

impl Adam {
    fn factors(&self, lr: f64, time: usize) -> Factors {
        let power = |beta: f64| beta.powf(time as f64);
        Factors {
            beta_1: self.beta_1 as f32,
            beta_2: self.beta_2 as f32,
            rest_1: (1.0 - self.beta_1) as f32,
            rest_2: (1.0 - self.beta_2) as f32,
            keep: (1.0 - lr * self.weight_decay) as f32,
            rate: (lr / (1.0 - power(self.beta_1))) as f32,
            root_factor: (1.0 / (1.0 - power(self.beta_2)).sqrt()) as f32,
            epsilon: self.epsilon as f32,
        }
    }
}

/// The step as an operation of a backend; an optimizer only ever sees tensors without a graph.
#[backend_extension(Flex, Cube: cfg(feature = "cube"))]
pub(crate) trait AdamOps: Backend {
    /// The new parameter and both moments.
    fn adam_step(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        factors: Factors,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composition::<Self>(parameter, gradient, moment_1, moment_2, factors)
    }
}

#[cfg(feature = "cube")]
impl AdamOps for burn::backend::Cube {}

/// One step in plain burn.
pub(crate) fn composition<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    moment_1: FloatTensor<B>,
    moment_2: FloatTensor<B>,
    factors: Factors,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let blend = |old, beta: f32, new, rest: f32| {
        B::float_add(
            B::float_mul_scalar(old, beta.into()),
            B::float_mul_scalar(new, rest.into()),
        )
    };
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let moment_1 = blend(moment_1, factors.beta_1, gradient, factors.rest_1);
    let moment_2 = blend(moment_2, factors.beta_2, square, factors.rest_2);
    let root = B::float_mul_scalar(B::float_sqrt(moment_2.clone()), factors.root_factor.into());
    let update = B::float_div(
        B::float_mul_scalar(moment_1.clone(), factors.rate.into()),
        B::float_add_scalar(root, factors.epsilon.into()),
    );
    let kept = B::float_mul_scalar(parameter, factors.keep.into());
    (B::float_sub(kept, update), moment_1, moment_2)
}

/// Values of one task.
const TASK: usize = 1 << 14;

vectorized! {
    /// One step on a piece of a parameter, in place.
    fn step_piece(w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], factors: Factors) {
        let f = factors;
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            *m = mul_add::<FMA>(f.beta_1, *m, f.rest_1 * g);
            *v = mul_add::<FMA>(f.beta_2, *v, f.rest_2 * g * g);
            let update = f.rate * *m / mul_add::<FMA>(v.sqrt(), f.root_factor, f.epsilon);
            *w = mul_add::<FMA>(f.keep, *w, -update);
        }
    }
}

impl AdamOps for Flex {
    fn adam_step(
        parameter: FlexTensor,
        gradient: FlexTensor,
        moment_1: FlexTensor,
        moment_2: FlexTensor,
        factors: Factors,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let shape = parameter.shape();
        for (what, tensor) in [
            ("Adam: gradient", &gradient),
            ("Adam: moment_1", &moment_1),
            ("Adam: moment_2", &moment_2),
        ] {
            dense::expect_shape(what, tensor, &shape[..]);
        }
        let gradient = dense::packed(gradient);
        let g = dense::values(&gradient);
        let mut tensors = [parameter, moment_1, moment_2].map(dense::owned);
        let [w, m, v] = &mut tensors;
        let [w, m, v] = [w, m, v].map(|tensor| Parts::new(dense::owned_values(tensor)));
        let level = simd::level();
        pool::run(g.len().div_ceil(TASK), &|task| {
            let start = task * TASK;
            let len = TASK.min(g.len() - start);
            // SAFETY: tasks have different values.
            let (w, m, v) = unsafe { (w.part(start, len), m.part(start, len), v.part(start, len)) };
            step_piece(level, w, &g[start..][..len], m, v, factors);
        });
        let [parameter, moment_1, moment_2] = tensors;
        (parameter, moment_1, moment_2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Threads, normals, relative_error};
    use burn::module::{Module, Param};
    use burn::optim::{GradientsParams, ModuleOptimizer};

    fn vector(values: &[f32]) -> Tensor<1> {
        Tensor::from_floats(values, &Device::flex())
    }

    fn address<const D: usize>(tensor: &Tensor<D>) -> usize {
        let flex = tensor
            .clone()
            .try_into_primitive::<Flex>()
            .expect("a flex tensor");
        flex.bytes().as_ptr() as usize
    }

    fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
        tensor.to_data().try_into_vec::<f32>().expect("f32 values")
    }

    const OPTIONS: Adam = Adam {
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1e-8,
        weight_decay: 0.1,
    };

    #[test]
    fn agrees_with_the_formula_in_double_precision_at_every_level() {
        for level in simd::available_levels() {
            simd::at(level, against_the_formula);
        }
    }

    /// The update written out in f64.
    fn against_the_formula() {
        let n = 40_001;
        let mut w: Vec<f64> = normals(n, 0).iter().map(|&w| f64::from(w)).collect();
        let (mut m, mut v) = (vec![0f64; n], vec![0f64; n]);
        let mut tensor = vector(&normals(n, 0));
        let mut state = None;
        let lr = 1e-2;
        for time in 1..=10 {
            let gradient = normals(n, time as u64);
            (tensor, state) = OPTIONS.step(lr, tensor, vector(&gradient), state);
            for i in 0..n {
                let g = f64::from(gradient[i]);
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.99 * v[i] + 0.01 * g * g;
                let m_hat = m[i] / (1.0 - 0.9f64.powi(time));
                let v_hat = v[i] / (1.0 - 0.99f64.powi(time));
                w[i] = w[i] * (1.0 - lr * 0.1) - lr * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
        let state = state.unwrap();
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        assert_eq!(state.time, 10);
        assert!(relative_error(&values(&tensor), &narrow(&w)) < 1e-6);
        assert!(relative_error(&values(&state.moment_1), &narrow(&m)) < 1e-6);
        assert!(relative_error(&values(&state.moment_2), &narrow(&v)) < 1e-6);
    }

    #[test]
    fn agrees_with_the_plain_composition_at_every_level() {
        for level in simd::available_levels() {
            simd::at(level, against_the_composition);
        }
    }

    fn against_the_composition() {
        let n = 1000;
        let (mut own, mut plain) = (vector(&normals(n, 0)), vector(&normals(n, 0)));
        let mut own_state = None;
        let (mut m, mut v) = (vector(&vec![0.0; n]), vector(&vec![0.0; n]));
        for time in 1..=5 {
            let g = vector(&normals(n, time as u64));
            (own, own_state) = OPTIONS.step(1e-3, own, g.clone(), own_state);
            let (w, m1, v1) = composition::<Dispatch>(
                plain.into_dispatch(),
                g.into_dispatch(),
                m.into_dispatch(),
                v.into_dispatch(),
                OPTIONS.factors(1e-3, time),
            );
            plain = Tensor::from_dispatch(w);
            (m, v) = (Tensor::from_dispatch(m1), Tensor::from_dispatch(v1));
        }
        assert!(relative_error(&values(&own), &values(&plain)) < 1e-6);
    }

    /// Enough values for five tasks, the last one with a rest.
    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let n = 4 * TASK + 1003;
        let threads = Threads::alone();
        let steps = |n_threads| {
            threads.set(n_threads);
            let (mut w, mut state) = (vector(&normals(n, 0)), None);
            for time in 1..=3 {
                (w, state) = OPTIONS.step(1e-2, w, vector(&normals(n, time)), state);
            }
            let state = state.unwrap();
            [&w, &state.moment_1, &state.moment_2].map(values)
        };
        for level in simd::available_levels() {
            let results = [1, 2, 3].map(|n_threads| simd::at(level, || steps(n_threads)));
            assert!(
                results.windows(2).all(|pair| pair[0] == pair[1]),
                "{level:?}"
            );
        }
    }

    #[test]
    fn nothing_is_copied_unless_it_is_shared() {
        let mut w = vector(&normals(5000, 0));
        let mut state = None;
        (w, state) = OPTIONS.step(1e-3, w, vector(&normals(5000, 1)), state);
        let before: AdamState<1> = state.unwrap();
        let places = [
            address(&w),
            address(&before.moment_1),
            address(&before.moment_2),
        ];
        let (w, after) = OPTIONS.step(1e-3, w, vector(&normals(5000, 2)), Some(before));
        let after = after.unwrap();
        assert_eq!(
            [
                address(&w),
                address(&after.moment_1),
                address(&after.moment_2)
            ],
            places
        );

        let (kept, kept_values) = (w.clone(), values(&w));
        let (w, _) = OPTIONS.step(1e-3, w, vector(&normals(5000, 3)), Some(after));
        assert_ne!(address(&w), address(&kept));
        assert_eq!(values(&kept), kept_values);
    }

    #[derive(Module, Debug)]
    struct Affine {
        weight: Param<Tensor<2>>,
        bias: Param<Tensor<1>>,
    }

    fn affine() -> Affine {
        let device = Device::flex().autodiff();
        let weight = Tensor::<1>::from_floats(normals(300 * 200, 0).as_slice(), &device);
        Affine {
            weight: Param::from_tensor(weight.reshape([300, 200])),
            bias: Param::from_tensor(Tensor::zeros([200], &device)),
        }
    }

    fn gradients(model: &Affine, seed: u64) -> GradientsParams {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_floats(normals(16 * 300, seed).as_slice(), &device);
        let (weight, bias) = (model.weight.val(), model.bias.val());
        let y = crate::linear(
            x.reshape([16, 300]),
            weight,
            Some(bias),
            crate::Activation::Relu,
        );
        GradientsParams::from_grads(y.square().sum().backward(), model)
    }

    /// Through burn's module optimizer, with its graph, the buffers stay where they are too.
    #[test]
    fn a_module_step_copies_nothing() {
        let mut model = affine();
        let mut optimizer = ModuleOptimizer::from(Adam::default());
        let mut places = Vec::new();
        for seed in 1..6 {
            let grads = gradients(&model, seed);
            model = optimizer.step(1e-3, model, grads);
            let weight = model.weight.val().inner();
            places.push([address(&weight), address(&model.bias.val().inner())]);
        }
        assert!(
            places.windows(2).all(|pair| pair[0] == pair[1]),
            "{places:?}"
        );
    }

    #[test]
    fn a_stored_optimizer_continues_with_the_same_bits() {
        let mut model = affine();
        let mut optimizer = ModuleOptimizer::from(Adam::default());
        for seed in 1..4 {
            let grads = gradients(&model, seed);
            model = optimizer.step(1e-3, model, grads);
        }
        let bytes = optimizer.clone().into_bytes().unwrap();
        let mut restored = ModuleOptimizer::from(Adam::default())
            .from_bytes(bytes)
            .unwrap();
        let (grads, again) = (gradients(&model, 9), gradients(&model, 9));
        let expected = optimizer.step(1e-3, model.clone(), grads);
        let found = restored.step(1e-3, model, again);
        assert_eq!(values(&expected.weight.val()), values(&found.weight.val()));
        assert_eq!(values(&expected.bias.val()), values(&found.bias.val()));
    }
}
