//! Tells R how far the transfer of a large value has come, once it has taken a second.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use extendr_api::prelude::*;
use rrq_core::store::set_watch;

use crate::protect::{call, restore_interrupt};

/// A shorter transfer is not worth a bar.
const SILENT: Duration = Duration::from_secs(1);
/// How often R is told.
const PERIOD: Duration = Duration::from_millis(200);

#[derive(Clone, Copy)]
struct Transfer {
    started: Instant,
    told: Option<Instant>,
    done: u64,
}

thread_local! {
    /// A call, and the environment in which it finds `done` and `total`.
    static REPORT: RefCell<Option<(Robj, Robj)>> = const { RefCell::new(None) };
    static TRANSFER: Cell<Option<Transfer>> = const { Cell::new(None) };
}

/// Evaluate `report` in `slot`, where `done` and `total` are bound, while a transfer goes on.
pub fn watch(report: Robj, slot: Robj) {
    REPORT.set(Some((report, slot)));
    set_watch(advance);
}

fn advance(done: u64, total: u64) {
    let now = Instant::now();
    let begun = Transfer { started: now, told: None, done: 0 };
    // What has gone back belongs to another transfer.
    let mut transfer = TRANSFER.get().filter(|known| known.done < done).unwrap_or(begun);
    transfer.done = done;
    let is_long = now.duration_since(transfer.started) > SILENT;
    let is_time = transfer.told.is_none_or(|told| now.duration_since(told) > PERIOD);
    let is_over = total > 0 && done >= total;
    if total > 0 && ((is_long && is_time) || (is_over && transfer.told.is_some())) {
        transfer.told = Some(now);
        tell(done, total);
    }
    TRANSFER.set((!is_over).then_some(transfer));
}

fn tell(done: u64, total: u64) {
    let Some((report, slot)) = REPORT.with_borrow(Clone::clone) else {
        return;
    };
    let arguments = [(c"done", &(done as f64).into()), (c"total", &(total as f64).into())];
    if call(&slot, &report, &arguments).is_none() {
        // Drawing was interrupted: the transfer will see the interrupt.
        restore_interrupt();
    }
}
