//! The contract `hedgerow:filter@1.0.0`, as code. Generated while compiling; not to be seen outside this crate.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "full",
    // What a guest gives wrongly stops it.
    imports: { default: trappable },
    // Columns go in without being copied first.
    ownership: Borrowing { duplicate_if_necessary: true },
});
