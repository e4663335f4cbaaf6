//! Writing to the terminal: results, messages, errors, and a little emphasis.

use jensen::verb::output::NotStored;
use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a result could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes a result to standard output.
pub(crate) fn result(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    note_loss(written);
}

/// Says so if a result was lost. A reader that went away (`| head`) is no error.
pub(crate) fn note_loss(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            LOST.store(true, Ordering::Relaxed);
            let mark = on_stderr("error: ", "1;31");
            message(&format!("{mark}cannot write to standard output: {error}"));
        }
        _ => {}
    }
}

/// Whether a result could not be written though somebody may wait for it.
pub(crate) fn is_result_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes a line to standard error.
pub(crate) fn message(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

/// What went wrong and what helps, each as text.
pub(crate) struct Complaint {
    message: String,
    hint: Option<String>,
}

impl Complaint {
    /// Of an error of the library, which may carry its hint in its message.
    pub(crate) fn of(error: &jensen::Error) -> Self {
        let text = error.to_string();
        match (text.split_once(HINT), error.hint()) {
            (Some((message, hint)), None) => Self {
                message: message.to_owned(),
                hint: Some(hint.to_owned()),
            },
            (_, hint) => Self {
                message: text,
                hint,
            },
        }
    }

    /// Of numbers that could not be stored.
    pub(crate) fn of_loss(loss: &NotStored) -> Self {
        Self {
            message: loss.message.clone(),
            hint: loss.hint.clone(),
        }
    }

    /// Of an error of the argument parser: its first paragraph, and the tips.
    pub(crate) fn of_arguments(error: &clap::Error) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let mut paragraphs = text.split("\n\n").map(str::trim);
        let message = paragraphs.next().unwrap_or_default().to_owned();
        let rest: Vec<&str> = paragraphs.filter(|part| !part.is_empty()).collect();
        Self {
            message,
            hint: (!rest.is_empty()).then(|| rest.join("\n")),
        }
    }

    /// The one JSON object of a call that has failed.
    pub(crate) fn write_json(&self) {
        let Self { message, hint } = self;
        let object = serde_json::json!({ "error": { "message": message, "hint": hint } });
        result(&object.to_string());
    }
}

/// What stands before a hint inside a message.
const HINT: &str = "\n  hint: ";

/// Writes an error in the manner of the argument parser, with its hint.
pub(crate) fn error(error: &Complaint) {
    let mut text = String::new();
    for line in error.message.lines() {
        let is_detail = line.starts_with(' ');
        let mark = if is_detail {
            String::new()
        } else {
            on_stderr("error: ", "1;31")
        };
        text += &format!("{mark}{line}\n");
    }
    if let Some(hint) = &error.hint {
        text += &format!("  {}{hint}\n", on_stderr("hint: ", "1"));
    }
    message(&text);
}

/// Text in bold on a terminal.
pub(crate) fn bold(text: &str) -> String {
    paint(text, "1", io::stdout().is_terminal())
}

/// Text that stands back on a terminal.
pub(crate) fn dim(text: &str) -> String {
    paint(text, "2", io::stdout().is_terminal())
}

/// Text in a color, green if all is well and yellow or red if not.
pub(crate) fn colored(text: &str, good: bool) -> String {
    let style = if good { "1;32" } else { "1;33" };
    paint(text, style, io::stdout().is_terminal())
}

pub(crate) fn on_stderr(text: &str, style: &str) -> String {
    paint(text, style, io::stderr().is_terminal())
}

fn paint(text: &str, style: &str, is_terminal: bool) -> String {
    match is_terminal && wants_color() {
        true => format!("\x1b[{style}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// Whether whoever looks at a terminal wants colors and it has some.
fn wants_color() -> bool {
    // https://no-color.org
    let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_unwanted && is_capable()
}

/// Whether a terminal understands more than lines of text.
pub(crate) fn is_capable() -> bool {
    understands_codes(env::var_os("TERM").as_deref())
}

/// What the name of a terminal says about that; on Windows they have none.
fn understands_codes(term: Option<&OsStr>) -> bool {
    match term {
        None => cfg!(windows),
        Some(name) => name != "dumb" && !name.is_empty(),
    }
}

/// A bug says that it is one, and what to send.
pub(crate) fn explain_panics() {
    panic::set_hook(Box::new(|info| {
        let what = info.payload_as_str().unwrap_or("unknown");
        let place = info
            .location()
            .map_or_else(String::new, |at| format!(" at {at}"));
        let kind = if what.starts_with("internal error") {
            ""
        } else {
            "internal error: "
        };
        message(&format!(
            "{kind}{what}{place}\nThis is a bug in jensen {}. Please report it with the command line, \
             the seed, and the config.toml of the run.",
            env!("CARGO_PKG_VERSION")
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_without_a_name_get_plain_text() {
        for (term, expected) in [
            (Some("xterm-256color"), true),
            (Some("dumb"), false),
            (Some(""), false),
            (None, cfg!(windows)),
        ] {
            assert_eq!(
                understands_codes(term.map(OsStr::new)),
                expected,
                "{term:?}"
            );
        }
    }
}
