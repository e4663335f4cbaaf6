//! Terms of the decoder's outputs: who gets which gradient, values against definitions, what happens when.

use crate::common::{assemble, bars, parameter, recipe};
use burn::tensor::{Device, Tensor};
use jensen_data::{Examples, Layout};
use jensen_nets::{Builder, HostTensor, Params};
use jensen_rng::Stream;
use jensen_run::RunFolder;
use jensen_vae::bound::LOG_LIKELIHOOD;
use jensen_vae::features::{Classifier, Layers};
use jensen_vae::ledger::{Ledger, Readout, Role, to_f64};
use jensen_vae::likelihood::{self, DataFacts, Likelihood};
use jensen_vae::objective::adversary::Loss;
use jensen_vae::objective::output::{CATALOGUE, OutputContext, OutputSite, OutputTerm};
use jensen_vae::optimizer::Gradient;
use jensen_vae::recipe::Recipe;
use std::collections::BTreeMap;
use std::sync::Arc;

const N: usize = 8;

fn small(objective: &str) -> Recipe {
    recipe(&format!(
        "
        encoder = {{ kind = 'mlp', hidden = [8] }}
        decoder = {{ kind = 'mlp', hidden = [8] }}
        latent.z.dim = 3
        likelihood = {{ kind = 'gaussian', scale = 0.5 }}
        data = {{ batch = {N}, validation = 0.0 }}
        {objective}
        "
    ))
}

/// The ledger at a point of training and the gradients of its loss by name.
fn step(objective: &str, progress: f64) -> (Readout, BTreeMap<String, Vec<f32>>) {
    let (feed, model, params) = assemble(&small(objective), bars(N, 1));
    let stream = Stream::from_seed(4);
    let x = feed.batch(&(0..N).collect::<Vec<_>>(), &stream);
    let tracked = params.tracked();
    let (ledger, _) = model.ledger(&tracked, x, progress, &stream);
    let mut grads = ledger.loss().backward();
    let named = tracked
        .entries()
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| {
            let gradient = Gradient::take(&tracked, index, &mut grads)?;
            Some((entry.name.clone(), gradient.to_host()))
        });
    (ledger.read(), named.collect())
}

/// The gradients of the parameters under a prefix.
fn under<'a>(
    gradients: &'a BTreeMap<String, Vec<f32>>,
    prefix: &str,
) -> Vec<(&'a String, &'a Vec<f32>)> {
    let found: Vec<_> = gradients
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    assert!(!found.is_empty(), "no gradient under {prefix}");
    found
}

const CRITIC: &str = "objective.adversary.";

fn adversary(options: &str) -> String {
    format!("objective.adversary = {{ channels = [4], {options} }}")
}

/// To the bit: with the adversary's weight at 0 only the critic is trained, and encoder and decoder get what they get
/// without it; whatever the weight, the critic gets the same.
#[test]
fn each_network_gets_its_own_gradient_only() {
    for more in [
        "samples = true, encoder = false",
        "samples = true",
        "features = 0.3",
    ] {
        let without = step("", 0.5).1;
        let silent = step(
            &adversary(&format!("weight = 0.0, {}", more.replace("0.3", "0.0"))),
            0.5,
        )
        .1;
        for part in ["encoder.", "latent.", "decoder."] {
            assert_eq!(under(&silent, part), under(&without, part), "{more}");
        }
        let loud = step(&adversary(&format!("weight = 5.0, {more}")), 0.5).1;
        assert_eq!(under(&loud, CRITIC), under(&silent, CRITIC), "{more}");
        assert_ne!(
            under(&loud, "decoder."),
            under(&silent, "decoder."),
            "{more}"
        );
        let reaches = under(&loud, "encoder.") != under(&silent, "encoder.");
        assert_eq!(reaches, !more.contains("encoder = false"), "{more}");
    }
}

#[test]
fn the_critic_begins_at_its_start_and_its_gradient_counts_after_the_warm_up() {
    let options = adversary("start = 0.2, warmup = 0.3, samples = true, features = 1.0");
    let without = step("", 0.5).1;
    for (progress, trains, counts) in [(0.19, false, false), (0.2, true, false), (0.51, true, true)]
    {
        let (read, gradients) = step(&options, progress);
        let has_critic = gradients.keys().any(|name| name.starts_with(CRITIC));
        assert_eq!(has_critic, trains, "{progress}");
        let same = under(&gradients, "decoder.") == under(&without, "decoder.");
        assert_eq!(same, !counts, "{progress}");
        let names: Vec<&str> = read.terms.iter().map(|term| term.name.as_str()).collect();
        let own = ["feature", "adversary", "critic", "logit_data", "logit_made"];
        assert_eq!(names[names.len() - 5..], own, "{progress}");
    }
}

#[test]
fn a_likelihood_of_weight_zero_is_measured_and_trains_nothing() {
    let (plain, _) = step("", 0.5);
    let (read, gradients) = step("objective.likelihood.weight = 0.0", 0.5);
    assert_eq!(read.elbo(), plain.elbo());
    let rate: Vec<f64> = read.sum_of(Role::Rate);
    assert_eq!(read.loss(), rate);
    assert!(!gradients.keys().any(|name| name.starts_with("decoder.")));
}

/// A term built by itself, with outputs to move.
struct Bench {
    term: Box<dyn OutputTerm>,
    likelihood: Box<dyn Likelihood>,
    params: Params,
    x: Vec<f32>,
}

const SIDE: usize = 6;
const SCALE: f64 = 0.5;

fn image_layout() -> Layout {
    Layout::Image {
        channels: 1,
        height: SIDE,
        width: SIDE,
    }
}

impl Bench {
    fn new(kind: &str, options: &str) -> Self {
        let facts = DataFacts {
            min: 0.0,
            max: 1.0,
            levels: None,
        };
        let mut b = Builder::new(Stream::from_seed(3), &Device::flex());
        let entry = CATALOGUE.iter().find(|entry| entry.kind == kind).unwrap();
        let mut table = (entry.defaults)();
        table.extend(options.parse::<toml::Table>().unwrap());
        let site = OutputSite {
            layout: image_layout(),
            facts: &facts,
        };
        let place = format!("objective.{kind}");
        let term = b
            .within(&place, |b| (entry.build.build)(&table, &place, &site, b))
            .1
            .unwrap();
        let gaussian = likelihood::CATALOGUE
            .iter()
            .find(|entry| entry.kind == "gaussian")
            .unwrap();
        let mut table = (gaussian.defaults)();
        table.insert("scale".to_owned(), SCALE.into());
        let likelihood = (gaussian.build)(&table, &facts, &mut b).unwrap();
        let mut x = vec![0.0; 2 * SIDE * SIDE];
        bars(2, 1).gather(&[0, 1], &mut x);
        Self {
            term,
            likelihood,
            params: b.finish(),
            x,
        }
    }

    fn x(&self) -> Tensor<2> {
        jensen_vae::noise::upload(self.x.clone(), 2, SIDE * SIDE, &Device::flex())
    }

    fn ledger(&self, outputs: Tensor<2>, params: &Params) -> Ledger {
        let mut ledger = Ledger::default();
        let log_p = self.likelihood.log_prob(params, outputs.clone(), self.x());
        ledger.push(LOG_LIKELIHOOD, log_p, Role::LogLikelihood, -1.0);
        let same = outputs.clone();
        let context = OutputContext {
            params,
            likelihood: self.likelihood.as_ref(),
            x: self.x(),
            outputs,
            again: &|| same.clone().detach(),
            from_prior: &|| same.clone().detach(),
            progress: 1.0,
            pull: Default::default(),
        };
        self.term.add(&context, &mut ledger);
        ledger
    }

    /// Values and weight of a term, `[2]`.
    fn term(&self, outputs: &[f64], name: &str) -> (Vec<f64>, f64) {
        let read = self
            .ledger(crate::common::matrix(outputs, SIDE * SIDE), &self.params)
            .read();
        let found = read
            .terms
            .into_iter()
            .find(|term| term.name == name)
            .unwrap();
        (found.nats, found.weight)
    }

    fn outputs() -> Vec<f64> {
        let mut stream = Stream::from_seed(9);
        (0..2 * SIDE * SIDE).map(|_| stream.uniform()).collect()
    }

    /// The gradient of the sum over examples of a term by central differences.
    fn differences(&self, name: &str) -> Vec<f64> {
        const H: f64 = 2e-3;
        let total = |outputs: &[f64]| self.term(outputs, name).0.iter().sum::<f64>();
        let at = Self::outputs();
        let each = (0..at.len()).map(|i| {
            let moved = |h: f64| {
                let mut moved = at.clone();
                moved[i] += h;
                total(&moved)
            };
            (moved(H) - moved(-H)) / (2.0 * H)
        });
        each.collect()
    }

    /// The gradient at the outputs of the loss without its likelihood, times the number of examples.
    fn gradient(&self) -> Vec<f64> {
        let leaf = crate::common::matrix(&Self::outputs(), SIDE * SIDE)
            .autodiff()
            .require_grad();
        let mut ledger = self.ledger(leaf.clone(), &self.params.tracked());
        ledger.set_weight(LOG_LIKELIHOOD, 0.0);
        let mut grads = ledger.loss().backward();
        to_f64(leaf.grad_remove(&mut grads).unwrap() * 2.0)
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Differences of f32 with steps of 0.002, and kinks between the two ends.
const BY_DIFFERENCES: f64 = 0.03;

fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    let apart: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let error = norm(&apart) / norm(expected);
    assert!(
        norm(expected) > 1e-3 && error < BY_DIFFERENCES,
        "{what}: {error} of {}",
        norm(expected)
    );
}

/// The value of a term and what it passes on are of one function.
#[test]
fn gradients_at_the_outputs_agree_with_differences() {
    for loss in ["hinge", "nonsaturating", "least_squares"] {
        for head in ["patch", "image"] {
            let options = format!(
                "channels = [6]\nnorm = 'group'\nloss = '{loss}'\nhead = '{head}'\nweight = 3.0"
            );
            let bench = Bench::new("adversary", &options);
            let expected: Vec<f64> = bench
                .differences("adversary")
                .iter()
                .map(|g| 3.0 * g)
                .collect();
            assert_near(&bench.gradient(), &expected, &options);
        }
    }
    let bench = Bench::new("adversary", "channels = [6]\nweight = 0.0\nfeatures = 2.0");
    let expected: Vec<f64> = bench
        .differences("feature")
        .iter()
        .map(|g| 2.0 * g)
        .collect();
    assert_near(&bench.gradient(), &expected, "feature");
    let bench = Bench::new("perceptual", "weight = 2.0");
    let expected: Vec<f64> = bench
        .differences("perceptual")
        .iter()
        .map(|g| 2.0 * g)
        .collect();
    assert_near(&bench.gradient(), &expected, "perceptual");
}

/// |g_rec| / (|g_adv| + 1e-4): the likelihood's gradient by hand, (y - x) / s^2, the adversary's by differences, both of
/// means over the two examples.
#[test]
fn the_adaptive_weight_is_the_ratio_of_the_gradients() {
    let bench = Bench::new("adversary", "channels = [6]\nadaptive = true\nweight = 0.8");
    let outputs = Bench::outputs();
    let (_, found) = bench.term(&outputs, "adversary");
    let pull: Vec<f64> = (outputs.iter().zip(&bench.x))
        .map(|(y, x)| (y - f64::from(*x)) / (SCALE * SCALE) / 2.0)
        .collect();
    let push: Vec<f64> = bench
        .differences("adversary")
        .iter()
        .map(|g| g / 2.0)
        .collect();
    let expected = 0.8 * norm(&pull) / (norm(&push) + 1e-4);
    assert!(
        (found / expected - 1.0).abs() < BY_DIFFERENCES,
        "{found}, {expected}"
    );
    // Terms before it that compare outputs with data count, too: with features of the critic the pull is another.
    let with = Bench::new(
        "adversary",
        "channels = [6]\nadaptive = true\nweight = 0.8\nfeatures = 9.0",
    );
    let features = with.differences("feature");
    let both: Vec<f64> = pull
        .iter()
        .zip(&features)
        .map(|(a, b)| a + 9.0 * b / 2.0)
        .collect();
    let expected = 0.8 * norm(&both) / (norm(&push) + 1e-4);
    let (_, found) = with.term(&outputs, "adversary");
    assert!(
        (found / expected - 1.0).abs() < BY_DIFFERENCES,
        "{found}, {expected}"
    );
}

/// A perfect reconstruction costs nothing.
#[test]
fn data_themselves_have_no_distance_to_data() {
    let x = |bench: &Bench| -> Vec<f64> { bench.x.iter().map(|x| f64::from(*x)).collect() };
    let bench = Bench::new("perceptual", "");
    assert_eq!(bench.term(&x(&bench), "perceptual").0, [0.0; 2]);
    let bench = Bench::new("adversary", "features = 1.0\nchannels = [6]");
    assert_eq!(bench.term(&x(&bench), "feature").0, [0.0; 2]);
}

#[test]
fn losses_of_logits_by_hand() {
    let at = |loss: fn(Loss, Tensor<2>) -> Tensor<2>, kind, logit: f64| {
        to_f64(loss(kind, crate::common::matrix(&[logit], 1)))[0]
    };
    let softplus = |l: f64| (1.0 + l.exp()).ln();
    for (kind, data, made, decoder) in [
        (Loss::Hinge, 0.7, 1.3, -0.3),
        (
            Loss::Nonsaturating,
            softplus(-0.3),
            softplus(0.3),
            softplus(-0.3),
        ),
        (Loss::LeastSquares, 0.49, 0.09, 0.49),
    ] {
        let found =
            [Loss::of_data, Loss::of_made, Loss::of_decoder].map(|loss| at(loss, kind, 0.3));
        for (found, expected) in found.into_iter().zip([data, made, decoder]) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{kind:?}: {found}, {expected}"
            );
        }
        // The least of a critic that gives both sides the same logit, over logits.
        let both = |l: f64| (at(Loss::of_data, kind, l) + at(Loss::of_made, kind, l)) / 2.0;
        let least = (-200..=200)
            .map(|i| both(f64::from(i) / 100.0))
            .fold(f64::INFINITY, f64::min);
        assert!(
            (least - kind.of_ignorance()).abs() < 1e-6,
            "{kind:?}: {least}"
        );
    }
    assert_eq!(at(Loss::of_data, Loss::Hinge, 1.5), 0.0);
    assert_eq!(at(Loss::of_made, Loss::Hinge, -1.5), 0.0);
}

/// The critic rests where its loss is below the guard's share of that of one that knows nothing, and only there.
#[test]
fn the_critic_rests_while_it_wins() {
    let options = |guard: f64| format!("channels = [6]\nloss = 'least_squares'\nguard = {guard}");
    let mut bench = Bench::new("adversary", &options(0.0));
    // A critic that is right: logits of about 1 for the data, of about 0 for the outputs.
    let index = |name: &str| {
        bench
            .params
            .entries()
            .iter()
            .position(|entry| entry.name == name)
            .unwrap()
    };
    let (weight, bias) = (
        index("objective.adversary.last.weight"),
        index("objective.adversary.last.bias"),
    );
    let mut stream = Stream::from_seed(1);
    let mut critic = |bench: &mut Bench| {
        let values = (0..6 * 9).map(|_| (0.3 * stream.normal()) as f32).collect();
        bench.params.set_at(weight, values);
        bench.params.set_at(bias, vec![0.5]);
    };
    let outputs = Bench::outputs();
    let loss = |bench: &Bench| {
        let values = bench.term(&outputs, "critic").0;
        values.iter().sum::<f64>() / 2.0
    };
    while loss(&bench) > 0.22 {
        critic(&mut bench);
    }
    let share = loss(&bench) / 0.25;
    for (guard, weight) in [(0.99 * share, 1.0), (1.01 * share, 0.0)] {
        let guarded = Bench {
            params: bench.params.clone(),
            ..Bench::new("adversary", &options(guard))
        };
        assert_eq!(
            guarded.term(&outputs, "critic").1,
            weight,
            "{guard} of {share}"
        );
    }
}

/// (l_x - a_made)^2 + (l_y - a_data)^2 with averages that move by a hundredth a step.
#[test]
fn logits_are_pulled_to_averages_of_the_other_side() {
    let mut bench = Bench::new("adversary", "channels = [6]\nhead = 'image'\nlecam = 0.5");
    let outputs = Bench::outputs();
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / 2.0;
    let mut averages = [0.0; 2];
    for _ in 0..3 {
        let [data, made] = ["logit_data", "logit_made"].map(|name| bench.term(&outputs, name).0);
        let (pull, weight) = bench.term(&outputs, "lecam");
        assert_eq!(weight, 0.5);
        for i in 0..2 {
            let expected = (data[i] - averages[1]).powi(2) + (made[i] - averages[0]).powi(2);
            assert!((pull[i] - expected).abs() < 1e-6, "{} {expected}", pull[i]);
        }
        let read = bench
            .ledger(crate::common::matrix(&outputs, SIDE * SIDE), &bench.params)
            .read();
        bench.term.adapt(&mut bench.params, &read);
        averages[0] += 0.01 * (mean(data) - averages[0]);
        averages[1] += 0.01 * (mean(made) - averages[1]);
        let stored: f64 = to_f64(parameter::<1>(
            &bench.params,
            "objective.adversary.logit_data",
        ))[0];
        assert!((stored - averages[0]).abs() < 1e-6);
    }
}

#[test]
fn a_critic_has_an_optimizer_of_its_own_unless_the_user_says_otherwise() {
    let resolved = small(&adversary("weight = 2.0"));
    let group = &resolved.train.groups["adversary"];
    assert_eq!(group.prefix, CRITIC);
    assert_eq!(group.optimizer["beta_1"].as_float(), Some(0.5));
    assert_eq!(
        Recipe::parse(&resolved.to_toml(), "again", &[]).unwrap(),
        resolved
    );
    let slower = small(&format!(
        "{}\ntrain.groups.adversary.optimizer.lr = 1e-5",
        adversary("")
    ));
    let group = &slower.train.groups["adversary"];
    assert_eq!(group.optimizer["lr"].as_float(), Some(1e-5));
    assert_eq!(group.optimizer["beta_1"].as_float(), Some(0.5));
    let own = "train.groups.all = { prefix = 'objective.', optimizer = 'sgd' }";
    let own = small(&format!("{}\n{own}", adversary("")));
    assert_eq!(own.train.groups.keys().collect::<Vec<_>>(), ["all"]);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let refused = |options: &str| {
        let recipe = Recipe::parse(
            &format!("objective.adversary = {{ {options} }}"),
            "test",
            &[],
        );
        let recipe = match recipe {
            Ok(recipe) => recipe,
            Err(error) => return error.to_string(),
        };
        let site = assemble(&small(""), bars(N, 1)).0.site();
        let assembled = jensen_vae::model::Model::assemble(&recipe, &site, &Device::flex());
        assembled
            .err()
            .unwrap_or_else(|| panic!("{options} is taken"))
            .to_string()
    };
    for (options, part) in [
        ("channels = []", "a positive number for each stage"),
        ("channels = [4, 4, 4, 4]", "take fewer"),
        ("norm = 'batch'", "norm"),
        ("loss = 'wasserstein'", "hinge"),
        ("start = 1.0", "fraction of the run"),
        ("guard = 1.0", "less than 1"),
        ("feature_stage = 3", "one of 1 to 2"),
        ("lecam = -1.0", "at least 0"),
        ("wight = 1.0", "weight"),
    ] {
        let message = refused(options);
        assert!(message.contains(part), "{options}: {message}");
    }
    let message = Recipe::parse(
        "bound = 'importance'\nobjective.adversary = {}",
        "test",
        &[],
    );
    assert!(message.unwrap_err().to_string().contains("elbo"));
}

/// Bars by the third of the image that they are in.
fn classes(n: usize, seed: u64) -> Examples {
    let plain = bars(n, seed);
    let mut values = vec![0.0; n * SIDE * SIDE];
    plain.gather(&(0..n).collect::<Vec<_>>(), &mut values);
    let label = |image: &[f32]| {
        let of_third = |third: usize| -> f32 {
            let places = (0..SIDE * SIDE).filter(|i| i % SIDE / 2 == third);
            places.map(|i| image[i]).sum()
        };
        let sums = [0, 1, 2].map(of_third);
        (0..3u32)
            .max_by(|&a, &b| sums[a as usize].total_cmp(&sums[b as usize]))
            .unwrap()
    };
    let labels: Vec<u32> = values.chunks_exact(SIDE * SIDE).map(label).collect();
    Examples::new(plain.layout, plain.values, Some(Arc::from(labels)))
}

fn bits(values: Vec<HostTensor>) -> Vec<(String, Vec<u32>)> {
    let bits = |t: HostTensor| (t.name, t.values.iter().map(|v| v.to_bits()).collect());
    values.into_iter().map(bits).collect()
}

#[test]
fn a_classifier_learns_the_same_each_time_is_kept_and_lends_its_layers() {
    let (feed, ..) = assemble(&small(""), bars(N, 1));
    let (train, test) = (classes(300, 1), classes(200, 2));
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    let first = Classifier::of_run(&run, &train, &feed, &device).unwrap();
    let accuracy = first.accuracy(&feed.with_examples(test)).unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    let mut values = vec![0.0; 300 * SIDE * SIDE];
    train.gather(&(0..300).collect::<Vec<_>>(), &mut values);
    let features = first.features(&values, &feed.site().facts);
    let mean_square = features.iter().map(|f| f * f).sum::<f64>() / features.len() as f64;
    assert!((mean_square - 1.0).abs() < 1e-4, "{mean_square}");
    let again = Classifier::train(&train, &feed, &device).unwrap();
    assert_eq!(bits(again.values()), bits(first.values()));
    let kept = Classifier::kept(&run, train.layout, &device).unwrap();
    assert_eq!(bits(kept.values()), bits(first.values()));

    let recipe = small("objective.perceptual.weight = 1.0");
    let (_, model, mut params) = assemble(&recipe, bars(N, 1));
    assert!(model.wants_classifier());
    model.adopt(&mut params, &first);
    let path = "objective.perceptual.features.";
    let lent = params.to_host().into_iter().filter_map(|t| {
        let name = t.name.strip_prefix(path)?.to_owned();
        Some(HostTensor { name, ..t })
    });
    let own = first
        .values()
        .into_iter()
        .filter(|t| !t.name.starts_with("head."));
    assert_eq!(bits(lent.collect()), bits(own.collect()));
    let is_trained = |entry: &jensen_nets::Entry| entry.name.starts_with(path) && entry.trainable;
    assert!(!params.entries().iter().any(is_trained));
    assert!(Classifier::train(&bars(20, 1), &feed, &device).is_none());
    let mut b = Builder::new(Stream::from_seed(1), &device);
    assert!(Layers::new(&mut b, Layout::Vector { len: 9 }).is_none());
}
