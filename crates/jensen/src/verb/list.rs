//! `list`: what there is, from the catalogues.

use crate::error::Result;
use crate::recipes::{BUILTIN, RecipeRequest};
use jensen_data::{Availability, OpenOptions, catalogue};
use jensen_vae::part::Entry;
use jensen_vae::{bound, decoder, encoder, latent, likelihood, objective, optimizer, prior};
use serde::Serialize;

/// A built-in recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelLine {
    /// Its name.
    pub name: String,
    /// One line.
    pub about: String,
    /// Its data.
    pub data: String,
}

/// A data set with a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataLine {
    /// Its name.
    pub name: String,
    /// One line.
    pub about: String,
    /// What one example is.
    pub layout: String,
    /// Training examples.
    pub n_train: usize,
    /// Test examples.
    pub n_test: usize,
    /// Terms of use.
    pub license: String,
    /// Who made it.
    pub origin: String,
    /// Where it is.
    pub place: String,
}

/// A group of parts that can stand for each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What they are.
    pub title: &'static str,
    /// Where a recipe names them.
    pub section: &'static str,
    /// The parts.
    pub parts: Vec<PartLine>,
}

/// A part of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartLine {
    /// The name that a recipe uses in `kind`.
    pub kind: &'static str,
    /// One line.
    pub about: &'static str,
    /// Its options with their defaults.
    pub options: toml::Table,
}

/// The built-in recipes.
pub fn models() -> Result<Vec<ModelLine>> {
    let line = |name| {
        let recipe = RecipeRequest::of(name).resolve()?;
        Ok(ModelLine {
            name: recipe.name,
            about: recipe.about,
            data: recipe.data.source,
        })
    };
    BUILTIN.iter().map(|builtin| line(builtin.name)).collect()
}

/// The data sets with names.
pub fn data() -> Vec<DataLine> {
    let line = |entry: &jensen_data::Entry| DataLine {
        name: entry.name.to_owned(),
        about: entry.summary.to_owned(),
        layout: entry.layout.to_string(),
        n_train: entry.n_train,
        n_test: entry.n_test,
        license: entry.license.to_owned(),
        origin: entry.origin.to_owned(),
        place: match entry.availability(&OpenOptions::default()) {
            Ok(Availability::Embedded) => "in the program".to_owned(),
            Ok(Availability::Cached(folder)) => folder.display().to_string(),
            Ok(Availability::Download { bytes }) => {
                format!("downloaded on first use, {:.1} MB", bytes as f64 / 1e6)
            }
            Err(error) => error.to_string(),
        },
    };
    catalogue().iter().map(line).collect()
}

/// Bounds, terms of the objective, optimizers, networks.
pub fn methods() -> Vec<Group> {
    vec![
        group("Bounds", "bound", bound::CATALOGUE),
        group(
            "Terms of the objective of a latent",
            "objective.KIND.LATENT",
            objective::CATALOGUE,
        ),
        group(
            "Terms of the objective of the decoder's outputs",
            "objective.KIND",
            objective::output::CATALOGUE,
        ),
        group(
            "Terms of the objective of the network",
            "objective.KIND",
            objective::network::CATALOGUE,
        ),
        group("Optimizers", "train.optimizer", optimizer::CATALOGUE),
        group("Encoders", "encoder", encoder::CATALOGUE),
        group("Decoders", "decoder", decoder::CATALOGUE),
    ]
}

/// Likelihoods, priors, approximate posteriors.
pub fn distributions() -> Vec<Group> {
    vec![
        group("Likelihoods", "likelihood", likelihood::CATALOGUE),
        group("Priors", "prior.LATENT", prior::CATALOGUE),
        group(
            "Latents (approximate posteriors)",
            "latent.LATENT",
            latent::CATALOGUE,
        ),
    ]
}

fn group<B>(title: &'static str, section: &'static str, catalogue: &'static [Entry<B>]) -> Group {
    let line = |entry: &'static Entry<B>| PartLine {
        kind: entry.kind,
        about: entry.about,
        options: (entry.defaults)(),
    };
    Group {
        title,
        section,
        parts: catalogue.iter().map(line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_listed_is_described() {
        assert_eq!(models().unwrap().len(), BUILTIN.len());
        assert!(data().iter().any(|line| line.place == "in the program"));
        for group in methods().into_iter().chain(distributions()) {
            assert!(!group.parts.is_empty(), "{}", group.title);
            for part in group.parts {
                assert!(!part.about.is_empty(), "{}", part.kind);
            }
        }
    }
}
