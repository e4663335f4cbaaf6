//! Optimizers: the rule of a step and the state it keeps of every parameter.
//!
//! Every rule is a burn [`Optimizer`]; this module holds its states, applies it parameter by parameter,
//! and turns the states into named tensors for checkpoints.

pub mod adam;
pub mod sgd;

use crate::ledger::to_f32;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::optim::{Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Gradients, Shape, Tensor};
use jensen_nets::{HostTensor, Params};
use std::collections::BTreeMap;
use toml::Table;

/// A rule with its states for the parameters of one group.
pub trait GroupOptimizer: Send {
    /// Changes the parameter at `index` by its gradient; `scale` multiplies the learning rate.
    fn step(&mut self, params: &mut Params, index: usize, gradient: Gradient, scale: f64);

    /// The states, named after the parameters.
    fn save(&self, params: &Params) -> SavedStates;

    /// Puts saved states of these parameters back.
    fn load(&mut self, params: &Params, saved: &SavedStates);

    /// A copy with the same states.
    fn boxed_clone(&self) -> Box<dyn GroupOptimizer>;
}

/// States as plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedStates {
    /// Tensors by name.
    pub tensors: Vec<HostTensor>,
    /// Numbers by name: counts below 2^53 or reals.
    pub numbers: BTreeMap<String, f64>,
}

/// Builds an optimizer from its options.
pub type Build = fn(&Table, &str) -> Result<Box<dyn GroupOptimizer>, RecipeError>;

/// The known optimizers.
pub const CATALOGUE: &[Entry<Build>] = &[adam::ENTRY, sgd::ENTRY];

pub(crate) fn build(table: &Table, place: &str) -> Result<Box<dyn GroupOptimizer>, RecipeError> {
    (part::find(CATALOGUE, part::kind(table), place)?.build)(table, place)
}

/// A gradient of a parameter, outside any graph.
#[derive(Clone)]
pub enum Gradient {
    /// Of a vector.
    R1(Tensor<1>),
    /// Of a matrix.
    R2(Tensor<2>),
    /// Of a convolution's weight.
    R4(Tensor<4>),
}

impl Gradient {
    /// Takes the gradient of the parameter at `index` out of `grads`; `None` if the loss does not
    /// depend on it or it is not trained. `tracked` holds the leaves of the graph.
    pub fn take(tracked: &Params, index: usize, grads: &mut Gradients) -> Option<Self> {
        if !tracked.entries()[index].trainable {
            return None;
        }
        match tracked.entries()[index].shape.len() {
            1 => tracked.at::<1>(index).grad_remove(grads).map(Self::R1),
            2 => tracked.at::<2>(index).grad_remove(grads).map(Self::R2),
            _ => tracked.at::<4>(index).grad_remove(grads).map(Self::R4),
        }
    }

    /// The numbers, row-major.
    pub fn to_host(&self) -> Vec<f32> {
        match self {
            Self::R1(gradient) => to_f32(gradient.clone()),
            Self::R2(gradient) => to_f32(gradient.clone()),
            Self::R4(gradient) => to_f32(gradient.clone()),
        }
    }

    /// The sum of squares, in f64 and in a fixed order.
    pub fn square_norm(&self) -> f64 {
        let squares = self
            .to_host()
            .into_iter()
            .map(|g| f64::from(g) * f64::from(g));
        squares.sum()
    }

    /// Whether this is a vector, such as a bias, and holds a number that is not finite.
    ///
    /// A bias sums the same terms as the weights of its layer, so looking at vectors finds most bad
    /// gradients at the step that made them and costs next to nothing.
    pub fn is_bad_vector(&self) -> bool {
        match self {
            Self::R1(_) => !self.square_norm().is_finite(),
            Self::R2(_) | Self::R4(_) => false,
        }
    }

    /// The gradient times a number.
    pub fn scaled(self, factor: f64) -> Self {
        match self {
            Self::R1(gradient) => Self::R1(gradient * factor),
            Self::R2(gradient) => Self::R2(gradient * factor),
            Self::R4(gradient) => Self::R4(gradient * factor),
        }
    }
}

/// A burn optimizer with its states.
struct Rule<O: Optimizer> {
    rule: O,
    learning_rate: f64,
    states: BTreeMap<usize, State<O>>,
}

enum State<O: Optimizer> {
    R1(O::State<1>),
    R2(O::State<2>),
    R4(O::State<4>),
}

impl<O: Optimizer> Clone for State<O> {
    fn clone(&self) -> Self {
        match self {
            Self::R1(state) => Self::R1(state.clone()),
            Self::R2(state) => Self::R2(state.clone()),
            Self::R4(state) => Self::R4(state.clone()),
        }
    }
}

impl<O: Optimizer> Rule<O> {
    fn new(rule: O, learning_rate: f64, place: &str) -> Result<Self, RecipeError> {
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return Err(RecipeError::value(
                place,
                format!("lr = {learning_rate}: a learning rate is positive"),
            ));
        }
        Ok(Self {
            rule,
            learning_rate,
            states: BTreeMap::new(),
        })
    }
}

impl<O: Optimizer> GroupOptimizer for Rule<O> {
    fn step(&mut self, params: &mut Params, index: usize, gradient: Gradient, scale: f64) {
        let learning_rate = self.learning_rate * scale;
        // The parameter and its state are handed over, so the rule can change them in place.
        let next = match (gradient, self.states.remove(&index)) {
            (Gradient::R1(g), None) => {
                change(&self.rule, params, index, g, None, learning_rate).map(State::R1)
            }
            (Gradient::R2(g), None) => {
                change(&self.rule, params, index, g, None, learning_rate).map(State::R2)
            }
            (Gradient::R4(g), None) => {
                change(&self.rule, params, index, g, None, learning_rate).map(State::R4)
            }
            (Gradient::R1(g), Some(State::R1(state))) => {
                change(&self.rule, params, index, g, Some(state), learning_rate).map(State::R1)
            }
            (Gradient::R2(g), Some(State::R2(state))) => {
                change(&self.rule, params, index, g, Some(state), learning_rate).map(State::R2)
            }
            (Gradient::R4(g), Some(State::R4(state))) => {
                change(&self.rule, params, index, g, Some(state), learning_rate).map(State::R4)
            }
            _ => panic!("internal error: rank of an optimizer state"),
        };
        if let Some(next) = next {
            self.states.insert(index, next);
        }
    }

    fn save(&self, params: &Params) -> SavedStates {
        let mut sink = StateSink::default();
        for (&index, state) in &self.states {
            let name = &params.entries()[index].name;
            match state {
                State::R1(state) => state.state_flatten(name, &mut sink),
                State::R2(state) => state.state_flatten(name, &mut sink),
                State::R4(state) => state.state_flatten(name, &mut sink),
            }
        }
        let tensors = sink.tensors.into_iter().map(|(name, data)| HostTensor {
            name,
            shape: data.shape().to_vec(),
            values: data
                .try_into_vec::<f32>()
                .expect("internal error: an optimizer state is not f32"),
        });
        let numbers = sink.scalars.into_iter().map(|(name, number)| {
            let number = number.try_into();
            (
                name,
                number.expect("internal error: an optimizer state is not a number"),
            )
        });
        SavedStates {
            tensors: tensors.collect(),
            numbers: numbers.collect(),
        }
    }

    fn load(&mut self, params: &Params, saved: &SavedStates) {
        let numbers = saved.numbers.iter().map(|(name, &number)| {
            let is_count = number.fract() == 0.0 && number >= 0.0;
            let scalar = if is_count {
                (number as u64).into()
            } else {
                number.into()
            };
            (name.clone(), scalar)
        });
        let mut source = StateSource::new(numbers.collect());
        for tensor in &saved.tensors {
            let shape = Shape::from(tensor.shape.clone());
            let data = burn::tensor::TensorData::new(tensor.values.clone(), shape);
            source.insert_tensor(tensor.name.clone(), data);
        }
        self.states.clear();
        for (index, entry) in params.entries().iter().enumerate() {
            if let Some(state) =
                load_state(&entry.name, entry.shape.len(), &mut source, params.device())
            {
                self.states.insert(index, state);
            }
        }
    }

    fn boxed_clone(&self) -> Box<dyn GroupOptimizer> {
        Box::new(Self {
            rule: self.rule.clone(),
            learning_rate: self.learning_rate,
            states: self.states.clone(),
        })
    }
}

fn change<O: Optimizer, const D: usize>(
    rule: &O,
    params: &mut Params,
    index: usize,
    gradient: Tensor<D>,
    state: Option<O::State<D>>,
    learning_rate: f64,
) -> Option<O::State<D>> {
    let mut next = None;
    params.replace::<D>(index, |value| {
        let (value, state) = rule.step(learning_rate, value, gradient, state);
        next = state;
        value
    });
    next
}

fn load_state<O: Optimizer>(
    name: &str,
    rank: usize,
    source: &mut StateSource,
    device: &Device,
) -> Option<State<O>> {
    if !source.has_under(name) {
        return None;
    }
    match rank {
        1 => O::State::<1>::state_unflatten(name, source, device).map(State::R1),
        2 => O::State::<2>::state_unflatten(name, source, device).map(State::R2),
        _ => O::State::<4>::state_unflatten(name, source, device).map(State::R4),
    }
}
