//! Tells the crate which compiler and which version of burn it is built with, for the run folders.

use std::{env, fs, process::Command};

fn main() {
    let rustc = env::var("RUSTC").expect("cargo names the compiler");
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map_or_else(|_| String::new(), |out| words(&out.stdout));
    // "rustc 1.95.0 (hash date)"
    let rust = version.split(' ').nth(1).unwrap_or("unknown").to_owned();

    const MANIFEST: &str = "../../Cargo.toml";
    let manifest = fs::read_to_string(MANIFEST).unwrap_or_default();
    let burn = manifest
        .lines()
        .find_map(|line| line.strip_prefix("burn = { version = \"="))
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("unknown");
    println!("cargo::rerun-if-changed={MANIFEST}");
    println!("cargo::rustc-env=JENSEN_RUST={rust}");
    println!("cargo::rustc-env=JENSEN_BURN={burn}");
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
