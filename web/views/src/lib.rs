//! What people look at: a chart, a table, the map, the alarms. Each distinct view is made once from the mesh, however many look.
//!
//! Knows no HTTP and no page: it takes a [`hedgerow_client::Mesh`] and what is wanted, and gives frames.
