//! The farm monitor: register, collect, hub, cache, subscribe.
