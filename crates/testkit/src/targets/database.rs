//! The folder of posteriordb: data sets, moments and draws, JSON in zip archives [magnusson-2025].

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Reference;

/// Draws of every reference posterior: 10 chains of 1000.
const N_DRAWS: usize = 10_000;

pub(super) struct Database {
    root: PathBuf,
}

/// The variables of a data set by name.
pub(super) struct Data {
    variables: Value,
}

impl Database {
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The data set `name`.
    pub(super) fn data(&self, name: &str) -> Data {
        let path = self.root.join(format!("data/data/{name}.json.zip"));
        let variables = parse(&path, &unzip(&path));
        Data { variables }
    }

    /// Means, standard deviations and Monte Carlo standard errors of a posterior.
    pub(super) fn moments(&self, posterior: &str) -> Reference {
        let (names, mean, mcse) = self.summary(posterior, "mean_value");
        let (_, square, _) = self.summary(posterior, "mean_squared_value");
        let bessel = N_DRAWS as f64 / (N_DRAWS - 1) as f64;
        let sd = (mean.iter().zip(&square))
            .map(|(m, s)| ((s - m * m) * bessel).sqrt())
            .collect();
        Reference {
            names,
            mean,
            sd,
            mcse,
            n_draws: Some(N_DRAWS),
            log_normalizer: None,
        }
    }

    fn summary(&self, posterior: &str, what: &str) -> (Vec<String>, Vec<f64>, Vec<f64>) {
        let folder = "reference_posteriors/summary_statistics";
        let file = reference_name(posterior);
        let path = self
            .root
            .join(format!("{folder}/{what}/{what}/{file}.json"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let table = Data {
            variables: parse(&path, &bytes),
        };
        let names = (table.variables["names"].as_array().into_iter().flatten())
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        (names, table.vector(what), table.vector("mcse_mean"))
    }

    /// Names, and the draws `[n_draws, n_values]`; `None` where the folder has none.
    pub(super) fn draws(&self, posterior: &str) -> Option<(Vec<String>, Vec<f64>)> {
        let folder = "reference_posteriors/draws/draws";
        let file = reference_name(posterior);
        let path = self.root.join(format!("{folder}/{file}.json.zip"));
        if !path.is_file() {
            return None;
        }
        let (names, _, _) = self.summary(posterior, "mean_value");
        let mut draws = Vec::new();
        for chain in parse(&path, &unzip(&path)).as_array().into_iter().flatten() {
            let columns: Vec<Vec<f64>> = names.iter().map(|name| numbers(&chain[name])).collect();
            for row in 0..columns[0].len() {
                draws.extend(columns.iter().map(|column| column[row]));
            }
        }
        Some((names, draws))
    }
}

/// The file with the answer: the centered and the noncentered eight schools share one.
fn reference_name(posterior: &str) -> &str {
    match posterior {
        "eight_schools-eight_schools_centered" => "eight_schools-eight_schools_noncentered",
        own => own,
    }
}

impl Data {
    /// A number.
    pub(super) fn number(&self, name: &str) -> f64 {
        let number = self.variables[name].as_f64();
        number.unwrap_or_else(|| panic!("no number `{name}` in the data"))
    }

    /// A vector; a matrix comes row after row.
    pub(super) fn vector(&self, name: &str) -> Vec<f64> {
        let values = numbers(&self.variables[name]);
        assert!(!values.is_empty(), "no vector `{name}` in the data");
        values
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => other.as_f64().into_iter().collect(),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The only file of an archive.
fn unzip(path: &Path) -> Vec<u8> {
    let read = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut archive = zip::ZipArchive::new(fs::File::open(path)?)?;
        let mut bytes = Vec::new();
        std::io::copy(&mut archive.by_index(0)?, &mut bytes)?;
        Ok(bytes)
    };
    read().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
