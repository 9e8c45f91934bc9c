/tmp/wt-fguest/filters/target/debug/deps/threshold-6764c22947a55230.d: shipped/threshold/src/lib.rs shipped/threshold/src/tests.rs

/tmp/wt-fguest/filters/target/debug/deps/threshold-6764c22947a55230: shipped/threshold/src/lib.rs shipped/threshold/src/tests.rs

shipped/threshold/src/lib.rs:
shipped/threshold/src/tests.rs:

# env-dep:CARGO_PKG_VERSION=0.1.0
