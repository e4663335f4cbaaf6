//! Laws over the catalogue of distributions of vectors and matrices, a suite a file.

mod densities;
mod divergences;
mod families;
mod refusals;
mod sampling;
mod support;
