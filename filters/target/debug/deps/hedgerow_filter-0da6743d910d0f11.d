/tmp/wt-fguest/filters/target/debug/deps/hedgerow_filter-0da6743d910d0f11.d: sdk/src/lib.rs sdk/src/abi.rs sdk/src/bench.rs sdk/src/guest.rs sdk/src/filter.rs sdk/src/host.rs sdk/src/input.rs sdk/src/json.rs sdk/src/log.rs sdk/src/number.rs sdk/src/out.rs sdk/src/parameters.rs sdk/src/per_series.rs sdk/src/state.rs sdk/src/bindings.rs

/tmp/wt-fguest/filters/target/debug/deps/hedgerow_filter-0da6743d910d0f11: sdk/src/lib.rs sdk/src/abi.rs sdk/src/bench.rs sdk/src/guest.rs sdk/src/filter.rs sdk/src/host.rs sdk/src/input.rs sdk/src/json.rs sdk/src/log.rs sdk/src/number.rs sdk/src/out.rs sdk/src/parameters.rs sdk/src/per_series.rs sdk/src/state.rs sdk/src/bindings.rs

sdk/src/lib.rs:
sdk/src/abi.rs:
sdk/src/bench.rs:
sdk/src/guest.rs:
sdk/src/filter.rs:
sdk/src/host.rs:
sdk/src/input.rs:
sdk/src/json.rs:
sdk/src/log.rs:
sdk/src/number.rs:
sdk/src/out.rs:
sdk/src/parameters.rs:
sdk/src/per_series.rs:
sdk/src/state.rs:
sdk/src/bindings.rs:
