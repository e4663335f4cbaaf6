//! Activation functions, chosen by name.
//!
//! ReLU is fused into the kernel of the layer before it, SiLU is a kernel of its own; the others are burn's own operations.

use crate::graph::{Attribute, Graph, Value};
use burn::tensor::{Tensor, activation};
use jensen_kernels as kernels;

/// An elementwise nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// max(x, 0.2 x), the slope that discriminators use
    LeakyRelu,
    /// x sigmoid(x)
    Silu,
    /// x Phi(x)
    Gelu,
    /// tanh(x)
    Tanh,
    /// x for x > 0, else exp(x) - 1
    Elu,
}

impl Activation {
    /// Every activation with its name in recipes.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("identity", Self::Identity),
        ("relu", Self::Relu),
        ("leaky_relu", Self::LeakyRelu),
        ("silu", Self::Silu),
        ("gelu", Self::Gelu),
        ("tanh", Self::Tanh),
        ("elu", Self::Elu),
    ];

    /// The activation of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find_map(|(known, activation)| (known == name).then_some(activation))
    }

    /// What the layer's kernel applies itself.
    pub(crate) fn fused(self) -> kernels::Activation {
        match self {
            Self::Relu => kernels::Activation::Relu,
            _ => kernels::Activation::Identity,
        }
    }

    /// What is left to do after the layer's kernel.
    pub(crate) fn rest<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity | Self::Relu => x,
            other => other.apply(x),
        }
    }

    /// Adds the function to a graph.
    pub fn emit(self, graph: &mut Graph, x: &Value) -> Value {
        let alpha = |value| [("alpha", Attribute::Float(value))];
        match self {
            Self::Identity => x.clone(),
            Self::Relu => graph.node("Relu", &[x], &[]),
            Self::LeakyRelu => graph.node("LeakyRelu", &[x], &alpha(0.2)),
            Self::Silu => {
                let gate = graph.node("Sigmoid", &[x], &[]);
                graph.node("Mul", &[x, &gate], &[])
            }
            // x (1 + erf(x / sqrt 2)) / 2
            Self::Gelu => {
                let scale = graph.numbers(&[], &[std::f32::consts::FRAC_1_SQRT_2]);
                let (one, half) = (graph.numbers(&[], &[1.0]), graph.numbers(&[], &[0.5]));
                let scaled = graph.node("Mul", &[x, &scale], &[]);
                let erf = graph.node("Erf", &[&scaled], &[]);
                let gate = graph.node("Add", &[&erf, &one], &[]);
                let gated = graph.node("Mul", &[x, &gate], &[]);
                graph.node("Mul", &[&gated, &half], &[])
            }
            Self::Tanh => graph.node("Tanh", &[x], &[]),
            Self::Elu => graph.node("Elu", &[x], &alpha(1.0)),
        }
    }

    /// Applies the function.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => activation::relu(x),
            Self::LeakyRelu => activation::leaky_relu(x, 0.2),
            Self::Silu => kernels::silu(x),
            Self::Gelu => activation::gelu(x),
            Self::Tanh => x.tanh(),
            Self::Elu => {
                let positive = x.clone().clamp_min(0.0);
                positive + x.clamp_max(0.0).exp() - 1.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn values_by_hand() {
        let at = |name: &str, x: f32| {
            let t = Tensor::<1>::from_floats([x], &Device::flex());
            Activation::from_name(name)
                .unwrap()
                .apply(t)
                .into_scalar::<f32>()
        };
        assert_eq!(at("identity", -2.0), -2.0);
        assert_eq!(at("relu", -2.0), 0.0);
        assert!((at("leaky_relu", -2.0) + 0.4).abs() < 1e-6);
        assert!((at("silu", 1.0) - 0.731_058_6).abs() < 1e-6);
        assert!((at("gelu", 1.0) - 0.841_344_7).abs() < 1e-5);
        assert!((at("tanh", 1.0) - 0.761_594_2).abs() < 1e-6);
        assert!((at("elu", -1.0) + 0.632_120_6).abs() < 1e-6);
        assert!((at("elu", 3.0) - 3.0).abs() < 1e-6);
        assert_eq!(Activation::from_name("rellu"), None);
    }
}
