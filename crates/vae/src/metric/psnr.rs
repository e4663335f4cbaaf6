//! Peak signal-to-noise ratio of a reconstruction: 10 log10(range^2 / mean squared error), in decibels.
//!
//! A mean over examples is a mean of decibels, as in `skimage.metrics`. Equal images have no noise: infinity.

/// Decibels for images x and y of equally many values that range over `range`.
pub fn psnr(x: &[f64], y: &[f64], range: f64) -> f64 {
    let squares: f64 = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum();
    10.0 * (range * range * x.len() as f64 / squares).log10()
}
