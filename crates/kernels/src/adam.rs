//! Adam, fused and in place: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
//! w = w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon), [kingma2014adam], Alg. 1.
//!
//! With `weight_decay` > 0 the decoupled form of [loshchilov2019]: w is first multiplied by
//! (1 - lr weight_decay).

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
        let (tensor, state) = self.composition(lr, tensor, grad, state);
        (tensor, Some(state))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        AdamState {
            time: state.time,
            moment_1: state.moment_1.to_device(device),
            moment_2: state.moment_2.to_device(device),
        }
    }
}

impl Adam {
    /// One step in plain burn.
    fn composition<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: AdamState<D>,
    ) -> (Tensor<D>, AdamState<D>) {
        let time = state.time + 1;
        let moment_1 = state.moment_1 * self.beta_1 + grad.clone() * (1.0 - self.beta_1);
        let moment_2 = state.moment_2 * self.beta_2 + grad.square() * (1.0 - self.beta_2);
        let correction_1 = 1.0 - self.beta_1.powf(time as f64);
        let correction_2 = 1.0 - self.beta_2.powf(time as f64);
        let denominator = (moment_2.clone() / correction_2).sqrt() + self.epsilon;
        let update = moment_1.clone() / correction_1 / denominator * lr;
        let tensor = if self.weight_decay == 0.0 {
            tensor
        } else {
            tensor * (1.0 - lr * self.weight_decay)
        };
        let state = AdamState {
            time,
            moment_1,
            moment_2,
        };
        (tensor - update, state)
    }
}
