//! A network as a graph of the ONNX format, made by walking through its blocks.
//!
//! Every block that has a form there adds its operations by `emit`, as its `forward` computes them. Operations are those
//! of opset 17; numbers are f32. Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3>.

use crate::protobuf::Message;
use crate::{Handle, Params};

/// Version of the file's form, and of the set of operations.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// Codes of types of numbers.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// A tensor in a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(String);

/// An option of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// Several.
    Ints(Vec<i64>),
    /// A number.
    Float(f32),
    /// A word.
    Text(&'static str),
}

/// A graph under construction.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Message>,
    weights: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    n_values: usize,
}

impl Graph {
    /// An input `[N, width]`, with N as large as one likes.
    pub fn input(&mut self, name: &str, width: usize) -> Value {
        self.inputs.push(rows(name, width));
        Value(name.to_owned())
    }

    /// Makes a value an output `[N, width]` of this name.
    pub fn output(&mut self, name: &str, value: &Value, width: usize) {
        let node = Message::default()
            .text(1, &value.0)
            .text(2, name)
            .text(4, "Identity");
        self.nodes.push(node);
        self.outputs.push(rows(name, width));
    }

    /// A parameter, under its own name.
    pub fn parameter<const D: usize>(&mut self, params: &Params, handle: Handle<D>) -> Value {
        let tensor = params.to_host_at(handle);
        let bytes: Vec<u8> = (tensor.values.iter())
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(&tensor.name, &tensor.shape, FLOAT, &bytes)
    }

    /// Constants in it.
    pub fn n_tensors(&self) -> usize {
        self.weights.len()
    }

    /// Numbers in them.
    pub fn n_values(&self) -> usize {
        self.n_values
    }

    /// Numbers of any shape.
    pub fn numbers(&mut self, shape: &[usize], values: &[f32]) -> Value {
        let name = format!("constant{}", self.weights.len());
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(&name, shape, FLOAT, &bytes)
    }

    fn constant(&mut self, name: &str, shape: &[usize], kind: i64, bytes: &[u8]) -> Value {
        let weight = Message::default()
            .each(shape, |m, &side| m.whole(1, side as i64))
            .whole(2, kind)
            .text(8, name)
            .bytes(9, bytes);
        self.weights.push(weight);
        self.n_values += shape.iter().product::<usize>();
        Value(name.to_owned())
    }

    /// An operation with one result.
    pub fn node(
        &mut self,
        operation: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
    ) -> Value {
        let name = format!("{}{}", operation.to_lowercase(), self.nodes.len());
        let node = Message::default()
            .each(inputs, |m, input| m.text(1, &input.0))
            .text(2, &name)
            .text(4, operation)
            .each(attributes, |m, (name, value)| {
                m.message(5, &attribute(name, value))
            });
        self.nodes.push(node);
        Value(name)
    }

    /// The same numbers in another shape; 0 keeps a side, -1 takes what is left.
    pub fn reshape(&mut self, value: &Value, shape: &[i64]) -> Value {
        let shape = self.whole(shape);
        self.node("Reshape", &[value, &shape], &[])
    }

    /// Columns of several `[N, width]` side by side.
    pub fn join(&mut self, first: &Value, more: &[Value]) -> Value {
        if more.is_empty() {
            return first.clone();
        }
        let all: Vec<&Value> = std::iter::once(first).chain(more).collect();
        self.node("Concat", &all, &[("axis", Attribute::Int(1))])
    }

    /// Numbers `from..to` along an axis.
    pub fn slice(&mut self, value: &Value, axis: i64, from: usize, to: usize) -> Value {
        let [from, to] = [from, to].map(|at| self.whole(&[at as i64]));
        let axis = self.whole(&[axis]);
        self.node("Slice", &[value, &from, &to, &axis], &[])
    }

    /// The axes in another order.
    pub fn transpose(&mut self, value: &Value, axes: &[i64]) -> Value {
        let order = [("perm", Attribute::Ints(axes.to_vec()))];
        self.node("Transpose", &[value], &order)
    }

    /// Zeros after the last row and column of images.
    pub fn pad_after(&mut self, value: &Value) -> Value {
        let pads = self.whole(&[0, 0, 0, 0, 0, 0, 1, 1]);
        self.node("Pad", &[value, &pads], &[])
    }

    /// Every pixel of images twice each way.
    pub fn double(&mut self, value: &Value) -> Value {
        let scales = self.numbers(&[4], &[1.0, 1.0, 2.0, 2.0]);
        let nothing = Value(String::new());
        let options = [
            ("mode", "nearest"),
            ("coordinate_transformation_mode", "asymmetric"),
            ("nearest_mode", "floor"),
        ];
        let options = options.map(|(name, word)| (name, Attribute::Text(word)));
        self.node("Resize", &[value, &nothing, &scales], &options)
    }

    /// Whole numbers.
    fn whole(&mut self, values: &[i64]) -> Value {
        let name = format!("constant{}", self.weights.len());
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(&name, &[values.len()], INT64, &bytes)
    }

    /// The whole model as the bytes of a file.
    pub fn finish(self, name: &str) -> Vec<u8> {
        let graph = Message::default()
            .each(&self.nodes, |m, node| m.message(1, node))
            .text(2, name)
            .each(&self.weights, |m, weight| m.message(5, weight))
            .each(&self.inputs, |m, input| m.message(11, input))
            .each(&self.outputs, |m, output| m.message(12, output));
        let opset = Message::default().text(1, "").whole(2, OPSET);
        Message::default()
            .whole(1, IR_VERSION)
            .text(2, "jensen")
            .message(7, &graph)
            .message(8, &opset)
            .finish()
    }
}

/// The type of `[N, width]`.
fn rows(name: &str, width: usize) -> Message {
    let batch = Message::default().text(2, "N");
    let width = Message::default().whole(1, width as i64);
    let shape = Message::default().message(1, &batch).message(1, &width);
    let tensor = Message::default().whole(1, FLOAT).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}

fn attribute(name: &str, value: &Attribute) -> Message {
    /// Codes of kinds of options.
    const KINDS: [i64; 4] = [1, 2, 7, 3];
    let named = Message::default().text(1, name);
    match value {
        Attribute::Float(x) => named.float(2, *x).whole(20, KINDS[0]),
        Attribute::Int(n) => named.whole(3, *n).whole(20, KINDS[1]),
        Attribute::Ints(all) => named.each(all, |m, &n| m.whole(8, n)).whole(20, KINDS[2]),
        Attribute::Text(word) => named.text(4, word).whole(20, KINDS[3]),
    }
}
