//! What every long-running role shares: configuration, listener, telemetry, drain.
