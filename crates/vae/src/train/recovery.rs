//! When a number is not finite: say which term and layer made it, roll back, halve the rate once, then
//! give up.

use super::state::State;
use crate::ledger::Readout;
use crate::likelihood::DataFacts;
use crate::recipe::Recipe;
use jensen_nets::Params;
use jensen_run::{Checkpoints, RunError};

/// A good state in memory. Tensors are shared until the run writes them.
pub(super) struct Snapshot {
    state: State,
}

impl Snapshot {
    pub(super) fn of(state: &State) -> Self {
        Self {
            state: state.clone(),
        }
    }

    pub(super) fn step(&self) -> u64 {
        self.state.step
    }

    pub(super) fn save(&self, checkpoints: &Checkpoints, recipe: &Recipe) -> Result<(), RunError> {
        self.state.save(checkpoints, recipe).map(|_| ())
    }

    pub(super) fn restore(&self, state: &mut State) {
        *state = self.state.clone();
    }
}

/// Where a number that is not finite was born.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    step: u64,
    gradients: Vec<String>,
    parameters: Vec<String>,
    layers: Vec<String>,
    terms: Vec<String>,
}

impl Cause {
    /// From the ledger of the step and from a pass that traced its layers.
    pub(super) fn of(step: u64, read: &Readout, traced: &Params) -> Self {
        let bad = |values: &[f64]| values.iter().any(|v| !v.is_finite());
        let parameters = traced
            .to_host()
            .into_iter()
            .filter(|tensor| tensor.values.iter().any(|v| !v.is_finite()))
            .map(|tensor| tensor.name);
        // A layer can run twice in a pass, for the data and for pseudo-inputs.
        let mut layers = Vec::new();
        for layer in traced.not_finite() {
            if !layers.contains(&layer) {
                layers.push(layer);
            }
        }
        Self {
            step,
            gradients: Vec::new(),
            parameters: parameters.collect(),
            layers,
            terms: read
                .terms
                .iter()
                .filter(|term| bad(&term.nats))
                .map(|term| term.name.clone())
                .collect(),
        }
    }

    /// Gradients that are not finite though the loss is.
    pub(super) fn of_gradients(step: u64, gradients: Vec<String>) -> Self {
        Self {
            step,
            gradients,
            parameters: Vec::new(),
            layers: Vec::new(),
            terms: Vec::new(),
        }
    }

    /// Parameters that are not finite, if there are any.
    pub(super) fn of_parameters(step: u64, params: &Params) -> Option<Self> {
        let bad = |values: &[f32]| values.iter().any(|v| !v.is_finite());
        let host = params.to_host().into_iter();
        let parameters: Vec<String> = host.filter(|t| bad(&t.values)).map(|t| t.name).collect();
        (!parameters.is_empty()).then(|| Self {
            step,
            gradients: Vec::new(),
            parameters,
            layers: Vec::new(),
            terms: Vec::new(),
        })
    }

    /// One phrase: the earliest known place.
    fn place(&self) -> String {
        let first = |kind: &str, names: &[String]| {
            names.first().map(|name| match names.len() {
                1 => format!("{kind} `{name}`"),
                n => format!("{kind} `{name}` and {} more", n - 1),
            })
        };
        let terms = self
            .terms
            .iter()
            .map(|t| format!("`{t}`"))
            .collect::<Vec<_>>()
            .join(", ");
        if let Some(gradients) = first("the gradient of parameter", &self.gradients) {
            return format!("{gradients} is not finite though the loss is");
        }
        let origin = first("parameter", &self.parameters)
            .or_else(|| first("the output of layer", &self.layers));
        match origin {
            Some(origin) if terms.is_empty() => format!("{origin} is not finite"),
            Some(origin) => format!("{origin} is not finite, and so is {terms}"),
            None => format!("{terms} is not finite though all layers are"),
        }
    }

    pub(super) fn rollback_message(&self, to_step: u64) -> String {
        format!(
            "step {}: {}; rolled back to step {to_step} and halved the learning rate",
            self.step,
            self.place()
        )
    }

    pub(super) fn give_up(self, recipe: &Recipe, data: &DataFacts) -> Divergence {
        let data_peak = data.min.abs().max(data.max.abs());
        Divergence {
            advice: advice(data_peak),
            data_peak,
            step: self.step,
            place: self.place(),
            gradients: self.gradients,
            parameters: self.parameters,
            layers: self.layers,
            terms: self.terms,
            recipe: recipe.name.clone(),
            seed: recipe.train.seed,
        }
    }
}

/// Data that reach further than this are no longer of the size that networks are made for.
const USUAL_PEAK: f32 = 100.0;

/// What to try: the data's scale first, where it is unusual.
fn advice(data_peak: f32) -> String {
    let steps = "a smaller rate (`--set train.optimizer.lr=1e-4`), gradient clipping \
                 (`--set train.clip=100`) or skipping (`--set train.skip=1000`)";
    let reach = match data_peak < 1e4 {
        true => format!("{data_peak:.0}"),
        false => format!("{data_peak:.0e}"),
    };
    match data_peak > USUAL_PEAK {
        true => format!(
            "The data reach {reach}: scale them in the file to about [-1, 1]. If that is not \
             enough, try {steps}"
        ),
        false => format!("Try {steps}"),
    }
}

/// Training gave up: numbers stopped being finite again after rolling back with half the rate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "training of `{recipe}` (seed {seed}) gave up at step {step}: {place}, again after rolling back \
     with half the learning rate. {advice}"
)]
pub struct Divergence {
    /// Step of the last failure.
    pub step: u64,
    /// Where the first number that is not finite was found.
    pub place: String,
    /// Parameters whose gradient was not finite while the loss was.
    pub gradients: Vec<String>,
    /// Parameters that hold such numbers.
    pub parameters: Vec<String>,
    /// Layers whose output does, in the order of computation.
    pub layers: Vec<String>,
    /// Terms of the ledger that do.
    pub terms: Vec<String>,
    /// Name of the recipe.
    pub recipe: String,
    /// Its seed.
    pub seed: u64,
    /// The largest absolute value of the training data.
    pub data_peak: f32,
    /// What to try.
    pub advice: String,
}
