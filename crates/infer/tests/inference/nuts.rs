//! The No-U-turn sampler on the eight schools, whose moments are known to many digits.

use jensen_infer::mcmc::{ChainOptions, Metric, Nuts, nuts};
use jensen_posterior::mcse;
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{EightSchools, Parameterization};

/// Standard errors by which a mean or a standard deviation may be off.
const SIGMAS: f64 = 5.0;
/// Standard error of a mean in standard deviations: that of 1000 independent draws.
const RESOLUTION: f64 = 0.032;
/// One in a thousand of 10,000 draws.
const MOST_DIVERGENT: usize = 10;

#[test]
fn eight_schools_has_the_reference_moments() {
    let target = EightSchools::embedded(Parameterization::Noncentered).target();
    let reference = &target.reference;
    let options = ChainOptions {
        n_draws: 2500,
        ..ChainOptions::default()
    };
    for metric in [Metric::Diagonal, Metric::LowRank] {
        let sampler = Nuts {
            metric,
            target_accept: 0.95,
            ..Nuts::default()
        };
        let density = target.density.as_ref();
        let stream = Stream::from_seed(11);
        let sampled =
            nuts::sample(density, &sampler, &options, &stream, None, &mut Silent).unwrap();
        let values = sampled.constrained(density);
        assert_eq!(values.names(), reference.names);
        for (i, name) in reference.names.iter().enumerate() {
            let chains = values.quantity(i).unwrap();
            let (mean, sd) = (reference.mean[i], reference.sd[i]);
            let error = mcse::mean(&chains);
            assert!(
                error < RESOLUTION * sd,
                "{metric:?} {name}: resolution {error}"
            );
            let found = chains.mean();
            assert!(
                (found - mean).abs() < SIGMAS * error,
                "{metric:?} {name}: mean {found}, expected {mean} +- {error}"
            );
            let (found, error) = (chains.sd(), mcse::sd(&chains));
            assert!(
                (found - sd).abs() < SIGMAS * error,
                "{metric:?} {name}: sd {found}, expected {sd} +- {error}"
            );
        }
        let n_divergent = sampled.divergences.len();
        assert!(n_divergent < MOST_DIVERGENT, "{n_divergent}");
    }
}
