//! Party identification in the American National Election Studies of one year: a linear regression of
//! posteriordb with nine coefficients and flat priors, from [gelman-2007] section 4.7.

use super::Boxed;
use super::database::Database;
use super::kidiq::indicator;
use super::linear_regression::LinearRegression;

/// The regression of a year.
pub(super) fn nes(database: &Database, year: u32) -> Boxed {
    let data = database.data(&format!("nes{year}"));
    let age = data.vector("age_discrete");
    let columns = [
        vec![1.0; age.len()],
        data.vector("real_ideo"),
        data.vector("race_adj"),
        indicator(&age, 2.0),
        indicator(&age, 3.0),
        indicator(&age, 4.0),
        data.vector("educ1"),
        data.vector("gender"),
        data.vector("income"),
    ];
    Box::new(LinearRegression::new(&columns, data.vector("partyid7")))
}
