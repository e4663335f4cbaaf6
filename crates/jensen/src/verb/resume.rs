//! `resume`: a run goes on exactly where it stopped, or further than it was meant to.

use super::fit::{Fitted, Prepared, Status};
use crate::config::{self, Change};
use crate::error::{Error, Result};
use crate::session::{newest_state, run_path};
use burn::tensor::Device;
use jensen_run::{Checkpoints, Event, Observer, RunFolder, file};
use jensen_vae::objective;
use jensen_vae::recipe::{Recipe, TrainOptions};
use jensen_vae::store;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// What to continue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Overrides of options of training, as `key=value`.
    pub overrides: Vec<String>,
}

/// Continues a run from its newest checkpoint; with more epochs also one that had ended.
///
/// # Errors
/// [`Error::DataChanged`], [`Error::Frozen`], [`Error::BeyondRepair`], [`Error::NoCheckpoint`], those of a checkpoint that does
/// not fit, and those of [`fit`](super::fit::fit); all before anything is written.
pub fn resume(request: &Request, observer: &mut dyn Observer) -> Result<Fitted> {
    let started = Instant::now();
    let run = RunFolder::resume(run_path(&request.run))?;
    let (begun, begun_with) = config::read(&run, &[])?;
    let (recipe, _) = config::read(&run, &request.overrides)?;
    if let Some(section) = frozen_change(&begun, &recipe) {
        return Err(Error::Frozen { section });
    }
    check_edits(&run, &recipe, begun_with.is_some())?;
    let newest = Checkpoints::of(&run).latest()?;
    match state_of(&run, &recipe) {
        Ended::Whole => {
            observer.on(&Event::Note {
                text: "this run is complete: there is nothing to do; --set train.epochs=N extends it",
            });
            return unchanged(&run, newest.map_or(0, |entry| entry.step));
        }
        Ended::Damaged(damage) if newest.is_none() => {
            return Err(Error::BeyondRepair {
                run: run.root().to_path_buf(),
                damage: damage.to_string(),
            });
        }
        Ended::Damaged(damage) => observer.on(&Event::Warning {
            text: &format!("{damage}; the run is finished again from its checkpoint"),
        }),
        // Training would begin again and replace what there is.
        Ended::Not if newest.is_none() && run.has(store::WEIGHTS) => {
            return Err(Error::NoCheckpoint {
                run: run.root().to_path_buf(),
            });
        }
        Ended::Not => {}
    }
    let mut prepared = Prepared::new(recipe, observer)?;
    let found = &prepared.parts.facts;
    if let Some(expected) = begun_with.filter(|begun| begun.sha256 != found.sha256) {
        return Err(Error::DataChanged {
            source_name: prepared.recipe.data.source.clone(),
            expected: expected.sha256,
            found: found.sha256.clone(),
        });
    }
    // Nothing is written before the checkpoint is known to fit.
    let start = prepared.start(&run, observer)?;
    let step = start.resumed_after().unwrap_or(0);
    let changed = Change::between(&begun, &prepared.recipe, step);
    // Options that train nothing any more would stand in the record of a model that they did not make.
    let of_training = changed
        .iter()
        .find(|change| change.key.starts_with("train."));
    if let Some(change) = of_training.filter(|_| start.is_done(&prepared.recipe)) {
        return Err(Error::Option {
            name: "--set",
            expected: format!(
                "options that add steps to a run that has done its {step}, such as train.epochs={}",
                2 * prepared.recipe.train.epochs
            ),
            found: change.to_string(),
        });
    }
    let with: String = changed.iter().map(|change| format!("; {change}")).collect();
    match start.resumed_after() {
        Some(step) => run.log(&format!("resumed after step {step}{with}"))?,
        None => {
            run.log("begun again: there is no checkpoint")?;
            observer.on(&Event::Warning {
                text: "the run has no checkpoint: it begins again from its first step",
            });
        }
    }
    if prepared.recipe != begun {
        let all = [config::changes(&run)?, changed].concat();
        config::write(&run, &prepared.recipe, &prepared.parts.facts, &all)?;
    }
    let length = |recipe: &Recipe| (recipe.train.epochs, recipe.train.min_steps);
    if start.resumed_after().is_some()
        && length(&prepared.recipe) != length(&begun)
        && has_schedule(&begun)
    {
        observer.on(&Event::Warning {
            text: "schedules run over the whole of training: with other epochs their weights change \
                   at once, and the run is not what it would have been with these from the start",
        });
    }
    // The report is written last: without it the run is not complete.
    run.remove(file::REPORT)?;
    prepared.run(&run, start, None, started, observer)
}

/// Refuses a configuration that was edited, or emptied, since the newest checkpoint that can be read.
fn check_edits(run: &RunFolder, recipe: &Recipe, has_data: bool) -> Result<()> {
    let edited = |section| {
        Err(Error::Edited {
            section,
            run: run.root().to_path_buf(),
        })
    };
    // Damage is told where the checkpoint is needed.
    let Ok(Some((_, state))) = newest_state(run) else {
        return Ok(());
    };
    let trained = state["recipe"].as_str().unwrap_or_default();
    let trained = Recipe::parse(trained, file::CHECKPOINTS, &[])?;
    match frozen_change(&trained, recipe) {
        Some(section) => edited(section),
        None if !has_data => edited("dataset"),
        None => Ok(()),
    }
}

/// The first difference that makes another model of the run.
fn frozen_change(begun: &Recipe, wanted: &Recipe) -> Option<&'static str> {
    // What may change is made equal, so that whatever differs then may not.
    let neutral = Recipe {
        train: TrainOptions {
            seed: wanted.train.seed,
            ema: wanted.train.ema,
            groups: wanted.train.groups.clone(),
            ..begun.train.clone()
        },
        expect: begun.expect.clone(),
        about: begun.about.clone(),
        ..wanted.clone()
    };
    let (a, b) = (begun.to_table(), neutral.to_table());
    let sections = [
        "name",
        "data",
        "encoder",
        "latent",
        "prior",
        "decoder",
        "likelihood",
        "bound",
        "objective",
    ];
    let (begun, wanted) = (&begun.train, &wanted.train);
    let options = [
        ("train.seed", begun.seed != wanted.seed),
        (
            "train.optimizer.kind",
            begun.optimizer.get("kind") != wanted.optimizer.get("kind"),
        ),
        ("train.ema", begun.ema != wanted.ema),
        ("train.groups", begun.groups != wanted.groups),
    ];
    let sections = sections.map(|section| (section, a.get(section) != b.get(section)));
    let mut all = sections.into_iter().chain(options);
    all.find(|(_, differs)| *differs).map(|(name, _)| name)
}

/// Whether a weight of the objective moves with the progress of training.
fn has_schedule(recipe: &Recipe) -> bool {
    let terms = objective::each(&recipe.objective);
    terms
        .into_iter()
        .any(|(_, options)| objective::is_moving(options))
}

/// What a run holds of that which this recipe ends with: its model, the evaluation, and the report,
/// which comes last.
enum Ended {
    /// All of it.
    Whole,
    /// All of it, but something cannot be read.
    Damaged(Error),
    /// Not all of it, or that of another recipe.
    Not,
}

fn state_of(run: &RunFolder, recipe: &Recipe) -> Ended {
    if !run.has(store::WEIGHTS) || !run.has(file::EVALUATION) || !run.has(file::REPORT) {
        return Ended::Not;
    }
    let stored = match store::load(run, &Device::flex()) {
        Ok(stored) => stored,
        Err(error) => return Ended::Damaged(error.into()),
    };
    match (
        stored.recipe == *recipe,
        run.read_json::<Value>(file::EVALUATION),
    ) {
        (false, _) => Ended::Not,
        (true, Ok(_)) => Ended::Whole,
        (true, Err(error)) => Ended::Damaged(error.into()),
    }
}

/// The result of a run that had ended before.
fn unchanged(run: &RunFolder, step: u64) -> Result<Fitted> {
    let evaluation: Value = match run.has(file::EVALUATION) {
        true => run.read_json(file::EVALUATION)?,
        false => Value::Null,
    };
    let metrics: BTreeMap<String, f64> =
        serde_json::from_value(evaluation["metrics"].clone()).unwrap_or_default();
    Ok(Fitted {
        run: run.root().to_path_buf(),
        status: Status::Unchanged,
        step,
        elapsed_s: 0.0,
        metrics,
        verdict: serde_json::from_value(evaluation["verdict"].clone()).ok(),
        report: run.has(file::REPORT).then(|| run.path(file::REPORT)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::RecipeRequest;
    use crate::verb::fit::{FitRequest, fit};
    use jensen_run::Silent;

    /// Asks for a stop from the moment on that training has ended.
    #[derive(Default)]
    struct StopInTheEnd {
        is_trained: bool,
    }

    impl Observer for StopInTheEnd {
        fn on(&mut self, event: &Event<'_>) {
            self.is_trained |= matches!(event, Event::Finished { .. });
        }

        fn stop_requested(&self) -> bool {
            self.is_trained
        }
    }

    #[test]
    fn a_run_that_was_stopped_while_it_was_measured_is_finished_later() {
        let dir = tempfile::tempdir().unwrap();
        let small = ["encoder.hidden=[8]", "decoder.hidden=[8]", "train.epochs=2"];
        let request = |name: &str| FitRequest {
            recipe: RecipeRequest {
                overrides: small.map(str::to_owned).to_vec(),
                ..RecipeRequest::of("vae")
            },
            out: Some(dir.path().join(name)),
            iwae_samples: None,
        };
        let whole = fit(&request("whole"), &mut Silent).unwrap();
        let stopped = fit(&request("stopped"), &mut StopInTheEnd::default()).unwrap();
        assert_eq!((stopped.status, stopped.report), (Status::Stopped, None));
        let request = Request {
            run: stopped.run,
            ..Request::default()
        };
        let resumed = resume(&request, &mut Silent).unwrap();
        assert_eq!(resumed.status, Status::Completed);
        assert_eq!(resumed.metrics, whole.metrics);
    }
}
