//! `metrics.jsonl`: one JSON object a line, appended while the work goes on.
//!
//! ```text
//! {"step":40,"epoch":2,"split":"train","elapsed_s":1.25,"elbo":-31.2,"log_likelihood":-25.1,"kl":6.1}
//! ```
//!
//! A crash can cut the last line short; that line is ignored on reading and removed before the next
//! is appended. Any other line that holds no record is left out too, and [`damaged_lines`] names it:
//! a point of the curves is no reason to do without the rest.

use crate::atomic::{AtomicFile, create_folder, parent};
use crate::error::{Result, RunError};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The values measured at one step on one part of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Steps done.
    pub step: u64,
    /// Epoch, counted from 1.
    pub epoch: u64,
    /// On which part of the data.
    pub split: Split,
    /// Time spent on the run, seconds, over all its processes.
    pub elapsed_s: f64,
    /// Names and values in the order written; nats per example unless the name says otherwise.
    pub metrics: Vec<(String, f64)>,
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Trained on.
    Train,
    /// Looked at while training, to choose and to stop.
    Validation,
    /// Looked at once, at the end.
    Test,
}

impl Record {
    /// The value of a metric, where it was measured.
    pub fn get(&self, name: &str) -> Option<f64> {
        let found = self.metrics.iter().find(|(key, _)| key == name)?;
        Some(found.1)
    }
}

/// The file `metrics.jsonl`, open for appending.
#[derive(Debug)]
pub struct MetricsLog {
    file: File,
    path: PathBuf,
}

impl MetricsLog {
    /// Opens the file for appending and makes it where it is missing; a cut last line is removed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        create_folder(parent(path))?;
        let mut file = open_append(path)?;
        let bytes = fs::read(path).map_err(RunError::io("read", path))?;
        let (whole, rest) = split_rest(&bytes);
        if serde_json::from_slice::<Record>(rest).is_ok() {
            // Only the line's end is missing.
            file.write_all(b"\n")
                .map_err(RunError::io("append to", path))?;
        } else if !rest.is_empty() {
            file.set_len(whole.len() as u64)
                .map_err(RunError::io("truncate", path))?;
        }
        Ok(Self {
            file,
            path: path.to_path_buf(),
        })
    }

    /// Appends one line. A metric may not have the name of one of the fixed fields.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        if let Some((name, _)) = record.metrics.iter().find(|(n, _)| FIXED.contains(&&**n)) {
            return Err(RunError::Name {
                name: name.clone(),
                reason: "a line of metrics.jsonl has a field of this name already",
            });
        }
        let mut line = serde_json::to_vec(record).expect("internal error: a record is plain data");
        line.push(b'\n');
        // One call per line: lines of two processes would not mix, and a crash cuts one line only.
        self.file
            .write_all(&line)
            .map_err(RunError::io("append to", &self.path))
    }

    /// Removes the records after `step`, which a resumed run is about to measure again, and lines that
    /// hold none.
    pub fn truncate_after(&mut self, step: u64) -> Result<()> {
        let mut kept = AtomicFile::create(&self.path)?;
        for record in read_metrics(&self.path)? {
            if record.step <= step {
                serde_json::to_writer(&mut kept, &record)
                    .map_err(io::Error::from)
                    .and_then(|()| kept.write_all(b"\n"))
                    .map_err(RunError::io("write", &self.path))?;
            }
        }
        kept.commit()?;
        self.file = open_append(&self.path)?;
        Ok(())
    }

    /// Makes the lines appended so far durable; done at each checkpoint.
    pub fn sync(&mut self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(RunError::io("sync", &self.path))
    }
}

/// The records of a `metrics.jsonl`, in order; none where the file is missing. Lines that hold no record
/// are left out, see [`damaged_lines`].
pub fn read_metrics(path: impl AsRef<Path>) -> Result<Vec<Record>> {
    let lines = parse(path.as_ref())?.into_iter();
    Ok(lines.filter_map(Result::ok).collect())
}

/// What is wrong with a `metrics.jsonl`: the first line that holds no record, and how many there are.
pub fn damaged_lines(path: impl AsRef<Path>) -> Result<Option<(RunError, usize)>> {
    let mut faults = parse(path.as_ref())?.into_iter().filter_map(Result::err);
    let first = faults.next();
    Ok(first.map(|first| (first, 1 + faults.count())))
}

/// Each line with content as a record, or what is wrong with it; a last line without an end that holds
/// no record is left out.
fn parse(path: &Path) -> Result<Vec<Result<Record>>> {
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(RunError::io("read", path))?,
    };
    let (whole, rest) = split_rest(&bytes);
    let record = |(line_idx, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|e| RunError::Text {
            path: path.to_path_buf(),
            line: line_idx + 1,
            column: e.column(),
            message: format!("expected one record of metrics: {}", without_place(&e)),
        })
    };
    let mut lines: Vec<Result<Record>> = (whole.split_inclusive(|&b| b == b'\n').enumerate())
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(record)
        .collect();
    lines.extend(serde_json::from_slice::<Record>(rest).ok().map(Ok));
    Ok(lines)
}

/// A JSON error's text without its " at line 1 column 2", which is said in the file's own terms.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map(str::to_owned).unwrap_or(text)
}

fn open_append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(RunError::io("open", path))
}

/// The bytes up to the last line end, and what follows it.
fn split_rest(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    bytes.split_at(end)
}

const FIXED: [&str; 4] = ["step", "epoch", "split", "elapsed_s"];

/// A number in JSON, which has no word for those that are not finite.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            x => serializer.serialize_f64(x),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a number, "NaN", "Infinity" or "-Infinity""#)
            }

            fn visit_f64<E: de::Error>(self, x: f64) -> Result<Number, E> {
                Ok(Number(x))
            }

            fn visit_u64<E: de::Error>(self, x: u64) -> Result<Number, E> {
                Ok(Number(x as f64))
            }

            fn visit_i64<E: de::Error>(self, x: i64) -> Result<Number, E> {
                Ok(Number(x as f64))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                match text {
                    "NaN" => Ok(Number(f64::NAN)),
                    "Infinity" => Ok(Number(f64::INFINITY)),
                    "-Infinity" => Ok(Number(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.step)?;
        map.serialize_entry("epoch", &self.epoch)?;
        map.serialize_entry("split", &self.split)?;
        map.serialize_entry("elapsed_s", &Number(self.elapsed_s))?;
        for (name, value) in &self.metrics {
            map.serialize_entry(name, &Number(*value))?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because a flattened map would lose the order of the metrics.
        struct RecordVisitor;
        impl<'de> Visitor<'de> for RecordVisitor {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with step, epoch, split, elapsed_s and metrics")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let (mut step, mut epoch, mut split, mut elapsed_s) = (None, None, None, None);
                let mut metrics = Vec::<(String, f64)>::new();
                while let Some(key) = map.next_key::<String>()? {
                    let repeated = match &*key {
                        "step" => step.replace(map.next_value()?).is_some(),
                        "epoch" => epoch.replace(map.next_value()?).is_some(),
                        "split" => split.replace(map.next_value()?).is_some(),
                        "elapsed_s" => elapsed_s.replace(map.next_value::<Number>()?.0).is_some(),
                        _ => {
                            let value = map.next_value::<Number>()?.0;
                            metrics.push((key.clone(), value));
                            metrics[..metrics.len() - 1].iter().any(|(n, _)| *n == key)
                        }
                    };
                    if repeated {
                        return Err(de::Error::custom(format!("field `{key}` twice")));
                    }
                }
                let missing = de::Error::missing_field;
                Ok(Record {
                    step: step.ok_or_else(|| missing("step"))?,
                    epoch: epoch.ok_or_else(|| missing("epoch"))?,
                    split: split.ok_or_else(|| missing("split"))?,
                    elapsed_s: elapsed_s.ok_or_else(|| missing("elapsed_s"))?,
                    metrics,
                })
            }
        }
        deserializer.deserialize_map(RecordVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::{TempDir, tempdir};

    fn record(step: u64) -> Record {
        let metrics = [
            ("elbo", -30.25),
            ("kl", 6.1),
            ("aardvark", f64::MIN_POSITIVE),
        ];
        Record {
            step,
            epoch: 1 + step / 10,
            split: if step.is_multiple_of(5) {
                Split::Validation
            } else {
                Split::Train
            },
            elapsed_s: 0.1 * step as f64,
            metrics: metrics.map(|(n, x)| (n.to_owned(), x)).into(),
        }
    }

    fn log(steps: std::ops::Range<u64>) -> (TempDir, PathBuf, MetricsLog) {
        let dir = tempdir().unwrap();
        let path = dir.path().join("deep/metrics.jsonl");
        let mut log = MetricsLog::open(&path).unwrap();
        steps.for_each(|step| log.append(&record(step)).unwrap());
        (dir, path, log)
    }

    #[test]
    fn the_form_of_a_line() {
        let (_dir, path, _log) = log(40..41);
        let expected = "{\"step\":40,\"epoch\":5,\"split\":\"validation\",\"elapsed_s\":4.0,\
             \"elbo\":-30.25,\"kl\":6.1,\"aardvark\":2.2250738585072014e-308}\n";
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn records_come_back_in_order() {
        let (_dir, path, mut log) = log(0..12);
        log.sync().unwrap();
        let records = read_metrics(&path).unwrap();
        assert_eq!(records, (0..12).map(record).collect::<Vec<_>>());
        assert_eq!(records[3].get("kl"), Some(6.1));
        assert_eq!(records[3].get("mmd"), None);
        assert!(
            read_metrics(path.with_file_name("missing"))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn numbers_survive_that_json_cannot_write() {
        let (_dir, path, mut log) = log(0..0);
        let mut odd = record(1);
        let values = [f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 1.0 / 3.0];
        odd.metrics = values.map(|x| (format!("m{x:e}"), x)).into();
        log.append(&odd).unwrap();
        odd.metrics = vec![("elbo".into(), f64::NAN)];
        log.append(&odd).unwrap();
        let records = read_metrics(&path).unwrap();
        let read: Vec<u64> = records[0]
            .metrics
            .iter()
            .map(|(_, x)| x.to_bits())
            .collect();
        assert_eq!(read, values.map(f64::to_bits));
        assert!(records[1].get("elbo").unwrap().is_nan());
    }

    #[test]
    fn a_line_cut_anywhere_is_tolerated_and_repaired() {
        let (_dir, path, log) = log(0..3);
        drop(log);
        let whole = fs::read(&path).unwrap();
        let two = 1 + whole[..whole.len() - 1]
            .iter()
            .rposition(|&b| b == b'\n')
            .unwrap();
        for n in two..=whole.len() {
            // The line is whole once only its end is missing.
            let n_whole = if n + 1 >= whole.len() { 3 } else { 2 };
            fs::write(&path, &whole[..n]).unwrap();
            assert_eq!(read_metrics(&path).unwrap().len(), n_whole, "cut at {n}");
            let mut log = MetricsLog::open(&path).unwrap();
            log.append(&record(9)).unwrap();
            let records = read_metrics(&path).unwrap();
            assert_eq!(records.len(), n_whole + 1, "cut at {n}");
            assert_eq!(records[n_whole], record(9));
        }
        // Some file systems fill the end with zeros after a power cut.
        fs::write(&path, [&whole[..], &[0; 100]].concat()).unwrap();
        assert_eq!(read_metrics(&path).unwrap().len(), 3);
    }

    #[test]
    fn a_fault_elsewhere_has_a_place_and_costs_one_record() {
        let (_dir, path, log) = log(0..1);
        drop(log);
        let good = fs::read_to_string(&path).unwrap();
        for (bad, word) in [
            ("{\"step\":1", "EOF"),
            ("nonsense", "expected"),
            ("[1,2]", "an object with step"),
            ("{\"step\":1,\"epoch\":1,\"split\":\"train\"}", "elapsed_s"),
            ("{\"step\":-1}", "-1"),
            ("{\"step\":1,\"split\":\"trian\"}", "trian"),
            ("{\"elbo\":true}", "a number"),
            ("{\"elbo\":\"high\"}", "high"),
            ("{\"elbo\":1,\"elbo\":2}", "`elbo` twice"),
            ("{\"step\":1,\"step\":2}", "`step` twice"),
        ] {
            fs::write(&path, format!("{good}\n{bad}\n{good}")).unwrap();
            assert_eq!(read_metrics(&path).unwrap(), [record(0), record(0)]);
            match damaged_lines(&path).unwrap().unwrap() {
                (
                    RunError::Text {
                        path: named,
                        line: 3,
                        column,
                        message,
                    },
                    1,
                ) => {
                    assert_eq!(named, path);
                    assert!(column <= bad.len() + 1);
                    assert!(
                        message.contains(word) && !message.contains("line"),
                        "{message}"
                    );
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_resumed_run_measures_again() {
        let (_dir, path, mut log) = log(0..10);
        log.truncate_after(6).unwrap();
        log.append(&record(7)).unwrap();
        let steps: Vec<u64> = read_metrics(&path)
            .unwrap()
            .iter()
            .map(|r| r.step)
            .collect();
        assert_eq!(steps, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn fixed_names_are_refused() {
        let (_dir, path, mut log) = log(0..1);
        let mut wrong = record(1);
        wrong.metrics.push(("epoch".into(), 1.0));
        assert!(
            matches!(log.append(&wrong).unwrap_err(), RunError::Name { name, .. } if name == "epoch")
        );
        assert_eq!(read_metrics(&path).unwrap().len(), 1);
    }
}
