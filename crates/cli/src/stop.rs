//! Ctrl-C: the first press asks for a stop, which saves; the second ends the process at once.

use crate::console;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Exit code of a stopped process: 128 and the number of the interrupt signal.
pub(crate) const CODE: u8 = 130;

static PRESSES: AtomicUsize = AtomicUsize::new(0);

/// Listens to Ctrl-C, and to the signals by which systems end a process.
pub(crate) fn listen() {
    let listening = ctrlc::set_handler(|| match PRESSES.fetch_add(1, Ordering::SeqCst) {
        0 => console::message("\nstopping after this step; press Ctrl-C again to quit at once"),
        _ => process::exit(CODE.into()),
    });
    if listening.is_err() {
        console::message("warning: Ctrl-C will quit at once: the system gives no signals");
    }
}

/// Whether a stop was asked for.
pub(crate) fn requested() -> bool {
    PRESSES.load(Ordering::SeqCst) > 0
}
