//! Methods against the reference draws of posteriordb: the protocol of `benches/records/protocol.md`.
//!
//! E is the largest |mean - reference mean| / reference sd over the values of a posterior. Approximations are
//! scored by 1000 draws without weights and get the k-hat of these draws; the ladder and NUTS by their own
//! means. Whatever `fit_with` runs, and the ladder, has a verdict, and as k-hat what the referee looked at: the
//! larger of two restarts, its uncertainty added, or that of q alone. One JSON object a line.
//!
//! `cargo run --release -p jensen-infer --example protocol -- METHOD[,METHOD] [SEEDS] [NAME]` with as many
//! seeds from 1, or from one to another as in `11-20`, and the methods
//! ladder, paths, pathfinder, laplace, dadvi, advi-mean-field, advi-full-rank, sgvi-mean-field,
//! sgvi-full-rank and nuts. Any other name of `Method`, as bam, svgd, hmc, metropolis, slice, sgvi-low-rank,
//! sgvi-student-t, sgvi-flow, and every one after `fit-`, goes through `fit_with` with its defaults. Of all
//! posteriors those whose name contains NAME, without it those with reference draws.

use jensen_density::Evaluator;
use jensen_infer::dadvi::{Dadvi, dadvi};
use jensen_infer::drive::{Flow, drive};
use jensen_infer::family::{FullRank, MeanField};
use jensen_infer::ladder::{self, Ladder, Rung};
use jensen_infer::laplace::laplace;
use jensen_infer::mcmc::{ChainOptions, Nuts, Sampled, Starts, nuts};
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_infer::pathfinder::{Pathfinder, multi_path, pathfinder};
use jensen_infer::referee::Report;
use jensen_infer::vi::{self, Advi, AdviPhase, AdviStop};
use jensen_infer::{InferError, starts};
use jensen_posterior::{Approximation, Psis};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{Target, posteriordb, posteriordb_draws};
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;
use std::time::Instant;

/// Draws by which an approximation is scored.
const N_DRAWS: usize = 1000;
/// Paths of whose draws chains start.
const N_START_PATHS: usize = 8;
/// Acceptance target of chains: nearer to 1 than by default, for posteriors with narrow places.
const TARGET_ACCEPT: f64 = 0.95;
/// Steps of stochastic-gradient VI, and of ADVI as in Stan.
const MAX_STEPS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let methods = arguments.first().map_or("ladder", String::as_str);
    let seeds = arguments.get(1).map_or("5", String::as_str);
    let (first, last): (u64, u64) = match seeds.split_once('-') {
        Some((first, last)) => (first.parse()?, last.parse()?),
        None => (1, seeds.parse()?),
    };
    let wanted = arguments.get(2).map(String::as_str);
    let Some(targets) = posteriordb() else {
        return Ok(());
    };
    let chosen = targets.iter().filter(|target| match wanted {
        Some(part) => target.name.contains(part),
        None => posteriordb_draws(&target.name).is_some(),
    });
    let mut out = std::io::stdout().lock();
    for target in chosen {
        for method in methods.split(',') {
            for seed in first..=last {
                let stream = Stream::from_seed(seed).child(&target.name, 0);
                let started = Instant::now();
                let result = run(method, target, &stream);
                let mut line = json!({
                    "posterior": target.name,
                    "method": method,
                    "seed": seed,
                    "seconds": started.elapsed().as_secs_f64(),
                });
                let fields = line.as_object_mut().ok_or("an object")?;
                match result {
                    Err(error) => {
                        fields.insert("failed".to_owned(), json!(error.to_string()));
                    }
                    Ok(Value::Object(rest)) => fields.extend(rest),
                    Ok(other) => return Err(format!("expected an object, found {other}").into()),
                }
                writeln!(out, "{line}")?;
                out.flush()?;
            }
        }
    }
    Ok(())
}

fn run(method: &str, target: &Target, stream: &Stream) -> Result<Value, InferError> {
    let density = target.density.as_ref();
    let start = || starts::random(density, stream);
    match method {
        "ladder" => climb(target, Rung::Nuts, stream),
        "paths" => climb(target, Rung::Paths, stream),
        "pathfinder" => {
            let path = pathfinder(density, &start()?, &Pathfinder::default(), stream)?;
            Ok(score(target, &path.gaussian, path.n_gradients, stream))
        }
        "laplace" => {
            let (gaussian, info) = laplace(density, &start()?)?;
            Ok(score(target, &gaussian, info.n_gradients, stream))
        }
        "dadvi" => {
            let start = start()?;
            let sd = vec![1.0; start.len()];
            let found = dadvi(density, &start, &sd, &Dadvi::default(), stream)?;
            let gaussian = found.linear_response.unwrap_or(found.mean_field);
            Ok(score(target, &gaussian, found.n_gradients, stream))
        }
        "advi-mean-field" => advi(target, &Advi::default(), &start()?, stream),
        "advi-full-rank" => {
            let advi_full = Advi {
                full_rank: true,
                ..Advi::default()
            };
            advi(target, &advi_full, &start()?, stream)
        }
        "sgvi-mean-field" => {
            let family = MeanField { dim: density.dim() };
            let fit = vi::fit(density, &family, &start()?, MAX_STEPS, stream, &mut Silent)?;
            Ok(score(
                target,
                fit.approximation.as_ref(),
                fit.n_gradients,
                stream,
            ))
        }
        "sgvi-full-rank" => {
            let family = FullRank { dim: density.dim() };
            let fit = vi::fit(density, &family, &start()?, MAX_STEPS, stream, &mut Silent)?;
            Ok(score(
                target,
                fit.approximation.as_ref(),
                fit.n_gradients,
                stream,
            ))
        }
        "nuts" => {
            // From random starts chains may stay in minor modes; paths tell where the mass is.
            let pooled = multi_path(
                density,
                N_START_PATHS,
                N_DRAWS,
                &Pathfinder::default(),
                stream,
            )?;
            let mut options = ChainOptions::default();
            let starts = pooled.rows().take(options.n_chains);
            options.starts = Starts::At(starts.map(<[f64]>::to_vec).collect());
            let careful = Nuts {
                target_accept: TARGET_ACCEPT,
                ..Nuts::default()
            };
            let sampled = nuts::sample(density, &careful, &options, stream, None, &mut Silent)?;
            let draws = sampled.constrained(density);
            let n = draws.rows().len() as f64;
            let mean: Vec<f64> = (0..draws.dim())
                .map(|j| draws.column(j).iter().sum::<f64>() / n)
                .collect();
            let (e, worst) = target.worst_error(&mean);
            // In Monte Carlo standard errors, those of the reference included.
            let z = (0..draws.dim())
                .filter_map(|j| {
                    let chains = draws.quantity(j).ok()?;
                    let reference = &target.reference;
                    let se = jensen_posterior::mcse::mean(&chains).hypot(reference.mcse[j]);
                    Some((mean[j] - reference.mean[j]).abs() / se)
                })
                .filter(|z| z.is_finite())
                .fold(0.0, f64::max);
            Ok(
                json!({"e": e, "worst": worst, "z": z, "gradients": pooled.n_gradients + sampled.n_gradients(),
                "divergent": sampled.divergences.len(), "diverged_at": diverged_at(target, &sampled)}),
            )
        }
        other => by_name(other.strip_prefix("fit-").unwrap_or(other), target, stream),
    }
}

/// Where trajectories diverged: the value that lies farthest from the mean of the reference on average, with its
/// median there and its distance from that mean in standard deviations of the reference.
fn diverged_at(target: &Target, sampled: &Sampled) -> Option<Value> {
    let density = target.density.as_ref();
    let names = density.layout().value_names();
    let rows: Vec<Vec<f64>> = (sampled.divergences.iter())
        .map(|diverged| {
            let mut values = vec![0.0; names.len()];
            density.constrain(&diverged.divergence.position, &mut values);
            values
        })
        .collect();
    let reference = &target.reference;
    let far = (0..names.len()).map(|j| {
        let mut there: Vec<f64> = rows.iter().map(|row| row[j]).collect();
        there.sort_by(f64::total_cmp);
        let median = there.get(there.len() / 2).copied().unwrap_or(f64::NAN);
        let mean = there.iter().sum::<f64>() / there.len() as f64;
        (j, median, (mean - reference.mean[j]) / reference.sd[j])
    });
    let (j, median, sds) = far.max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))?;
    (!rows.is_empty()).then(|| json!({"value": names[j], "median": median, "sds": sds}))
}

/// A method by its name with its verdict.
fn by_name(name: &str, target: &Target, stream: &Stream) -> Result<Value, InferError> {
    let method = Method::from_name(name)?;
    let options = FitOptions::default();
    let density = target.density.as_ref();
    let fitted = fit_with(density, &method, &options, stream, None, &mut Silent)?;
    let (e, worst) = target.worst_error(&fitted.mean);
    Ok(
        json!({"e": e, "worst": worst, "verdict": fitted.report.verdict, "said": fitted.report.to_string(),
        "k_hat": k_hat(&fitted.report), "gradients": fitted.n_gradients, "judged": fitted.n_gradients_judged}),
    )
}

/// The k-hat of an answer, of q alone where there is one; none of chains.
fn k_hat(report: &Report) -> Option<f64> {
    let of = |name: &str| report.checks.iter().find(|check| check.name == name);
    of("own_k_hat")
        .or_else(|| of("k_hat"))
        .map(|check| check.value)
}

fn climb(target: &Target, top: Rung, stream: &Stream) -> Result<Value, InferError> {
    let options = Ladder {
        top,
        ..Ladder::default()
    };
    let answer = ladder::fit(target.density.as_ref(), &options, stream, None, &mut Silent)?;
    let (e, worst) = target.worst_error(&answer.mean);
    let climbed: Vec<Value> = (answer.climbed.iter())
        .map(|c| {
            let report = c.report.as_ref().map(ToString::to_string);
            json!({"rung": c.rung, "gradients": c.n_gradients, "report": report})
        })
        .collect();
    Ok(
        json!({"e": e, "worst": worst, "verdict": answer.report.verdict, "rung": answer.rung,
        "k_hat": k_hat(&answer.report), "gradients": answer.n_gradients(), "climbed": climbed}),
    )
}

fn advi(target: &Target, advi: &Advi, start: &[f64], stream: &Stream) -> Result<Value, InferError> {
    let (mut n_gradients, mut said) = (0, None);
    let density = target.density.as_ref();
    let driven = drive(
        advi,
        density,
        start,
        2 * MAX_STEPS,
        stream,
        None,
        &mut Silent,
        |_, state, info| {
            n_gradients += info.n_gradients;
            match state.phase {
                AdviPhase::Stopped(stop) => {
                    said = Some(stop);
                    Flow::Done
                }
                _ => Flow::Continue,
            }
        },
    )?;
    if matches!(said, Some(AdviStop::NoStepSize | AdviStop::Refused)) {
        return Err(InferError::Failed {
            method: "advi",
            reason: format!("{said:?}"),
        });
    }
    let approximation = advi.approximation(&driven.state.params);
    let mut line = score(target, approximation.as_ref(), n_gradients, stream);
    line["said"] = json!(format!("{said:?}"));
    Ok(line)
}

/// E and k-hat of an approximation by draws.
fn score(target: &Target, q: &dyn Approximation, n_gradients: u64, stream: &Stream) -> Value {
    let density = target.density.as_ref();
    let mut evaluator = Evaluator::new(density);
    let mut stream = stream.child("score", 0);
    let mut position = vec![0.0; density.dim()];
    let mut values = vec![0.0; density.layout().n_values()];
    let mut mean = values.clone();
    let mut ln_weights = Vec::with_capacity(N_DRAWS);
    for _ in 0..N_DRAWS {
        let ln_q = q.sample(&mut stream, &mut position);
        ln_weights.push(evaluator.log_density(&position) - ln_q);
        density.constrain(&position, &mut values);
        for (m, v) in mean.iter_mut().zip(&values) {
            *m += v / N_DRAWS as f64;
        }
    }
    let (e, worst) = target.worst_error(&mean);
    let k_hat = Psis::smooth(&ln_weights).map_or(f64::INFINITY, |psis| psis.k_hat);
    json!({"e": e, "worst": worst, "k_hat": k_hat, "gradients": n_gradients})
}
