//! The draws of one quantity, chain after chain, checked once so that diagnostics need not fail.

use crate::{Draws, PosteriorError, average};

/// Fewer draws a chain than this cannot be split and compared ([vehtari-2021] splits every chain in two).
const MIN_DRAWS: usize = 4;

/// Finite draws `[c, s]` of one quantity: at least one chain, at least four draws in each, all as long.
#[derive(Clone, Debug, PartialEq)]
pub struct Chains {
    values: Vec<Vec<f64>>,
}

impl Chains {
    /// Checks draws `[c, s]`; `quantity` is the name that errors give.
    ///
    /// # Errors
    /// No chain, fewer than four draws, chains of different length, a draw that is not finite.
    pub fn new(quantity: &str, values: Vec<Vec<f64>>) -> Result<Self, PosteriorError> {
        let n_draws = values.first().map_or(0, Vec::len);
        if n_draws < MIN_DRAWS {
            return Err(PosteriorError::TooFewDraws {
                what: "a diagnostic of a chain",
                needed: MIN_DRAWS,
                found: n_draws,
            });
        }
        for (chain_idx, chain) in values.iter().enumerate() {
            if chain.len() != n_draws {
                return Err(PosteriorError::Length {
                    what: "draws of each chain",
                    expected: n_draws,
                    found: chain.len(),
                });
            }
            if let Some(draw) = chain.iter().position(|x| !x.is_finite()) {
                return Err(PosteriorError::NotFinite {
                    quantity: quantity.to_owned(),
                    chain: chain_idx,
                    draw,
                    value: chain[draw],
                });
            }
        }
        Ok(Self { values })
    }

    /// The draws `[c, s]`.
    pub fn values(&self) -> &[Vec<f64>] {
        &self.values
    }

    /// Number of chains c.
    pub fn n_chains(&self) -> usize {
        self.values.len()
    }

    /// Draws of all chains together, c s.
    pub fn n_total(&self) -> usize {
        self.values.len() * self.values[0].len()
    }

    /// The mean of all draws.
    pub fn mean(&self) -> f64 {
        let unit = self.unit();
        unit * average::mean(self.values.iter().flatten().map(|x| x / unit))
    }

    /// The standard deviation of all draws about their mean, with divisor c s - 1.
    pub fn sd(&self) -> f64 {
        let unit = self.unit();
        let mean = self.mean() / unit;
        let sum: f64 = (self.values.iter().flatten())
            .map(|x| (x / unit - mean).powi(2))
            .sum();
        unit * (sum / (self.n_total() - 1) as f64).sqrt()
    }

    /// The unit in which draws are taken before they are squared.
    pub(crate) fn unit(&self) -> f64 {
        average::unit(self.values.iter().flatten().copied())
    }

    /// All draws, upwards, `[c s]`.
    pub fn sorted(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.values.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Every draw through a function, each chain cut in halves: `[2 c, s/2]`; an odd chain loses its middle.
    pub(crate) fn split(&self, f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
        let half = self.values[0].len() / 2;
        (self.values.iter())
            .flat_map(|chain| [&chain[..half], &chain[chain.len() - half..]])
            .map(|half| half.iter().map(|&x| f(x)).collect())
            .collect()
    }
}

impl Draws {
    /// The checked draws of one quantity.
    ///
    /// # Errors
    /// See [`Chains::new`].
    pub fn quantity(&self, index: usize) -> Result<Chains, PosteriorError> {
        Chains::new(&self.names()[index], self.chains_of(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_diagnosed_is_named() {
        let names = vec!["mu".to_owned(), "tau".to_owned()];
        let mut values = vec![0.0; 2 * 5 * 2];
        values[(5 + 3) * 2 + 1] = f64::INFINITY;
        let draws = Draws::new(names, 2, 5, values);
        assert!(draws.quantity(0).is_ok());
        assert_eq!(
            draws.quantity(1),
            Err(PosteriorError::NotFinite {
                quantity: "tau".to_owned(),
                chain: 1,
                draw: 3,
                value: f64::INFINITY
            })
        );
        let short = Chains::new("x", vec![vec![1.0; 3]]);
        let PosteriorError::TooFewDraws { needed, found, .. } = short.unwrap_err() else {
            panic!("three draws are too few");
        };
        assert_eq!((needed, found), (4, 3));
        let ragged = Chains::new("x", vec![vec![1.0; 4], vec![1.0; 5]]);
        assert!(matches!(
            ragged,
            Err(PosteriorError::Length {
                expected: 4,
                found: 5,
                ..
            })
        ));
        assert!(Chains::new("x", Vec::new()).is_err());
    }

    #[test]
    fn splitting_drops_the_middle_of_an_odd_chain() {
        let chains = Chains::new("x", vec![vec![1.0, 2.0, 3.0, 4.0, 5.0]]).unwrap();
        assert_eq!(chains.split(|x| 10.0 * x), [[10.0, 20.0], [40.0, 50.0]]);
    }
}
