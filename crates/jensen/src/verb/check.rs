//! `check`: the plan of a fit without doing it: parts, shapes, sizes, costs; or all that is wrong.

use crate::config::DatasetFacts;
use crate::device;
use crate::error::{Error, Result};
use crate::memory;
use crate::recipes::RecipeRequest;
use crate::session::{Parts, open_parts};
use jensen_data::Layout;
use jensen_nets::{Observed, Params};
use jensen_rng::Stream;
use jensen_run::Observer;
use jensen_vae::objective;
use jensen_vae::part;
use jensen_vae::recipe::Recipe;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a fit would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Name of the recipe.
    pub model: String,
    /// The data.
    pub data: DatasetFacts,
    /// Names of the classes, where they are known.
    pub classes: Option<Vec<String>>,
    /// What a user should know about what was read and what was not; warnings tell the same.
    pub notes: Vec<String>,
    /// Examples trained on, held out for validation, and for the test.
    pub n_examples: [usize; 3],
    /// The parts by their place in the recipe.
    pub parts: Vec<(String, String)>,
    /// The layers in the order of computation.
    pub layers: Vec<Layer>,
    /// Trainable numbers.
    pub n_parameters: usize,
    /// Examples a step.
    pub batch: usize,
    /// Passes over the training part.
    pub epochs: u64,
    /// Steps in all.
    pub steps: u64,
    /// Floating-point operations of the layers in one step, forward and backward.
    pub flop_per_step: f64,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Path of the layer.
    pub name: String,
    /// Shape of its output for one example.
    pub output: Vec<usize>,
    /// Trainable numbers.
    pub n_parameters: usize,
    /// Floating-point operations for one example, forward.
    pub flop: f64,
}

/// Resolves a recipe, opens its data, assembles its model and looks at one batch.
///
/// # Errors
/// All faults of the recipe at once, then those of data and assembly.
pub fn check(request: &RecipeRequest, observer: &mut dyn Observer) -> Result<Plan> {
    let recipe = request.resolve()?;
    let device = device::open(&recipe.train)?;
    let parts = open_parts(&recipe, &device, observer)?;
    let (model, params) = memory::assemble(&recipe, &parts.train.site(), &device)?;
    jensen_vae::train::check_options(&recipe.train, &params).map_err(Error::from)?;
    let Parts {
        facts,
        label_names,
        notes,
        train,
        validation,
        test,
        ..
    } = &parts;

    let batch = recipe.data.batch.min(train.len());
    let stream = Stream::from_seed(recipe.train.seed);
    let x = train.batch(&(0..batch).collect::<Vec<_>>(), &stream);
    let tracing = params.tracing();
    model.ledger(&tracing, x, 0.0, &stream);
    let calls = costs(&tracing.observed(), &params, train.examples().layout);

    let n_batches = train.len().div_ceil(recipe.data.batch) as u64;
    let epochs = recipe.train.epochs_over(n_batches);
    Ok(Plan {
        parts: parts_of(&recipe),
        layers: layers(&calls, &params),
        n_parameters: params.n_trainable(),
        n_examples: [
            train.len(),
            validation.as_ref().map_or(0, |feed| feed.len()),
            test.len(),
        ],
        batch,
        epochs,
        steps: n_batches * epochs,
        flop_per_step: PASSES * calls.iter().map(|(_, flop)| flop).sum::<f64>(),
        model: recipe.name,
        data: facts.clone(),
        classes: label_names.clone(),
        notes: notes.clone(),
    })
}

/// A backward pass costs two forward ones: the gradients of inputs and of weights.
const PASSES: f64 = 3.0;

/// Each call of a layer with its floating-point operations.
///
/// A weight of n numbers multiplies and adds once for each row, and in a convolution once for each
/// place of its smaller side: the output, or the input if it is transposed.
fn costs(calls: &[Observed], params: &Params, layout: Layout) -> Vec<(Observed, f64)> {
    let places = |shape: &[usize]| shape.iter().skip(2).product::<usize>();
    let mut inputs: BTreeMap<&str, usize> = BTreeMap::new();
    let mut costs = Vec::new();
    for (i, call) in calls.iter().enumerate() {
        let weight = format!("{}.weight", call.layer);
        let entry = params.entries().iter().find(|entry| entry.name == weight);
        let shape = entry.map_or(&[][..], |entry| &entry.shape);
        let before = match i.checked_sub(1).map(|i| calls[i].shape.as_slice()) {
            None => match layout {
                Layout::Image { height, width, .. } => height * width,
                Layout::Vector { .. } => 1,
            },
            // An image made of a vector: the first number of a transposed weight is its channels.
            Some([_, width]) => width / shape.first().unwrap_or(width).max(&1),
            Some(image) => places(image),
        };
        // A layer may be used again somewhere else, on inputs of the same size.
        let before = *inputs.entry(&call.layer).or_insert(before);
        let n_places = match call.shape.len() {
            4 => before.min(places(&call.shape)),
            _ => 1,
        };
        let n = shape.iter().product::<usize>() * call.shape[0] * n_places;
        costs.push((call.clone(), 2.0 * n as f64));
    }
    costs
}

/// The layers once each, for one example.
fn layers(calls: &[(Observed, f64)], params: &Params) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    for (call, flop) in calls {
        if layers.iter().any(|layer| layer.name == call.layer) {
            continue;
        }
        let prefix = format!("{}.", call.layer);
        let own = params.entries().iter();
        layers.push(Layer {
            name: call.layer.clone(),
            output: call.shape[1..].to_vec(),
            n_parameters: own
                .filter(|entry| entry.trainable && entry.name.starts_with(&prefix))
                .map(|entry| entry.shape.iter().product::<usize>())
                .sum(),
            flop: flop / call.shape[0] as f64,
        });
    }
    layers
}

/// The parts with their options, by place.
fn parts_of(recipe: &Recipe) -> Vec<(String, String)> {
    let mut parts = vec![("encoder".to_owned(), in_words(&recipe.encoder))];
    for (name, table) in &recipe.latent {
        parts.push((format!("latent {name}"), in_words(table)));
        parts.push((format!("prior {name}"), in_words(&recipe.prior[name])));
    }
    parts.push(("decoder".to_owned(), in_words(&recipe.decoder)));
    parts.push(("likelihood".to_owned(), in_words(&recipe.likelihood)));
    parts.push(("bound".to_owned(), in_words(&recipe.bound)));
    for (term, table) in objective::each(&recipe.objective) {
        parts.push((term, in_words(table)));
    }
    parts.push(("optimizer".to_owned(), in_words(&recipe.train.optimizer)));
    parts
}

/// Kind and options in one line.
fn in_words(table: &toml::Table) -> String {
    let options: Vec<String> = table
        .iter()
        .filter(|(key, _)| *key != "kind")
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    let kind = part::kind(table);
    match (kind, options.is_empty()) {
        ("", _) => options.join(", "),
        (kind, true) => kind.to_owned(),
        (kind, false) => format!("{kind}: {}", options.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_run::Silent;

    #[test]
    fn the_classic_network_on_digits() {
        let plan = check(&RecipeRequest::of("vae"), &mut Silent).unwrap();
        let weights = 64 * 400 + 400 * 40 + 20 * 400 + 400 * 64;
        assert_eq!(plan.n_parameters, weights + 400 + 40 + 400 + 64);
        assert_eq!(plan.n_examples, [1408, 29, 360]);
        assert_eq!(plan.flop_per_step, (3 * 2 * 128 * weights) as f64);
        assert_eq!(plan.layers.len(), 4);
        assert_eq!(plan.layers[3].output, [64]);
    }

    #[test]
    fn convolutions_are_counted_by_place() {
        let plan = check(&RecipeRequest::of("conv-vae"), &mut Silent).unwrap();
        // By hand for one example of 8 x 8: 4 x 4 places of 16 x 1 x 32 weights, 2 x 2 of 16 x 32 x 64.
        let flop: Vec<f64> = plan.layers.iter().map(|layer| layer.flop).collect();
        assert_eq!(flop[0], (2 * 16 * 16 * 32) as f64, "{:?}", plan.layers);
        assert_eq!(flop[1], (2 * 4 * 16 * 32 * 64) as f64);
        // The decoder is the mirror image.
        let n = flop.len();
        assert_eq!(flop[n - 1], flop[0]);
        assert_eq!(flop[n - 2], flop[1]);
    }
}
