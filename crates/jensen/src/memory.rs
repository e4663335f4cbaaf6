//! Whether a model and its batches fit into memory, asked before anything large is made.
//!
//! Only what is certain to be needed is counted, so that nothing is refused that would fit: of
//! parameters the value, the gradient and two moments, of a step the outputs of the layers. Cost: three
//! passes of one or two examples.

use crate::error::{Error, Result};
use burn::tensor::{Device, Tensor};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_vae::model::{DataSite, Model};
use jensen_vae::recipe::Recipe;
use std::fs;

/// Bytes of a value.
const VALUE: u64 = 4;
/// Values kept for each parameter while it is trained.
const PER_PARAMETER: u64 = 4;
/// Taken as the memory of systems that do not tell theirs, bytes.
const UNKNOWN: u64 = 64 << 30;

/// Memory that can still be taken, bytes.
pub(crate) fn available() -> u64 {
    let told = fs::read_to_string("/proc/meminfo").ok();
    told.and_then(|text| available_in(&text)).unwrap_or(UNKNOWN)
}

/// `MemAvailable` of Linux, which is given in KiB.
fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Refuses what needs more bytes than there are.
///
/// # Errors
/// [`Error::TooLarge`].
pub(crate) fn check(what: &str, needed: u64) -> Result<()> {
    check_against(what, needed, available())
}

fn check_against(what: &str, needed: u64, available: u64) -> Result<()> {
    match needed > available {
        true => Err(Error::TooLarge {
            what: what.to_owned(),
            needed,
            available,
        }),
        false => Ok(()),
    }
}

/// Refuses n rows of this many values where they cannot be held.
///
/// # Errors
/// [`Error::TooLarge`].
pub(crate) fn check_rows(what: &str, n: usize, width: usize) -> Result<()> {
    let n_values = (n as u64).saturating_mul(width as u64);
    check(what, n_values.saturating_mul(VALUE))
}

/// Refuses parameters of these names and shapes that cannot be held, as they are read and as they are used.
///
/// # Errors
/// [`Error::TooLarge`].
pub(crate) fn check_parameters(outline: &[(String, Vec<usize>)]) -> Result<()> {
    let count = |shape: &[usize]| {
        shape
            .iter()
            .fold(1u64, |n, &side| n.saturating_mul(side as u64))
    };
    let n = outline
        .iter()
        .fold(0u64, |n, (_, shape)| n.saturating_add(count(shape)));
    check(
        &format!("a model of {n} parameters"),
        n.saturating_mul(2 * VALUE),
    )
}

/// [`Model::assemble`] for a recipe whose parameters and training steps fit into memory.
///
/// # Errors
/// [`Error::TooLarge`], and those of the recipe.
pub(crate) fn assemble(
    recipe: &Recipe,
    site: &DataSite,
    device: &Device,
) -> Result<(Model, Params)> {
    let n_parameters = Model::count_parameters(recipe, site, device)?;
    check(
        &format!("training {n_parameters} parameters"),
        n_parameters.saturating_mul(PER_PARAMETER * VALUE),
    )?;
    let (model, params) = Model::assemble(recipe, site, device)?;
    // An accelerator has its own memory and says itself when that is full.
    if recipe.train.device == "cpu" {
        let samples = recipe.bound.get("samples").and_then(|k| k.as_integer());
        let samples = samples.map_or(1, i64::unsigned_abs);
        let batch = recipe.data.batch.min(site.n_train) as u64;
        let outputs = Outputs::of(&model, &params).in_a_step(batch, samples);
        let each = match samples {
            1 => String::new(),
            k => format!(" with {k} samples each"),
        };
        check(
            &format!("a training step of {batch} examples{each}"),
            outputs.saturating_mul(VALUE),
        )?;
    }
    Ok((model, params))
}

/// How many values the layers of a model give out in a pass.
#[derive(Debug, PartialEq)]
struct Outputs {
    /// However many examples there are.
    fixed: u64,
    /// For each example.
    per_example: u64,
    /// For each sample of each example.
    per_sample: u64,
}

impl Outputs {
    /// From passes that differ in the number of examples and samples.
    fn of(model: &Model, params: &Params) -> Self {
        let width = model.site().layout.n_values();
        let count = |n_examples: usize, n_samples: usize| -> u64 {
            let tracing = params.tracing();
            let x = Tensor::zeros([n_examples, width], params.device());
            model.draw(&tracing, x, n_samples, &Stream::from_seed(0));
            let shapes = tracing.observed().into_iter().map(|output| output.shape);
            shapes
                .map(|shape| shape.iter().product::<usize>() as u64)
                .sum()
        };
        let (one, two_samples, two_examples) = (count(1, 1), count(1, 2), count(2, 1));
        let per_sample = two_samples - one;
        let per_example = two_examples - two_samples;
        Self {
            fixed: one - per_sample - per_example,
            per_example,
            per_sample,
        }
    }

    fn in_a_step(&self, n_examples: u64, n_samples: u64) -> u64 {
        let of_example = self
            .per_example
            .saturating_add(self.per_sample.saturating_mul(n_samples));
        self.fixed
            .saturating_add(of_example.saturating_mul(n_examples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_data::Layout;
    use jensen_vae::likelihood::DataFacts;

    fn site() -> DataSite {
        DataSite {
            layout: Layout::Vector { len: 6 },
            facts: DataFacts {
                min: 0.0,
                max: 1.0,
                levels: None,
            },
            mean: vec![0.5; 6],
            n_train: 1000,
            vocabulary: None,
        }
    }

    fn recipe(overrides: &[&str]) -> Recipe {
        let text = "
            encoder = { kind = 'mlp', hidden = [10] }
            decoder = { kind = 'mlp', hidden = [20] }
            latent = { z = { kind = 'gaussian', dim = 3 } }
            prior = { z = { kind = 'vamp', components = 4 } }
        ";
        let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
        Recipe::parse(text, "test", &overrides).unwrap()
    }

    #[test]
    fn parameters_are_counted_as_they_are_made() {
        let device = Device::flex();
        let counted = Model::count_parameters(&recipe(&[]), &site(), &device).unwrap();
        let (_, params) = Model::assemble(&recipe(&[]), &site(), &device).unwrap();
        assert_eq!(counted, params.n_trainable() as u64);
    }

    #[test]
    fn outputs_are_counted_for_batches_and_samples() {
        let (model, params) = Model::assemble(&recipe(&[]), &site(), &Device::flex()).unwrap();
        let outputs = Outputs::of(&model, &params);
        // Encoder 10 and head 6, for four pseudo-inputs and each example; decoder 20 and 6 a sample.
        let expected = Outputs {
            fixed: 4 * 16,
            per_example: 16,
            per_sample: 26,
        };
        assert_eq!(outputs, expected);
        assert_eq!(outputs.in_a_step(5, 7), 64 + 5 * (16 + 7 * 26));
    }

    #[test]
    fn what_cannot_fit_is_refused_before_it_is_made() {
        for pairs in [
            &["encoder.hidden=[1000000000, 1000000000]"][..],
            &["latent.z.kind=gaussian_full", "latent.z.dim=1000000000"],
            &["bound.samples=1000000000"],
        ] {
            let made = assemble(&recipe(pairs), &site(), &Device::flex());
            let error = made.err().unwrap();
            assert!(
                matches!(error, Error::TooLarge { .. }),
                "{pairs:?}: {error}"
            );
            assert!(error.is_input());
        }
        assert!(assemble(&recipe(&[]), &site(), &Device::flex()).is_ok());
    }

    #[test]
    fn the_answer_of_the_system_is_read() {
        let text = "MemTotal:       24683560 kB\nMemFree:  1 kB\nMemAvailable:   23093248 kB\n";
        assert_eq!(available_in(text), Some(23_093_248 * 1024));
        assert_eq!(available_in("MemTotal: 5 kB"), None);
        assert!(check_against("x", 5, 5).is_ok());
        let error = check_against("a step", 3_200_000_000_000, 22_500_000_000).unwrap_err();
        let text = "a step needs at least 3200.0 GB of memory, and 22.5 GB are free";
        assert_eq!(error.to_string(), text);
    }
}
