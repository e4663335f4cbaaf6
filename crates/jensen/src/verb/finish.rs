//! The end of a fit: priors fitted to the codes, the model on disk, pictures, evaluation, report.

use super::evaluate::{self, QUICK_PASSES, QUICK_SAMPLES};
use super::expect;
use super::fit::Fitted;
use super::interpolate::{self, Path};
use super::{reconstruct, sample, traverse};
use crate::error::{Error, Result};
use crate::pictures;
use crate::session::{Parts, advancing};
use jensen_nets::Params;
use jensen_report::{Picture, png_bytes};
use jensen_rng::Stream;
use jensen_run::{Event, Observer, RunFolder, file};
use jensen_vae::metric::aggregate;
use jensen_vae::model::Model;
use jensen_vae::store;
use jensen_vae::train::Task;

/// Training examples whose codes make the statistics and post-hoc priors.
const N_CODES: usize = 20_000;
/// Test examples on the map of codes.
const N_MAP: usize = 2000;

/// Ends with [`Error::Stopped`] when a stop is asked for; the run can then be finished again.
pub(super) fn finish(
    task: &Task<'_>,
    parts: &Parts,
    mut params: Params,
    iwae_samples: Option<usize>,
    observer: &mut dyn Observer,
    fitted: &mut Fitted,
) -> Result<()> {
    let (run, model) = (task.run, task.model);
    let stream = Stream::from_seed(task.recipe.train.seed).child("finish", 0);
    observer.on(&Event::Note {
        text: "trained; drawing pictures and measuring the test part",
    });
    let codes = {
        let feed = parts.train.sample(N_CODES, &stream);
        let advance = &mut advancing(observer, "encode", feed.len(), "examples");
        aggregate::encode(model, &params, &feed, &stream.child("codes", 0), advance)
            .ok_or(Error::Stopped)?
    };
    let samples: Vec<Vec<f64>> = codes.iter().map(|codes| codes.sample.clone()).collect();
    let fitted_priors = {
        let go_on = &mut || !observer.stop_requested();
        model.fit_priors(&mut params, &samples, &stream.child("priors", 0), go_on)
    };
    if observer.stop_requested() {
        return Err(Error::Stopped);
    }
    for latent in fitted_priors {
        let text = format!(
            "fitted the prior of latent {latent} to {} codes",
            codes[0].len()
        );
        observer.on(&Event::Note { text: &text });
    }
    store::save(run, task.recipe, model, &params, &codes)?;

    draw_pictures(run, model, &params, parts, &stream, observer)?;
    let wanted = iwae_samples.filter(|_| !model.has_bounded_prior());
    let n_samples = wanted.unwrap_or({
        let passes = QUICK_SAMPLES * parts.test.len();
        if passes <= QUICK_PASSES && !model.has_bounded_prior() {
            QUICK_SAMPLES
        } else {
            0
        }
    });
    let classifier = match expect::compares_samples(task.recipe, model) {
        true => parts.classifier(run, params.device(), observer),
        false => None,
    };
    let evaluated = evaluate::measure(
        task.recipe,
        model,
        &params,
        parts,
        classifier.as_ref(),
        run,
        n_samples,
        observer,
    )?;
    evaluate::write(run, &evaluated, task.recipe)?;
    fitted.metrics = evaluated.metrics;
    fitted.verdict = evaluated.verdict;
    fitted.report = Some(jensen_report::write_html(run, observer)?);
    Ok(())
}

/// Fills `samples/` with everything that shows what the model has learned.
fn draw_pictures(
    run: &RunFolder,
    model: &Model,
    params: &Params,
    parts: &Parts,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<()> {
    let put = |name: &str, picture: &Picture| -> Result<()> {
        run.write(
            format!("{}/{name}.png", file::SAMPLES),
            &png_bytes(picture)?,
        )?;
        Ok(())
    };
    if pictures::shape(model.site().layout).is_some() {
        let n = reconstruct::N_DEFAULT.min(parts.test.len());
        let indices: Vec<usize> = (0..n).collect();
        let made = reconstruct::make(model, params, &parts.test, &indices, stream, observer)?;
        if let Some(picture) = made.picture(model)? {
            put("reconstructions", &picture)?;
        }
        let values = sample::make(
            model,
            params,
            sample::N_DEFAULT,
            (None, false),
            stream,
            observer,
        )?;
        if let Some(pictures) = pictures::of_rows(&values, model.site())? {
            put("samples", &pictures::plain(&pictures, pictures::COLUMNS)?)?;
        }
        let options = traverse::Options::default();
        let traversed = {
            let test = &parts.test;
            traverse::make(model, params, test, test, &options, stream, observer)?
        };
        if let Some(pictures) = pictures::of_rows(&traversed.values, model.site())? {
            let labels = traversed.labels(model, &options);
            put(
                "traversal",
                &pictures::labelled(&pictures, options.steps, &labels)?,
            )?;
        }
        let pairs = interpolate::choose_pairs(&parts.test, interpolate::N_PAIRS);
        for path in [Path::Linear, Path::Spherical] {
            let test = &parts.test;
            let strip =
                interpolate::make(model, params, test, &pairs, STEPS, path, stream, observer)?;
            let Some(pictures) = pictures::of_rows(&strip, model.site())? else {
                continue;
            };
            let name = format!("interpolation-{}", path.name());
            let labels = interpolate::labels(&pairs, test, parts.label_names.as_deref());
            put(&name, &pictures::labelled(&pictures, STEPS, &labels)?)?;
            if path == Path::Spherical {
                let gif = pictures::animation(&pictures, STEPS)?;
                run.write(format!("{}/{name}.gif", file::SAMPLES), &gif)?;
            }
        }
    }
    let some = parts.test.sample(N_MAP, &stream.child("map", 0));
    let indices: Vec<usize> = (0..some.len()).collect();
    let x = some.batch(&indices, &stream.child("map", 0)).x;
    let means = jensen_vae::generate::means(model, params, x);
    let labels = some.examples().gather_labels(&indices);
    let names = parts.label_names.as_deref();
    for ((name, means), dim) in model.latent_names().zip(means).zip(model.latent_dims()) {
        let codes = jensen_vae::ledger::to_f64(means);
        let svg = pictures::map(&codes, dim, labels.as_deref(), names);
        let name = match model.latent_dims().len() {
            1 => "latent".to_owned(),
            _ => format!("latent-{name}"),
        };
        run.write(format!("{}/{name}.svg", file::SAMPLES), svg.as_bytes())?;
    }
    Ok(())
}

/// Pictures from one end of an interpolation to the other.
const STEPS: usize = interpolate::N_STEPS;
