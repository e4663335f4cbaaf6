//! An observer that shows long work: a bar on a terminal, plain lines elsewhere, nothing if quiet.

use crate::console::{message, on_stderr};
use crate::stop;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jensen::{Event, Observer};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Time between two plain lines within an epoch.
const LINE_PERIOD: Duration = Duration::from_secs(10);
/// Least time between two plain lines of short epochs.
const EPOCH_PERIOD: Duration = Duration::from_secs(2);

/// Shows what it hears on standard error.
pub(crate) struct Terminal {
    quiet: bool,
    /// The bar of the work in progress; none where lines are written.
    bar: Option<ProgressBar>,
    is_terminal: bool,
    last_line: Option<Instant>,
    /// What the work in progress is called.
    what: String,
    /// The last values, kept where an event brings none.
    values: String,
}

impl Terminal {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            bar: None,
            is_terminal: stderr().is_terminal(),
            last_line: None,
            what: String::new(),
            values: String::new(),
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| message(text)),
            None => message(text),
        }
    }

    /// Begins a bar for other work than the current one.
    fn begin(&mut self, what: &str, total: Option<u64>, template: &str) {
        self.end();
        what.clone_into(&mut self.what);
        self.values.clear();
        if !self.is_terminal {
            return;
        }
        let style = ProgressStyle::with_template(template)
            .expect("internal error: template of a progress bar")
            .progress_chars("━╸─");
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        self.bar = Some(bar.with_style(style));
    }

    fn end(&mut self) {
        self.what.clear();
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Whether a plain line is due.
    fn is_due(&mut self, period: Duration) -> bool {
        let due = self.last_line.is_none_or(|last| last.elapsed() >= period);
        if due {
            self.last_line = Some(Instant::now());
        }
        due
    }
}

impl Observer for Terminal {
    fn on(&mut self, event: &Event<'_>) {
        if self.quiet {
            if let Event::Warning { text } = event {
                message(&format!("warning: {text}"));
            }
            return;
        }
        match event {
            Event::Started {
                what,
                step,
                total_steps,
            } => {
                self.begin(what, Some(*total_steps), TRAINING);
                if *step > 0 {
                    self.say(&format!("going on after step {step} of {total_steps}"));
                }
                if let Some(bar) = &self.bar {
                    bar.set_position(*step);
                    bar.reset_eta();
                }
                self.last_line = Some(Instant::now());
            }
            Event::Progress {
                step,
                epoch,
                epochs,
                metrics,
                per_second,
                total_steps,
            } => {
                if metrics.iter().any(|(name, _)| *name == "elbo") {
                    self.values = values(metrics);
                }
                let speed = speed(*per_second);
                if let Some(bar) = &self.bar {
                    bar.set_prefix(format!("epoch {epoch}/{epochs}"));
                    bar.set_message(format!("{}  {speed}", self.values));
                    bar.set_position(*step);
                } else if step == total_steps || self.is_due(LINE_PERIOD) {
                    let line = format!(
                        "epoch {epoch}/{epochs}  step {step}  {}  {speed}",
                        self.values
                    );
                    self.say(&line);
                }
            }
            Event::Validated {
                step,
                epoch,
                metrics,
            } if self.bar.is_none() && self.is_due(EPOCH_PERIOD) => {
                let values = values(metrics);
                self.say(&format!("epoch {epoch}  step {step}  validation: {values}"));
            }
            Event::Advanced {
                what,
                done,
                total,
                unit,
            } => {
                if self.what != *what {
                    let template = if *unit == "bytes" { BYTES } else { COUNTS };
                    self.begin(what, *total, template);
                    self.last_line = Some(Instant::now());
                }
                if let Some(bar) = &self.bar {
                    bar.set_prefix((*what).to_owned());
                    bar.set_message((*unit).to_owned());
                    bar.set_position(*done);
                } else if self.is_due(LINE_PERIOD) {
                    let of = total.map_or_else(String::new, |total| format!(" of {total}"));
                    self.say(&format!("{what}: {done}{of} {unit}"));
                }
                if total.is_some_and(|total| *done >= total) {
                    self.end();
                }
            }
            Event::Note { text } => self.say(text),
            Event::Warning { text } => {
                let mark = on_stderr("warning:", "1;33");
                self.say(&format!("{mark} {text}"));
            }
            Event::Finished { .. } => self.end(),
            _ => {}
        }
    }

    fn stop_requested(&self) -> bool {
        stop::requested()
    }
}

const TRAINING: &str = "{prefix} {bar:20.cyan/dim} {wide_msg} {eta} left";
const BYTES: &str =
    "{prefix} {bar:20.cyan/dim} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
const COUNTS: &str = "{prefix} {bar:20.cyan/dim} {pos} of {len} {msg}  {eta} left";

/// The bound and its terms in one line: `ELBO -20.31 = log p(x|z) -13.10 - KL 7.21`, then the other
/// terms. A weight that is not 1 stands behind its term: `mmd.z 0.01 x50`.
fn values(metrics: &[(&str, f64)]) -> String {
    let get = |name: &str| metrics.iter().find(|(n, _)| *n == name).map(|(_, x)| *x);
    let weight = |term: &str| match get(&format!("weight.{term}")) {
        Some(weight) => format!(" x{}", (weight * 100.0).round() / 100.0),
        None => String::new(),
    };
    let rates: Vec<&str> = (metrics.iter())
        .filter_map(|(name, _)| name.starts_with("kl.").then_some(*name))
        .collect();
    // One latent's rate is the KL itself.
    let only_rate = (rates.len() == 1).then(|| rates[0]);
    let mut text = String::new();
    if let (Some(elbo), Some(fit), Some(kl)) = (get("elbo"), get("log_likelihood"), get("kl")) {
        let (elbo, fit, kl) = (short(elbo), short(fit), short(kl));
        text += &format!("ELBO {elbo} = log p(x|z) {fit} - KL {kl}");
        text += &only_rate.map_or_else(String::new, weight);
    }
    for (name, value) in metrics {
        let is_said = matches!(*name, "elbo" | "log_likelihood" | "kl" | "loss");
        if is_said || Some(*name) == only_rate || name.starts_with("weight.") {
            continue;
        }
        text += &format!("  {name} {}{}", short(*value), weight(name));
    }
    text
}

/// Four digits of a number.
fn short(x: f64) -> String {
    match x.abs() {
        size if size >= 999.5 => format!("{x:.0}"),
        size if size >= 99.95 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

fn speed(per_second: f64) -> String {
    match per_second {
        x if !x.is_finite() => String::new(),
        x if x >= 1e4 => format!("{:.0}k/s", x / 1e3),
        x if x >= 1e3 => format!("{:.1}k/s", x / 1e3),
        x => format!("{x:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_shown_with_its_terms() {
        let metrics = [
            ("elbo", -20.314),
            ("log_likelihood", -13.1),
            ("kl", 7.214),
            ("loss", 20.3),
            ("kl.z", 7.214),
            ("mmd.z", 0.012),
            ("weight.kl.z", 0.3456),
            ("weight.mmd.z", 50.0),
        ];
        assert_eq!(
            values(&metrics),
            "ELBO -20.31 = log p(x|z) -13.10 - KL 7.21 x0.35  mmd.z 0.01 x50"
        );
        assert_eq!(speed(48_230.0), "48k/s");
        assert_eq!(short(-543.21), "-543.2");
    }
}
