/tmp/wt-fguest/filters/target/debug/deps/threshold.d: shipped/threshold/src/lib.rs

/tmp/wt-fguest/filters/target/debug/deps/libthreshold.so: shipped/threshold/src/lib.rs

/tmp/wt-fguest/filters/target/debug/deps/libthreshold.rlib: shipped/threshold/src/lib.rs

shipped/threshold/src/lib.rs:

# env-dep:CARGO_PKG_VERSION=0.1.0
