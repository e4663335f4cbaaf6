//! The trainer: same bits after any interruption and for any number of threads, recovery from numbers
//! that are not finite, early stopping, groups, several latents.

use crate::common::{assemble, bars, recipe};
use jensen_data::Examples;
use jensen_nets::{HostTensor, Params};
use jensen_rng::Stream;
use jensen_run::{Event, Observer, Recording, RunFolder, Silent, read_metrics};
use jensen_vae::recipe::Recipe;
use jensen_vae::train::{Ending, Task, TrainError, Trained, train};
use std::cell::Cell;
use std::fs;
use std::path::Path;

/// A small model with everything that has a state: moving average, groups, random data, schedules.
const RICH: &str = "
    encoder = { kind = 'mlp', hidden = [16] }
    decoder = { kind = 'mlp', hidden = [16] }
    latent = { z = { kind = 'gaussian', dim = 3 } }
    prior = { z = { kind = 'vamp', components = 4 } }
    [data]
    batch = 20
    binarize = 'dynamic'
    validation = 0.0
    [objective.rate.z]
    weight = { kind = 'cyclical', from = 0.0, to = 1.0, cycles = 3, ramp = 0.5 }
    [objective.mmd.z]
    weight = 0.5
    [train]
    epochs = 6
    ema = 0.9
    clip = 50.0
    log_every = 7
    [train.groups.slow]
    prefix = 'prior.'
    optimizer = { kind = 'sgd', lr = 1e-3 }
";

pub(crate) fn fit(
    recipe: &Recipe,
    folder: &Path,
    observer: &mut dyn Observer,
) -> Result<Trained, TrainError> {
    fit_with(recipe, folder, observer, |_| {})
}

fn fit_with(
    recipe: &Recipe,
    folder: &Path,
    observer: &mut dyn Observer,
    change: impl FnOnce(&mut Params),
) -> Result<Trained, TrainError> {
    let (_, held_out) = bars(150, 5).split(0.2, &mut Stream::from_seed(2));
    fit_and_validate(recipe, folder, observer, held_out, change)
}

fn fit_and_validate(
    recipe: &Recipe,
    folder: &Path,
    observer: &mut dyn Observer,
    held_out: Examples,
    change: impl FnOnce(&mut Params),
) -> Result<Trained, TrainError> {
    let (others, _) = bars(150, 5).split(0.2, &mut Stream::from_seed(2));
    let (feed, model, mut params) = assemble(recipe, others);
    let (validation, ..) = assemble(recipe, held_out);
    change(&mut params);
    let run = if folder.exists() {
        RunFolder::resume(folder).unwrap()
    } else {
        let run = RunFolder::create(folder).unwrap();
        run.write("config.toml", recipe.to_toml().as_bytes())
            .unwrap();
        run
    };
    let task = Task {
        recipe,
        model: &model,
        train: &feed,
        validation: Some(&validation),
        run: &run,
    };
    train(&task, params, observer, &mut |_, _, _| Ok(()))
}

/// Asks for a stop once it has been asked so many times: that is, after so many steps.
pub(crate) struct StopAfter {
    pub(crate) n_steps: u64,
    pub(crate) n_asked: Cell<u64>,
}

impl Observer for StopAfter {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.n_asked.set(self.n_asked.get() + 1);
        self.n_asked.get() >= self.n_steps
    }
}

/// Names and bits.
pub(crate) fn bits(params: &Params) -> Vec<(String, Vec<u32>)> {
    let bits = |t: HostTensor| (t.name, t.values.iter().map(|v| v.to_bits()).collect());
    params.to_host().into_iter().map(bits).collect()
}

/// A critic with averages of its logits, which has its own optimizer.
const ADVERSARIAL: &str = "
    encoder = { kind = 'mlp', hidden = [16] }
    decoder = { kind = 'mlp', hidden = [16] }
    latent.z.dim = 3
    likelihood = 'gaussian'
    data = { batch = 20, validation = 0.0 }
    train = { epochs = 6, log_every = 7 }
    [objective.adversary]
    channels = [4, 6]
    norm = 'group'
    adaptive = true
    start = 0.2
    warmup = 0.1
    samples = true
    encoder = false
    features = 0.1
    guard = 0.3
    lecam = 0.1
";

/// Codes above numbers that depend on them.
const TOP_DOWN: &str = "
    latent.a = { kind = 'vq', codes = 4, dim = 3 }
    latent.b = { kind = 'gaussian_residual', dim = 1, hidden = 3, port = 'h1' }
    prior.a = { kind = 'transformer', width = 4, layers = 1, heads = 2 }
    prior.b = { kind = 'conditional', hidden = 3 }
    encoder = { kind = 'pyramid', channels = [3, 4], blocks = [0, 1] }
    decoder = { kind = 'top_down', channels = [3, 4], blocks = [1, 0] }
    data = { batch = 20, validation = 0.0, binarize = 'dynamic' }
    train = { epochs = 6, ema = 0.9, log_every = 7 }
";

#[test]
fn a_run_stopped_at_random_steps_ends_with_the_same_bits() {
    stop_at_random_steps(RICH, 6);
}

#[test]
fn a_run_with_a_critic_stopped_at_random_steps_ends_with_the_same_bits() {
    stop_at_random_steps(ADVERSARIAL, 3);
}

#[test]
fn a_top_down_run_stopped_at_random_steps_ends_with_the_same_bits() {
    stop_at_random_steps(TOP_DOWN, 2);
}

fn stop_at_random_steps(text: &str, n_trials: usize) {
    let recipe = recipe(text);
    let folder = tempfile::tempdir().unwrap();
    let whole = fit(&recipe, &folder.path().join("whole"), &mut Silent).unwrap();
    assert_eq!((whole.ending, whole.step), (Ending::Completed, 36));
    let lines = read_metrics(folder.path().join("whole/metrics.jsonl")).unwrap();

    let mut stream = Stream::from_seed(12);
    for trial in 0..n_trials {
        let broken = folder.path().join(format!("broken-{trial}"));
        let mut step = 0;
        let last = loop {
            let n_steps = 1 + stream.below(15) as u64;
            let mut observer = StopAfter {
                n_steps,
                n_asked: Cell::new(0),
            };
            let part = fit(&recipe, &broken, &mut observer).unwrap();
            if part.ending == Ending::Completed {
                break part;
            }
            assert_eq!(part.step, step + n_steps);
            step = part.step;
        };
        assert_eq!(bits(&last.params), bits(&whole.params), "trial {trial}");
        let again = read_metrics(broken.join("metrics.jsonl")).unwrap();
        let values = |lines: &[jensen_run::Record]| -> Vec<_> {
            lines
                .iter()
                .map(|l| (l.step, l.split, l.metrics.clone()))
                .collect()
        };
        assert_eq!(values(&again), values(&lines), "trial {trial}");
    }
}

#[test]
fn a_validation_that_a_stop_interrupts_is_made_up_for() {
    let recipe = recipe(&RICH.replace("epochs = 6", "epochs = 3"));
    let folder = tempfile::tempdir().unwrap();
    // Three batches of validation, between which it is asked twice.
    let held_out = bars(1100, 6);
    let go = |name: &str, n_steps: u64| {
        let mut observer = StopAfter {
            n_steps,
            n_asked: Cell::new(0),
        };
        let run = folder.path().join(name);
        fit_and_validate(&recipe, &run, &mut observer, held_out.clone(), |_| {}).unwrap()
    };
    let whole = go("whole", u64::MAX);
    // The first epoch has six steps; then the first question of its validation.
    let stopped = go("broken", 7);
    assert_eq!((stopped.ending, stopped.step), (Ending::Stopped, 6));
    // Stopped there again, then in the middle of the second epoch, and in the last validation.
    assert_eq!(go("broken", 1).step, 6);
    assert_eq!(go("broken", 4).step, 8);
    let stopped = go("broken", 13);
    assert_eq!((stopped.ending, stopped.step), (Ending::Stopped, 18));
    let last = go("broken", u64::MAX);
    assert_eq!(last.ending, Ending::Completed);
    assert_eq!(bits(&last.params), bits(&whole.params));
    let lines = |name: &str| {
        let lines = read_metrics(folder.path().join(name).join("metrics.jsonl")).unwrap();
        let line = |l: jensen_run::Record| (l.step, l.split, l.metrics);
        lines.into_iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(lines("broken"), lines("whole"));
}

#[test]
fn a_run_is_not_made_shorter_than_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fit(&recipe(RICH), &run, &mut Silent).unwrap();
    let shorter = recipe(&RICH.replace("epochs = 6", "epochs = 5"));
    let error = fit(&shorter, &run, &mut Silent).err().unwrap();
    assert!(matches!(error, TrainError::Recipe(_)));
    let text = error.to_string();
    assert!(text.contains("epochs = 5: expected at least 6"), "{text}");
}

#[test]
fn data_of_an_unusual_scale_are_named_when_training_gives_up() {
    let values = (0..400).map(|i| 1e30 * (i as f32 * 0.7).sin()).collect();
    let recipe = recipe("likelihood = 'gaussian'\ndata = { validation = 0.0 }");
    let (feed, model, params) = assemble(&recipe, crate::common::vectors(4, values));
    let given_up = crate::common::trained(&recipe, (&feed, &model), params);
    let text = given_up.err().unwrap().to_string();
    assert!(text.contains("The data reach 1e30: scale them"), "{text}");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let conv = "
        encoder = { kind = 'conv', channels = [16, 32], fc = 64, residual = 1, norm = 'group' }
        decoder = { kind = 'conv', channels = [16, 32], fc = 64, residual = 1, norm = 'group' }
        latent = { z = { kind = 'gaussian', dim = 3 } }
        data = { batch = 33, validation = 0.0 }
        train = { epochs = 2 }
    ";
    // Wide enough for every kernel to split its work.
    let wide = "
        encoder = { kind = 'mlp', hidden = [400] }
        decoder = { kind = 'mlp', hidden = [400] }
        data = { batch = 120, validation = 0.0 }
        train = { epochs = 4, clip = 10.0 }
    ";
    let folder = tempfile::tempdir().unwrap();
    for (which, text) in [RICH, conv, wide].into_iter().enumerate() {
        let recipe = recipe(text);
        let mut results = Vec::new();
        for threads in [1, 2, 3] {
            jensen_kernels::set_threads(threads);
            let run = folder.path().join(format!("{which}-{threads}"));
            results.push(bits(&fit(&recipe, &run, &mut Silent).unwrap().params));
        }
        assert!(
            results.windows(2).all(|pair| pair[0] == pair[1]),
            "recipe {which}"
        );
    }
    jensen_kernels::set_threads(0);
}

#[test]
fn a_rate_that_is_too_large_is_named_rolled_back_and_given_up() {
    let text = RICH.replace("epochs = 6", "epochs = 60").replace(
        "clip = 50.0",
        "optimizer = { kind = 'sgd', lr = 1e12, momentum = 0.0 }",
    );
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut observer = Recording::default();
    let error = fit(&recipe(&text), &run, &mut observer).err().unwrap();
    let TrainError::Diverged(divergence) = &error else {
        panic!("{error}");
    };
    assert!(!divergence.terms.is_empty());
    assert!(
        !divergence.layers.is_empty() || !divergence.parameters.is_empty(),
        "{divergence:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("gave up at step") && text.contains("train.optimizer.lr"),
        "{text}"
    );
    let warnings: Vec<_> = observer.of("warning").collect();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].to_string().contains("halved the learning rate"),
        "{}",
        warnings[0]
    );
}

#[test]
fn a_parameter_that_is_not_a_number_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let spoiled = |params: &mut Params| {
        spoil(params, "decoder.fc1.bias", |bias| bias[3] = f32::NAN);
    };
    let error = fit_with(
        &recipe(RICH),
        &folder.path().join("run"),
        &mut Silent,
        spoiled,
    );
    let Err(TrainError::Diverged(divergence)) = error else {
        panic!("the run did not fail");
    };
    assert_eq!(divergence.parameters, ["decoder.fc1.bias"]);
    assert_eq!(divergence.layers, ["decoder.fc1", "decoder.out"]);
    assert_eq!(divergence.terms, ["log_likelihood"]);
    assert!(
        divergence
            .place
            .contains("parameter `decoder.fc1.bias` is not finite"),
        "{}",
        divergence.place
    );
}

/// Changes a parameter of the model.
fn spoil(params: &mut Params, name: &str, change: impl Fn(&mut [f32])) {
    let mut host = params.to_host();
    let spoiled = host.iter_mut().find(|tensor| tensor.name == name);
    change(&mut spoiled.unwrap_or_else(|| panic!("no {name}")).values);
    params.load(&host).unwrap();
}

#[test]
fn a_term_that_overflows_over_finite_layers_is_named() {
    // Its square is beyond f32, and it is not.
    let recipe = recipe("latent.z.dim = 3\n[data]\nbatch = 20\nvalidation = 0.0");
    let folder = tempfile::tempdir().unwrap();
    let far =
        |params: &mut Params| spoil(params, "latent.z.head.bias", |bias| bias[..3].fill(1e25));
    let error = fit_with(&recipe, &folder.path().join("run"), &mut Silent, far);
    let Err(TrainError::Diverged(divergence)) = error else {
        panic!("the run did not fail");
    };
    assert!(divergence.layers.is_empty() && divergence.parameters.is_empty());
    assert!(
        divergence.place.contains("`kl.z`") && divergence.place.contains("though all layers are"),
        "{}",
        divergence.place
    );
}

#[test]
fn a_gradient_that_overflows_under_a_finite_loss_is_named() {
    // Tiny activations times huge weights: the loss of some 1e36 feels a million times more of the bias.
    let recipe = recipe(&RICH.replace(
        "[data]",
        "likelihood = { kind = 'gaussian', scale = 1e-16 }\n[data]",
    ));
    let folder = tempfile::tempdir().unwrap();
    let steep = |params: &mut Params| {
        spoil(params, "decoder.fc1.weight", |weight| weight.fill(0.0));
        spoil(params, "decoder.fc1.bias", |bias| bias.fill(1e-6));
        spoil(params, "decoder.out.weight", |weight| weight.fill(1e6));
    };
    let error = fit_with(&recipe, &folder.path().join("run"), &mut Silent, steep);
    let Err(TrainError::Diverged(divergence)) = error else {
        panic!("the run did not fail");
    };
    assert!(
        (divergence.gradients.iter()).any(|name| name == "decoder.fc1.bias"),
        "{divergence:?}"
    );
    let place = &divergence.place;
    assert!(
        place.contains("the gradient of parameter") && place.contains("though the loss is"),
        "{place}"
    );
}

#[test]
fn a_rolled_back_run_goes_on_with_half_the_rate_and_discards_what_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut survivors = 0;
    // On a ladder of doubled rates there is a first that diverges, and half of it does not.
    for i in 0..24 {
        let rate = 2f64.powi(i - 5);
        let text = RICH
            .replace("clip = 50.0", &format!("checkpoint_seconds = 0.0\n keep = 9\n optimizer = {{ kind = 'sgd', lr = {rate}, momentum = 0.0 }}"));
        let run = folder.path().join(format!("run-{i}"));
        let mut observer = Recording::default();
        let Ok(trained) = fit(&recipe(&text), &run, &mut observer) else {
            continue;
        };
        if observer.of("warning").count() == 0 {
            continue;
        }
        survivors += 1;
        assert_eq!((trained.ending, trained.step), (Ending::Completed, 36));
        let finite = |t: &HostTensor| t.values.iter().all(|v| v.is_finite());
        assert!(trained.params.to_host().iter().all(finite));
        let run = RunFolder::open(&run).unwrap();
        for entry in jensen_run::Checkpoints::of(&run).list().unwrap() {
            let state = jensen_run::Checkpoints::load(&entry.path).unwrap().state;
            assert_eq!(state["n_rollbacks"], 1, "step {} was abandoned", entry.step);
            assert_eq!(state["rate_scale"], 0.5);
        }
    }
    assert!(
        survivors > 0,
        "no rate of the ladder rolled back and went on"
    );
}

#[test]
fn a_resumed_run_rolls_back_as_the_unbroken_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, rate: f64, n_steps: u64| {
        let sgd = format!("optimizer = {{ kind = 'sgd', lr = {rate}, momentum = 0.0 }}");
        let text = (RICH.replace("clip = 50.0", &sgd)).replace("epochs = 6", "epochs = 40");
        let mut observer = StopAfter {
            n_steps,
            n_asked: Cell::new(0),
        };
        fit(&recipe(&text), &folder.path().join(name), &mut observer)
    };
    let outcome = |trained: &Result<Trained, TrainError>| match trained {
        Ok(trained) => Ok(bits(&trained.params)),
        Err(TrainError::Diverged(divergence)) => Err(divergence.step),
        Err(error) => panic!("{error}"),
    };
    let (mut n_rolled_back, mut n_saved) = (0, 0);
    for i in 0..16 {
        let rate = 2f64.powf(-3.0 + 0.25 * f64::from(i));
        let whole = run(&format!("whole-{i}"), rate, u64::MAX);
        let log = fs::read_to_string(folder.path().join(format!("whole-{i}/log.txt")));
        if !log.unwrap_or_default().contains("rolled back") {
            continue;
        }
        n_rolled_back += 1;
        n_saved += usize::from(whole.is_ok());
        // Stopped early on, later in the first hundred of steps, and in the second.
        for n_steps in [1, 7, 130] {
            let name = format!("broken-{i}-{n_steps}");
            let _ = run(&name, rate, n_steps);
            let broken = run(&name, rate, u64::MAX);
            assert_eq!(outcome(&broken), outcome(&whole), "{rate} {n_steps}");
        }
    }
    assert!(
        n_rolled_back > 2 && n_saved > 0,
        "{n_rolled_back} {n_saved}"
    );
}

#[test]
fn training_stops_early_when_validation_stops_improving() {
    let text = RICH
        .replace("epochs = 6", "epochs = 400\n patience = 3")
        .replace(
            "binarize = 'dynamic'\n    validation = 0.0",
            "validation = 0.1",
        )
        .replace("clip = 50.0", "optimizer = { lr = 0.02 }")
        // Without a schedule the length of the run does not influence its steps.
        .replace(
            "{ kind = 'cyclical', from = 0.0, to = 1.0, cycles = 3, ramp = 0.5 }",
            "1.0",
        );
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let trained = fit(&recipe(&text), &run, &mut Silent).unwrap();
    assert_eq!(trained.ending, Ending::EarlyStop);
    let lines = read_metrics(run.join("metrics.jsonl")).unwrap();
    let elbo: Vec<f64> = lines
        .iter()
        .filter(|line| line.split == jensen_run::Split::Validation)
        .map(|line| line.get("elbo").unwrap())
        .collect();
    let best = elbo.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let at = elbo.iter().position(|&value| value == best).unwrap();
    assert_eq!(elbo.len() - 1 - at, 3, "{elbo:?}");
    // The parameters of the best epoch come back: a run that ends there has the same.
    let shorter = text.replace("epochs = 400", &format!("epochs = {}", at + 1));
    let until_best = fit(&recipe(&shorter), &folder.path().join("short"), &mut Silent).unwrap();
    assert_eq!(until_best.ending, Ending::Completed);
    assert_eq!(bits(&until_best.params), bits(&trained.params));
}

#[test]
fn two_latents_at_two_ports_need_no_other_trainer() {
    let text = "
        encoder = { kind = 'mlp', hidden = [24, 12] }
        decoder = { kind = 'mlp', hidden = [12, 24] }
        [latent.top]
        kind = 'gaussian'
        dim = 2
        [latent.side]
        kind = 'gaussian_full'
        dim = 2
        port = 'h1'
        [prior.side]
        kind = 'mixture'
        components = 3
        [data]
        batch = 20
        validation = 0.0
        [train]
        epochs = 30
        optimizer = { lr = 5e-3 }
    ";
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fit(&recipe(text), &run, &mut Silent).unwrap();
    let lines = read_metrics(run.join("metrics.jsonl")).unwrap();
    let validation = |index: usize| {
        let mut of = lines
            .iter()
            .filter(|l| l.split == jensen_run::Split::Validation);
        if index == 0 {
            of.next()
        } else {
            of.next_back()
        }
        .unwrap()
        .clone()
    };
    let (first, last) = (validation(0), validation(1));
    assert!(last.get("elbo").unwrap() > first.get("elbo").unwrap() + 1.0);
    let parts = last.get("kl.top").unwrap() + last.get("kl.side").unwrap();
    assert!((parts - last.get("kl").unwrap()).abs() < 1e-9);

    let message = |from: &str, to: &str| {
        let changed = recipe(&text.replace(from, to));
        let examples = bars(4, 1);
        let feed =
            jensen_vae::feed::Feed::new(examples, &changed.data, &burn::tensor::Device::flex());
        let site = feed.unwrap().site();
        let assembled =
            jensen_vae::model::Model::assemble(&changed, &site, &burn::tensor::Device::flex());
        assembled.err().unwrap().to_string()
    };
    let misfit = message("port = 'h1'", "port = 'h7'");
    assert!(
        misfit.contains("no port `h7`; this encoder offers bottom, h1, h2"),
        "{misfit}"
    );
    let misfit = message("hidden = [12, 24]", "hidden = []");
    assert!(misfit.contains("this decoder offers bottom"), "{misfit}");
}
