//! `reproduce`: promises kept and broken.

use super::jensen;
use std::fs;

const RECIPE: &str = "
    name = 'small'
    latent.z.dim = 4
    encoder.hidden = [16]
    decoder.hidden = [16]
    train.epochs = 8
    [expect]
    test_neg_elbo = { max = MAX }
    test_nll_iwae_5 = { min = 1.0 }
    'mnist/test_neg_elbo' = { max = 106.0 }
";

#[test]
fn promises_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = |name: &str, max: &str| {
        fs::write(dir.path().join(name), RECIPE.replace("MAX", max)).unwrap();
    };
    recipe("kept.toml", "60.0");
    recipe("broken.toml", "1.0");
    let kept = jensen(dir.path(), &["reproduce", "kept.toml", "--out", "a"]).expect(0);
    for part in ["at most 60", "test_nll_iwae_5", "pass", "reproduced"] {
        assert!(kept.out.contains(part), "{part}: {}", kept.out);
    }
    assert!(!kept.out.contains("106"), "that is for other data");

    let broken = jensen(
        dir.path(),
        &["reproduce", "broken.toml", "--out", "b", "--json"],
    );
    let value = broken.expect(1).json();
    assert_eq!(value["pass"], false);
    assert_eq!(value["checks"][0]["metric"], "test_neg_elbo");
    assert_eq!(value["checks"][0]["max"], 1.0);
    assert_eq!(value["checks"][0]["pass"], false);
    assert_eq!(value["checks"][1]["pass"], true);
    assert!(value["metrics"].is_object() && value["run"].is_string());
}

#[test]
fn a_recipe_must_promise_something_on_these_data() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.csv"), "1,0\n0,1\n1,1\n0,0\n").unwrap();
    jensen(dir.path(), &["reproduce", "vae", "--data", "x.csv"])
        .expect(2)
        .says(&["expects nothing", "x", "[expect]"]);
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn a_promise_about_no_metric_is_refused_before_training() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = RECIPE.replace(
        "test_neg_elbo = { max = MAX }",
        "test_neg_elb = { max = 60.0 }",
    );
    fs::write(dir.path().join("slip.toml"), recipe).unwrap();
    for verb in ["reproduce", "fit", "check"] {
        jensen(dir.path(), &[verb, "slip.toml"])
            .expect(2)
            .says(&["expect: unknown key `test_neg_elb`; did you mean `test_neg_elbo`?"]);
    }
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn estimates_with_two_numbers_of_samples_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = RECIPE.replace("MAX", "60.0") + "test_nll_iwae_100 = { max = 60.0 }\n";
    fs::write(dir.path().join("two.toml"), recipe).unwrap();
    jensen(dir.path(), &["reproduce", "two.toml"])
        .expect(2)
        .says(&["test_nll_iwae_K: expected one K", "found K = 5 and 100"]);
    assert!(!dir.path().join("runs").exists());
}
