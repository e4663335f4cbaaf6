//! What a resolved recipe may ask for: numbers that can be computed with, sizes that can be counted.

use super::{Recipe, RecipeError};
use toml::Value;

/// Sections whose whole numbers are sizes of networks and samples.
const SIZED: [&str; 6] = [
    "encoder",
    "latent",
    "prior",
    "decoder",
    "likelihood",
    "bound",
];
/// Products of two sizes stay far below 2^64.
const LARGEST_SIZE: i64 = 1 << 30;
/// Steps in all stay far below 2^64.
const LARGEST_COUNT: u64 = 1_000_000_000;
/// More threads only take memory.
const MOST_THREADS: usize = 1024;

impl Recipe {
    /// Refuses the first option that is out of its range.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let refuse = |place: &str, message: &str| Err(RecipeError::value(place, message));
        let share = |value: f64| (0.0..1.0).contains(&value);
        let all = self.to_table();
        if let Some((path, fault)) = unusable(&Value::Table(all.clone()), "") {
            return Err(RecipeError::value(&path, fault));
        }
        if self.name.trim().is_empty() {
            let message = "expected text that names the model and its run folders, found nothing";
            return refuse("name", message);
        }
        for section in SIZED {
            if let Some((path, size)) = all.get(section).and_then(|v| too_large(v, section)) {
                let message = format!("expected a size of at most {LARGEST_SIZE}, found {size}");
                return Err(RecipeError::value(&path, message));
            }
        }
        if self.train.checkpoint_seconds < 0.0 {
            return refuse("train", "checkpoint_seconds is a time, not below 0");
        }
        self.data.check()?;
        if self.train.epochs == 0 {
            return refuse("train", "epochs = 0: nothing to train");
        }
        if self.train.epochs as u64 > LARGEST_COUNT || self.train.min_steps > LARGEST_COUNT {
            return Err(RecipeError::value(
                "train",
                format!("epochs and min_steps: expected at most {LARGEST_COUNT}"),
            ));
        }
        if self.train.threads > MOST_THREADS {
            return Err(RecipeError::value(
                "train",
                format!(
                    "threads = {}: expected at most {MOST_THREADS}; 0 takes all cores",
                    self.train.threads
                ),
            ));
        }
        if !share(self.train.ema) {
            return refuse("train", "ema is a decay in [0, 1); 0 turns it off");
        }
        if self.train.clip < 0.0 || self.train.skip < 0.0 {
            return refuse("train", "clip and skip are norms; 0 turns them off");
        }
        if self.train.patience > 0 && self.data.validation == 0.0 {
            return refuse(
                "train",
                "patience needs a validation part: set data.validation, for example to 0.1",
            );
        }
        if self.train.keep == 0 || self.train.log_every == 0 {
            return refuse("train", "keep and log_every are at least 1");
        }
        if !["cpu", "gpu"].contains(&self.train.device.as_str()) {
            let error = RecipeError::choice("train", "device", &self.train.device, &["cpu", "gpu"]);
            return Err(error);
        }
        Ok(())
    }
}

/// The dotted path of the first whole number above [`LARGEST_SIZE`], and the number.
fn too_large(value: &Value, path: &str) -> Option<(String, i64)> {
    match value {
        Value::Integer(size) => (*size > LARGEST_SIZE).then(|| (path.to_owned(), *size)),
        Value::Table(table) => table
            .iter()
            .find_map(|(key, value)| too_large(value, &format!("{path}.{key}"))),
        Value::Array(values) => values.iter().find_map(|value| too_large(value, path)),
        _ => None,
    }
}

/// The dotted path of the first number that nothing can be computed with, and why.
fn unusable(value: &Value, path: &str) -> Option<(String, String)> {
    let fault = |text: String| Some((path.to_owned(), text));
    match value {
        Value::Float(number) if !number.is_finite() => fault("the number is not finite".to_owned()),
        Value::Float(number) if !(*number as f32).is_finite() => fault(format!(
            "{number:e}: expected a number of at most 3.4e38 in size, the largest that the networks \
             compute with (f32)"
        )),
        Value::Table(table) => table.iter().find_map(|(key, value)| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            unusable(value, &path)
        }),
        Value::Array(values) => values.iter().find_map(|value| unusable(value, path)),
        _ => None,
    }
}
