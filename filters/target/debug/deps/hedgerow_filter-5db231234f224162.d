/tmp/wt-fguest/filters/target/debug/deps/hedgerow_filter-5db231234f224162.d: sdk/src/lib.rs sdk/src/abi.rs sdk/src/bench.rs sdk/src/guest.rs sdk/src/filter.rs sdk/src/host.rs sdk/src/input.rs sdk/src/json.rs sdk/src/log.rs sdk/src/number.rs sdk/src/out.rs sdk/src/parameters.rs sdk/src/per_series.rs sdk/src/state.rs sdk/src/bindings.rs

/tmp/wt-fguest/filters/target/debug/deps/libhedgerow_filter-5db231234f224162.rlib: sdk/src/lib.rs sdk/src/abi.rs sdk/src/bench.rs sdk/src/guest.rs sdk/src/filter.rs sdk/src/host.rs sdk/src/input.rs sdk/src/json.rs sdk/src/log.rs sdk/src/number.rs sdk/src/out.rs sdk/src/parameters.rs sdk/src/per_series.rs sdk/src/state.rs sdk/src/bindings.rs

/tmp/wt-fguest/filters/target/debug/deps/libhedgerow_filter-5db231234f224162.rmeta: sdk/src/lib.rs sdk/src/abi.rs sdk/src/bench.rs sdk/src/guest.rs sdk/src/filter.rs sdk/src/host.rs sdk/src/input.rs sdk/src/json.rs sdk/src/log.rs sdk/src/number.rs sdk/src/out.rs sdk/src/parameters.rs sdk/src/per_series.rs sdk/src/state.rs sdk/src/bindings.rs

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
