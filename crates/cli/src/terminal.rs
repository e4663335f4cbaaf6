//! An observer that shows long work: a bar on a terminal, plain lines elsewhere, nothing if quiet.

use crate::console::{is_capable, message, on_stderr};
use crate::line::{Values, bar_beside_count, speed};
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
    /// Whether there is a terminal that can show a bar.
    is_terminal: bool,
    last_line: Option<Instant>,
    /// What the work in progress is called.
    what: String,
    /// Signs of its bar.
    length: usize,
    /// The last values, kept where an event brings none.
    values: Values,
}

impl Terminal {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            bar: None,
            is_terminal: stderr().is_terminal() && is_capable(),
            last_line: None,
            what: String::new(),
            length: 0,
            values: Values::default(),
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| message(text)),
            None => message(text),
        }
    }

    /// Begins a bar for other work than the current one.
    fn begin(&mut self, what: &str, total: Option<u64>, length: usize, behind: &str) {
        self.end();
        what.clone_into(&mut self.what);
        self.values = Values::default();
        self.length = length;
        if !self.is_terminal {
            return;
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        self.bar = Some(bar.with_style(style(length, behind)));
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
                self.begin(what, Some(*total_steps), 0, TRAINING);
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
                if metrics.iter().any(|(name, _)| *name == "loss") {
                    self.values = Values::of(metrics);
                }
                let speed = speed(*per_second);
                if let Some(bar) = &self.bar {
                    let prefix = format!("epoch {epoch}/{epochs}");
                    let (length, text) = self.values.fit(width(), &prefix, &speed);
                    if length != self.length {
                        self.length = length;
                        bar.set_style(style(length, TRAINING));
                    }
                    bar.set_prefix(prefix);
                    bar.set_message(text);
                    bar.set_position(*step);
                } else if step == total_steps || self.is_due(LINE_PERIOD) {
                    let line = format!(
                        "epoch {epoch}/{epochs}  step {step}  {}  {speed}",
                        self.values.text()
                    );
                    self.say(&line);
                }
            }
            Event::Validated {
                step,
                epoch,
                metrics,
            } if self.bar.is_none() && self.is_due(EPOCH_PERIOD) => {
                let values = Values::of(metrics).text();
                self.say(&format!("epoch {epoch}  step {step}  validation: {values}"));
            }
            Event::Advanced {
                what,
                done,
                total,
                unit,
            } => {
                if self.what != *what {
                    // Bytes are written with their own unit, and with a speed.
                    let (behind, unit) = match *unit {
                        "bytes" => (BYTES, "KiB KiB 99.99 MiB/s"),
                        unit => (COUNTS, unit),
                    };
                    let length = bar_beside_count(width(), what, *total, unit);
                    self.begin(what, *total, length, behind);
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

/// Columns of a terminal that does not tell how many it has.
const USUAL_WIDTH: u16 = 80;

/// Columns of the terminal.
fn width() -> usize {
    let size = ::console::Term::stderr().size_checked();
    size.map_or(USUAL_WIDTH, |(_, columns)| columns).into()
}

/// A bar of so many signs, between what stands before and behind it.
fn style(length: usize, behind: &str) -> ProgressStyle {
    let bar = match length {
        0 => String::new(),
        length => format!(" {{bar:{length}.cyan/dim}}"),
    };
    ProgressStyle::with_template(&format!("{{prefix}}{bar} {behind}"))
        .expect("internal error: template of a progress bar")
        .progress_chars("━╸─")
}

const TRAINING: &str = "{msg} {eta} left";
const BYTES: &str = "{bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
const COUNTS: &str = "{pos} of {len} {msg}  {eta} left";
