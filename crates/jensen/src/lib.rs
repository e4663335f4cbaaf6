//! The library's face: every verb as a typed function.
