//! Rank normalization: draws give way to normal quantiles of their ranks, so that diagnostics see
//! neither heavy tails nor monotone maps.
//!
//! z = Phi^-1((r - 3/8) / (S + 1/4)) with the average rank r among all S draws ([vehtari-2021], section 4.1).
//! Cost O(S ln S), and S quantiles at the first call of a thread for this S.

use jensen_special::error::normal_quantile;
use std::cell::RefCell;
use std::rc::Rc;

/// z of a rank among S draws.
fn score(rank: f64, s: usize) -> f64 {
    normal_quantile((rank - 0.375) / (s as f64 + 0.25))
}

thread_local! {
    /// The scores of untied ranks last asked for: diagnostics go through many quantities of as many draws each.
    static UNTIED: RefCell<Rc<[f64]>> = RefCell::new(Rc::new([]));
}

/// Scores of the ranks 1 to S.
fn untied(s: usize) -> Rc<[f64]> {
    UNTIED.with_borrow_mut(|kept| {
        if kept.len() != s {
            *kept = (1..=s).map(|rank| score(rank as f64, s)).collect();
        }
        Rc::clone(kept)
    })
}

/// Normal scores `[c, s]` of draws `[c, s]`; ties get their average rank.
pub(crate) fn rank_normalize(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let s = chains[0].len();
    let values: Vec<f64> = chains.iter().flatten().copied().collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    // Equal draws share a rank, so the two zeros must compare as equal.
    order.sort_by(|&i, &j| (values[i] + 0.0).total_cmp(&(values[j] + 0.0)));
    let untied = untied(values.len());
    let mut scores = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        // Ranks count from one: the mean of start + 1 ..= start + len.
        let score = match tied {
            [_] => untied[start],
            _ => score(start as f64 + (tied.len() as f64 + 1.0) / 2.0, values.len()),
        };
        for &i in tied {
            scores[i] = score;
        }
        start += tied.len();
    }
    scores.chunks_exact(s).map(<[f64]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::rank_normalize;

    #[test]
    fn ties_share_their_average_rank() {
        let z = rank_normalize(&[vec![5.0, -1.0], vec![5.0, 0.0]]);
        // Ranks 3.5, 1, 3.5, 2 of four draws; quantiles of 3.125, 0.625, 3.125, 1.625 over 4.25 by SciPy 1.17.
        let expected = [
            [0.628_904_217_632_19, -1.049_131_397_963_970_7],
            [0.628_904_217_632_19, -0.299_306_910_465_667_1],
        ];
        for (z, e) in z.iter().flatten().zip(expected.iter().flatten()) {
            assert!((z - e).abs() < 1e-14, "{z} {e}");
        }
        let zeros = rank_normalize(&[vec![-0.0, 0.0]]);
        assert_eq!(zeros[0][0], zeros[0][1]);
    }
}
