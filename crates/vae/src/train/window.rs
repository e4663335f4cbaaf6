//! Means of the ledger between two lines of the log.

use super::named_sums;
use crate::ledger::Readout;
use serde::{Deserialize, Serialize};

/// Sums over the examples since the last line of the log, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    #[serde(with = "bits")]
    sums: Vec<(String, f64)>,
    #[serde(with = "bits")]
    weights: Vec<(String, f64)>,
    n_examples: usize,
}

/// Numbers by their bits: a term that is only measured may be infinite, and JSON has no word for that.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        named: &[(String, f64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bits: Vec<(&str, u64)> = named
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_bits()))
            .collect();
        bits.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, f64)>, D::Error> {
        let bits = Vec::<(String, u64)>::deserialize(deserializer)?;
        Ok(bits
            .into_iter()
            .map(|(n, v)| (n, f64::from_bits(v)))
            .collect())
    }
}

impl Window {
    /// Adds a batch.
    pub(super) fn add(&mut self, read: &Readout, n_examples: usize) {
        for (name, sum) in named_sums(read) {
            match self.sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, total)) => *total += sum,
                None => self.sums.push((name, sum)),
            }
        }
        self.weights = read
            .terms
            .iter()
            .filter(|term| term.weight != 1.0 && term.weight != -1.0 && term.weight != 0.0)
            .map(|term| (format!("weight.{}", term.name), term.weight))
            .collect();
        self.n_examples += n_examples;
    }

    /// Means per example so far, and the weights in force that are not 1.
    pub(super) fn recent(&self) -> Vec<(String, f64)> {
        let n = self.n_examples.max(1) as f64;
        let means = self.sums.iter().map(|(name, sum)| (name.clone(), sum / n));
        means.chain(self.weights.iter().cloned()).collect()
    }

    /// Means per example, and a fresh start.
    pub(super) fn take(&mut self) -> Vec<(String, f64)> {
        let means = self.recent();
        *self = Self::default();
        means
    }
}
