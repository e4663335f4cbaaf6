//! The metric of FactorVAE: whether the coordinate that varies least, while one factor is held, tells which factor it is.
//!
//! A vote: one factor is held at one value, codes of 64 examples are divided by the scale of all codes, and the coordinate
//! with the least variance votes. 800 votes teach which factor each coordinate stands for, 800 others are predicted; the
//! metric is their accuracy. Source: [kim-2018], section 5 (figure 2); coordinates that are not in use do not vote.

use super::Factored;
use jensen_rng::Stream;

const N_VOTES: usize = 800;
const N_EXAMPLES: usize = 64;
/// Coordinates of a code whose mean varies less than this are not in use, as for active units.
const LEAST_VARIANCE: f64 = 0.01;

/// The accuracy, in [0, 1]; 1 / F by chance.
pub fn factor_vae(data: &Factored<'_>, stream: &Stream) -> f64 {
    let factors = data.varying();
    let variance_of =
        |rows: &[usize], j: usize| variance(rows.iter().map(|&row| data.codes[row * data.dim + j]));
    let everything: Vec<usize> = (0..data.len()).collect();
    let global: Vec<f64> = (0..data.dim).map(|j| variance_of(&everything, j)).collect();
    let in_use: Vec<usize> = (0..data.dim)
        .filter(|&j| global[j] > LEAST_VARIANCE)
        .collect();
    if in_use.is_empty() || factors.is_empty() {
        return 0.0;
    }
    // Rows by factor and value.
    let rows: Vec<Vec<Vec<usize>>> = (factors.iter())
        .map(|&f| {
            let mut rows = vec![Vec::new(); data.n_values[f]];
            let values = data.factor(f).enumerate();
            values.for_each(|(row, value)| rows[value].push(row));
            rows.retain(|rows| !rows.is_empty());
            rows
        })
        .collect();
    let vote = |stream: &mut Stream| {
        let f = stream.below(factors.len());
        let of_value = &rows[f][stream.below(rows[f].len())];
        let seen: Vec<usize> = (0..N_EXAMPLES)
            .map(|_| of_value[stream.below(of_value.len())])
            .collect();
        let share = |&j: &usize| variance_of(&seen, j) / global[j];
        let least = in_use.iter().copied().map(|j| (j, share(&j)));
        let least = least.min_by(|a, b| a.1.total_cmp(&b.1));
        (least.map_or(0, |(j, _)| j), f)
    };
    let mut votes = vec![vec![0; factors.len()]; data.dim];
    let mut training = stream.child("votes", 0);
    for _ in 0..N_VOTES {
        let (j, f) = vote(&mut training);
        votes[j][f] += 1;
    }
    let stands_for = |j: usize| {
        let counts = votes[j].iter().enumerate();
        counts
            .max_by_key(|&(f, count)| (count, usize::MAX - f))
            .map(|(f, _)| f)
    };
    let mut test = stream.child("votes", 1);
    let right = (0..N_VOTES).filter(|_| {
        let (j, f) = vote(&mut test);
        stands_for(j) == Some(f)
    });
    right.count() as f64 / N_VOTES as f64
}

fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let mean = super::mean(values.clone());
    super::mean(values.map(|value| (value - mean) * (value - mean)))
}
