//! A table of what draws say about each quantity, as data.

use crate::interval::quantile_of_sorted;
use crate::{Draws, PosteriorError, ess, mcse, rhat};
use rayon::prelude::*;

/// Probabilities of the quantiles of a [`Summary`].
pub const QUANTILES: [f64; 3] = [0.05, 0.5, 0.95];

/// What is known about one quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its name.
    pub quantity: String,
    /// Mean of all draws.
    pub mean: f64,
    /// Standard deviation of all draws.
    pub sd: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse_mean: f64,
    /// Monte Carlo standard error of the standard deviation.
    pub mcse_sd: f64,
    /// The quantiles at [`QUANTILES`].
    pub quantiles: [f64; 3],
    /// Effective sample size of the center.
    pub ess_bulk: f64,
    /// Effective sample size of the tails.
    pub ess_tail: f64,
    /// Rank-normalized split R-hat.
    pub rhat: f64,
}

/// One row for each quantity, `[d]`, in the order of the draws; quantities in parallel.
///
/// # Errors
/// Fewer than four draws a chain; a draw that is not finite.
pub fn summarize(draws: &Draws) -> Result<Vec<Summary>, PosteriorError> {
    (draws.names().par_iter().enumerate())
        .map(|(index, name)| {
            let chains = draws.quantity(index)?;
            let sorted = chains.sorted();
            Ok(Summary {
                quantity: name.clone(),
                mean: chains.mean(),
                sd: chains.sd(),
                mcse_mean: mcse::mean(&chains),
                mcse_sd: mcse::sd(&chains),
                quantiles: QUANTILES.map(|p| quantile_of_sorted(&sorted, p)),
                ess_bulk: ess::bulk(&chains),
                ess_tail: ess::tail(&chains),
                rhat: rhat::rank(&chains),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_quantity_is_certain_and_a_broken_one_is_named() {
        let names = vec!["diagonal".to_owned(), "x".to_owned()];
        let mut values: Vec<f64> = (0..40).flat_map(|i| [1.0, f64::from(i % 7)]).collect();
        let row = summarize(&Draws::new(names.clone(), 2, 20, values.clone()))
            .unwrap()
            .remove(0);
        let certain = Summary {
            quantity: "diagonal".to_owned(),
            mean: 1.0,
            sd: 0.0,
            mcse_mean: 0.0,
            mcse_sd: 0.0,
            quantiles: [1.0; 3],
            ess_bulk: 40.0,
            ess_tail: 40.0,
            rhat: 1.0,
        };
        assert_eq!(row, certain);
        values[2 * 23 + 1] = f64::NAN;
        let Err(PosteriorError::NotFinite {
            quantity,
            chain,
            draw,
            ..
        }) = summarize(&Draws::new(names, 2, 20, values))
        else {
            panic!("a NaN has no summary");
        };
        assert_eq!((quantity.as_str(), chain, draw), ("x", 1, 3));
    }
}
