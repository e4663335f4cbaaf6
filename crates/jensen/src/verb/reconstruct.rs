//! `reconstruct`: examples beside what the model makes of their codes.

use super::output::{self, Written};
use crate::error::Result;
use crate::memory;
use crate::pictures::{self, COLUMNS, Side};
use crate::session::{self, Part, Session};
use jensen_nets::Params;
use jensen_report::Picture;
use jensen_rng::Stream;
use jensen_run::Observer;
use jensen_vae::feed::Feed;
use jensen_vae::generate;
use jensen_vae::model::Model;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Examples unless others are asked for.
pub const N_DEFAULT: usize = 40;

/// What to reconstruct.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Other data than the run's.
    pub data: Option<String>,
    /// The part of the data.
    pub part: Part,
    /// The first n examples, unless `indices` names some.
    pub n: usize,
    /// Positions of examples in the part, from 0.
    pub indices: Vec<usize>,
    /// The file, `.png`, `.npz` or `.csv`.
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
            n: N_DEFAULT,
            indices: Vec::new(),
            out: None,
            device: None,
        }
    }
}

/// Reconstructs examples through the means of their codes.
pub fn reconstruct(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    Session::check_count("-n", request.n)?;
    let session = Session::load(&request.run, request.device.as_deref())?;
    let name = output::default_name("reconstructions", request.data.as_deref());
    let path = output::place(&session, request.out.as_deref(), &name)?;
    let feed = session
        .feed(request.data.as_deref(), request.part, observer)?
        .feed;
    let indices = match request.indices.as_slice() {
        [] => (0..feed.len().min(request.n)).collect(),
        named => named.to_vec(),
    };
    Session::check_indices("--index", &indices, feed.len())?;
    // Originals above reconstructions.
    let rows = Side {
        lines: indices.len().div_ceil(COLUMNS) * 2,
        each: COLUMNS / 2,
        option: "-n",
    };
    output::check_grid(&session, &path, Side::of("-n", COLUMNS), rows)?;
    let stream = Stream::from_seed(session.recipe.train.seed);
    let (model, params) = (&session.model, &session.params);
    let made = make(model, params, &feed, &indices, &stream, observer)?;
    let named: [(&str, &[f32]); 2] = [
        ("original", &made.originals),
        ("reconstruction", &made.values),
    ];
    output::write(&session, &path, &[], &named, |rows| {
        pictures::pairs(&rows[0], &rows[1], COLUMNS)
    })?;
    Ok(Written {
        metrics: BTreeMap::from([("mse".to_owned(), made.mse())]),
        ..Written::of(&session, vec![path], indices.len(), observer)
    })
}

/// Originals and reconstructions, `[n, P]`.
pub(super) struct Reconstructions {
    pub(super) originals: Vec<f32>,
    pub(super) values: Vec<f32>,
}

/// Examples in one pass.
const BATCH: usize = 500;

pub(super) fn make(
    model: &Model,
    params: &Params,
    feed: &Feed,
    indices: &[usize],
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Reconstructions> {
    let n = indices.len();
    memory::check_rows(
        &format!("holding {n} reconstructions"),
        2 * n,
        model.site().layout.n_values(),
    )?;
    let mut made = Reconstructions {
        originals: Vec::new(),
        values: Vec::new(),
    };
    for (i, batch) in indices.chunks(BATCH).enumerate() {
        let stream = stream.child("reconstruct", batch[0] as u64);
        made.originals.extend(feed.host(batch, &stream));
        let x = feed.batch(batch, &stream).x;
        made.values.extend(generate::reconstruct(model, params, x));
        let done = i * BATCH + batch.len();
        session::advance(observer, "reconstruct", done, n, "examples")?;
    }
    Ok(made)
}

impl Reconstructions {
    /// The mean squared error of a value.
    fn mse(&self) -> f64 {
        let pairs = self.originals.iter().zip(&self.values);
        let sum: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
        sum / self.values.len().max(1) as f64
    }

    /// Originals above reconstructions; none where data are no images.
    pub(super) fn picture(&self, model: &Model) -> Result<Option<Picture>> {
        let first = pictures::of_rows(&self.originals, model.site())?;
        let second = pictures::of_rows(&self.values, model.site())?;
        let both = first.zip(second);
        both.map(|(first, second)| pictures::pairs(&first, &second, COLUMNS))
            .transpose()
    }
}
