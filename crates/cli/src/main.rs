//! The binary `jensen`: arguments in, library calls, terminal out, exit codes.
//!
//! Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 the
//! fit failed or a promise was not kept, 2 wrong use or bad input, 3 finished but the referee
//! distrusts the result, 130 stopped with Ctrl-C.

mod args;
mod console;
mod dispatch;
mod show;
mod stop;
mod terminal;

use clap::Parser;
use std::process::ExitCode;

/// Training asks for the same large blocks again and again.
#[global_allocator]
static ALLOCATOR: jensen::CachingAllocator = jensen::CachingAllocator;

fn main() -> ExitCode {
    console::explain_panics();
    let args = args::Args::parse();
    match dispatch::run(&args) {
        Ok(code) => code,
        Err(error) => {
            console::error(&error);
            match error {
                jensen::Error::Stopped => ExitCode::from(stop::CODE),
                error if error.is_input() => ExitCode::from(2),
                _ => ExitCode::from(1),
            }
        }
    }
}
