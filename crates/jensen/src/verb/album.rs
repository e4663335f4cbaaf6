//! Pictures and histograms for TensorBoard while a model trains.
//!
//! They come at a few evenly spaced epochs, and only while all of them together took a small share of
//! the time: watching must not slow the work down.

use crate::pictures::{self, COLUMNS};
use jensen_nets::Params;
use jensen_report::png_bytes;
use jensen_rng::Stream;
use jensen_run::RunError;
use jensen_run::tfevents::EventWriter;
use jensen_vae::feed::Feed;
use jensen_vae::generate;
use jensen_vae::model::Model;
use jensen_vae::train::Task;
use std::time::{Duration, Instant};

/// Share of the training time that pictures and histograms may take.
const SHARE: f64 = 0.01;
/// Pictures over a whole run.
const N_PICTURES: u64 = 20;
/// Examples whose reconstructions and codes are shown.
const N_EXAMPLES: usize = 200;
/// Values of a parameter that its histogram counts.
const N_VALUES: usize = 10_000;

pub(super) struct Album<'a> {
    model: &'a Model,
    test: &'a Feed,
    stream: Stream,
    /// Steps between two entries.
    every: u64,
    next: u64,
    started: Instant,
    spent: Duration,
}

impl<'a> Album<'a> {
    pub(super) fn new(task: &Task<'a>, test: &'a Feed) -> Self {
        let n_batches = task.train.len().div_ceil(task.recipe.data.batch) as u64;
        let total = n_batches * task.recipe.train.epochs_over(n_batches);
        Self {
            model: task.model,
            test,
            stream: Stream::from_seed(task.recipe.train.seed).child("album", 0),
            every: (total / N_PICTURES).max(1),
            next: 0,
            started: Instant::now(),
            spent: Duration::ZERO,
        }
    }

    /// Called at the end of each epoch.
    pub(super) fn at_epoch(
        &mut self,
        params: &Params,
        step: u64,
        events: &mut EventWriter,
    ) -> Result<(), RunError> {
        let begun = Instant::now();
        let too_much = self.spent.as_secs_f64() > SHARE * self.started.elapsed().as_secs_f64();
        if step < self.next || too_much {
            return Ok(());
        }
        self.next = step + self.every;
        self.write(params, step, events)?;
        self.spent += begun.elapsed();
        Ok(())
    }

    fn write(&self, params: &Params, step: u64, events: &mut EventWriter) -> Result<(), RunError> {
        let indices: Vec<usize> = (0..self.test.len().min(N_EXAMPLES)).collect();
        let x = self.test.batch(&indices, &self.stream).x;
        let names: Vec<&str> = self.model.latent_names().collect();
        for (name, mean) in names.iter().zip(generate::means(self.model, params, x)) {
            let codes = jensen_vae::ledger::to_f32(mean);
            events.histogram(step, &format!("codes/{name}"), &codes)?;
        }
        for tensor in params.to_host() {
            let stride = tensor.values.len().div_ceil(N_VALUES).max(1);
            let values: Vec<f32> = tensor.values.into_iter().step_by(stride).collect();
            events.histogram(step, &format!("weights/{}", tensor.name), &values)?;
        }
        for (tag, picture) in [
            ("reconstructions", self.reconstructions(params)),
            ("samples", self.samples(params)),
        ] {
            if let Some(png) = picture {
                events.image(step, tag, &png)?;
            }
        }
        Ok(())
    }

    fn reconstructions(&self, params: &Params) -> Option<Vec<u8>> {
        let indices: Vec<usize> = (0..self.test.len().min(2 * COLUMNS)).collect();
        let originals = self.test.host(&indices, &self.stream);
        let x = self.test.batch(&indices, &self.stream).x;
        let made = generate::reconstruct(self.model, params, x);
        let first = pictures::of_rows(&originals, self.model.site()).ok()??;
        let second = pictures::of_rows(&made, self.model.site()).ok()??;
        png_bytes(&pictures::pairs(&first, &second, COLUMNS).ok()?).ok()
    }

    fn samples(&self, params: &Params) -> Option<Vec<u8>> {
        pictures::shape(self.model.site().layout)?;
        let n = 4 * COLUMNS;
        let made = generate::sample(self.model, params, n, false, &self.stream);
        let made = pictures::of_rows(&made, self.model.site()).ok()??;
        png_bytes(&pictures::plain(&made, COLUMNS).ok()?).ok()
    }
}
