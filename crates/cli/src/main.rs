//! The binary `jensen`.
fn main() {}
