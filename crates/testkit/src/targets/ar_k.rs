//! Autoregression of order K given the first K values: the model arK of posteriordb, a linear regression on
//! the K values before, with normal priors on the coefficients and a half-Cauchy prior on the noise.

use jensen_density::Variable;

use super::Boxed;
use super::database::Database;
use super::linear_regression::LinearRegression;

pub(super) fn ar_k(database: &Database) -> Boxed {
    let data = database.data("arK");
    let order = data.number("K") as usize;
    let series = data.vector("y");
    let n = series.len() - order;
    let mut columns = vec![vec![1.0; n]];
    columns.extend((1..=order).map(|lag| series[order - lag..][..n].to_vec()));
    Box::new(
        LinearRegression::new(&columns, series[order..].to_vec())
            .named(vec![
                Variable::real("alpha"),
                Variable::new("beta", &[order]),
            ])
            .coefficient_priors(&vec![(0.0, 10.0); order + 1])
            .noise_prior(2.5),
    )
}
