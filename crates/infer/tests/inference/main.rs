//! The algorithms on targets whose answer is known, in one program: laws, recovery, verdicts, threads, resuming, and
//! what is refused. One file a subject.

mod bad_input;
mod budget;
mod checks;
mod crowds;
mod family_laws;
mod ladder;
mod messages;
mod method;
mod method_modes;
mod method_requests;
mod multi_path;
mod nuts;
mod particles;
mod posteriors;
mod resume;
mod resume_fit;
mod threads;
mod vi;
mod wrong_answers;
