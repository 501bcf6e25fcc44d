//! The engine against real servers, one file for each thing it does.
#![allow(clippy::unwrap_used, clippy::panic)] // all of it is tests, their helpers included

mod config_save;
mod connection_cluster;
mod connection_limits;
mod connection_open;
mod connection_reply;
mod connection_retry;
mod connection_sentinel;
#[cfg(feature = "tls")]
mod connection_tls;
mod damage;
mod files_store;
mod heartbeat;
mod late_copy;
mod message_send;
mod model;
mod queue_attach;
mod queue_destroy;
mod queue_durable;
mod queue_pause;
mod queue_remove;
mod race;
mod server_full;
mod store;
mod store_kill;
mod store_left;
mod store_task;
mod support;
mod task_ask;
mod task_cancel;
mod task_delete;
mod task_depend;
mod task_depend_many;
mod task_discard;
mod task_emit;
mod task_expire;
mod task_log;
mod task_post;
mod task_prune;
mod task_query;
mod task_retry;
mod task_room;
mod task_rules;
mod task_schedule;
mod task_submit;
mod task_table;
mod task_take;
mod task_wait;
mod watch;
mod worker_batch;
mod worker_control;
mod worker_delete;
mod worker_frozen;
#[cfg(unix)]
mod worker_isolate;
#[cfg(unix)]
mod worker_isolate_serve;
#[cfg(unix)]
mod worker_isolate_spawn;
mod worker_kill;
mod worker_lose;
mod worker_lost;
#[cfg(unix)]
mod worker_restart;
mod worker_sleep;
mod worker_step;
mod worker_sweep;
mod worker_window;
