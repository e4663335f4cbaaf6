//! Writing to the terminal: results, messages, errors, and a little emphasis.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::panic;

/// Writes a result to standard output. A reader that went away (`| head`) is no error.
pub(crate) fn result(text: &str) {
    // There is nobody left to tell when this fails.
    let _ = writeln!(io::stdout().lock(), "{}", text.trim_end());
}

/// Writes a line to standard error.
pub(crate) fn message(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

/// Writes an error in the manner of the argument parser, with its hint.
pub(crate) fn error(error: &jensen::Error) {
    let mut text = String::new();
    for line in error.to_string().lines() {
        let is_detail = line.starts_with(' ');
        let mark = if is_detail {
            String::new()
        } else {
            on_stderr("error: ", "1;31")
        };
        text += &format!("{mark}{line}\n");
    }
    if let Some(hint) = error.hint() {
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
    // https://no-color.org
    let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match is_terminal && wanted {
        true => format!("\x1b[{style}m{text}\x1b[0m"),
        false => text.to_owned(),
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
