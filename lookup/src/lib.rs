//! The lookup service: registrations under leases, found and watched by template.
