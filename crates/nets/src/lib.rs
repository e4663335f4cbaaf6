//! Network blocks on burn, one per file.
