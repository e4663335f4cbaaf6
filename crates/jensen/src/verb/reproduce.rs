//! `reproduce`: fits a recipe and checks what its `[expect]` block promises.
//!
//! A key is the name of a metric and holds on the recipe's own data; `"mnist/test_neg_elbo"` holds on
//! the data `mnist`.

use super::fit::{FitRequest, Fitted, Status, fit_expecting};
use crate::error::{Error, Result};
use crate::recipes::RecipeRequest;
use jensen_data::{catalogue, nearest};
use jensen_run::{Event, Observer};
use jensen_vae::recipe::Expectation;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What to reproduce.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The recipe and the changes to it.
    pub recipe: RecipeRequest,
    /// The run folder; without one the next free number under `runs/`.
    pub out: Option<PathBuf>,
}

/// One line of the check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Name of the metric.
    pub metric: String,
    /// Smallest allowed value, if there is one.
    pub min: Option<f64>,
    /// Largest allowed value, if there is one.
    pub max: Option<f64>,
    /// What was measured; none if this metric was not.
    pub value: Option<f64>,
    /// Whether it is in the range.
    pub pass: bool,
}

/// The result of a reproduction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reproduced {
    /// The fit.
    #[serde(flatten)]
    pub fitted: Fitted,
    /// The checks; empty if the fit was stopped.
    pub checks: Vec<Check>,
    /// Whether all of them passed.
    pub pass: bool,
}

/// Fits, measures and checks.
///
/// # Errors
/// [`Error::NothingExpected`], and [`Error::Option`] for estimates with several K, before anything is
/// done; those of [`fit`](super::fit::fit).
pub fn reproduce(request: &Request, observer: &mut dyn Observer) -> Result<Reproduced> {
    let recipe = request.recipe.resolve()?;
    let is_own = recipe.data.source == request.recipe.own_source()?;
    let source = recipe.data.source.trim_end_matches('/');
    let data = Path::new(source).file_name().unwrap_or_default();
    let data = data.to_string_lossy();
    let expected = expectations(&recipe.expect, is_own, &data);
    let others: BTreeSet<&str> = (recipe.expect.keys())
        .filter_map(|key| Some(key.split_once('/')?.0))
        .filter(|other| *other != data)
        .collect();
    for text in others.iter().copied().filter_map(slip) {
        observer.on(&Event::Warning { text: &text });
    }
    if expected.is_empty() {
        return Err(Error::NothingExpected {
            recipe: recipe.name,
            data: data.into_owned(),
            others: others.into_iter().map(str::to_owned).collect(),
        });
    }
    let samples = samples(&expected)?;
    let fitted = fit_expecting(
        &FitRequest {
            recipe: request.recipe.clone(),
            out: request.out.clone(),
            iwae_samples: samples,
        },
        &expected,
        observer,
    )?;
    let checks = match fitted.status {
        Status::Stopped => Vec::new(),
        _ => check(&expected, &fitted.metrics),
    };
    Ok(Reproduced {
        pass: !checks.is_empty() && checks.iter().all(|check| check.pass),
        fitted,
        checks,
    })
}

/// A warning where a name of data is that of a built-in set but for a slip of the pen.
fn slip(data: &str) -> Option<String> {
    let known: Vec<String> = catalogue()
        .iter()
        .map(|entry| entry.name.to_owned())
        .collect();
    let nearest = nearest(data, known.iter()).filter(|nearest| nearest != data)?;
    Some(format!(
        "[expect] names the data `{data}`, and there is a built-in set `{nearest}`: if that is meant, its \
         promises are not checked"
    ))
}

/// What is expected on these data, by metric.
fn expectations(
    expect: &BTreeMap<String, Expectation>,
    is_own: bool,
    data: &str,
) -> BTreeMap<String, Expectation> {
    let mut here: BTreeMap<String, Expectation> = BTreeMap::new();
    for (key, range) in expect {
        let metric = match key.split_once('/') {
            None => is_own.then_some(key.as_str()),
            Some((name, metric)) => (name == data).then_some(metric),
        };
        let Some(metric) = metric else { continue };
        // Named both ways it must keep both promises.
        let both = here.entry(metric.to_owned()).or_insert(*range);
        both.min = both.min.max(range.min);
        both.max = both.max.min(range.max);
    }
    here
}

/// K of the importance-weighted estimate that is expected: a fit measures one.
fn samples(expected: &BTreeMap<String, Expectation>) -> Result<Option<usize>> {
    let all =
        (expected.keys()).filter_map(|name| name.rsplit_once("nll_iwae_")?.1.parse::<usize>().ok());
    let all: BTreeSet<usize> = all.collect();
    if all.len() > 1 {
        let all: Vec<String> = all.iter().map(usize::to_string).collect();
        return Err(Error::Option {
            name: "[expect] test_nll_iwae_K",
            expected: "one K, because a fit measures this estimate once".to_owned(),
            found: format!("K = {}", all.join(" and ")),
        });
    }
    Ok(all.first().copied())
}

fn check(expected: &BTreeMap<String, Expectation>, metrics: &BTreeMap<String, f64>) -> Vec<Check> {
    let line = |(metric, range): (&String, &Expectation)| {
        let value = metrics.get(metric).copied();
        Check {
            metric: metric.clone(),
            min: Some(range.min).filter(|min| min.is_finite()),
            max: Some(range.max).filter(|max| max.is_finite()),
            value,
            pass: value.is_some_and(|value| range.min <= value && value <= range.max),
        }
    };
    expected.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_belong_to_data() {
        let range = |max: f64| Expectation {
            min: f64::NEG_INFINITY,
            max,
        };
        let expect = BTreeMap::from([
            ("test_neg_elbo".to_owned(), range(20.0)),
            ("mnist/test_neg_elbo".to_owned(), range(106.0)),
        ]);
        let on = |is_own, data| expectations(&expect, is_own, data);
        assert_eq!(on(true, "digits")["test_neg_elbo"].max, 20.0);
        assert_eq!(on(true, "mnist")["test_neg_elbo"].max, 20.0);
        assert_eq!(on(false, "mnist")["test_neg_elbo"].max, 106.0);
        assert!(on(false, "faces").is_empty());
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        assert!(slip("mnsit").unwrap().contains("`mnist`"));
        assert_eq!(slip("mnist"), None);
        assert_eq!(slip("portraits"), None);
    }

    #[test]
    fn a_metric_that_was_not_measured_does_not_pass() {
        let range = Expectation {
            min: 1.0,
            max: f64::INFINITY,
        };
        let names = ["inside", "outside", "missing", "nan"];
        let expected = names.map(|name| (name.to_owned(), range)).into();
        let metrics = [("inside", 1.0), ("outside", 0.9), ("nan", f64::NAN)];
        let metrics = metrics.map(|(name, x)| (name.to_owned(), x)).into();
        let checks = check(&expected, &metrics);
        let passed: Vec<&str> = (checks.iter())
            .filter(|check| check.pass)
            .map(|check| check.metric.as_str())
            .collect();
        assert_eq!(passed, ["inside"]);
        assert_eq!((checks[0].min, checks[0].max), (Some(1.0), None));
    }
}
