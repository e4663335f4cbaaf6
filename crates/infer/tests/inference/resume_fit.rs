//! A fit by any method that keeps its states: stopped and resumed it has the bits of an unbroken one.

use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::InferError;
use jensen_infer::drive::Keep;
use jensen_infer::mcmc::Nuts;
use jensen_infer::method::{FitOptions, Fitted, Method, fit_with};
use jensen_infer::svgd::Svgd;
use jensen_infer::vi::Bam;
use jensen_rng::Stream;
use jensen_run::{Checkpoints, Event, Observer, RunFolder, Silent};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Evaluations so far, and those after which a stop is asked for.
struct Count {
    n: AtomicU64,
    limit: AtomicU64,
}

impl Count {
    fn begin(&self, limit: u64) {
        self.n.store(0, Ordering::SeqCst);
        self.limit.store(limit, Ordering::SeqCst);
    }

    fn n(&self) -> u64 {
        self.n.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.n() >= self.limit.load(Ordering::SeqCst)
    }
}

/// Asks to stop once the count is over.
struct StopOver<'a>(&'a Count);

impl Observer for StopOver<'_> {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.0.is_over()
    }
}

/// A skewed density of two coordinates that counts its evaluations, and takes its time once a stop is asked for.
fn skewed(count: &Count) -> impl LogDensity {
    from_fn(
        Layout::new(vec![Variable::real("x"), Variable::real("y")]),
        |p, grad| {
            count.n.fetch_add(1, Ordering::SeqCst);
            if count.is_over() {
                thread::sleep(Duration::from_millis(1));
            }
            let (x, y) = (p[0], p[1] - 0.5 * p[0]);
            grad[0] = 2.0 - x.exp() + 0.5 * y;
            grad[1] = -y;
            2.0 * x - x.exp() - 0.5 * y * y
        },
    )
}

/// Everything of an answer, in words that show every bit.
fn facts(fitted: &Fitted) -> String {
    let names = (fitted.draws.names(), fitted.draws.n_chains());
    format!(
        "{names:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?}",
        fitted.draws.rows().collect::<Vec<_>>(),
        fitted.mean,
        fitted.sd,
        fitted.elbo,
        fitted.log_evidence,
        fitted.n_gradients,
        fitted.n_gradients_judged,
        fitted.report,
    )
}

/// Work of the method after which it is stopped, per cent: more than a third, since one of three chains that follow
/// each other is then done. NUTS keeps its chains whole.
const SHARE: u64 = 45;

/// Work by which a budget is too short, per cent: less than what the first of the chains cost.
const SHORT: u64 = 15;
/// Most evaluations by which checkpoints are compared with the density.
const N_COMPARED: u64 = 20;

/// Stopped twice after that much work and resumed each time, then done.
fn check_resume(method: &Method, options: &FitOptions) {
    let name = method.name();
    let count = Count {
        n: AtomicU64::new(0),
        limit: AtomicU64::new(u64::MAX),
    };
    let target = skewed(&count);
    let stream = Stream::from_seed(8);
    let fit = |keep: Option<&Keep>, observer: &mut dyn Observer| {
        fit_with(&target, method, options, &stream, keep, observer)
    };
    let unbroken = fit(None, &mut Silent).unwrap();
    let total = count.n();
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    let keep = Keep {
        checkpoints: Checkpoints::of(&run),
        every: 50,
    };
    for _ in 0..2 {
        count.begin(SHARE * unbroken.n_gradients / 100);
        let outcome = fit(Some(&keep), &mut StopOver(&count));
        assert!(matches!(outcome, Err(InferError::Stopped)), "{name}");
        assert!(
            count.n() < unbroken.n_gradients,
            "{name}: it was not stopped amid the work"
        );
    }
    // A budget is one of all processes: what the checkpoint cost is charged, and no step on its refusals is kept.
    let within = |max_gradients: u64| FitOptions {
        max_gradients: Some(max_gradients),
        ..options.clone()
    };
    count.begin(u64::MAX);
    let short = total - SHORT * unbroken.n_gradients / 100;
    let broke = fit_with(
        &target,
        method,
        &within(short),
        &stream,
        Some(&keep),
        &mut Silent,
    );
    let is_spent = matches!(broke, Err(InferError::Budget { .. }));
    assert!(is_spent, "{name}: {:?}", broke.err());
    assert!(count.n() < short, "{name}: {} of {short}", count.n());
    let enough = within(total + N_COMPARED);
    let paid = fit_with(&target, method, &enough, &stream, Some(&keep), &mut Silent);
    assert_eq!(facts(&paid.unwrap()), facts(&unbroken), "{name}");
    // It goes on, and then it is over and only judged.
    for _ in 0..2 {
        count.begin(u64::MAX);
        let resumed = fit(Some(&keep), &mut Silent).unwrap();
        assert_eq!(facts(&resumed), facts(&unbroken), "{name}");
        assert!(count.n() < total, "{name}: {} of {total}", count.n());
    }
}

#[test]
fn every_method_with_states_resumes_to_the_same_bits() {
    let options = FitOptions {
        n_draws: 200,
        n_chains: 3,
        n_chain_draws: 300,
        ..FitOptions::default()
    };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1);
    let one = one.build().unwrap();
    one.install(|| check_resume(&Method::Nuts(Nuts::default()), &options));
    for name in ["hmc", "slice", "sgvi-full-rank", "advi"] {
        check_resume(&Method::from_name(name).unwrap(), &options);
    }
    let settled = FitOptions {
        max_steps: Some(120),
        ..options
    };
    check_resume(&Method::Bam(Bam::default()), &settled);
    let few = Svgd {
        n_particles: 20,
        ..Svgd::default()
    };
    check_resume(&Method::Svgd(few), &settled);
}

#[test]
fn a_place_of_another_fit_is_refused() {
    let count = Count {
        n: AtomicU64::new(0),
        limit: AtomicU64::new(u64::MAX),
    };
    let (target, stream) = (skewed(&count), Stream::from_seed(8));
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    let keep = Keep {
        checkpoints: Checkpoints::of(&run),
        every: 50,
    };
    let fit = |name: &str| {
        let method = Method::from_name(name).unwrap();
        let options = FitOptions {
            max_steps: Some(100).filter(|_| name != "nuts"),
            n_chain_draws: 100,
            ..FitOptions::default()
        };
        fit_with(
            &target,
            &method,
            &options,
            &stream,
            Some(&keep),
            &mut Silent,
        )
    };
    fit("bam").unwrap();
    for name in ["nuts", "sgvi-full-rank"] {
        let refused = fit(name).err();
        let is_other = matches!(refused, Some(InferError::OtherRun { what: "method", .. }));
        assert!(is_other, "{name}: {refused:?}");
    }
}
