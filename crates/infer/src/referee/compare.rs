//! How far the moments of an answer are from those that it should have.
//!
//! - **shift**: |mean - reference mean| in standard deviations of the reference,
//! - **spread**: |ln (sd / reference sd)|.

/// Standard deviations may be wrong by a factor of 3/2, and are hopeless from 3 on.
pub(crate) const SPREAD: f64 = 1.5;
pub(crate) const SPREAD_FAR: f64 = 3.0;

/// Means and standard deviations of values, `[n_values]` each.
#[derive(Clone, Copy)]
pub(crate) struct Moments<'a> {
    pub(crate) mean: &'a [f64],
    pub(crate) sd: &'a [f64],
}

impl Moments<'_> {
    /// The shift of each value.
    pub(crate) fn shifts(&self, reference: &Moments<'_>) -> Vec<f64> {
        (self.mean.iter().zip(reference.mean).zip(reference.sd))
            .map(|((m, reference), sd)| in_units((m - reference).abs(), *sd))
            .collect()
    }

    /// The spread of each value.
    pub(crate) fn spreads(&self, reference: &Moments<'_>) -> Vec<f64> {
        (self.sd.iter().zip(reference.sd))
            // Two constants agree.
            .map(|(sd, reference)| match sd == reference {
                true => 0.0,
                false => (sd / reference).ln().abs(),
            })
            .collect()
    }
}

/// A distance in standard deviations: none is none in any unit, that of a constant included.
pub(crate) fn in_units(distance: f64, sd: f64) -> f64 {
    match distance == 0.0 {
        true => 0.0,
        false => distance / sd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_agree_or_are_infinitely_far() {
        let of = |mean, sd| Moments { mean, sd };
        let (a, b) = (of(&[1.0, 2.0], &[0.0, 1.0]), of(&[1.0, 1.0], &[0.0, 2.0]));
        assert_eq!(a.shifts(&b), [0.0, 0.5]);
        assert_eq!(a.spreads(&b), [0.0, 2.0f64.ln()]);
        let c = of(&[3.0, 2.0], &[0.0, 0.0]);
        assert_eq!(a.shifts(&c), [f64::INFINITY, 0.0]);
        assert_eq!(a.spreads(&c), [0.0, f64::INFINITY]);
    }
}
