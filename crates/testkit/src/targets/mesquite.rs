//! Biomass of mesquite bushes by their measures: five linear regressions of posteriordb with flat priors, from
//! [gelman-2007] chapter 4. Only 46 bushes and, in the logarithmic forms, predictors that nearly repeat each
//! other.

use super::Boxed;
use super::database::{Data, Database};
use super::linear_regression::LinearRegression;

/// Measures as they are.
pub(super) fn mesquite(database: &Database) -> Boxed {
    let data = database.data("mesquite");
    let columns = [
        "diam1",
        "diam2",
        "canopy_height",
        "total_height",
        "density",
        "group",
    ]
    .map(|name| data.vector(name));
    fit(data.vector("weight"), &columns)
}

/// Logarithms of the measures.
pub(super) fn logmesquite(database: &Database) -> Boxed {
    let data = database.data("mesquite");
    let [d1, d2, ch] = ["diam1", "diam2", "canopy_height"].map(|name| log(&data, &[(name, 1.0)]));
    let columns = [
        d1,
        d2,
        ch,
        total(&data),
        density(&data),
        data.vector("group"),
    ];
    fit(weight(&data), &columns)
}

/// Logarithm of the canopy's volume.
pub(super) fn logvolume(database: &Database) -> Boxed {
    let data = database.data("mesquite");
    fit(weight(&data), &[volume(&data)])
}

/// Logarithms of the canopy's volume and area.
pub(super) fn logva(database: &Database) -> Boxed {
    let data = database.data("mesquite");
    let columns = [volume(&data), area(&data), data.vector("group")];
    fit(weight(&data), &columns)
}

/// Logarithms of the canopy's volume, area and shape, of height and density.
pub(super) fn logvas(database: &Database) -> Boxed {
    let data = database.data("mesquite");
    let shape = log(&data, &[("diam1", 1.0), ("diam2", -1.0)]);
    let columns = [
        volume(&data),
        area(&data),
        shape,
        total(&data),
        density(&data),
        data.vector("group"),
    ];
    fit(weight(&data), &columns)
}

fn weight(data: &Data) -> Vec<f64> {
    log(data, &[("weight", 1.0)])
}

fn total(data: &Data) -> Vec<f64> {
    log(data, &[("total_height", 1.0)])
}

fn density(data: &Data) -> Vec<f64> {
    log(data, &[("density", 1.0)])
}

fn area(data: &Data) -> Vec<f64> {
    log(data, &[("diam1", 1.0), ("diam2", 1.0)])
}

fn volume(data: &Data) -> Vec<f64> {
    log(
        data,
        &[("diam1", 1.0), ("diam2", 1.0), ("canopy_height", 1.0)],
    )
}

/// The logarithm of a product of powers of measures.
fn log(data: &Data, powers: &[(&str, f64)]) -> Vec<f64> {
    let mut logs = Vec::new();
    for (name, power) in powers {
        let column = data.vector(name);
        logs.resize(column.len(), 0.0);
        for (sum, x) in logs.iter_mut().zip(column) {
            *sum += power * x.ln();
        }
    }
    logs
}

fn fit(outcomes: Vec<f64>, predictors: &[Vec<f64>]) -> Boxed {
    let mut columns = vec![vec![1.0; outcomes.len()]];
    columns.extend_from_slice(predictors);
    Box::new(LinearRegression::new(&columns, outcomes))
}
