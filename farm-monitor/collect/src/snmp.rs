//! The module `snmp`: asks agents for what profiles say they have.
//!
//! [`sweep`] decides what is asked next and whose row an answer is, and does no IO.

pub mod sweep;
