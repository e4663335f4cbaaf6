//! Contract of long work: observer, run folder, atomic files, metrics, checkpoints.
