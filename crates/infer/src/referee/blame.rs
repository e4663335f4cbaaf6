//! Whom a check of the whole blames: the quantities that go with what is wrong.
//!
//! A tail of weights or a slow energy is no quantity of the model, but some quantities move with it. With c the log
//! weight or the energy of a draw and x a quantity,
//!
//! ```text
//! r = max(|corr(x, c)|, |corr(|x - median x|, c)|)
//! ```
//!
//! with ranks in place of numbers, so that a single draw far out does not decide. The second of the two sees scales:
//! weights of an approximation that is too narrow grow to both sides.

/// Quantities with this share of the largest correlation are named beside the first.
const SHARE: f64 = 0.8;
/// Correlations of fewer draws than this mean nothing.
const LEAST_DRAWS: usize = 10;

/// The quantities of rows `[n, v]` that go with numbers `[n]`, the strongest first; rows with a number that is not
/// finite, such as the log weight of a refused draw, are left out. All quantities where nothing is known.
pub(crate) fn blamed(rows: &[&[f64]], with: &[f64], names: &[String]) -> Vec<String> {
    let kept: Vec<usize> = (0..rows.len()).filter(|&i| with[i].is_finite()).collect();
    if kept.len() < LEAST_DRAWS {
        return names.to_vec();
    }
    let with = ranks(&kept.iter().map(|&i| with[i]).collect::<Vec<f64>>());
    let strengths: Vec<f64> = (0..names.len())
        .map(|j| {
            let values: Vec<f64> = kept.iter().map(|&i| rows[i][j]).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let middle = sorted[sorted.len() / 2];
            let off: Vec<f64> = values.iter().map(|x| (x - middle).abs()).collect();
            let [a, b] = [values, off].map(|x| correlation(&ranks(&x), &with).abs());
            a.max(b)
        })
        .collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|&i, &j| strengths[j].total_cmp(&strengths[i]));
    let most = order.first().map_or(0.0, |&first| strengths[first]);
    (order.into_iter())
        .filter(|&j| strengths[j] >= SHARE * most)
        .map(|j| names[j].clone())
        .collect()
}

/// Ranks from 0, equal numbers with the middle of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let middle = first as f64 + 0.5 * (group.len() - 1) as f64;
        group.iter().for_each(|&i| ranks[i] = middle);
        first += group.len();
    }
    ranks
}

/// The correlation of numbers `[n]`, 0 where one of the two is a constant.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let [mean_x, mean_y] = [x, y].map(|z| z.iter().sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xx += (x - mean_x).powi(2);
        yy += (y - mean_y).powi(2);
        xy += (x - mean_x) * (y - mean_y);
    }
    match xx * yy > 0.0 {
        true => xy / (xx * yy).sqrt(),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_rng::Stream;

    #[test]
    fn what_moves_with_the_numbers_is_named_and_all_where_nothing_is_known() {
        let mut stream = Stream::from_seed(1);
        let rows: Vec<Vec<f64>> = (0..500)
            .map(|_| vec![stream.normal(), stream.normal(), 3.0, stream.normal()])
            .collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        // By its place, by its scale, by both of two, and by one beside refused draws.
        let numbers = |f: &dyn Fn(&[f64]) -> f64| rows.iter().map(|row| f(row)).collect::<Vec<_>>();
        assert_eq!(blamed(&rows, &numbers(&|x| -x[1]), &names), ["b"]);
        assert_eq!(blamed(&rows, &numbers(&|x| x[3] * x[3]), &names), ["d"]);
        let both = blamed(&rows, &numbers(&|x| x[0] + x[1]), &names);
        assert!(both == ["a", "b"] || both == ["b", "a"], "{both:?}");
        let refused = numbers(&|x| match x[0] > 0.0 {
            true => f64::NEG_INFINITY,
            false => x[1].exp(),
        });
        assert_eq!(blamed(&rows, &refused, &names), ["b"]);
        assert_eq!(blamed(&rows, &[f64::NEG_INFINITY; 500], &names), names);
        assert_eq!(blamed(&rows, &[1.0; 500], &names), names);
    }
}
