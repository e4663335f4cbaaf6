//! Parameter-free step sizes from the distance travelled: DoG and DoWG.
//!
//! With r_t the largest distance from the start so far, at least r_eps:
//!
//! - DoG, [ivgi-2023], equation (1): step r_t g_t / sqrt(sum |g_i|^2)
//! - DoWG, [khaled-2023], Algorithm 1: step r_t^2 g_t / sqrt(sum r_i^2 |g_i|^2)
//!
//! The distance is that of the sum of steps in local coordinates. Both want averaged iterates.

use super::StepState;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Distance over gradients: cautious, sums all gradients alike.
    Dog,
    /// Distance over weighted gradients: gives later gradients more weight, steps grow faster.
    Dowg,
}

/// r_eps, the length of the first step, in local coordinates. The papers take 1e-6 in unknown units; here the
/// unit is a standard deviation of q, and a smaller number would only cost steps until r has grown.
const FIRST_DISTANCE: f64 = 1e-2;

impl Distance {
    pub(super) fn advance(&self, state: &mut StepState, gradient: &mut [f64]) {
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        state.distance = state.distance.max(norm(&state.moved)).max(FIRST_DISTANCE);
        let (r, g) = (state.distance, norm(gradient));
        let numerator = match self {
            Self::Dog => {
                state.squares += g * g;
                r
            }
            Self::Dowg => {
                state.squares += r * r * g * g;
                r * r
            }
        };
        if state.squares > 0.0 {
            let length = numerator / state.squares.sqrt();
            for g in gradient {
                *g *= length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vi::StepRule;

    /// Two steps by hand: g = 2, then g = 1.
    #[test]
    fn steps_are_those_of_the_papers() {
        for (rule, second) in [
            (Distance::Dog, 0.01 / 5f64.sqrt()),
            (Distance::Dowg, 1e-4 / (1e-4f64 * 5.0).sqrt()),
        ] {
            let mut state = StepState::new(1);
            let (mut a, mut b) = ([2.0], [1.0]);
            StepRule::Distance(rule).advance(&mut state, &mut a);
            assert!((a[0] - 0.01).abs() < 1e-15);
            StepRule::Distance(rule).advance(&mut state, &mut b);
            assert!((b[0] - second).abs() < 1e-15);
        }
    }

    #[test]
    fn a_quadratic_is_solved_without_a_rate() {
        // f = -50 (x - 3)^2, noise-free; the average of the last half is within a hundredth.
        for rule in [Distance::Dog, Distance::Dowg] {
            let (mut state, mut x, mut late) = (StepState::new(1), 0.0, 0.0);
            for t in 0..4000 {
                let mut g = [-100.0 * (x - 3.0)];
                StepRule::Distance(rule).advance(&mut state, &mut g);
                x += g[0];
                late += if t >= 2000 { x / 2000.0 } else { 0.0 };
            }
            assert!((late - 3.0f64).abs() < 0.01, "{rule:?}: {late}");
        }
    }
}
