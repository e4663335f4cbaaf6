//! Models of other programs: their names of parameters and ours.

pub mod diffusers;
