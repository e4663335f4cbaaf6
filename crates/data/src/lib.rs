//! Readers, embedded and downloadable data sets, splits and batches.
