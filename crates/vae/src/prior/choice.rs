//! How the next code is drawn from its logits: all of them as they are, or fewer and surer ones.
//!
//! Logits are divided by the temperature; then only the `top_k` most probable codes stay, and of these the fewest that
//! hold `top_p` of the probability ([holtzman-2020], section 3.1). With temperature 1 and all codes the draws are
//! those of the prior; otherwise they are likelier and less varied than it.

use crate::noise;
use crate::recipe::RecipeError;
use jensen_rng::Stream;

/// Which codes may be drawn, and how evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// Above 0.
    pub(super) temperature: f64,
    /// How many; 0 for all.
    pub(super) top_k: usize,
    /// In (0, 1].
    pub(super) top_p: f64,
}

impl Choice {
    pub(super) fn check(&self, place: &str) -> Result<(), RecipeError> {
        let refuse = |message: String| Err(RecipeError::value(place, message));
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return refuse(format!(
                "temperature = {}: expected a number above 0; top_k = 1 draws the most probable code",
                self.temperature
            ));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse(format!("top_p = {} is not in (0, 1]", self.top_p));
        }
        Ok(())
    }

    /// A code for these logits `[K]`.
    pub(super) fn draw(&self, logits: &[f32], stream: &mut Stream) -> usize {
        noise::choose(&self.weights(logits), stream)
    }

    /// Probabilities of all codes `[K]` up to a common factor.
    fn weights(&self, logits: &[f32]) -> Vec<f64> {
        let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| (f64::from(logit - peak) / self.temperature).exp();
        let mut weights: Vec<f64> = logits.iter().map(|&logit| weight(logit)).collect();
        if self.top_k == 0 && self.top_p >= 1.0 {
            return weights;
        }
        // The most probable first, the earlier of equals first.
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        let most = if self.top_k == 0 {
            order.len()
        } else {
            self.top_k.min(order.len())
        };
        let total: f64 = order[..most].iter().map(|&code| weights[code]).sum();
        let mut before = 0.0;
        for (rank, &code) in order.iter().enumerate() {
            if rank >= most || before >= self.top_p * total {
                weights[code] = 0.0;
            } else {
                before += weights[code];
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probabilities(temperature: f64, top_k: usize, top_p: f64, logits: &[f64]) -> Vec<f64> {
        let choice = Choice {
            temperature,
            top_k,
            top_p,
        };
        choice.check("prior.z").unwrap();
        let logits: Vec<f32> = logits.iter().map(|&logit| logit as f32).collect();
        let weights = choice.weights(&logits);
        let total: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / total).collect()
    }

    #[track_caller]
    fn close(found: &[f64], expected: &[f64]) {
        // Logits are f32.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6;
        assert!(
            found.iter().zip(expected).all(near),
            "{found:?}, {expected:?}"
        );
    }

    #[test]
    fn fewer_codes_are_the_most_probable_ones() {
        let p = [0.1, 0.4, 0.2, 0.3];
        let logits = p.map(|p: f64| p.ln() + 3.0);
        close(&probabilities(1.0, 0, 1.0, &logits), &p);
        close(&probabilities(1.0, 9, 1.0, &logits), &p);
        close(
            &probabilities(1.0, 2, 1.0, &logits),
            &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0],
        );
        close(&probabilities(1.0, 1, 1.0, &logits), &[0.0, 1.0, 0.0, 0.0]);
        // 0.4 + 0.3 are not enough, 0.2 more are.
        close(
            &probabilities(1.0, 0, 0.75, &logits),
            &[0.0, 4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0],
        );
        close(&probabilities(1.0, 0, 1e-3, &logits), &[0.0, 1.0, 0.0, 0.0]);
        // top_p is a share of what top_k leaves: 4/7 are more than a half.
        close(&probabilities(1.0, 2, 0.5, &logits), &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_temperature_raises_probabilities_to_its_inverse() {
        let logits = [0.5f64, -1.0, 2.0];
        let squares = logits.map(|logit| (2.0 * logit).exp());
        let total: f64 = squares.iter().sum();
        close(
            &probabilities(0.5, 0, 1.0, &logits),
            &squares.map(|w| w / total),
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (temperature, top_p) in [
            (0.0, 1.0),
            (-1.0, 1.0),
            (f64::NAN, 1.0),
            (1.0, 0.0),
            (1.0, 1.5),
        ] {
            let choice = Choice {
                temperature,
                top_k: 0,
                top_p,
            };
            assert!(choice.check("prior.z").is_err(), "{choice:?}");
        }
    }
}
