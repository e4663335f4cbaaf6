//! Parameter groups: which optimizer owns which parameters, gradient clipping and skipping.

use crate::optimizer::{self, Gradient, GroupOptimizer};
use crate::part;
use crate::recipe::{RecipeError, TrainOptions};
use jensen_nets::Params;

/// Parameters with their own optimizer.
pub(super) struct Group {
    pub(super) name: String,
    /// Kind of the optimizer.
    pub(super) kind: String,
    pub(super) indices: Vec<usize>,
    pub(super) optimizer: Box<dyn GroupOptimizer>,
}

impl Clone for Group {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            kind: self.kind.clone(),
            indices: self.indices.clone(),
            optimizer: self.optimizer.boxed_clone(),
        }
    }
}

/// The groups of a recipe; every parameter belongs to the first group whose prefix it has, or to `main`.
pub(super) fn groups(options: &TrainOptions, params: &Params) -> Result<Vec<Group>, RecipeError> {
    let mut free: Vec<usize> = (0..params.entries().len())
        .filter(|&index| params.entries()[index].trainable)
        .collect();
    let mut groups = Vec::new();
    for (name, group) in &options.groups {
        let place = format!("train.groups.{name}");
        let matches = |index: &usize| params.entries()[*index].name.starts_with(&group.prefix);
        let (indices, others): (Vec<usize>, Vec<usize>) = free.into_iter().partition(matches);
        free = others;
        if indices.is_empty() {
            return Err(RecipeError::value(
                &place,
                format!(
                    "no trainable parameter has a name that starts with `{}`",
                    group.prefix
                ),
            ));
        }
        groups.push(Group {
            name: name.clone(),
            kind: part::kind(&group.optimizer).to_owned(),
            indices,
            optimizer: optimizer::build(&group.optimizer, &place)?,
        });
    }
    groups.push(Group {
        name: "main".to_owned(),
        kind: part::kind(&options.optimizer).to_owned(),
        indices: free,
        optimizer: optimizer::build(&options.optimizer, "train.optimizer")?,
    });
    Ok(groups)
}

impl Group {
    /// Applies the group's gradients; returns whether the step was skipped for its size.
    pub(super) fn step(
        &mut self,
        params: &mut Params,
        gradients: &mut [Option<Gradient>],
        options: &TrainOptions,
        rate_scale: f64,
    ) -> bool {
        let mut factor = 1.0;
        if options.clip > 0.0 || options.skip > 0.0 {
            let square: f64 = self
                .indices
                .iter()
                .filter_map(|&index| gradients[index].as_ref())
                .map(Gradient::square_norm)
                .sum();
            let norm = square.sqrt();
            if options.skip > 0.0 && (norm.is_nan() || norm > options.skip) {
                return true;
            }
            if options.clip > 0.0 && norm > options.clip {
                factor = options.clip / norm;
            }
        }
        for &index in &self.indices {
            let Some(gradient) = gradients[index].take() else {
                continue;
            };
            let gradient = if factor == 1.0 {
                gradient
            } else {
                gradient.scaled(factor)
            };
            self.optimizer.step(params, index, gradient, rate_scale);
        }
        false
    }
}
