//! The parameters of a network as one list of named tensors.
//!
//! Networks hold [`Handle`]s, typed indices into the list; values live here. Values are reference
//! counted: a clone costs nothing until one side is written.

use burn::backend::DispatchTensor;
use burn::tensor::{Device, Shape, Tensor, TensorData};
use jensen_rng::Stream;
use std::cell::RefCell;

/// A typed index into [`Params`]: a tensor of rank `D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle<const D: usize> {
    index: usize,
}

/// How the first value of a parameter is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform on [-bound, bound].
    Uniform(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// The same value everywhere.
    Constant(f64),
}

/// One parameter: its name, shape, and whether training changes it.
#[derive(Clone)]
pub struct Entry {
    /// Path of the parameter, such as `encoder.fc1.weight`.
    pub name: String,
    /// Shape, rank 1, 2 or 4.
    pub shape: Vec<usize>,
    /// Whether optimizers change it; post-hoc statistics are stored but not trained.
    pub trainable: bool,
    value: DispatchTensor,
}

/// A parameter on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Path of the parameter.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// Why stored parameters do not fit a network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParamsError {
    /// A parameter of the network is not among the stored ones.
    #[error("the stored parameters lack `{name}`")]
    Missing {
        /// The parameter that was looked for.
        name: String,
    },
    /// A parameter has another shape.
    #[error("parameter `{name}`: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The parameter.
        name: String,
        /// Its shape in the network.
        expected: Vec<usize>,
        /// Its shape in the file.
        found: Vec<usize>,
    },
}

/// What a tracing copy of [`Params`] notes of a layer's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Path of the layer, such as `encoder.fc1`.
    pub layer: String,
    /// Shape of the output.
    pub shape: Vec<usize>,
    /// Whether all its values are finite.
    pub finite: bool,
}

/// All parameters of a model, in the order of registration.
#[derive(Clone)]
pub struct Params {
    entries: Vec<Entry>,
    device: Device,
    trace: Option<RefCell<Vec<Observed>>>,
}

impl Params {
    /// The value of a parameter.
    pub fn get<const D: usize>(&self, handle: Handle<D>) -> Tensor<D> {
        self.at(handle.index)
    }

    /// The value at this position of [`Params::entries`]; `D` must be its rank.
    pub fn at<const D: usize>(&self, index: usize) -> Tensor<D> {
        Tensor::from_dispatch(self.entries[index].value.clone())
    }

    /// Takes the value out and puts another in: the way to change it in place when nobody else holds it.
    pub fn replace<const D: usize>(
        &mut self,
        index: usize,
        change: impl FnOnce(Tensor<D>) -> Tensor<D>,
    ) {
        let empty = Tensor::<1>::empty([1], &self.device).into_dispatch();
        let value = std::mem::replace(&mut self.entries[index].value, empty);
        self.entries[index].value = change(Tensor::from_dispatch(value)).into_dispatch();
    }

    /// Moves every value towards that of `target` by this share in [0, 1].
    pub fn approach(&mut self, target: &Self, share: f64) {
        for index in 0..self.entries.len() {
            match self.entries[index].shape.len() {
                1 => self.approach_one::<1>(index, target, share),
                2 => self.approach_one::<2>(index, target, share),
                _ => self.approach_one::<4>(index, target, share),
            }
        }
    }

    fn approach_one<const D: usize>(&mut self, index: usize, target: &Self, share: f64) {
        let goal = target.at::<D>(index);
        self.replace::<D>(index, |value| value * (1.0 - share) + goal * share);
    }

    /// Sets a parameter from host values, row-major.
    pub fn set<const D: usize>(&mut self, handle: Handle<D>, values: Vec<f32>) {
        self.set_at(handle.index, values);
    }

    /// Sets the parameter at this position of [`Params::entries`] from host values, row-major.
    pub fn set_at(&mut self, index: usize, values: Vec<f32>) {
        let entry = &mut self.entries[index];
        entry.value = upload(values, &entry.shape, &self.device);
    }

    /// Names, shapes and roles.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The device of the values, without automatic differentiation.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The number of trainable numbers.
    pub fn n_trainable(&self) -> usize {
        let trainable = self.entries.iter().filter(|e| e.trainable);
        trainable.map(|e| e.shape.iter().product::<usize>()).sum()
    }

    /// The same values as leaves of a new autodiff graph.
    pub fn tracked(&self) -> Self {
        let mut copy = self.clone();
        for entry in &mut copy.entries {
            entry.value = match entry.shape.len() {
                1 => track::<1>(entry),
                2 => track::<2>(entry),
                _ => track::<4>(entry),
            };
        }
        copy
    }

    /// The same values outside any autodiff graph.
    pub fn untracked(&self) -> Self {
        let mut copy = self.clone();
        for entry in &mut copy.entries {
            entry.value = match entry.shape.len() {
                1 => plain::<1>(entry),
                2 => plain::<2>(entry),
                _ => plain::<4>(entry),
            };
        }
        copy
    }

    /// The same values as constants of an autodiff graph: gradients pass through what is made with them and do not
    /// reach them.
    pub fn frozen(&self) -> Self {
        let mut copy = self.untracked();
        for entry in &mut copy.entries {
            entry.value = match entry.shape.len() {
                1 => constant::<1>(entry),
                2 => constant::<2>(entry),
                _ => constant::<4>(entry),
            };
        }
        copy
    }

    /// Takes over the stored values whose names are among those of the entries under `path`; returns whether all
    /// entries there were found, with their shapes.
    pub fn adopt(&mut self, path: &str, stored: &[HostTensor]) -> bool {
        let prefix = format!("{path}.");
        let mut is_whole = true;
        for entry in &mut self.entries {
            let Some(name) = entry.name.strip_prefix(&prefix) else {
                continue;
            };
            let found = stored
                .iter()
                .find(|tensor| tensor.name == name && tensor.shape == entry.shape);
            match found {
                Some(found) => {
                    entry.value = upload(found.values.clone(), &entry.shape, &self.device)
                }
                None => is_whole = false,
            }
        }
        is_whole
    }

    /// All values on the host.
    pub fn to_host(&self) -> Vec<HostTensor> {
        self.entries.iter().map(to_host).collect()
    }

    /// One parameter on the host.
    pub fn to_host_at<const D: usize>(&self, handle: Handle<D>) -> HostTensor {
        to_host(&self.entries[handle.index])
    }

    /// Replaces all values by stored ones of the same names and shapes.
    pub fn load(&mut self, stored: &[HostTensor]) -> Result<(), ParamsError> {
        for entry in &mut self.entries {
            let Some(found) = stored.iter().find(|tensor| tensor.name == entry.name) else {
                return Err(ParamsError::Missing {
                    name: entry.name.clone(),
                });
            };
            if found.shape != entry.shape {
                return Err(ParamsError::Shape {
                    name: entry.name.clone(),
                    expected: entry.shape.clone(),
                    found: found.shape.clone(),
                });
            }
            entry.value = upload(found.values.clone(), &entry.shape, &self.device);
        }
        Ok(())
    }

    /// A copy that notes the output of every layer, see [`Params::observed`].
    pub fn tracing(&self) -> Self {
        let mut copy = self.clone();
        copy.trace = Some(RefCell::new(Vec::new()));
        copy
    }

    /// Passes a layer's output through; a tracing copy notes its shape and whether it is finite.
    pub fn observe<const D: usize>(&self, name: &str, output: Tensor<D>) -> Tensor<D> {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(Observed {
                layer: name.to_owned(),
                shape: output.dims().to_vec(),
                finite: is_finite(&output),
            });
        }
        output
    }

    /// What a tracing copy noted, in the order of computation.
    pub fn observed(&self) -> Vec<Observed> {
        self.trace
            .as_ref()
            .map(|trace| trace.borrow().clone())
            .unwrap_or_default()
    }

    /// Names of the layers whose output was not finite, in the order of computation.
    pub fn not_finite(&self) -> Vec<String> {
        let observed = self.observed().into_iter();
        let broken = observed.filter(|output| !output.finite);
        broken.map(|output| output.layer).collect()
    }
}

/// Registers parameters under a path of names and draws their first values.
pub struct Builder {
    params: Params,
    stream: Stream,
    path: Vec<String>,
    /// Names and shapes registered so far, by a builder that makes no values.
    outline: Option<Vec<(String, Vec<usize>)>>,
    /// Whether what is registered is left alone by optimizers.
    is_fixed: bool,
}

impl Builder {
    /// An empty list on `device`; `stream` makes the initial values.
    pub fn new(stream: Stream, device: &Device) -> Self {
        Self {
            params: Params {
                entries: Vec::new(),
                device: device.clone(),
                trace: None,
            },
            stream,
            path: Vec::new(),
            outline: None,
            is_fixed: false,
        }
    }

    /// A builder that only counts: values are not made, and handles hold nothing.
    pub fn counting(device: &Device) -> Self {
        Self {
            outline: Some(Vec::new()),
            ..Self::new(Stream::from_seed(0), device)
        }
    }

    /// The numbers that a counting builder was asked to register.
    pub fn n_counted(&self) -> u64 {
        let count = |shape: &Vec<usize>| {
            let sides = shape.iter();
            sides.fold(1u64, |n, &side| n.saturating_mul(side as u64))
        };
        let shapes = self.outline().iter().map(|(_, shape)| count(shape));
        shapes.fold(0, u64::saturating_add)
    }

    /// Names and shapes that a counting builder was asked to register.
    pub fn outline(&self) -> &[(String, Vec<usize>)] {
        self.outline.as_deref().unwrap_or_default()
    }

    /// Runs `build` with `name` added to the path; gives the full path beside its result.
    pub fn within<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> (String, T) {
        self.path.push(name.to_owned());
        let full_name = self.path.join(".");
        let result = build(self);
        self.path.pop();
        (full_name, result)
    }

    /// Runs `build` so that optimizers leave alone all that it registers.
    pub fn fixed<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.is_fixed, true);
        let result = build(self);
        self.is_fixed = before;
        result
    }

    /// Registers a trainable parameter.
    pub fn register<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Handle<D> {
        self.insert(name, shape, init, true)
    }

    /// Registers a stored quantity that optimizers leave alone.
    pub fn register_fixed<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        init: Init,
    ) -> Handle<D> {
        self.insert(name, shape, init, false)
    }

    /// Registers a trainable matrix `[n, p]` whose rows scatter around `center` `[p]`.
    pub fn register_around(
        &mut self,
        name: &str,
        shape: [usize; 2],
        center: &[f32],
        spread: f64,
    ) -> Handle<2> {
        let handle = self.insert(name, shape, Init::Normal(spread), true);
        if self.outline.is_some() {
            return handle;
        }
        self.params.replace::<2>(handle.index, |scatter| {
            let device = scatter.device();
            let center = TensorData::new(center.to_vec(), [1, shape[1]]);
            scatter + Tensor::from_data(center, &device)
        });
        handle
    }

    fn insert<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        init: Init,
        trainable: bool,
    ) -> Handle<D> {
        let full_name = self.path.iter().map(String::as_str).chain([name]);
        let name = full_name.collect::<Vec<_>>().join(".");
        if let Some(outline) = &mut self.outline {
            outline.push((name, shape.to_vec()));
            return Handle { index: 0 };
        }
        let mut stream = self.stream.child(&name, 0);
        let n_values = shape.iter().product();
        let values = match init {
            Init::Uniform(bound) => (0..n_values)
                .map(|_| (bound * (2.0 * stream.uniform() - 1.0)) as f32)
                .collect(),
            Init::Normal(scale) => (0..n_values)
                .map(|_| (scale * stream.normal()) as f32)
                .collect(),
            Init::Constant(value) => vec![value as f32; n_values],
        };
        self.params.entries.push(Entry {
            name,
            shape: shape.to_vec(),
            trainable: trainable && !self.is_fixed,
            value: upload(values, &shape, &self.params.device),
        });
        Handle {
            index: self.params.entries.len() - 1,
        }
    }

    /// The registered parameters.
    pub fn finish(self) -> Params {
        self.params
    }
}

/// Whether every value is finite.
fn is_finite<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor
        .clone()
        .inner()
        .abs()
        .max()
        .into_scalar::<f32>()
        .is_finite()
        && tensor
            .clone()
            .inner()
            .sum()
            .into_scalar::<f32>()
            .is_finite()
}

fn to_host(entry: &Entry) -> HostTensor {
    HostTensor {
        name: entry.name.clone(),
        shape: entry.shape.clone(),
        values: match entry.shape.len() {
            1 => download::<1>(&entry.value),
            2 => download::<2>(&entry.value),
            _ => download::<4>(&entry.value),
        },
    }
}

fn track<const D: usize>(entry: &Entry) -> DispatchTensor {
    let leaf = Tensor::<D>::from_dispatch(entry.value.clone()).autodiff();
    if entry.trainable {
        leaf.require_grad().into_dispatch()
    } else {
        leaf.into_dispatch()
    }
}

fn constant<const D: usize>(entry: &Entry) -> DispatchTensor {
    Tensor::<D>::from_dispatch(entry.value.clone())
        .autodiff()
        .into_dispatch()
}

fn plain<const D: usize>(entry: &Entry) -> DispatchTensor {
    let value = Tensor::<D>::from_dispatch(entry.value.clone());
    value.without_autodiff().into_dispatch()
}

fn upload(values: Vec<f32>, shape: &[usize], device: &Device) -> DispatchTensor {
    let data = TensorData::new(values, Shape::from(shape.to_vec()));
    match shape.len() {
        1 => Tensor::<1>::from_data(data, device).into_dispatch(),
        2 => Tensor::<2>::from_data(data, device).into_dispatch(),
        4 => Tensor::<4>::from_data(data, device).into_dispatch(),
        rank => panic!("internal error: a parameter of rank {rank}"),
    }
}

fn download<const D: usize>(value: &DispatchTensor) -> Vec<f32> {
    Tensor::<D>::from_dispatch(value.clone())
        .into_data()
        .try_into_vec::<f32>()
        .expect("internal error: a parameter is not f32")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Handle<2>, Params) {
        let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
        let (_, handle) = builder.within("a", |b| b.register("w", [2, 3], Init::Normal(1.0)));
        builder.register_fixed("mean", [2], Init::Constant(0.5));
        (handle, builder.finish())
    }

    #[test]
    fn stored_parameters_come_back_and_misfits_are_named() {
        let (handle, params) = example();
        let host = params.to_host();
        assert_eq!(host[0].name, "a.w");
        assert_eq!(params.n_trainable(), 6);
        let (_, mut other) = example();
        other.set(handle, vec![0.0; 6]);
        other.load(&host).unwrap();
        assert_eq!(other.to_host(), host);
        let missing = ParamsError::Missing {
            name: "mean".into(),
        };
        assert_eq!(other.load(&host[..1]), Err(missing));
        let mut bad = host.clone();
        bad[0].shape = vec![3, 2];
        assert!(matches!(other.load(&bad), Err(ParamsError::Shape { .. })));
    }

    #[test]
    fn gradients_reach_trainable_leaves_only() {
        let (handle, params) = example();
        let tracked = params.tracked();
        let loss = tracked.get(handle).square().sum() + tracked.at::<1>(1).sum();
        let mut grads = loss.backward();
        let grad = tracked.get(handle).grad_remove(&mut grads).unwrap();
        let expected = params.get(handle) * 2.0;
        assert_eq!(grad.into_data(), expected.into_data());
        assert!(tracked.at::<1>(1).grad_remove(&mut grads).is_none());
    }

    #[test]
    fn a_tracing_copy_names_the_layer_that_is_not_finite() {
        let (_, params) = example();
        let tracing = params.tracing();
        let device = Device::flex();
        tracing.observe("good", Tensor::<1>::from_floats([1.0, -2.0], &device));
        tracing.observe(
            "inf",
            Tensor::<1>::from_floats([f32::INFINITY, -2.0], &device),
        );
        tracing.observe("nan", Tensor::<1>::from_floats([1.0, f32::NAN], &device));
        assert_eq!(tracing.not_finite(), ["inf", "nan"]);
        assert!(params.not_finite().is_empty());
    }
}
