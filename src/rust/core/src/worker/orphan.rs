//! Ends a worker whose parent process has gone. Idle workers leave by themselves when they are woken;
//! one in the middle of a task is ended.

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::process::{self, is_orphan};
use crate::worker::batch::lock;
use crate::worker::context::Context;
use crate::worker::sign_off::sign_off;
use crate::worker::turn::StopReason;

/// An idle worker has this long to leave by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Wake the main thread of an orphan, and end the process if that does not help. `since` keeps when
/// this thread first noticed. Whether the server responds makes no difference.
pub fn end_orphan(connection: &mut Connection, context: &Context, since: &mut Option<Instant>) {
    if !is_orphan(context.parent) {
        return;
    }
    let registration = &context.registration;
    if since.get_or_insert_with(Instant::now).elapsed() < GRACE {
        let _ = connection.call(&registration.wake());
        return;
    }
    let mut batch = lock(&context.batch);
    let reason = StopReason::ParentEnded.to_string();
    let _ = sign_off(connection, registration, &mut batch, &reason);
    process::end()
}
