//! How noise comes in: alpha_bar_t for t = 0 ... T, with z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) epsilon.
//!
//! Linear: beta_t from 1e-4 to 0.02 for T = 1000, times 1000 / T ([ho-2020], section 4). Cosine: alpha_bar_t =
//! cos^2((t / T + s) / (1 + s) pi / 2), s = 0.008, beta at most 0.999 ([nichol-2021], equation 17). The network may tell
//! epsilon, z_0 or v = sqrt(alpha_bar) epsilon - sqrt(1 - alpha_bar) z_0 ([salimans-2022], appendix D): each gives the
//! others, given z_t.

use crate::latent::LN_TAU;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// How fast noise comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Slow at both ends.
    Cosine,
    /// Variances that grow evenly.
    Linear,
}

/// What the network tells of a noisy code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The noise.
    Epsilon,
    /// The difference of both.
    V,
    /// The code.
    X0,
}

/// Noise for steps 0 to T.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// alpha_bar_t, `[T + 1]`, the first 1.
    alpha_bar: Vec<f64>,
    /// Factor of |epsilon - epsilon_theta|^2 in the bound, `[T]` for t = 1 ... T.
    weights: Vec<f64>,
    /// How likely the bound looks at each, `[T]`.
    shares: Vec<f64>,
    /// What the bound loses for each number because p's variance beta_t is not that of q's steps, nats.
    loss: f64,
}

/// An error that is told of pure noise weighs much and is rare: it is looked at no less than this, of its weight.
const LEAST_LOOK: f64 = 1e-3;

const COSINE_SHIFT: f64 = 0.008;
const LARGEST_BETA: f64 = 0.999;

impl Schedule {
    /// T at least 1.
    pub(super) fn new(pace: Pace, n_steps: usize) -> Self {
        let n = n_steps as f64;
        let cosine = |t: f64| {
            let angle = (t / n + COSINE_SHIFT) / (1.0 + COSINE_SHIFT) * std::f64::consts::FRAC_PI_2;
            angle.cos().powi(2)
        };
        let beta = |t: usize| {
            let t = t as f64;
            let beta = match pace {
                Pace::Cosine => 1.0 - cosine(t) / cosine(t - 1.0),
                Pace::Linear => {
                    let part = if n > 1.0 { (t - 1.0) / (n - 1.0) } else { 1.0 };
                    (1e-4 + (0.02 - 1e-4) * part) * 1000.0 / n
                }
            };
            beta.min(LARGEST_BETA)
        };
        let mut alpha_bar = vec![1.0];
        let (mut weights, mut loss) = (Vec::new(), 0.0);
        for t in 1..=n_steps {
            let before = alpha_bar[t - 1];
            let (beta, alpha) = (beta(t), 1.0 - beta(t));
            let now = before * alpha;
            alpha_bar.push(now);
            weights.push(0.5 * beta / (alpha * (1.0 - now)));
            if t > 1 {
                let ratio = (1.0 - before) / (1.0 - now);
                loss += 0.5 * (ratio - 1.0 - ratio.ln());
            }
        }
        // Of numbers of variance 1 the noise is told with an error of alpha_bar_t at best.
        let looks = weights.iter().zip(&alpha_bar[1..]);
        let looks: Vec<f64> = looks
            .map(|(weight, a)| weight * a.max(LEAST_LOOK))
            .collect();
        let total: f64 = looks.iter().sum();
        Self {
            alpha_bar,
            weights,
            shares: looks.into_iter().map(|look| look / total).collect(),
            loss,
        }
    }

    /// T.
    pub(super) fn n_steps(&self) -> usize {
        self.weights.len()
    }

    /// sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t).
    pub(super) fn scales(&self, t: usize) -> [f64; 2] {
        [self.alpha_bar[t].sqrt(), (1.0 - self.alpha_bar[t]).sqrt()]
    }

    /// What the bound of -log p has for each number beside errors and the end: 0.5 log(2 pi beta_1) of p(z_0 | z_1) and
    /// KL(q(z_{t-1} | z_t, z_0) || p) at equal means for t > 1; nats.
    pub(super) fn constant(&self) -> f64 {
        0.5 * (LN_TAU + (1.0 - self.alpha_bar[1]).ln()) + self.loss
    }

    /// The step of the bound at a place in [0, 1), which is even over all, and the weight of its error.
    pub(super) fn look(&self, place: f64) -> (usize, f64) {
        let mut left = place;
        let found = self.shares.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        // Rounding can leave a crumb behind the last.
        let index = found.unwrap_or(self.n_steps() - 1);
        (index + 1, self.weights[index] / self.shares[index])
    }

    /// A step of 1 ... T, each as likely.
    pub(super) fn draw(&self, stream: &mut Stream) -> usize {
        1 + stream.below(self.n_steps())
    }

    /// Factors of z_{t'} = a z_0 + b epsilon + c noise for a step from t back to t' ([song-2021], equation 12): with
    /// eta = 0 nothing is drawn, with eta = 1 and t' = t - 1 it is the ancestral step of [ho-2020], equation 7.
    pub(super) fn back(&self, t: usize, to: usize, eta: f64) -> [f64; 3] {
        let (now, next) = (self.alpha_bar[t], self.alpha_bar[to]);
        let noise = eta
            * ((1.0 - next) / (1.0 - now) * (1.0 - now / next))
                .max(0.0)
                .sqrt();
        [
            next.sqrt(),
            (1.0 - next - noise * noise).max(0.0).sqrt(),
            noise,
        ]
    }

    /// The steps of a walk from T to 0 in `n` strides, first to last: n + 1 numbers.
    pub(super) fn walk(&self, n: usize) -> Vec<usize> {
        let n_steps = self.n_steps();
        let n = n.clamp(1, n_steps);
        (0..=n).rev().map(|i| (i * n_steps + n / 2) / n).collect()
    }
}

impl Target {
    /// Factors `[of z_0, of epsilon]` of what the network tells.
    pub(super) fn factors(self, [signal, noise]: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Epsilon => [0.0, 1.0],
            Self::X0 => [1.0, 0.0],
            Self::V => [-noise, signal],
        }
    }

    /// z_0 and epsilon as `[of z_t, of what was told]` each.
    ///
    /// From z_t = s z_0 + n e and y = f z_0 + g e: z_0 = (g z_t - n y) / (s g - n f), e = (s y - f z_t) / (s g - n f).
    pub(super) fn inverse(self, scales: [f64; 2]) -> [[f64; 2]; 2] {
        let [signal, noise] = scales;
        let [of_code, of_noise] = self.factors(scales);
        let determinant = signal * of_noise - noise * of_code;
        // The code drowns in the noise at the last step of the cosine, where only a limit is told.
        let divisor = match determinant.abs() < LEAST_DETERMINANT {
            true => LEAST_DETERMINANT.copysign(determinant),
            false => determinant,
        };
        [
            [of_noise / divisor, -noise / divisor],
            [-of_code / divisor, signal / divisor],
        ]
    }
}

const LEAST_DETERMINANT: f64 = 1e-4;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Target; 3] = [Target::Epsilon, Target::V, Target::X0];

    #[test]
    fn noise_only_grows() {
        for pace in [Pace::Cosine, Pace::Linear] {
            for n in [1, 2, 50, 1000] {
                let schedule = Schedule::new(pace, n);
                assert_eq!(schedule.n_steps(), n);
                assert_eq!(schedule.alpha_bar[0], 1.0);
                assert!(schedule.alpha_bar.windows(2).all(|pair| pair[1] < pair[0]));
                assert!(schedule.alpha_bar.iter().all(|&a| a > 0.0));
                if n > 10 {
                    assert!(schedule.alpha_bar[n] < 1e-4, "{}", schedule.alpha_bar[n]);
                }
            }
        }
    }

    #[test]
    fn what_is_told_gives_code_and_noise_back() {
        let schedule = Schedule::new(Pace::Cosine, 100);
        let (code, noise) = (0.7, -1.3);
        for target in ALL {
            for t in 1..100 {
                let scales = schedule.scales(t);
                let noisy = scales[0] * code + scales[1] * noise;
                let [of_code, of_noise] = target.factors(scales);
                let told = of_code * code + of_noise * noise;
                let [to_code, to_noise] = target.inverse(scales);
                let found = [to_code, to_noise].map(|[a, b]| a * noisy + b * told);
                for (found, expected) in found.into_iter().zip([code, noise]) {
                    assert!((found - expected).abs() < 1e-9, "{target:?}, {t}: {found}");
                }
            }
        }
    }

    /// [ho-2020], equations 7 and 11.
    #[test]
    fn with_eta_of_one_a_step_is_ancestral() {
        for pace in [Pace::Cosine, Pace::Linear] {
            let schedule = Schedule::new(pace, 40);
            for t in 2..=40 {
                let (now, before) = (schedule.alpha_bar[t], schedule.alpha_bar[t - 1]);
                let beta = 1.0 - now / before;
                let (code, noise) = (0.4, 1.1);
                let noisy = now.sqrt() * code + (1.0 - now).sqrt() * noise;
                let mean = before.sqrt() * beta / (1.0 - now) * code
                    + (1.0 - beta).sqrt() * (1.0 - before) / (1.0 - now) * noisy;
                let variance = (1.0 - before) / (1.0 - now) * beta;
                let [a, b, c] = schedule.back(t, t - 1, 1.0);
                assert!((a * code + b * noise - mean).abs() < 1e-9, "{t}");
                assert!((c * c - variance).abs() < 1e-12, "{t}");
            }
        }
    }

    #[test]
    fn walks_go_from_noise_to_nothing() {
        let schedule = Schedule::new(Pace::Cosine, 100);
        assert_eq!(schedule.walk(4), [100, 75, 50, 25, 0]);
        assert_eq!(schedule.walk(100).len(), 101);
        assert_eq!(schedule.walk(1000).len(), 101);
        for n in 1..100 {
            let walk = schedule.walk(n);
            assert!(walk.windows(2).all(|pair| pair[1] < pair[0]), "{n}");
            assert_eq!((walk[0], walk[n]), (100, 0));
            assert_eq!(schedule.back(walk[n - 1], 0, 1.0), [1.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn looks_add_up_to_all_weights() {
        let schedule = Schedule::new(Pace::Linear, 10);
        let n = 100_000;
        let mut sums = [0.0; 11];
        for i in 0..n {
            let (t, weight) = schedule.look((f64::from(i) + 0.5) / f64::from(n));
            sums[t] += weight / f64::from(n);
        }
        for (t, weight) in schedule.weights.iter().enumerate() {
            let found = sums[t + 1];
            assert!(
                (found / weight - 1.0).abs() < 1e-2,
                "{t}: {found}, {weight}"
            );
        }
    }
}
