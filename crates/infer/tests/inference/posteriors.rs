//! The ladder and NUTS by their names on hand-written posteriors of posteriordb, against its reference draws.

use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::posteriordb;

/// What a good answer promises of every mean, in standard deviations.
const GOOD: f64 = 0.25;
/// Cheap ones: regressions of up to some thousand data, on plain and on logarithmic scales.
const CHEAP: [&str; 4] = [
    "earnings-logearn_height",
    "kidiq-kidscore_momhs",
    "mesquite-logmesquite_logvolume",
    "kidiq_with_mom_work-kidscore_interaction_c",
];

#[test]
fn named_methods_are_good_and_right_on_posteriors() {
    let Some(targets) = posteriordb() else {
        return;
    };
    for name in CHEAP {
        let target = targets.iter().find(|target| target.name == name);
        let target = target.expect("it is written by hand");
        for method in ["ladder", "nuts"] {
            let stream = Stream::from_seed(1).child(name, 0);
            let method = Method::from_name(method).unwrap();
            let options = FitOptions::default();
            let density = target.density.as_ref();
            let fitted = fit_with(density, &method, &options, &stream, None, &mut Silent).unwrap();
            let (e, worst) = target.worst_error(&fitted.mean);
            let said = format!("{name} by {}: E {e} of {worst}", fitted.method);
            assert!(e < GOOD, "{said}, {}", fitted.report);
            assert!(fitted.is_good(), "{said}, {}", fitted.report);
        }
    }
}
