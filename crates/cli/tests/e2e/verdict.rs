//! The referee's word, from outside: never better than the evidence.

use super::jensen;
use std::fs;

#[test]
fn a_word_rests_on_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let word = |name: &str, rows: Vec<String>, more: &[&str]| {
        fs::write(folder.join(name), rows.concat()).unwrap();
        let fit = [
            "fit",
            "vae",
            "--json",
            "--data",
            name,
            "--set",
            "encoder.hidden=[8]",
        ];
        let call = jensen(
            folder,
            &[&fit[..], &["--set", "decoder.hidden=[8]"], more].concat(),
        );
        let value = call.json();
        assert_eq!(value["verdict"]["word"], "doubtful", "{name}: {value}");
        (
            call.code,
            value["verdict"]["reason"].as_str().unwrap().to_owned(),
        )
    };
    // There is nothing to encode, which is no failure of the model.
    let constant = vec!["1,0,0,1\n".to_owned(); 60];
    let (code, reason) = word("constant.csv", constant, &["--set", "train.epochs=20"]);
    assert!(
        code == Some(0) && reason.contains("nothing to encode"),
        "{reason}"
    );
    assert!(!reason.contains("collapsed"), "{reason}");
    // Two steps on noise, two test examples.
    let noise = |n: u32| -> Vec<String> {
        // The finalizer of SplitMix64, all of whose bits are fair.
        let bit = |i: u32| {
            let mut z = u64::from(i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z >> 63
        };
        (0..n)
            .map(|row| {
                format!(
                    "{},{},{}\n",
                    bit(3 * row),
                    bit(3 * row + 1),
                    bit(3 * row + 2)
                )
            })
            .collect()
    };
    let (_, reason) = word("noise.csv", noise(200), &["--set", "train.epochs=1"]);
    for part in ["no better than a model without a latent", "too short"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    // Codes that are cheap in training do not make a density.
    let cheap = ["train.epochs=30", "objective.rate.z.weight=0.1"];
    let cheap = ["--set", cheap[0], "--set", cheap[1]];
    let (_, reason) = word("noise.csv", noise(600), &cheap);
    assert!(
        reason.contains("no better than a model without a latent: test examples cost"),
        "{reason}"
    );
    // Two halves that share nothing but noise: the first rows alone would make the others impossible,
    // and any code for them a gain.
    let halves = noise(3000).into_iter().enumerate();
    let sorted = halves
        .map(|(i, row)| format!("{},{row}", i / 1500))
        .collect();
    let (_, reason) = word("sorted.csv", sorted, &["--set", "train.epochs=10"]);
    assert!(
        reason.contains("no better than a model without a latent"),
        "{reason}"
    );
    let few = ["--set", "train.epochs=400", "--set", "data.validation=0.0"];
    let (_, reason) = word("few.csv", noise(10), &few);
    assert!(reason.contains("2 test examples are too few"), "{reason}");
}
