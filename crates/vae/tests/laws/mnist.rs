//! The classic example on MNIST: the number that the field knows.

use jensen_data::OpenOptions;
use jensen_rng::Stream;
use jensen_run::{RunFolder, Silent};
use jensen_vae::feed::Feed;
use jensen_vae::metric::score::elbo_parts;
use jensen_vae::model::Model;
use jensen_vae::train::{Task, train};

/// Nats per image, grey values as Bernoulli means, 10 epochs; the goal.
const GOAL: f64 = 106.0;

#[test]
fn ten_epochs_of_the_classic_example() {
    let Some(folder) = jensen_testkit::larger_data("mnist") else {
        return;
    };
    let data = jensen_data::open(folder.to_str().unwrap(), &OpenOptions::default()).unwrap();
    let recipe = crate::common::recipe("name = 'vae'");
    let device = burn::tensor::Device::flex();
    let feed = Feed::new(data.train, &recipe.data, &device).unwrap();
    let test = Feed::new(data.test, &recipe.data, &device).unwrap();
    let (model, params) = Model::assemble(&recipe, &feed.site(), &device).unwrap();
    assert_eq!(params.n_trainable(), 652_824);
    let temporary = tempfile::tempdir().unwrap();
    let run = RunFolder::create(temporary.path().join("run")).unwrap();
    let task = Task {
        recipe: &recipe,
        model: &model,
        train: &feed,
        validation: None,
        run: &run,
    };
    let trained = train(&task, params, &mut Silent, &mut |_, _, _| Ok(())).unwrap();
    assert_eq!(trained.step, 4690);
    let stream = Stream::from_seed(1);
    let parts =
        |test: &Feed| elbo_parts(&model, &trained.params, test, &stream, &mut |_| true).unwrap();
    let [neg_elbo, ..] = parts(&test);
    assert!(neg_elbo <= GOAL, "test -ELBO {neg_elbo}");
    let [binarized, ..] = parts(&test.binarized());
    // The decoder's part of the bound has the same mean for both; only the encoder sees other images.
    assert!(
        (binarized - neg_elbo).abs() < 10.0,
        "{binarized} and {neg_elbo}"
    );
}
