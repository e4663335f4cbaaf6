//! Options of the data: where they come from, how a file is read, how values become what a model sees.

use super::RecipeError;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Options of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataOptions {
    /// A known name, a file or a folder.
    pub source: String,
    /// Examples per step.
    pub batch: usize,
    /// `"none"`, `"dynamic"` (each value drawn anew as Bernoulli) or `"threshold"` (at one half).
    pub binarize: Binarize,
    /// `"unit"` for [0, 1] or `"symmetric"` for [-1, 1]; real-valued data are left as they are.
    pub range: Range,
    /// Fraction of the training part held out for validation, in [0, 1).
    pub validation: f64,
    /// Side to which image folders are resized, pixels; 0 keeps the size.
    pub resize: usize,
    /// Whether images of folders are read as grey.
    pub grey: bool,
    /// The label column of a table: its name, or its number counted from 1; by default one called `label`, `class` or
    /// `target`.
    #[serde(default, deserialize_with = "name_or_number")]
    pub label: String,
    /// Reads examples as images of this `[height, width]` or `[channels, height, width]`; empty keeps them.
    #[serde(default)]
    pub shape: Vec<usize>,
    /// The stored value that stands for 1, such as 255 for grey levels in a table; 0 keeps values as they are.
    #[serde(default)]
    pub max_value: f64,
    /// Use only the first n training examples; 0 for all.
    pub limit: usize,
}

/// How grey values become binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binarize {
    /// Grey values as they are.
    None,
    /// A new Bernoulli draw with the grey value as mean each time an example is used.
    Dynamic,
    /// One if above one half.
    Threshold,
}

/// The range to which stored levels are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// [0, 1]
    Unit,
    /// [-1, 1]
    Symmetric,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            source: "digits".to_owned(),
            batch: 128,
            binarize: Binarize::None,
            range: Range::Unit,
            validation: 0.05,
            resize: 0,
            grey: false,
            label: String::new(),
            shape: Vec::new(),
            max_value: 0.0,
            limit: 0,
        }
    }
}

impl DataOptions {
    /// Channels, height and width to read examples as, if they are to be read as images.
    ///
    /// Panics if the options were not checked.
    pub fn image(&self) -> Option<(usize, usize, usize)> {
        match self.shape[..] {
            [] => None,
            [height, width] => Some((1, height, width)),
            [channels, height, width] => Some((channels, height, width)),
            _ => panic!(
                "internal error: data.shape = {:?} was not checked",
                self.shape
            ),
        }
    }

    /// Refuses the first option that is out of its range.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let refuse = |place: &str, message: &str| Err(RecipeError::value(place, message));
        if self.source.trim().is_empty() {
            return refuse(
                "data",
                "source: expected a name, a file or a folder, found nothing",
            );
        }
        if self.batch == 0 {
            return refuse("data", "batch = 0: a step needs an example");
        }
        if !(0.0..1.0).contains(&self.validation) {
            return refuse("data", "validation is a fraction in [0, 1)");
        }
        let n_values = self
            .shape
            .iter()
            .try_fold(1usize, |n, &side| n.checked_mul(side));
        let is_image = matches!(self.shape.len(), 0 | 2 | 3);
        if !is_image || !n_values.is_some_and(|n| (1..=LARGEST_IMAGE).contains(&n)) {
            let message = format!(
                "expected [height, width] or [channels, height, width], each at least 1 and at most {LARGEST_IMAGE} \
                 values in all, or [] to keep the shape; found {:?}",
                self.shape
            );
            return refuse("data.shape", &message);
        }
        if self.max_value < 0.0 {
            let message = format!(
                "{}: expected a number above 0, or 0 to keep the values",
                self.max_value
            );
            return refuse("data.max_value", &message);
        }
        Ok(())
    }
}

/// Larger images are no examples that fit into memory.
const LARGEST_IMAGE: usize = 1 << 30;

/// The command line takes `5` for a number.
fn name_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Column;
    impl Visitor<'_> for Column {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name or number of a column")
        }

        fn visit_str<E>(self, name: &str) -> Result<String, E> {
            Ok(name.to_owned())
        }

        fn visit_i64<E>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    deserializer.deserialize_any(Column)
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;

    fn options(pair: &str) -> Result<super::DataOptions, String> {
        let recipe = Recipe::parse("", "test", &[format!("data.{pair}")]);
        recipe
            .map(|recipe| recipe.data)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_named_or_numbered() {
        for (pair, label) in [
            ("label=Species", "Species"),
            ("label=5", "5"),
            ("label='5'", "5"),
            ("label=", ""),
        ] {
            assert_eq!(options(pair).unwrap().label, label, "{pair}");
        }
        assert_eq!(
            options("label=true").unwrap_err(),
            "data.label: expected the name or number of a column, found true"
        );
    }

    #[test]
    fn shapes_are_those_of_images() {
        for (pair, image) in [
            ("shape=[]", None),
            ("shape=[4, 6]", Some((1, 4, 6))),
            ("shape=[3, 4, 6]", Some((3, 4, 6))),
        ] {
            assert_eq!(options(pair).unwrap().image(), image, "{pair}");
        }
        for pair in [
            "shape=[16]",
            "shape=[1, 1, 4, 4]",
            "shape=[4, 0]",
            "shape=[1000000, 1000000]",
            "shape=[9000000000000000000, 9]",
        ] {
            let message = options(pair).unwrap_err();
            assert!(
                message.starts_with("data.shape: expected [height, width] or"),
                "{message}"
            );
        }
        let message = options("shape=16").unwrap_err();
        assert_eq!(message, "data.shape: expected a list in brackets, found 16");
    }

    #[test]
    fn scales_are_positive() {
        assert_eq!(options("max_value=255").unwrap().max_value, 255.0);
        assert_eq!(
            options("max_value=-1").unwrap_err(),
            "data.max_value: -1: expected a number above 0, or 0 to keep the values"
        );
    }

    #[test]
    fn runs_from_before_these_options_read_back() {
        let recipe = Recipe::parse("", "test", &[]).unwrap();
        let mut old = serde_json::to_value(&recipe).unwrap();
        for key in ["label", "shape", "max_value"] {
            assert!(old["data"].as_object_mut().unwrap().remove(key).is_some());
        }
        assert_eq!(serde_json::from_value::<Recipe>(old).unwrap(), recipe);
    }
}
