//! The protocol of the record `benches/records/ladder.json`: methods against reference draws.
//!
//! E is the largest |mean - reference mean| / reference sd over the values of a posterior, for seeds 1 to 5;
//! a run that fails counts as a miss. One JSON object a line: posterior, method, seed, E and the value that
//! is worst, verdict, rung, gradients by rung, seconds.
//!
//! `cargo run --release -p jensen-infer --example protocol -- [SEEDS] [NAME]` runs the ladder; posteriors come
//! from the folder of larger data.

use jensen_infer::ladder::{self, Ladder};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{Target, posteriordb};
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seeds: u64 = arguments.first().map_or(Ok(5), |text| text.parse())?;
    let wanted = arguments.get(1).map_or("", String::as_str);
    let Some(targets) = posteriordb() else {
        return Ok(());
    };
    let mut out = std::io::stdout().lock();
    for target in targets.iter().filter(|target| target.name.contains(wanted)) {
        for seed in 1..=seeds {
            writeln!(out, "{}", ladder_line(target, seed))?;
            out.flush()?;
        }
    }
    Ok(())
}

fn ladder_line(target: &Target, seed: u64) -> Value {
    let started = Instant::now();
    let stream = Stream::from_seed(seed).child(&target.name, 0);
    let answer = ladder::fit(
        target.density.as_ref(),
        &Ladder::default(),
        &stream,
        &mut Silent,
    );
    let seconds = started.elapsed().as_secs_f64();
    let head = json!({"posterior": target.name, "method": "ladder", "seed": seed, "seconds": seconds});
    let rest = match answer {
        Err(error) => json!({"failed": error.to_string()}),
        Ok(answer) => {
            let (e, worst) = target.worst_error(&answer.mean);
            json!({
                "e": e,
                "worst": worst,
                "verdict": answer.report.verdict,
                "report": answer.report.to_string(),
                "rung": answer.rung,
                "gradients": answer.n_gradients(),
                "climbed": answer.climbed.iter().map(|c| json!({
                    "rung": c.rung,
                    "gradients": c.n_gradients,
                    "report": c.report.as_ref().map(ToString::to_string),
                })).collect::<Vec<_>>(),
            })
        }
    };
    let (Value::Object(mut head), Value::Object(rest)) = (head, rest) else {
        unreachable!("both are objects")
    };
    head.extend(rest);
    Value::Object(head)
}
