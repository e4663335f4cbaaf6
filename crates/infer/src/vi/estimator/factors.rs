//! Whether factors are those of a density: the same coordinates, and a sum that is its log density.
//!
//! Rao-Blackwellization replaces the density by its factors, so wrong ones would be followed in silence. One
//! position is looked at, the start: cheap, and a forgotten or doubled factor is seen anywhere but where it is 0.

use crate::InferError;
use crate::optimize::Place;
use jensen_density::{Factored, LogDensity};

/// The largest difference between the sum of factors and the log density, relative to the sum of their sizes:
/// rounding of some thousands of terms, far below a factor that was left out.
const TOLERANCE: f64 = 1e-9;

/// Refuses factors that are not those of the target, at a place that it accepts.
pub(super) fn check(
    factored: &dyn Factored,
    target: &dyn LogDensity,
    place: &Place,
) -> Result<(), InferError> {
    let refuse = |what: String, expected: String, found: String| {
        Err(InferError::Factors {
            what,
            expected,
            found,
        })
    };
    let d = target.dim();
    if factored.dim() != d {
        let found = factored.dim().to_string();
        return refuse("number of coordinates".to_owned(), d.to_string(), found);
    }
    for factor in 0..factored.n_factors() {
        if let Some(index) = (factored.coordinates(factor).iter()).find(|&&index| index >= d) {
            let what = format!("coordinates of factor {factor}");
            return refuse(what, format!("below {d}"), index.to_string());
        }
    }
    let mut ln_factors = vec![0.0; factored.n_factors()];
    let mut scratch = vec![0.0; factored.scratch_len()];
    if let Err(reject) = factored.ln_factors(&place.position, &mut ln_factors, &mut scratch) {
        let what = "a position that the density accepts".to_owned();
        return refuse(what, "a value".to_owned(), reject.to_string());
    }
    let sum: f64 = ln_factors.iter().sum();
    let size: f64 = 1.0 + ln_factors.iter().map(|ln_f| ln_f.abs()).sum::<f64>();
    let allowed = TOLERANCE * (size + place.log_density.abs());
    match (sum - place.log_density).abs() <= allowed {
        true => Ok(()),
        false => refuse(
            "their sum at the start, nats".to_owned(),
            place.log_density.to_string(),
            sum.to_string(),
        ),
    }
}
