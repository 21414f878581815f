//! kiuas
