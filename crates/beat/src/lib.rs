//! beat
