//! What must hold for every part, every bound and every run of the trainer.

mod autoregressive;
mod baseline;
mod bits_back;
mod bounds;
mod common;
mod diffusers;
mod diffusion;
mod discrete;
mod estimators;
mod flows;
mod groups;
mod images;
mod latents;
mod likelihoods;
mod linear;
mod maps;
mod metrics;
mod mnist;
mod objective;
mod outputs;
mod post_hoc;
mod store;
mod top_down;
mod training;
