//! A lower triangular factor S stored as (ln S_ii `[d]`, rows below the diagonal `[d (d-1) / 2]`).
//!
//! The diagonal is stored by its logarithm: it stays positive under any step without projection or proximal
//! step. [kim-2023] show that plain gradient steps are slow in such nonlinear parameterizations and prefer
//! the linear one with a proximal step; here steps are taken in the local coordinates S (I + B), which do
//! not depend on how S is stored. Every operation costs O(d^2), those on B O(d^3 / 6).

use crate::dense::dot;
use std::f64::consts::FRAC_1_SQRT_2;

/// A view of S in stored form.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a> {
    ln_diagonal: &'a [f64],
    below: &'a [f64],
}

/// Where row i begins among the entries below the diagonal.
pub(super) fn row_start(i: usize) -> usize {
    i * i.saturating_sub(1) / 2
}

/// Numbers that a factor of size d takes.
pub(super) fn stored_len(d: usize) -> usize {
    d + d * d.saturating_sub(1) / 2
}

impl<'a> Factor<'a> {
    /// The factor of size d stored in `[d + d (d-1) / 2]` numbers.
    pub(super) fn of(d: usize, stored: &'a [f64]) -> Self {
        let (ln_diagonal, below) = stored.split_at(d);
        Self { ln_diagonal, below }
    }

    fn row(&self, i: usize) -> &'a [f64] {
        &self.below[row_start(i)..row_start(i) + i]
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        match i == j {
            true => self.ln_diagonal[i].exp(),
            false => self.below[row_start(i) + j],
        }
    }

    /// ln det S.
    pub(super) fn ln_det(&self) -> f64 {
        self.ln_diagonal.iter().sum()
    }

    /// S row after row, `[d, d]`.
    pub(super) fn rows(&self) -> Vec<f64> {
        let d = self.ln_diagonal.len();
        (0..d * d)
            .map(|k| (k / d, k % d))
            .map(|(i, j)| if j <= i { self.at(i, j) } else { 0.0 })
            .collect()
    }

    /// x = S x.
    pub(super) fn multiply(&self, x: &mut [f64]) {
        for i in (0..x.len()).rev() {
            x[i] = self.ln_diagonal[i].exp() * x[i] + dot(self.row(i), x);
        }
    }

    /// x = S^T x.
    pub(super) fn multiply_transposed(&self, x: &mut [f64]) {
        for i in 0..x.len() {
            let own = x[i];
            for (x, s) in x.iter_mut().zip(self.row(i)) {
                *x += s * own;
            }
            x[i] = self.ln_diagonal[i].exp() * own;
        }
    }

    /// x = S^-1 x.
    pub(super) fn solve(&self, x: &mut [f64]) {
        for i in 0..x.len() {
            x[i] = (x[i] - dot(self.row(i), x)) * (-self.ln_diagonal[i]).exp();
        }
    }

    /// x = S^-T x.
    pub(super) fn solve_transposed(&self, x: &mut [f64]) {
        for i in (0..x.len()).rev() {
            x[i] *= (-self.ln_diagonal[i]).exp();
            let own = x[i];
            for (x, s) in x.iter_mut().zip(self.row(i)) {
                *x -= s * own;
            }
        }
    }

    /// Adds to `by_stored` the derivative of a^T S e: a_i e_j for j < i, a_i e_i S_ii on the diagonal.
    pub(super) fn add_outer(&self, a: &[f64], e: &[f64], by_stored: &mut [f64]) {
        let d = a.len();
        let (by_ln_diagonal, by_below) = by_stored.split_at_mut(d);
        for i in 0..d {
            by_ln_diagonal[i] += a[i] * e[i] * self.ln_diagonal[i].exp();
            for (g, e) in by_below[row_start(i)..].iter_mut().zip(&e[..i]) {
                *g += a[i] * e;
            }
        }
    }

    /// Turns a gradient by the stored numbers into one by B of S (I + B), the diagonal of B divided by
    /// sqrt 2: dS = S B, so that g_B = S^T g_S below and on the diagonal.
    pub(super) fn gradient_to_local(&self, by_stored: &mut [f64]) {
        let d = self.ln_diagonal.len();
        let (diagonal, below) = by_stored.split_at_mut(d);
        for j in 0..d {
            let beneath: f64 = (j + 1..d)
                .map(|i| self.at(i, j) * below[row_start(i) + j])
                .sum();
            diagonal[j] = (diagonal[j] + beneath) * FRAC_1_SQRT_2;
            for k in j + 1..d {
                below[row_start(k) + j] = (k..d)
                    .map(|i| self.at(i, k) * below[row_start(i) + j])
                    .sum();
            }
        }
    }

    /// Turns a step B, its diagonal multiplied by sqrt 2, into one of the stored numbers.
    pub(super) fn step_from_local(&self, step: &mut [f64]) {
        let d = self.ln_diagonal.len();
        let (diagonal, below) = step.split_at_mut(d);
        for b in diagonal.iter_mut() {
            *b *= FRAC_1_SQRT_2;
        }
        for i in (0..d).rev() {
            for j in 0..i {
                let beneath: f64 = (j + 1..=i)
                    .map(|k| self.at(i, k) * below[row_start(k) + j])
                    .sum();
                below[row_start(i) + j] = beneath + self.at(i, j) * diagonal[j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S = [[2, 0], [-1, 3]].
    #[test]
    fn the_four_products_are_those_of_the_matrix() {
        let stored = [2f64.ln(), 3f64.ln(), -1.0];
        let s = Factor::of(2, &stored);
        let apply = |f: &dyn Fn(&mut [f64])| {
            let mut x = [1.0, 2.0];
            f(&mut x);
            x
        };
        let near = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() + (a[1] - b[1]).abs() < 1e-14;
        assert!(near(apply(&|x| s.multiply(x)), [2.0, 5.0]));
        assert!(near(apply(&|x| s.multiply_transposed(x)), [0.0, 6.0]));
        assert!(near(apply(&|x| s.solve(x)), [0.5, 2.5 / 3.0]));
        assert!(near(
            apply(&|x| s.solve_transposed(x)),
            [5.0 / 6.0, 2.0 / 3.0]
        ));
    }
}
