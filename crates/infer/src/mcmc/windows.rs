//! The metric of a warmup: variances estimated in windows that double.
//!
//! The schedule is that of Stan (Reference Manual, "Automatic parameter tuning"): 75 steps to reach the bulk, windows of 25, 50, 100, ... steps with the
//! variances of each serving in the next, 50 steps for a last step size; of a warmup shorter than 150
//! steps, 15, 75 and 10 per cent. The estimate of a window of n steps is shrunk towards 1e-3:
//! v = n / (n + 5) s^2 + 1e-3 * 5 / (n + 5).

use serde::{Deserialize, Serialize};

/// Running variances by Welford's recurrence, and the step at which the window ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    begin: u64,
    end: u64,
    last_end: u64,
    size: u64,
    n: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Windows {
    /// The schedule of a warmup over d coordinates.
    pub(super) fn new(n_warmup: u64, d: usize) -> Self {
        let (begin, size, tail) = match n_warmup < 150 {
            true => {
                let (begin, tail) = (n_warmup * 15 / 100, n_warmup / 10);
                (begin, n_warmup - begin - tail, tail)
            }
            false => (75, 25, 50),
        };
        let mut windows = Self {
            begin,
            end: begin + size,
            last_end: n_warmup - tail,
            size,
            n: 0.0,
            mean: vec![0.0; d],
            squares: vec![0.0; d],
        };
        windows.stretch();
        windows
    }

    /// A window goes to the end if the next, twice as long, would not fit.
    fn stretch(&mut self) {
        if self.end + 2 * self.size > self.last_end {
            self.end = self.last_end;
        }
    }

    /// Takes in the position after step `step`, from 0; the variances `[d]` when a window ends.
    pub(super) fn update(&mut self, step: u64, position: &[f64]) -> Option<Vec<f64>> {
        if step < self.begin || step >= self.last_end {
            return None;
        }
        self.n += 1.0;
        for ((mean, square), x) in self.mean.iter_mut().zip(&mut self.squares).zip(position) {
            let before = x - *mean;
            *mean += before / self.n;
            *square += before * (x - *mean);
        }
        if step + 1 < self.end || self.n < 2.0 {
            return None;
        }
        let n = self.n;
        let shrunk = |s: &f64| n / (n + 5.0) * s / (n - 1.0) + 1e-3 * 5.0 / (n + 5.0);
        let variances = self.squares.iter().map(shrunk).collect();
        self.n = 0.0;
        self.mean.fill(0.0);
        self.squares.fill(0.0);
        self.size *= 2;
        self.end += self.size;
        self.stretch();
        Some(variances)
    }
}

#[cfg(test)]
mod tests {
    use super::Windows;

    /// Windows of Stan for 1000 steps: 75, then 25, 50, 100, 200, 500, then 50.
    #[test]
    fn windows_double_and_the_last_is_stretched() {
        let ends = |n_warmup: u64| {
            let mut windows = Windows::new(n_warmup, 1);
            (0..n_warmup)
                .filter(|&step| windows.update(step, &[0.0]).is_some())
                .map(|step| step + 1)
                .collect::<Vec<u64>>()
        };
        assert_eq!(ends(1000), [100, 150, 250, 450, 950]);
        assert_eq!(ends(150), [100]);
        assert_eq!(ends(100), [90]);
    }

    /// Variances of 1, 2, 3, ... 25 and of a constant, shrunk as said.
    #[test]
    fn variances_are_those_of_the_window() {
        let mut windows = Windows::new(1000, 2);
        let found = (0..100)
            .find_map(|step| windows.update(step, &[step as f64, 7.0]))
            .unwrap();
        let expected = 25.0 / 30.0 * (25.0 * 26.0 / 12.0) + 1e-3 / 6.0;
        assert!((found[0] - expected).abs() < 1e-10, "{found:?}");
        assert!((found[1] - 1e-3 / 6.0).abs() < 1e-15, "{found:?}");
    }
}
