//! End-to-end tests: real binaries on free ports in temporary folders.
