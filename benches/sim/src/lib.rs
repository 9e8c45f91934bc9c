//! Simulated SNMP agents, for tests and measurements: honest ones by the hundred, and each misbehaviour we know of.
//!
//! Its encoding is its own, so that what it proves is not proved against ourselves.
