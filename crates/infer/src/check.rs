//! Checks of options that several methods share.

use crate::InferError;

/// Refuses an option that is not a positive, finite number.
pub(crate) fn positive(option: &'static str, found: f64) -> Result<(), InferError> {
    match found.is_finite() && found > 0.0 {
        true => Ok(()),
        false => refused(option, "a finite number above 0", found),
    }
}

/// Refuses an option that is not strictly between 0 and 1.
pub(crate) fn probability(option: &'static str, found: f64) -> Result<(), InferError> {
    match found > 0.0 && found < 1.0 {
        true => Ok(()),
        false => refused(option, "a probability between 0 and 1", found),
    }
}

/// Refuses an option that is 0.
pub(crate) fn at_least_one(option: &'static str, found: u64) -> Result<(), InferError> {
    at_least(option, 1, found)
}

/// Refuses an option below the least that makes sense.
pub(crate) fn at_least(option: &'static str, least: u64, found: u64) -> Result<(), InferError> {
    match found < least {
        true => refused(option, &format!("at least {least}"), found),
        false => Ok(()),
    }
}

/// Refuses a warmup too short for what has to be found in it.
pub(crate) fn enough_warmup(found: u64, second: &'static str) -> Result<(), InferError> {
    /// The shortest warmup in which every phase of the adaptation has a step.
    const LEAST: u64 = 20;
    match found < LEAST {
        true => Err(InferError::Contradiction {
            first: "n_warmup",
            second,
            reason: format!("it is found in the warmup: at least {LEAST} steps, found {found}"),
        }),
        false => Ok(()),
    }
}

fn refused(option: &'static str, expected: &str, found: impl ToString) -> Result<(), InferError> {
    Err(InferError::Option {
        option,
        expected: expected.to_owned(),
        found: found.to_string(),
    })
}
