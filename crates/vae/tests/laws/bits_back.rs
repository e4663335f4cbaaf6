//! Laws of bits-back coding: what was compressed comes back, in as many bits as -ELBO says.

use crate::common::{assemble, bars, recipe, trained};
use jensen_data::{Examples, Values};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_vae::bits_back::{Code, CodeError, Coder};
use jensen_vae::feed::Feed;
use jensen_vae::metric::score;
use jensen_vae::model::Model;

/// Options of the recipe, and the levels of the data.
const CASES: [(&str, u32); 4] = [
    ("latent.z.kind = 'gaussian'\ndata.binarize = 'threshold'", 2),
    (
        "latent.z.kind = 'gaussian_full'\ndata.binarize = 'dynamic'",
        2,
    ),
    ("likelihood.kind = 'categorical'", 17),
    (
        "likelihood = { kind = 'discretized_logistic_mixture', components = 2 }\ndata.range = 'symmetric'",
        17,
    ),
];

struct Fit {
    feed: Feed,
    model: Model,
    params: Params,
    levels: Vec<u16>,
}

/// A model of four coordinates after a short training, and examples by their levels.
fn fit(options: &str, n_levels: u32, n: usize) -> Fit {
    let recipe = recipe(&format!(
        "
        {options}
        latent.z.dim = 4
        encoder.hidden = [16]
        decoder.hidden = [16]
        data.batch = 32
        data.validation = 0.0
        train.epochs = 2
        "
    ));
    let max = (n_levels - 1).max(16) as u8;
    let coarse = |seed: u64| {
        let bars = bars(n, seed);
        let Values::U8 { bytes, .. } = &bars.values else {
            unreachable!("bars are levels")
        };
        let bytes = bytes.iter().map(|byte| byte / 16).collect();
        Examples::new(bars.layout, Values::U8 { bytes, max }, None)
    };
    let (feed, model, first) = assemble(&recipe, coarse(1));
    let params = trained(&recipe, (&feed, &model), first).unwrap().params;
    let feed = feed.with_examples(coarse(2));
    let values = feed.host(&(0..n).collect::<Vec<_>>(), &Stream::from_seed(3));
    let levels: Vec<u16> = {
        let coder = Coder::new(&model, &params).unwrap();
        values.iter().map(|&value| coder.level(value)).collect()
    };
    let bytes = levels.iter().map(|&level| level as u8).collect();
    let values = Values::U8 {
        bytes,
        max: (n_levels - 1) as u8,
    };
    let feed = feed.with_examples(Examples::new(feed.examples().layout, values, None));
    Fit {
        feed,
        model,
        params,
        levels,
    }
}

fn bits(code: &Code) -> f64 {
    32.0 * code.lanes.iter().map(Vec::len).sum::<usize>() as f64
}

#[test]
fn examples_come_back_in_as_many_bits_as_the_bound_says() {
    let n = 2400;
    for (options, n_levels) in CASES {
        let Fit {
            feed,
            model,
            params,
            levels,
        } = fit(options, n_levels, n);
        let coder = Coder::new(&model, &params).unwrap();
        assert!(levels.iter().any(|&level| level > 0));
        let code = coder.compress(&levels, &mut |_| true).unwrap();
        let found = coder.decompress(&code, &mut |_| true).unwrap();
        assert!(found == levels, "{options}");
        // Values are those that the networks saw in training.
        let first = feed.host(&[0], &Stream::from_seed(4));
        let values: Vec<f32> = levels[..36].iter().map(|&l| coder.value(l)).collect();
        assert!(first.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-6));

        let stream = Stream::from_seed(5);
        let scores = score(&model, &params, &feed, 0, &stream, &mut |_| true).unwrap();
        let nats: f64 = scores.neg_elbo.iter().sum();
        let bound = nats / std::f64::consts::LN_2;
        // The first bits and the buckets cost a little, z of one draw each adds noise.
        let ratio = bits(&code) / bound;
        assert!((ratio - 1.0).abs() < 0.01, "{options}: {ratio}");
    }
}

#[test]
fn bytes_hold_a_code_and_know_their_model() {
    let Fit {
        model,
        mut params,
        levels,
        ..
    } = fit(CASES[0].0, 2, 70);
    let stop = Coder::new(&model, &params).unwrap();
    assert_eq!(
        stop.compress(&levels, &mut |_| false),
        Err(CodeError::Stopped)
    );
    let coder = Coder::new(&model, &params).unwrap();
    let go_on = &mut |_| true;
    let code = coder.compress(&levels, go_on).unwrap();
    let bytes = code.to_bytes();
    let read = Code::from_bytes(&bytes).unwrap();
    assert_eq!(coder.decompress(&read, go_on).as_ref(), Ok(&levels));
    // A bit of a stack changes what comes out.
    let mut damaged = code.clone();
    damaged.lanes[0][2] ^= 4;
    let found = coder.decompress(&damaged, go_on);
    assert_eq!(found, Err(CodeError::Damaged));
    assert_eq!(Code::from_bytes(b"a text file"), Err(CodeError::NoCode));
    let none = coder.compress(&[], go_on).unwrap();
    assert_eq!(coder.decompress(&none, go_on), Ok(Vec::new()));

    let mut host = params.to_host();
    host[0].values[0] += 1.0;
    params.load(&host).unwrap();
    let other = Coder::new(&model, &params).unwrap();
    assert_eq!(other.decompress(&code, go_on), Err(CodeError::OtherModel));
}

#[test]
fn models_without_code_lengths_are_refused() {
    for (options, reason) in [
        ("likelihood.kind = 'bernoulli'", "data.binarize=dynamic"),
        ("likelihood.kind = 'gaussian'", "likelihood over levels"),
        (
            "likelihood.kind = 'categorical'\nprior.z.kind = 'mixture'",
            "with the prior `normal`",
        ),
        (
            "likelihood.kind = 'categorical'\nlatent.z = { kind = 'fsq', positions = 4 }",
            "Gaussian latents",
        ),
    ] {
        let text = format!("{options}\nencoder.hidden = [4]\ndecoder.hidden = [4]");
        let (_, model, params) = assemble(&recipe(&text), bars(20, 1));
        let error = Coder::new(&model, &params).err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
