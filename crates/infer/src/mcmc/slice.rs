//! Slice sampling, one coordinate after the other.
//!
//! A level ln y = ln p(z) + ln u is drawn under the density; along a coordinate an interval around z is
//! stepped out until both ends are below the level, then points are drawn in it, which shrink it towards z,
//! until one is above: [neal-2003], Figs. 3 and 5. The width of the first interval is learned in the warmup
//! as the mean distance moved, so no number is asked for. A sweep over d coordinates costs about 6 d
//! evaluations.
//!
//! Use it without gradients, for few coordinates that are not strongly correlated.

use super::{Kernel, Transition};
use crate::check::{enough_warmup, positive};
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of slice sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// Sweeps that learn the widths and are no draws, at least 20. Default 500.
    pub n_warmup: u64,
    /// Width of the first intervals, in units of position; positive. Default 1. A wrong one costs time, not
    /// correctness.
    pub width: f64,
}

impl Default for Slice {
    fn default() -> Self {
        Self {
            n_warmup: 500,
            width: 1.0,
        }
    }
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceState {
    position: Vec<f64>,
    log_density: f64,
    /// Sweeps done.
    step: u64,
    widths: Vec<f64>,
}

impl Algorithm for Slice {
    type State = SliceState;
    type Info = Transition;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<SliceState, InferError> {
        positive("width", self.width)?;
        enough_warmup(self.n_warmup, "width")?;
        let log_density = Place::start(evaluator, position)?.log_density;
        Ok(SliceState {
            position: position.to_vec(),
            log_density,
            step: 0,
            widths: vec![self.width; position.len()],
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut SliceState,
        stream: &Stream,
    ) -> Transition {
        let mut stream = stream.clone();
        let before = evaluator.n_gradients();
        state.step += 1;
        let mean_width = state.widths.iter().sum::<f64>() / state.widths.len() as f64;
        for i in 0..state.position.len() {
            let moved = move_coordinate(
                evaluator,
                &mut state.position,
                &mut state.log_density,
                i,
                state.widths[i],
                &mut stream,
            );
            if state.step <= self.n_warmup {
                learn_width(&mut state.widths[i], moved, state.step);
            }
        }
        let n_gradients = evaluator.n_gradients() - before;
        Transition::without_momentum(state.log_density, 1.0, mean_width, n_gradients)
    }
}

impl Kernel for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn n_warmup(&self) -> u64 {
        self.n_warmup
    }

    fn position<'s>(&self, state: &'s SliceState) -> &'s [f64] {
        &state.position
    }
}

/// Moves the width towards three times the distance moved, about the length of a typical slice: two points
/// uniform in an interval are a third of it apart.
pub(super) fn learn_width(width: &mut f64, moved: f64, step: u64) {
    /// Sweeps that the first width counts for, so that one short move does not spoil it.
    const PRIOR: f64 = 5.0;
    /// Where the density does not fall widths grow with every sweep; beyond this one positions would be infinite.
    const WIDEST: f64 = 1e100;
    *width = (*width + (3.0 * moved - *width) / (step as f64 + PRIOR)).min(WIDEST);
}

/// One update of coordinate `i`; returns the distance moved.
pub(super) fn move_coordinate(
    evaluator: &mut Evaluator<'_>,
    position: &mut [f64],
    log_density: &mut f64,
    i: usize,
    width: f64,
    stream: &mut Stream,
) -> f64 {
    /// Intervals beyond this many widths are cut off, which keeps the update exact ([neal-2003], Fig. 3);
    /// it is met only where the density does not fall, as when it is improper.
    const MOST_WIDTHS: usize = 1000;
    let level = *log_density + stream.uniform_open().ln();
    let start = position[i];
    let mut at = |x: f64, position: &mut [f64]| {
        position[i] = x;
        evaluator.log_density(position)
    };
    let mut left = start - width * stream.uniform();
    let mut right = left + width;
    let steps_left = stream.below(MOST_WIDTHS);
    for _ in 0..steps_left {
        if at(left, position) <= level {
            break;
        }
        left -= width;
    }
    for _ in 0..MOST_WIDTHS - 1 - steps_left {
        if at(right, position) <= level {
            break;
        }
        right += width;
    }
    loop {
        let x = left + (right - left) * stream.uniform();
        let value = at(x, position);
        if value > level {
            *log_density = value;
            return (x - start).abs();
        }
        // An interval shrunk to the start itself ends the search: the start is in the slice.
        if x == start || right - left <= f64::EPSILON * start.abs() {
            position[i] = start;
            return 0.0;
        }
        *(if x < start { &mut left } else { &mut right }) = x;
    }
}
