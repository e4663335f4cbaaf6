//! Blocks against loops in f64 over plain numbers.

mod common;
mod images;
mod sequences;
