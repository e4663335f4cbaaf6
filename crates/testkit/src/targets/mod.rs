//! Targets with known answers: hand-written log densities with exact gradients, one model a file.
//!
//! Two sorts. [`posteriordb`] gives the posteriors of the larger data sets that have a reference
//! [magnusson-2025]; their log densities equal Stan's up to a constant, transforms and log-determinants
//! included. [`synthetic`] needs no data: exact means, standard deviations and, where it is known, the log
//! normalizer. A [`Target`] joins the density with its answer; [`Target::worst_error`] is the score of the
//! protocol. To add a model, write its file and name it in [`posteriordb`] or [`synthetic`].

mod accel_gp;
mod ar_k;
mod arma;
mod banana;
mod bimodal;
mod broken;
mod cholesky;
mod counted;
mod database;
mod dormand_prince;
mod earnings;
mod eight_schools;
mod funnel;
mod gauss_mix;
mod gaussian;
mod gp_regr;
mod hmm;
mod kidiq;
mod kilpisjarvi;
mod linear_regression;
mod logistic;
mod logistic_regression;
mod lotka_volterra;
mod mesquite;
mod nes;
mod normal_mixture;
mod of_log;
mod student_t;

pub use banana::Banana;
pub use bimodal::{Bimodal, far_mode};
pub use broken::{NanIsland, Rejecting};
pub use counted::Counted;
pub use eight_schools::{EightSchools, Parameterization};
pub use funnel::Funnel;
pub use gaussian::Gaussian;
pub use linear_regression::LinearRegression;
pub use logistic_regression::LogisticRegression;
pub use normal_mixture::NormalMixture;
pub use of_log::OfLog;
pub use student_t::StudentT;

use jensen_density::LogDensity;

use crate::larger_data;
use database::Database;

/// A log density that can be moved between threads.
pub type Boxed = Box<dyn LogDensity + Send>;

/// A log density with its known answer.
pub struct Target {
    /// `data-model` for a posterior of posteriordb, else family and dimension.
    pub name: String,
    /// The density; its constrained values are those of the reference, in the same order.
    pub density: Boxed,
    /// What is known of the answer.
    pub reference: Reference,
}

/// What is known of a target on the constrained scale.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Names of the values, `[n_values]`.
    pub names: Vec<String>,
    /// Their means, `[n_values]`.
    pub mean: Vec<f64>,
    /// Their standard deviations, `[n_values]`.
    pub sd: Vec<f64>,
    /// Monte Carlo standard errors of the means, `[n_values]`; zero where the means are exact.
    pub mcse: Vec<f64>,
    /// Number of reference draws; `None` where the answer is exact.
    pub n_draws: Option<usize>,
    /// The logarithm of the integral of exp(log density) over the unconstrained space, nats, where known.
    pub log_normalizer: Option<f64>,
}

impl Target {
    /// A target whose answer is known exactly.
    fn exact(
        name: String,
        density: impl LogDensity + Send + 'static,
        mean: Vec<f64>,
        sd: Vec<f64>,
        log_normalizer: Option<f64>,
    ) -> Self {
        let reference = Reference {
            names: density.layout().value_names(),
            mcse: vec![0.0; mean.len()],
            mean,
            sd,
            n_draws: None,
            log_normalizer,
        };
        Self {
            name,
            density: Box::new(density),
            reference,
        }
    }

    /// E = the largest |mean - reference mean| / reference SD over the values `[n_values]`, and the value
    /// that has it. A mean that is not a number has E = infinity.
    pub fn worst_error(&self, mean: &[f64]) -> (f64, &str) {
        let reference = &self.reference;
        assert_eq!(mean.len(), reference.mean.len(), "internal error: values");
        let mut worst = (0.0, reference.names[0].as_str());
        for (i, name) in reference.names.iter().enumerate() {
            let error = (mean[i] - reference.mean[i]).abs() / reference.sd[i];
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if error > worst.0 {
                worst = (error, name);
            }
        }
        worst
    }
}

/// Makes a posterior's density from its data.
type Make = fn(&Database) -> Boxed;

/// All posteriors of the folder `posteriordb` that have reference moments, in the order of its index; `None` after saying "skipped: no data" where the folder is absent.
pub fn posteriordb() -> Option<Vec<Target>> {
    let database = Database::at(larger_data("posteriordb")?);
    let models: [(&str, Make); 36] = [
        ("arK-arK", ar_k::ar_k),
        ("arma-arma11", arma::arma11),
        ("bball_drive_event_0-hmm_drive_0", hmm::drive_0),
        ("earnings-earn_height", earnings::earn_height),
        ("earnings-log10earn_height", earnings::log10earn_height),
        ("earnings-logearn_height", earnings::logearn_height),
        (
            "earnings-logearn_height_male",
            earnings::logearn_height_male,
        ),
        (
            "earnings-logearn_interaction",
            earnings::logearn_interaction,
        ),
        (
            "earnings-logearn_logheight_male",
            earnings::logearn_logheight_male,
        ),
        (
            "eight_schools-eight_schools_centered",
            eight_schools::centered,
        ),
        (
            "eight_schools-eight_schools_noncentered",
            eight_schools::noncentered,
        ),
        ("gp_pois_regr-gp_regr", gp_regr::gp_regr),
        ("hmm_example-hmm_example", hmm::example),
        (
            "hudson_lynx_hare-lotka_volterra",
            lotka_volterra::lotka_volterra,
        ),
        ("kidiq-kidscore_interaction", kidiq::interaction),
        ("kidiq-kidscore_momhs", kidiq::momhs),
        (
            "kidiq_with_mom_work-kidscore_interaction_c",
            kidiq::interaction_c,
        ),
        (
            "kidiq_with_mom_work-kidscore_interaction_c2",
            kidiq::interaction_c2,
        ),
        (
            "kidiq_with_mom_work-kidscore_interaction_z",
            kidiq::interaction_z,
        ),
        ("kidiq_with_mom_work-kidscore_mom_work", kidiq::mom_work),
        ("kilpisjarvi_mod-kilpisjarvi", kilpisjarvi::kilpisjarvi),
        (
            "low_dim_gauss_mix-low_dim_gauss_mix",
            gauss_mix::low_dim_gauss_mix,
        ),
        ("mcycle_gp-accel_gp", accel_gp::accel_gp),
        ("mesquite-logmesquite", mesquite::logmesquite),
        ("mesquite-logmesquite_logva", mesquite::logva),
        ("mesquite-logmesquite_logvas", mesquite::logvas),
        ("mesquite-logmesquite_logvolume", mesquite::logvolume),
        ("mesquite-mesquite", mesquite::mesquite),
        ("nes1972-nes", |data| nes::nes(data, 1972)),
        ("nes1976-nes", |data| nes::nes(data, 1976)),
        ("nes1980-nes", |data| nes::nes(data, 1980)),
        ("nes1984-nes", |data| nes::nes(data, 1984)),
        ("nes1988-nes", |data| nes::nes(data, 1988)),
        ("nes1992-nes", |data| nes::nes(data, 1992)),
        ("nes1996-nes", |data| nes::nes(data, 1996)),
        ("nes2000-nes", |data| nes::nes(data, 2000)),
    ];
    Some(
        (models.into_iter())
            .map(|(name, density)| Target {
                name: name.to_owned(),
                density: density(&database),
                reference: database.moments(name),
            })
            .collect(),
    )
}

/// The reference draws of a posterior of posteriordb: names, and values `[n_draws, n_values]` row after row,
/// chain after chain (10 chains of 1000); `None` where the folder or the draws of this posterior are absent
/// (those of `mcycle_gp-accel_gp`, of which only the moments are there).
pub fn posteriordb_draws(name: &str) -> Option<(Vec<String>, Vec<f64>)> {
    Database::at(larger_data("posteriordb")?).draws(name)
}

/// Targets that need no data, with exact answers.
pub fn synthetic() -> Vec<Target> {
    vec![
        Gaussian::standard(3).target(),
        Gaussian::correlated(5, 0.9).target(),
        Gaussian::scaled(&[1e-3, 1.0, 1e3]).target(),
        Banana::default().target(),
        Funnel::default().target(),
        StudentT::new(4, 5, 1.0, 2.0).target(),
        Bimodal::new(1, 6.0, 0.3).target(),
        Bimodal::new(3, 4.0, 0.5).target(),
        LogisticRegression::default().target(),
        EightSchools::embedded(Parameterization::Noncentered).target(),
        EightSchools::embedded(Parameterization::Centered).target(),
    ]
}
