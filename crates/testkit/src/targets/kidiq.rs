//! Test scores of children by education, intelligence and work of their mothers: the models kidscore_* of
//! posteriordb, from [gelman-2007] chapters 3 and 4. All are linear regressions; two have a half-Cauchy prior.

use super::Boxed;
use super::database::{Data, Database};
use super::linear_regression::LinearRegression;

/// Scale of the half-Cauchy prior of sigma, where there is one.
const NOISE_SCALE: f64 = 2.5;

pub(super) fn momhs(database: &Database) -> Boxed {
    let data = database.data("kidiq");
    Box::new(fit(&data, &[data.vector("mom_hs")]).noise_prior(NOISE_SCALE))
}

pub(super) fn interaction(database: &Database) -> Boxed {
    let data = database.data("kidiq");
    let columns = with_product(data.vector("mom_hs"), data.vector("mom_iq"));
    Box::new(fit(&data, &columns).noise_prior(NOISE_SCALE))
}

/// Predictors about their means.
pub(super) fn interaction_c(database: &Database) -> Boxed {
    interaction_of(database, |x| {
        let mean = mean(x);
        (mean, 1.0)
    })
}

/// Predictors about points of reference: half of the mothers, an intelligence of 100.
pub(super) fn interaction_c2(database: &Database) -> Boxed {
    interaction_of(database, |x| {
        let is_indicator = x.iter().all(|&x| x == 0.0 || x == 1.0);
        (if is_indicator { 0.5 } else { 100.0 }, 1.0)
    })
}

/// Predictors about their means in units of two standard deviations.
pub(super) fn interaction_z(database: &Database) -> Boxed {
    interaction_of(database, |x| {
        let mean = mean(x);
        let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
        (mean, 2.0 * (squares / (x.len() - 1) as f64).sqrt())
    })
}

pub(super) fn mom_work(database: &Database) -> Boxed {
    let data = database.data("kidiq_with_mom_work");
    let work = data.vector("mom_work");
    let columns = [2.0, 3.0, 4.0].map(|level| indicator(&work, level));
    Box::new(fit(&data, &columns))
}

/// Education, intelligence and their product, each predictor moved and scaled as `standard` says.
fn interaction_of(database: &Database, standard: fn(&[f64]) -> (f64, f64)) -> Boxed {
    let data = database.data("kidiq_with_mom_work");
    let [hs, iq] = ["mom_hs", "mom_iq"].map(|name| {
        let column = data.vector(name);
        let (center, scale) = standard(&column);
        column.iter().map(|x| (x - center) / scale).collect()
    });
    Box::new(fit(&data, &with_product(hs, iq)))
}

fn fit(data: &Data, predictors: &[Vec<f64>]) -> LinearRegression {
    let scores = data.vector("kid_score");
    let mut columns = vec![vec![1.0; scores.len()]];
    columns.extend_from_slice(predictors);
    LinearRegression::new(&columns, scores)
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// One where a category has this level, else zero.
pub(super) fn indicator(category: &[f64], level: f64) -> Vec<f64> {
    (category.iter())
        .map(|&c| f64::from(u8::from(c == level)))
        .collect()
}

/// Two predictors and their product.
pub(super) fn with_product(a: Vec<f64>, b: Vec<f64>) -> Vec<Vec<f64>> {
    let product = a.iter().zip(&b).map(|(a, b)| a * b).collect();
    vec![a, b, product]
}
