//! `compress`: examples without loss in as few bits as the model's bound says, an audit of the bound.

use super::output::{Written, check_place_of, default_name};
use crate::error::{Error, Result};
use crate::session::{self, Part, Session};
use jensen_data::{Examples, Values};
use jensen_rng::Stream;
use jensen_run::{Event, Observer, write_atomic};
use jensen_vae::bits_back::Coder;
use jensen_vae::metric;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The extension of compressed examples.
pub const EXTENSION: &str = "bitsback";

/// What to compress.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Other data than the run's.
    pub data: Option<String>,
    /// The part of the data.
    pub part: Part,
    /// Seed of the draws that make grey values binary, and of the bound's samples.
    pub seed: u64,
    /// The file, `.bitsback`; without one `compressed.bitsback` in the run.
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
            seed: 1,
            out: None,
            device: None,
        }
    }
}

/// Writes the examples and reads them back, so that a file that was written is one that decompresses. Measures
/// `code_length` of the whole file and `neg_elbo` of the same examples, nats per example, and `excess`, their relative
/// difference; `bits_per_dim` of the file.
pub fn compress(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    if let Some(out) = &request.out {
        check_place_of(out, EXTENSION)?;
    }
    let session = Session::load(&request.run, request.device.as_deref())?;
    let run = session.run.root();
    let of_code = |error| Error::of_code(run, error);
    let coder = Coder::new(&session.model, &session.params).map_err(of_code)?;
    let feed = session
        .feed(request.data.as_deref(), request.part, observer)?
        .feed;
    let stream = Stream::from_seed(request.seed).child("compress", 0);
    let n = feed.len();
    let all: Vec<usize> = (0..n).collect();
    let values = feed.host(&all, &stream.child("data", 0));
    let levels: Vec<u16> = values.iter().map(|&value| coder.level(value)).collect();
    let code = {
        let advance = &mut session::advancing(observer, "compress", n, "examples");
        coder.compress(&levels, advance).map_err(of_code)?
    };
    {
        let advance = &mut session::advancing(observer, "decompress", n, "examples");
        coder.decompress(&code, advance).map_err(of_code)?;
    }
    let bytes = code.to_bytes();

    // The bound of what was compressed, after grey values became binary.
    let of_levels = feed.with_examples(Examples::new(
        session.layout(),
        Values::U8 {
            bytes: levels.iter().map(|&level| level as u8).collect(),
            max: (coder.n_levels() - 1) as u8,
        },
        None,
    ));
    let scores = {
        let advance = &mut session::advancing(observer, "bound", n, "examples");
        let (model, params) = (&session.model, &session.params);
        metric::score(model, params, &of_levels, 0, &stream, advance)
    };
    let [neg_elbo, ..] = scores.ok_or(Error::Stopped)?.means();
    let bits = 8.0 * bytes.len() as f64 / n as f64;
    let code_length = bits * std::f64::consts::LN_2;
    let excess = code_length / neg_elbo - 1.0;
    if excess > LARGEST_EXCESS {
        let text = format!(
            "the file takes {:.1} % more than the bound says: the first bits of a code cost as much as some examples, and \
             these are {n}",
            100.0 * excess
        );
        observer.on(&Event::Warning { text: &text });
    }

    let name = default_name("compressed", request.data.as_deref());
    let path = match &request.out {
        Some(out) => out.with_extension(EXTENSION),
        None => session.run.path(format!("{name}.{EXTENSION}")),
    };
    write_atomic(&path, &bytes)?;
    let metrics = [
        ("code_length", code_length),
        ("neg_elbo", neg_elbo),
        ("excess", excess),
        ("bits_per_dim", bits / session.layout().n_values() as f64),
    ];
    let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
    Ok(Written {
        metrics: BTreeMap::from(metrics),
        ..Written::of(&session, vec![path], n, observer)
    })
}

/// What the buckets and the first bits of a code may cost.
const LARGEST_EXCESS: f64 = 0.01;
