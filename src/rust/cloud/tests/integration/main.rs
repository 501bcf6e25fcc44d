//! Buckets of a server that speaks S3: `tools/test-cloud` starts one. Without it nothing is tested.
#![allow(clippy::unwrap_used, clippy::panic)] // all of it is tests, their helpers included

mod bucket;
mod store;
#[allow(dead_code, unused_imports)] // the engine's tests use all of it
#[path = "../../../core/tests/integration/support/mod.rs"]
mod support;
