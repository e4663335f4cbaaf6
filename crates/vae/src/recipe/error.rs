//! What can be wrong with a recipe, in the user's words: place, key, what was expected.

use crate::likelihood::DataFacts;
use jensen_data::nearest;

/// What is wrong with a recipe or with how it meets the data.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// The text is not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Name of the recipe or file.
        place: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{}", suggestion(.key, .nearest, .known, .of_kinds))]
    UnknownKey {
        /// Table in which it stands.
        place: String,
        /// The key.
        key: String,
        /// The most similar valid key.
        nearest: Option<String>,
        /// The valid keys.
        known: Vec<String>,
        /// Kinds of this part that have such an option, where its own kind has not.
        of_kinds: Box<[String]>,
    },
    /// A kind of part that does not exist.
    #[error("{place}: unknown kind \"{kind}\"; there are {}", .known.join(", "))]
    UnknownKind {
        /// Table in which it stands.
        place: String,
        /// The kind.
        kind: String,
        /// The known kinds.
        known: Vec<String>,
    },
    /// A value that does not fit.
    #[error("{place}: {message}")]
    Value {
        /// Table in which it stands.
        place: String,
        /// What is wrong and what is expected.
        message: String,
    },
    /// Data outside the support of the likelihood.
    #[error(
        "likelihood `{likelihood}` expects data in [{low}, {high}], and these are in [{min}, {max}]: {hint}"
    )]
    LikelihoodRange {
        /// The likelihood.
        likelihood: String,
        /// Smallest value of its support.
        low: f32,
        /// Largest value of its support.
        high: f32,
        /// Smallest value of the data.
        min: f32,
        /// Largest value of the data.
        max: f32,
        /// Why, and what to do.
        hint: String,
    },
    /// Data whose levels are not those of the likelihood.
    #[error("likelihood `{likelihood}` expects {expected}, and these are {found}")]
    LikelihoodLevels {
        /// The likelihood.
        likelihood: String,
        /// What it was made for.
        expected: DataFacts,
        /// What the data are.
        found: DataFacts,
    },
    /// A latent at a port that a network does not have.
    #[error("{place}: no port `{port}`; this {place} offers {}", .offered.join(", "))]
    Port {
        /// `encoder` or `decoder`.
        place: String,
        /// The port that the latent names.
        port: String,
        /// The ports there are.
        offered: Vec<String>,
    },
}

fn suggestion(
    key: &str,
    nearest: &Option<String>,
    known: &[String],
    of_kinds: &[String],
) -> String {
    if !of_kinds.is_empty() {
        return format!("; `{key}` is an option of kind = {}", of_kinds.join(" or "));
    }
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!("; the keys here are {}", known.join(", ")),
    }
}

impl RecipeError {
    /// The table or part of the recipe that is at fault, where it is one.
    pub fn place(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { place, .. }
            | Self::UnknownKind { place, .. }
            | Self::Value { place, .. }
            | Self::Port { place, .. } => Some(place),
            Self::Syntax { .. } | Self::LikelihoodRange { .. } | Self::LikelihoodLevels { .. } => {
                None
            }
        }
    }

    /// The same fault of a table that stands in another one.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        if let Self::UnknownKey { place, .. }
        | Self::UnknownKind { place, .. }
        | Self::Value { place, .. } = &mut self
        {
            *place = format!("{outer}.{place}");
        }
        self
    }

    pub(crate) fn value(place: &str, message: impl Into<String>) -> Self {
        Self::Value {
            place: place.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn choice(place: &str, key: &str, found: &str, known: &[&str]) -> Self {
        Self::value(
            place,
            format!("{key} = \"{found}\"; expected one of {}", known.join(", ")),
        )
    }

    pub(crate) fn unknown_key<'a>(
        place: &str,
        key: &str,
        known: impl Iterator<Item = &'a String>,
    ) -> Self {
        let known: Vec<String> = known.cloned().collect();
        Self::UnknownKey {
            place: place.to_owned(),
            key: key.to_owned(),
            nearest: nearest(key, known.iter()),
            known,
            of_kinds: Box::default(),
        }
    }

    /// An unknown key with the kinds of its part that have it.
    pub(crate) fn with_kinds(mut self, kinds: impl FnOnce(&str) -> Box<[String]>) -> Self {
        if let Self::UnknownKey { key, of_kinds, .. } = &mut self {
            *of_kinds = kinds(key);
        }
        self
    }
}
