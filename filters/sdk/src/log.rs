//! Lines for `hedgerow filter logs`.

use std::fmt;

use crate::Level;
use crate::host;

/// What the macros call.
#[doc(hidden)]
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    host::log(level, &message.to_string());
}

/// A line for the author of the filter.
#[macro_export]
macro_rules! debug {
    ($($part:tt)*) => { $crate::log_line($crate::Level::Debug, ::core::format_args!($($part)*)) };
}

/// A line for who deployed the filter.
#[macro_export]
macro_rules! info {
    ($($part:tt)*) => { $crate::log_line($crate::Level::Info, ::core::format_args!($($part)*)) };
}

/// Something is odd.
#[macro_export]
macro_rules! warning {
    ($($part:tt)*) => { $crate::log_line($crate::Level::Warning, ::core::format_args!($($part)*)) };
}

/// Something failed.
#[macro_export]
macro_rules! error {
    ($($part:tt)*) => { $crate::log_line($crate::Level::Error, ::core::format_args!($($part)*)) };
}
