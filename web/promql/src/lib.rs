//! PromQL over samples that somebody else fetches: what a query needs, then its value. No IO, no clock.
