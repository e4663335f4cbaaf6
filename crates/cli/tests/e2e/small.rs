//! The numbers of small test parts, where a mean over a few examples is mostly noise.

use super::{jensen, tiny};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Seeds of the samples with which a run is scored.
const N_SEEDS: usize = 12;
/// Standard errors, estimated from so few seeds that Student's distribution has heavy tails: beyond 6 of
/// them lies less than one case in ten thousand.
const N_ERRORS: f64 = 6.0;

/// Rows of eight bits, a run of ones whose place and length vary, of which some are flipped.
pub(super) fn table(n: u32) -> String {
    let mut text = String::from("a,b,c,d,e,f,g,h\n");
    for i in 0..n {
        let (from, len) = (i * 7 % 5, 2 + i * 3 % 4);
        for column in 0..8 {
            let is_one = (from..from + len).contains(&column) ^ ((i * 11 + column * 5) % 13 == 0);
            write!(
                text,
                "{}{}",
                if column > 0 { "," } else { "" },
                u8::from(is_one)
            )
            .unwrap();
        }
        text.push('\n');
    }
    text
}

fn metric(value: &Value, name: &str) -> f64 {
    let found = value["metrics"][name].as_f64();
    found.unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// -ELBO minus the estimate of -log p(x), mean over the test part, for each seed.
fn gaps(folder: &Path) -> Vec<f64> {
    let gap = |seed: &str| {
        let args = ["score", "run", "--samples", "100", "--seed"];
        let args = [&args[..], &[seed, "--out", "scores.csv", "--json"]].concat();
        let value = jensen(folder, &args).expect(0).json();
        metric(&value, "neg_elbo") - metric(&value, "nll_iwae_100")
    };
    let seeds = 1..=N_SEEDS;
    seeds.map(|seed| gap(&seed.to_string())).collect()
}

/// The bound is above the estimate that it bounds, in `evaluate` as in `score`; one of them may fall below
/// by its noise, and only by that.
#[test]
fn the_bound_of_a_small_test_part_is_not_below_what_it_bounds() {
    for n in [30, 60, 200] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        fs::write(folder.join("bits.csv"), table(n)).unwrap();
        let fit = ["fit", "vae", "--data", "bits.csv", "--out", "run"];
        let more = [
            "--set",
            "train.epochs=60",
            "--set",
            "train.optimizer.lr=1e-2",
        ];
        let call = jensen(folder, &[&tiny(&fit)[..], &more].concat());
        assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);

        let gaps = gaps(folder);
        let mean = gaps.iter().sum::<f64>() / N_SEEDS as f64;
        let squares: f64 = gaps.iter().map(|gap| (gap - mean).powi(2)).sum();
        // Of one seed; the mean's is smaller by the root of their number.
        let error = (squares / (N_SEEDS - 1) as f64).sqrt();
        assert!(error > 0.0, "seeds differ");
        assert!(
            mean > -N_ERRORS * error / (N_SEEDS as f64).sqrt(),
            "{n} rows: {mean} with {error} a seed"
        );

        let evaluated = jensen(folder, &["evaluate", "run", "--json"])
            .expect(0)
            .json();
        let gap = metric(&evaluated, "test_neg_elbo") - metric(&evaluated, "test_nll_iwae_100");
        assert!(gap > -N_ERRORS * error, "{n} rows: {gap} with {error}");
    }
}
