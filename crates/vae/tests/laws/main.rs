//! What must hold for every part, every bound and every run of the trainer.

mod autoregressive;
mod baseline;
mod bits_back;
mod bounds;
mod common;
mod discrete;
mod estimators;
mod groups;
mod images;
mod latents;
mod likelihoods;
mod linear;
mod mnist;
mod objective;
mod post_hoc;
mod store;
mod top_down;
mod training;
