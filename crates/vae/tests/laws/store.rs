//! A model folder gives back the model that was saved, for every part with something to store.

use crate::common::{assemble, bars, recipe};
use burn::tensor::Device;
use jensen_rng::Stream;
use jensen_run::{RunError, RunFolder};
use jensen_vae::metric::{aggregate, score::elbo_parts};
use jensen_vae::store::{self, StoreError};

const RECIPES: &[&str] = &[
    "[expect]\ntest_neg_elbo = { max = 20.0 }\nactive_units = { min = 1.0 }",
    "likelihood = { kind = 'gaussian', scale = 'shared' }",
    "likelihood = { kind = 'discretized_logistic_mixture', components = 2 }",
    "prior = { z = { kind = 'vamp', components = 3 } }",
    "prior = { z = { kind = 'mixture', components = 3, fit = 'post_hoc' } }",
    "bound = { kind = 'importance', samples = 3 }",
];

#[test]
fn a_saved_model_comes_back() {
    for (i, extra) in RECIPES.iter().enumerate() {
        let text = format!(
            "
            encoder = {{ kind = 'mlp', hidden = [8] }}
            decoder = {{ kind = 'mlp', hidden = [8] }}
            latent = {{ z = {{ kind = 'gaussian', dim = 2 }} }}
            data = {{ validation = 0.0 }}
            {extra}
            "
        );
        let recipe = recipe(&text);
        let (feed, model, mut params) = assemble(&recipe, bars(30, 1));
        let stream = Stream::from_seed(1);
        let codes = aggregate::encode(&model, &params, &feed, &stream, &mut |_| true).unwrap();
        let samples = [codes[0].sample.clone()];
        model.fit_priors(&mut params, &samples, &stream, &mut || true);
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path().join("run")).unwrap();
        store::save(&run, &recipe, &model, &params, &codes).unwrap();
        let stored = store::load(&run, &Device::flex()).unwrap_or_else(|e| panic!("{i}: {e}"));
        assert_eq!(stored.recipe, recipe);
        assert_eq!(stored.params.to_host(), params.to_host());
        let parts =
            |model, params| elbo_parts(model, params, &feed, &stream, &mut |_| true).unwrap();
        let before = parts(&model, &params);
        assert_eq!(before, parts(&stored.model, &stored.params));

        let weights = std::fs::read(run.path(store::WEIGHTS)).unwrap();
        std::fs::write(run.path(store::WEIGHTS), &weights[..weights.len() - 9]).unwrap();
        let error = store::load(&run, &Device::flex()).err().unwrap();
        assert!(
            matches!(error, StoreError::Run(RunError::Length { .. })),
            "{error}"
        );
    }
}
