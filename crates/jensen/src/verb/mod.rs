//! The verbs, one file each: a `Request` in, a result out.

pub mod check;
pub mod compress;
pub mod decode;
pub mod decompress;
pub mod encode;
pub mod evaluate;
pub mod export;
pub mod fit;
pub mod import;
pub mod interpolate;
pub mod list;
pub mod reconstruct;
pub mod report;
pub mod reproduce;
pub mod resume;
pub mod sample;
pub mod score;
pub mod traverse;

mod album;
pub(crate) mod expect;
mod finish;
pub mod generate;
mod judge;
pub mod output;
pub mod verdict;
