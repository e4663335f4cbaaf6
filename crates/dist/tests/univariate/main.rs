//! Laws over the catalogue of distributions of one number, a suite a file.

mod densities;
mod divergences;
mod entropies;
mod families;
mod refusals;
mod sampling;
mod support;
