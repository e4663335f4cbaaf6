//! Averages of the iterates, which forget the noise of the steps.
//!
//! Polynomial-decay averaging, [shamir-2013], equation (6): x^_t = (1 - c_t) x^_{t-1} + c_t x_t with
//! c_t = (1 + eta) / (t + eta), t = 1, 2, ... eta = 0 is the plain mean; with eta the last t / (1 + eta) iterates
//! count most, so that the way from the start is forgotten without choosing where a tail begins.

/// What stands for the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Averaging {
    /// The last iterate.
    Last,
    /// The polynomial-decay average.
    Polynomial {
        /// eta, at least 0.
        eta: f64,
    },
}

impl Averaging {
    /// Moves the average to the t-th iterate, t = 1, 2, ...
    pub fn update(&self, t: u64, iterate: &[f64], average: &mut [f64]) {
        let weight = match *self {
            Self::Last => 1.0,
            Self::Polynomial { eta } => (1.0 + eta) / (t as f64 + eta),
        };
        for (a, x) in average.iter_mut().zip(iterate) {
            *a += weight * (x - *a);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_eta_it_is_the_mean_and_with_eta_late_iterates_count_more() {
        let of = |eta: f64| {
            let mut average = [100.0];
            for t in 1..=4 {
                Averaging::Polynomial { eta }.update(t, &[t as f64], &mut average);
            }
            average[0]
        };
        assert!((of(0.0) - 2.5).abs() < 1e-14);
        // eta = 1: weights 1, 2/3, 2/4, 2/5 give 1, 5/3, 7/3, 3.
        assert!((of(1.0) - 3.0).abs() < 1e-14);
    }
}
