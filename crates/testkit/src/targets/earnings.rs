//! Earnings by height and sex: six linear regressions of posteriordb with flat priors, from [gelman-2007]
//! chapter 4. `earn_height` is badly scaled (coefficients near -80000 and 1500) and defeats many optimizers.

use super::Boxed;
use super::database::Database;
use super::kidiq::with_product;
use super::linear_regression::LinearRegression;

type Columns = Vec<Vec<f64>>;

pub(super) fn earn_height(database: &Database) -> Boxed {
    fit(database, |earn| earn, |height, _| vec![height])
}

pub(super) fn log10earn_height(database: &Database) -> Boxed {
    fit(database, f64::log10, |height, _| vec![height])
}

pub(super) fn logearn_height(database: &Database) -> Boxed {
    fit(database, f64::ln, |height, _| vec![height])
}

pub(super) fn logearn_height_male(database: &Database) -> Boxed {
    fit(database, f64::ln, |height, male| vec![height, male])
}

pub(super) fn logearn_interaction(database: &Database) -> Boxed {
    fit(database, f64::ln, with_product)
}

pub(super) fn logearn_logheight_male(database: &Database) -> Boxed {
    fit(database, f64::ln, |height, male| {
        vec![height.iter().map(|h| h.ln()).collect(), male]
    })
}

/// An intercept, then the predictors made of height and male.
fn fit(
    database: &Database,
    scale: fn(f64) -> f64,
    predictors: fn(Vec<f64>, Vec<f64>) -> Columns,
) -> Boxed {
    let data = database.data("earnings");
    let earn = data.vector("earn");
    let mut columns = vec![vec![1.0; earn.len()]];
    columns.extend(predictors(data.vector("height"), data.vector("male")));
    let outcomes = earn.into_iter().map(scale).collect();
    Box::new(LinearRegression::new(&columns, outcomes))
}
