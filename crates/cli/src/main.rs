//! The binary `jensen`: arguments in, library calls, terminal out, exit codes.
//!
//! Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 the
//! fit failed, a promise was not kept, or the result could not be written, 2 wrong use or bad input, 3
//! fitted but the codes carry nothing, 130 stopped with Ctrl-C.

mod args;
mod console;
mod dispatch;
mod line;
mod show;
mod stop;
mod terminal;
mod tip;

use clap::Parser;
use console::Complaint;
use std::env;
use std::process::ExitCode;

/// Training asks for the same large blocks again and again.
#[global_allocator]
static ALLOCATOR: jensen::CachingAllocator = jensen::CachingAllocator;

fn main() -> ExitCode {
    console::explain_panics();
    let code = run();
    match console::is_result_lost() {
        true => ExitCode::from(1),
        false => code,
    }
}

fn run() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(mut error) => {
            let words: Vec<String> = (env::args_os().skip(1))
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            tip::add(&mut error, &words);
            return explain(&error);
        }
    };
    dispatch::run(&args).unwrap_or_else(|error| {
        let complaint = Complaint::of(&error);
        console::error(&complaint);
        if args.style.json {
            complaint.write_json();
        }
        match error {
            jensen::Error::Stopped => ExitCode::from(stop::CODE),
            error if error.is_input() => ExitCode::from(2),
            _ => ExitCode::from(1),
        }
    })
}

/// Shows help or the version if that was asked for, else what is wrong with the arguments.
fn explain(error: &clap::Error) -> ExitCode {
    let shown = error.print();
    if !error.use_stderr() {
        console::note_loss(shown);
        return ExitCode::SUCCESS;
    }
    // The arguments could not be read, so this is all that is known of them.
    if env::args_os().any(|arg| arg == "--json") {
        Complaint::of_arguments(error).write_json();
    }
    ExitCode::from(2)
}
