//! The network family: parts, ledger, assembly, one trainer, metrics.
