//! The global client: serves the page of the mesh from this binary, and the HTTP API that programs use.
//!
//! It is a client like any other: what it knows of the mesh it has through `client-sdk`.
