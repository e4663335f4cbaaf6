//! The limits of Stein particles: one of them is refused, and in many coordinates they lie too close together, which
//! their verdict tells.

use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::InferError;
use jensen_infer::method::{FitOptions, Fitted, Method, fit_with};
use jensen_infer::referee::Verdict;
use jensen_infer::svgd::Svgd;
use jensen_rng::Stream;
use jensen_run::Silent;

fn normal(d: usize) -> impl LogDensity {
    from_fn(Layout::new(vec![Variable::new("x", &[d])]), |x, grad| {
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = -x);
        -0.5 * x.iter().map(|x| x * x).sum::<f64>()
    })
}

fn particles(d: usize, svgd: Svgd) -> Result<Fitted, InferError> {
    let (method, options) = (Method::Svgd(svgd), FitOptions::default());
    let stream = Stream::from_seed(1);
    fit_with(&normal(d), &method, &options, &stream, None, &mut Silent)
}

#[test]
fn few_coordinates_are_answered_and_many_are_told_to_be_too_narrow() {
    let few = particles(2, Svgd::default()).unwrap();
    assert!(few.is_good(), "{}", few.report);
    // Variances shrink with the number of coordinates for a fixed number of particles.
    let many = particles(80, Svgd::default()).unwrap();
    let mean_sd = |fitted: &Fitted| fitted.sd.iter().sum::<f64>() / fitted.sd.len() as f64;
    assert!((mean_sd(&few) - 1.0).abs() < 0.1, "{}", mean_sd(&few));
    assert!(mean_sd(&many) < 0.67, "{}", mean_sd(&many));
    assert!(many.report.verdict > Verdict::Good, "{}", many.report);
    let spread = many
        .report
        .checks
        .iter()
        .find(|check| check.name == "spread");
    assert!(spread.unwrap().verdict() > Verdict::Good, "{}", many.report);
}

#[test]
fn a_single_particle_is_refused() {
    let alone = Svgd {
        n_particles: 1,
        ..Svgd::default()
    };
    match particles(2, alone).err() {
        Some(InferError::Option { option, found, .. }) => {
            assert_eq!((option, found.as_str()), ("n_particles", "1"));
        }
        other => panic!("{other:?}"),
    }
}
