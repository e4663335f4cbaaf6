//! Summer temperature at Kilpisjärvi by year: a linear regression of posteriordb with normal priors.
//!
//! The years are not centered, so intercept and slope correlate at -0.9999 or more and the scales of the
//! two differ by 2000: the worst conditioned of the small posteriors.

use jensen_density::Variable;

use super::Boxed;
use super::database::Database;
use super::linear_regression::LinearRegression;

pub(super) fn kilpisjarvi(database: &Database) -> Boxed {
    let data = database.data("kilpisjarvi_mod");
    let years = data.vector("x");
    let columns = [vec![1.0; years.len()], years];
    let priors = [
        (data.number("pmualpha"), data.number("psalpha")),
        (data.number("pmubeta"), data.number("psbeta")),
    ];
    Box::new(
        LinearRegression::new(&columns, data.vector("y"))
            .named(vec![Variable::real("alpha"), Variable::real("beta")])
            .coefficient_priors(&priors),
    )
}
