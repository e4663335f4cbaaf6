//! Fused CPU operations for burn, each with its plain burn composition as oracle.
