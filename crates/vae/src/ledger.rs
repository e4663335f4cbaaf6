//! The ledger: named per-example terms in nats. Training, logs, scores and bounds read the same one.
//!
//! ELBO = log-likelihood - sum of rates. The loss is the mean over examples of the weighted sum of all
//! terms; a log-likelihood enters it with weight -1. Terms of weight zero are measured, not trained.

use burn::tensor::Tensor;

/// What a term means for the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// log p(x|z), averaged over the samples of z: adds to the ELBO.
    LogLikelihood,
    /// KL(q(z|x) || p(z)) or its one-sample estimate: subtracts from the ELBO.
    Rate,
    /// A bound on log p(x) by itself, beside the ELBO.
    Bound,
    /// A penalty that is no part of any bound.
    Penalty,
}

/// One named term.
#[derive(Clone)]
pub struct Term {
    /// Name in logs, such as `kl.z`.
    pub name: String,
    /// Value per example, `[B]`, nats.
    pub nats: Tensor<1>,
    /// What it means.
    pub role: Role,
    /// Its factor in the loss.
    pub weight: f64,
}

/// All terms of one batch.
#[derive(Clone, Default)]
pub struct Ledger {
    terms: Vec<Term>,
}

/// A ledger read out on the host in f64.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readout {
    /// Name, role, weight and per-example values of each term.
    pub terms: Vec<ReadTerm>,
}

/// One term on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadTerm {
    /// Name of the term.
    pub name: String,
    /// What it means.
    pub role: Role,
    /// Its factor in the loss.
    pub weight: f64,
    /// Values `[B]`, nats.
    pub nats: Vec<f64>,
}

impl Ledger {
    /// Adds a term; `nats` is `[B]`.
    pub fn push(&mut self, name: impl Into<String>, nats: Tensor<1>, role: Role, weight: f64) {
        self.terms.push(Term {
            name: name.into(),
            nats,
            role,
            weight,
        });
    }

    /// The factor of the term of this name in the loss; 0 if there is none.
    pub fn weight(&self, name: &str) -> f64 {
        let term = self.terms.iter().find(|term| term.name == name);
        term.map_or(0.0, |term| term.weight)
    }

    /// Gives the term of this name another factor.
    pub fn set_weight(&mut self, name: &str, weight: f64) {
        for term in self.terms.iter_mut().filter(|term| term.name == name) {
            term.weight = weight;
        }
    }

    /// The loss `[1]`: the mean over examples of the weighted sum, nats.
    pub fn loss(&self) -> Tensor<1> {
        self.terms
            .iter()
            .filter(|term| term.weight != 0.0)
            .map(|term| match term.weight {
                1.0 => term.nats.clone(),
                weight => term.nats.clone() * weight,
            })
            .reduce(|sum, next| sum + next)
            .expect("internal error: a ledger without weighted terms")
            .mean()
    }

    /// The values on the host.
    pub fn read(&self) -> Readout {
        let read = |term: &Term| ReadTerm {
            name: term.name.clone(),
            role: term.role,
            weight: term.weight,
            nats: to_f64(term.nats.clone()),
        };
        Readout {
            terms: self.terms.iter().map(read).collect(),
        }
    }
}

impl Readout {
    /// The ELBO per example, `[B]`.
    pub fn elbo(&self) -> Vec<f64> {
        self.combine(|term| match term.role {
            Role::LogLikelihood => 1.0,
            Role::Rate => -1.0,
            Role::Bound | Role::Penalty => 0.0,
        })
    }

    /// The loss per example, `[B]`.
    pub fn loss(&self) -> Vec<f64> {
        self.combine(|term| term.weight)
    }

    /// The sum of the terms of this role per example, `[B]`.
    pub fn sum_of(&self, role: Role) -> Vec<f64> {
        self.combine(|term| f64::from(u8::from(term.role == role)))
    }

    fn combine(&self, factor: impl Fn(&ReadTerm) -> f64) -> Vec<f64> {
        let n = self.terms.first().map_or(0, |term| term.nats.len());
        let mut total = vec![0.0; n];
        for term in &self.terms {
            let factor = factor(term);
            // A term that does not count must not spoil the sum with 0 * NaN.
            if factor != 0.0 {
                for (sum, value) in total.iter_mut().zip(&term.nats) {
                    *sum += factor * value;
                }
            }
        }
        total
    }
}

/// A tensor's values as f64: the border between networks and bounds.
pub fn to_f64<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    to_f32(tensor).into_iter().map(f64::from).collect()
}

/// A tensor's values, row-major.
pub fn to_f32<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .inner()
        .into_data()
        .try_into_vec::<f32>()
        .expect("internal error: a network tensor is not f32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn elbo_ignores_weights_and_the_loss_applies_them() {
        let device = Device::flex();
        let tensor = |values: [f32; 2]| Tensor::<1>::from_floats(values, &device);
        let mut ledger = Ledger::default();
        ledger.push(
            "log_likelihood",
            tensor([-10.0, -20.0]),
            Role::LogLikelihood,
            -1.0,
        );
        ledger.push("kl.z", tensor([3.0, 5.0]), Role::Rate, 4.0);
        ledger.push("mmd.z", tensor([0.5, 0.5]), Role::Penalty, 2.0);
        ledger.push("seen", tensor([f32::NAN, 1.0]), Role::Penalty, 0.0);
        let read = ledger.read();
        assert_eq!(read.elbo(), [-13.0, -25.0]);
        assert_eq!(read.loss(), [23.0, 41.0]);
        assert_eq!(ledger.loss().into_scalar::<f32>(), 32.0);
        assert_eq!(read.sum_of(Role::Rate), [3.0, 5.0]);
    }
}
