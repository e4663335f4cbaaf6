//! The Dormand-Prince pair of orders five and four with adaptive steps [dormand-1980], Table 2: six evaluations a
//! step, the seventh being the first of the next step.

/// How exact an integration is and when it gives up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// Allowed error of a step relative to the component.
    pub relative: f64,
    /// Allowed error of a step beside that.
    pub absolute: f64,
    /// Steps, refused ones included, after which an integration gives up.
    pub max_steps: usize,
}

/// A state on its way, with the step size that served last.
pub(super) struct Integrator<const N: usize> {
    pub state: [f64; N],
    pub time: f64,
    step: f64,
    n_steps: usize,
}

/// An integration that needs too many steps or leaves the numbers.
#[derive(Debug)]
pub(super) struct GaveUp;

/// Nodes of stages 2 to 7.
const NODES: [f64; 6] = [1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];
/// Weights of the stages before; the last row is the solution of order five.
const STAGES: [[f64; 6]; 6] = [
    [1.0 / 5.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [3.0 / 40.0, 9.0 / 40.0, 0.0, 0.0, 0.0, 0.0],
    [44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0, 0.0, 0.0, 0.0],
    [
        19372.0 / 6561.0,
        -25360.0 / 2187.0,
        64448.0 / 6561.0,
        -212.0 / 729.0,
        0.0,
        0.0,
    ],
    [
        9017.0 / 3168.0,
        -355.0 / 33.0,
        46732.0 / 5247.0,
        49.0 / 176.0,
        -5103.0 / 18656.0,
        0.0,
    ],
    [
        35.0 / 384.0,
        0.0,
        500.0 / 1113.0,
        125.0 / 192.0,
        -2187.0 / 6784.0,
        11.0 / 84.0,
    ],
];
/// Weights of the seven stages in the difference of the two orders.
const ERROR: [f64; 7] = [
    71.0 / 57600.0,
    0.0,
    -71.0 / 16695.0,
    71.0 / 1920.0,
    -17253.0 / 339200.0,
    22.0 / 525.0,
    -1.0 / 40.0,
];
/// A step is chosen somewhat shorter than the error estimate allows, and never changes too fast.
const SAFETY: f64 = 0.9;
const SHRINK: f64 = 0.2;
const GROW: f64 = 5.0;

impl<const N: usize> Integrator<N> {
    /// At `state` and `time`.
    pub(super) fn new(state: [f64; N], time: f64) -> Self {
        Self {
            state,
            time,
            step: 1e-3,
            n_steps: 0,
        }
    }

    /// Moves to the time `end` along `derivative(state) = d state / dt`.
    pub(super) fn advance(
        &mut self,
        end: f64,
        derivative: impl Fn(f64, &[f64; N]) -> [f64; N],
        tolerance: Tolerance,
    ) -> Result<(), GaveUp> {
        let mut slopes = [[0.0; N]; 7];
        slopes[0] = derivative(self.time, &self.state);
        while self.time < end {
            self.n_steps += 1;
            if self.n_steps > tolerance.max_steps {
                return Err(GaveUp);
            }
            let is_last = self.time + self.step >= end;
            let h = if is_last { end - self.time } else { self.step };
            let mut next = self.state;
            for (stage, weights) in STAGES.iter().enumerate() {
                next = self.state;
                for (slope, weight) in slopes.iter().zip(weights) {
                    for (x, s) in next.iter_mut().zip(slope) {
                        *x += h * weight * s;
                    }
                }
                slopes[stage + 1] = derivative(self.time + NODES[stage] * h, &next);
            }
            let mut worst: f64 = 0.0;
            for i in 0..N {
                let error: f64 = ERROR.iter().zip(&slopes).map(|(w, s)| h * w * s[i]).sum();
                let size = self.state[i].abs().max(next[i].abs());
                let ratio = error.abs() / (tolerance.absolute + tolerance.relative * size);
                // A component that is not a number has to refuse the step.
                worst = if ratio.is_nan() {
                    f64::INFINITY
                } else {
                    worst.max(ratio)
                };
            }
            if worst <= 1.0 {
                self.time = if is_last { end } else { self.time + h };
                self.state = next;
                slopes[0] = slopes[6];
            }
            // A step cut short at the end says little about the next one.
            if worst > 1.0 || !is_last {
                self.step = h * (SAFETY * worst.powf(-0.2)).clamp(SHRINK, GROW);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oscillator_returns_after_a_turn() {
        let tolerance = Tolerance {
            relative: 1e-9,
            absolute: 1e-9,
            max_steps: 1000,
        };
        let mut turn = Integrator::new([1.0, 0.0], 0.0);
        let field = |_: f64, x: &[f64; 2]| [x[1], -x[0]];
        for quarter in 1..=4 {
            let end = f64::from(quarter) * std::f64::consts::FRAC_PI_2;
            turn.advance(end, field, tolerance).unwrap();
        }
        // Errors of the steps add up over some hundred of them.
        assert!((turn.state[0] - 1.0).abs() < 1e-7, "{:?}", turn.state);
        assert!(turn.state[1].abs() < 1e-7, "{:?}", turn.state);
    }

    #[test]
    fn a_state_that_leaves_the_numbers_gives_up() {
        let tolerance = Tolerance {
            relative: 1e-6,
            absolute: 1e-6,
            max_steps: 1000,
        };
        let mut blow_up = Integrator::new([1.0], 0.0);
        let outcome = blow_up.advance(2.0, |_, x| [x[0] * x[0]], tolerance);
        assert!(outcome.is_err(), "1 / (1 - t) has a pole at one");
    }
}
