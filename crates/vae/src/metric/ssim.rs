//! Structural similarity of images, at one scale (SSIM) and at several (MS-SSIM); 1 for equal images.
//!
//! ```text
//! l = (2 m_x m_y + c1) / (m_x^2 + m_y^2 + c1),  cs = (2 s_xy + c2) / (s_x^2 + s_y^2 + c2),  SSIM = mean of l cs
//! ```
//!
//! with c1 = (0.01 range)^2, c2 = (0.03 range)^2 and moments under a Gaussian window of 11 x 11 pixels and deviation
//! 1.5, taken where the window lies inside the image. MS-SSIM halves the images by means of 2 x 2 pixels and is the
//! product of mean cs of each scale, the last with l, to the power of its weight. Images too small for five scales
//! have as many as fit, with the first weights brought to a sum of 1; names say how many.
//! Sources: [wang-2004], equation 13; [wang-2003], equation 7 and section 3.2.

/// Side of the window, pixels.
pub const WINDOW: usize = 11;
const DEVIATION: f64 = 1.5;
/// Weights of the scales, the finest first.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// How many scales images of this size have, at most five: the window has to fit into the smallest.
pub fn n_scales(height: usize, width: usize) -> usize {
    let side = height.min(width);
    (0..WEIGHTS.len())
        .take_while(|scale| side >> scale >= WINDOW)
        .count()
}

/// SSIM of two images `[channels, height, width]` whose values range over `range`, the mean over channels; `None` for
/// images smaller than the window.
pub fn ssim(x: &[f64], y: &[f64], shape: [usize; 3], range: f64) -> Option<f64> {
    let [channels, height, width] = shape;
    if n_scales(height, width) == 0 {
        return None;
    }
    let of_channel = |(x, y)| parts(x, y, [height, width], range)[0];
    let size = height * width;
    let total: f64 = (x.chunks_exact(size).zip(y.chunks_exact(size)))
        .map(of_channel)
        .sum();
    Some(total / channels as f64)
}

/// MS-SSIM over this many scales, the mean over channels; `None` where they do not fit. Scales at which the images have
/// opposite structure count as 0.
pub fn ms_ssim(x: &[f64], y: &[f64], shape: [usize; 3], range: f64, scales: usize) -> Option<f64> {
    let [channels, height, width] = shape;
    if scales == 0 || scales > n_scales(height, width) {
        return None;
    }
    let weights = &WEIGHTS[..scales];
    // The published weights are rounded and not quite of sum 1; all programs take them as they are.
    let sum = match scales == WEIGHTS.len() {
        true => 1.0,
        false => weights.iter().sum(),
    };
    let of_channel = |(x, y): (&[f64], &[f64])| {
        let (mut x, mut y, mut size) = (x.to_vec(), y.to_vec(), [height, width]);
        let mut product = 1.0;
        for (scale, weight) in weights.iter().enumerate() {
            let [ssim, contrast] = parts(&x, &y, size, range);
            let here = if scale + 1 == scales { ssim } else { contrast };
            product *= here.max(0.0).powf(weight / sum);
            (x, y) = (halved(&x, size), halved(&y, size));
            size = size.map(|side| side / 2);
        }
        product
    };
    let size = height * width;
    let total: f64 = (x.chunks_exact(size).zip(y.chunks_exact(size)))
        .map(of_channel)
        .sum();
    Some(total / channels as f64)
}

/// Means over places of l cs and of cs.
fn parts(x: &[f64], y: &[f64], size: [usize; 2], range: f64) -> [f64; 2] {
    let product =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let [m_x, m_y] = [x, y].map(|image| smoothed(image, size));
    let [xx, yy, xy] = [(x, x), (y, y), (x, y)].map(|(a, b)| smoothed(&product(a, b), size));
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let (mut sum, mut sum_contrast) = (0.0, 0.0);
    for i in 0..m_x.len() {
        let (a, b) = (m_x[i], m_y[i]);
        let contrast = (2.0 * (xy[i] - a * b) + c2) / (xx[i] - a * a + yy[i] - b * b + c2);
        sum += contrast * (2.0 * a * b + c1) / (a * a + b * b + c1);
        sum_contrast += contrast;
    }
    [sum, sum_contrast].map(|sum| sum / m_x.len() as f64)
}

/// Weighted means under the window at every place where it fits.
fn smoothed(image: &[f64], [height, width]: [usize; 2]) -> Vec<f64> {
    let middle = (WINDOW / 2) as f64;
    let bell = |i: usize| (-(i as f64 - middle).powi(2) / (2.0 * DEVIATION * DEVIATION)).exp();
    let sum: f64 = (0..WINDOW).map(bell).sum();
    let window: Vec<f64> = (0..WINDOW).map(|i| bell(i) / sum).collect();
    let (rows, columns) = (height - WINDOW + 1, width - WINDOW + 1);
    let mut lines = vec![0.0; height * columns];
    for row in 0..height {
        for column in 0..columns {
            let under = &image[row * width + column..][..WINDOW];
            lines[row * columns + column] = under.iter().zip(&window).map(|(x, w)| x * w).sum();
        }
    }
    let mut result = vec![0.0; rows * columns];
    for row in 0..rows {
        for column in 0..columns {
            let under = (0..WINDOW).map(|i| lines[(row + i) * columns + column]);
            result[row * columns + column] = under.zip(&window).map(|(x, w)| x * w).sum();
        }
    }
    result
}

/// Means of 2 x 2 pixels; a last odd row or column is left out.
fn halved(image: &[f64], [height, width]: [usize; 2]) -> Vec<f64> {
    let at = |row: usize, column: usize| image[row * width + column];
    let (rows, columns) = (height / 2, width / 2);
    let places = (0..rows * columns).map(|i| (2 * (i / columns), 2 * (i % columns)));
    let sums = places.map(|(r, c)| at(r, c) + at(r, c + 1) + at(r + 1, c) + at(r + 1, c + 1));
    sums.map(|sum| sum / 4.0).collect()
}
