//! When a number is not finite: say which term and layer made it, roll back, halve the rate once, then
//! give up.

use super::state::State;
use crate::ledger::Readout;
use crate::recipe::Recipe;
use jensen_nets::Params;

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

    pub(super) fn restore(&self, state: &mut State) {
        *state = self.state.clone();
    }
}

/// Where a number that is not finite was born.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    step: u64,
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
        Self {
            step,
            parameters: parameters.collect(),
            layers: traced.not_finite(),
            terms: read
                .terms
                .iter()
                .filter(|term| bad(&term.nats))
                .map(|term| term.name.clone())
                .collect(),
        }
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
        let origin = first("parameter", &self.parameters)
            .or_else(|| first("the output of layer", &self.layers));
        match origin {
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

    pub(super) fn give_up(self, recipe: &Recipe) -> Divergence {
        Divergence {
            step: self.step,
            place: self.place(),
            parameters: self.parameters,
            layers: self.layers,
            terms: self.terms,
            recipe: recipe.name.clone(),
            seed: recipe.train.seed,
        }
    }
}

/// Training gave up: numbers stopped being finite again after rolling back with half the rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "training of `{recipe}` (seed {seed}) gave up at step {step}: {place}, again after rolling back \
     with half the learning rate. Try a smaller rate (`--set train.optimizer.lr=1e-4`), gradient \
     clipping (`--set train.clip=100`) or skipping (`--set train.skip=1000`)"
)]
pub struct Divergence {
    /// Step of the last failure.
    pub step: u64,
    /// Where the first number that is not finite was found.
    pub place: String,
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
}
