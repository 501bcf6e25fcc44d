//! The boundary between R and the engine: one module per noun, nothing else here.
#![allow(missing_docs)] // what extendr generates has none; nobody but R calls this crate
#![allow(clippy::needless_pass_by_value)] // extendr passes by value

mod api;

use api::{
    config, files, heartbeat, message, queue, redis, server, store, task, wait, watch, worker,
};
use extendr_api::prelude::*;

#[global_allocator]
static ALLOCATOR: rrq_bridge::memory::Reserving = rrq_bridge::memory::Reserving;

extendr_module! {
    mod rrq;
    use config;
    use files;
    use heartbeat;
    use message;
    use queue;
    use redis; // layers: our own module of that name
    use server;
    use store;
    use task;
    use wait;
    use watch;
    use worker;
}
