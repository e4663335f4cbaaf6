//! `score`: how probable each example is under the model, as a table; the most unusual ones by index.

use super::output::{NotStored, Written, check_place, default_name};
use crate::error::{Error, Result};
use crate::session::{self, Part, Session};
use jensen_rng::Stream;
use jensen_run::{Observer, write_atomic};
use jensen_vae::metric::{self, Scores};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// What to score.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Other data than the run's.
    pub data: Option<String>,
    /// The part of the data.
    pub part: Part,
    /// K of the importance-weighted estimate of -log p(x); 0 leaves it out.
    pub samples: usize,
    /// Seed of the samples.
    pub seed: u64,
    /// The file, `.csv`; without one `scores.csv` in the run, or `scores-of-DATA.csv`.
    pub out: Option<PathBuf>,
    /// Another device than the processor.
    pub device: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            run: PathBuf::new(),
            data: None,
            part: Part::Test,
            samples: 0,
            seed: 1,
            out: None,
            device: None,
        }
    }
}

/// Writes one line an example: index, label, -ELBO, its parts, and the estimate if asked for; nats. Where
/// that cannot be stored, the means are given all the same.
pub fn score(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    if let Some(out) = &request.out {
        check_place(out, &["csv"])?;
    }
    let session = Session::load(&request.run, request.device.as_deref())?;
    session.check_samples(request.samples)?;
    let feed = session
        .feed(request.data.as_deref(), request.part, observer)?
        .feed;
    let stream = Stream::from_seed(request.seed).child("score", 0);
    let n = feed.len();
    let (model, params) = (&session.model, &session.params);
    let advance = &mut session::advancing(observer, "score", n, "examples");
    let scores = metric::score(model, params, &feed, request.samples, &stream, advance)
        .ok_or(Error::Stopped)?;
    let labels = feed.examples().labels.as_deref();
    let text = table(&scores, labels, request.samples);
    let out = request.out.clone();
    let name = default_name("scores", request.data.as_deref());
    let path = out.unwrap_or_else(|| session.run.path(format!("{name}.csv")));
    let stored = write_atomic(&path, text.as_bytes()).map_err(Error::from);
    Ok(Written {
        run: session.run.root().to_path_buf(),
        files: stored.is_ok().then_some(path).into_iter().collect(),
        n,
        metrics: means(&scores, request.samples),
        not_stored: stored.err().as_ref().map(NotStored::of),
    })
}

/// Names and values of the columns.
fn columns(scores: &Scores, k: usize) -> Vec<(String, &[f64])> {
    let mut columns: Vec<(String, &[f64])> = vec![
        ("neg_elbo".to_owned(), &scores.neg_elbo),
        ("reconstruction".to_owned(), &scores.reconstruction),
        ("kl".to_owned(), &scores.kl),
    ];
    if let Some(nll) = &scores.nll {
        columns.push((format!("nll_iwae_{k}"), nll));
    }
    columns
}

fn means(scores: &Scores, k: usize) -> BTreeMap<String, f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let means = columns(scores, k)
        .into_iter()
        .map(|(name, values)| (name, mean(values)));
    means.collect()
}

fn table(scores: &Scores, labels: Option<&[u32]>, k: usize) -> String {
    let columns = columns(scores, k);
    let mut text = String::from("index");
    let mut put = |piece: &str| text.push_str(piece);
    if labels.is_some() {
        put(",label");
    }
    columns.iter().for_each(|(name, _)| {
        put(",");
        put(name);
    });
    put("\n");
    for i in 0..scores.neg_elbo.len() {
        let line = |text: &mut String| -> std::fmt::Result {
            write!(text, "{i}")?;
            if let Some(labels) = labels {
                write!(text, ",{}", labels[i])?;
            }
            for (_, values) in &columns {
                write!(text, ",{:.6}", values[i])?;
            }
            writeln!(text)
        };
        line(&mut text).expect("internal error: writing to a text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_columns_that_were_measured() {
        let scores = Scores {
            neg_elbo: vec![3.0, 5.0],
            reconstruction: vec![1.0, 2.0],
            kl: vec![2.0, 3.0],
            nll: Some(vec![2.5, 4.5]),
        };
        assert_eq!(
            table(&scores, Some(&[7, 8]), 50),
            "index,label,neg_elbo,reconstruction,kl,nll_iwae_50\n\
             0,7,3.000000,1.000000,2.000000,2.500000\n\
             1,8,5.000000,2.000000,3.000000,4.500000\n"
        );
        let short = Scores {
            nll: None,
            ..scores
        };
        assert!(table(&short, None, 0).starts_with("index,neg_elbo,reconstruction,kl\n0,3"));
        assert_eq!(means(&short, 0)["neg_elbo"], 4.0);
    }
}
