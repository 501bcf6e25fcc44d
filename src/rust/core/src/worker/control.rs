//! The control thread: it runs beside a worker's main thread and listens to the control list,
//! whatever the main thread does. It
//! 1. interrupts the current task if it was cancelled: the task's header says so, the control list
//!    only wakes;
//! 2. answers pings;
//! 3. ends the process when the worker is to be killed;
//! 4. delivers signals to the process, which come through the key of the worker's heartbeat.
//!
//! A lost entry costs a few seconds, or the answer to a ping. An idle thread sends one request
//! every few seconds.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::connection::{Connection, never};
use crate::error::Result;
use crate::process;
use crate::scripts::{Call, WORKER_PUT_BACK};
use crate::signals;
use crate::task::query;
use crate::value;
use crate::worker::batch::lock;
use crate::worker::context::Context;
use crate::worker::order::Order;
use crate::worker::ping;
use crate::worker::sign_off::sign_off;

/// Only tasks that have run this long are checked, and only workers that have lived this long
/// listen.
const LONG: Duration = Duration::from_millis(50);
/// The longest sleep in the server, so also how long the thread may outlive its worker.
const BLOCK_S: f64 = 5.0;
/// For this long after a cancel new tasks are checked, too: the cancelled one may be on its way
/// here. The sleep is shorter meanwhile.
const ALERT: Duration = Duration::from_secs(2);
const ALERT_BLOCK_S: f64 = 0.1;
/// After a failed request, the next comes this much later.
const RETRY: Duration = Duration::from_secs(1);
/// SIGKILL and SIGTERM.
const FATAL: [i32; 2] = [9, 15];
/// After SIGTERM a process has this long to end before SIGKILL.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// The running thread. It ends by itself some time after this is dropped.
pub struct ControlThread {
    _quit: Sender<()>,
    _thread: JoinHandle<()>,
}

impl ControlThread {
    /// Start the thread on a connection of its own.
    pub fn start(mut connection: Connection, context: Context) -> Self {
        connection.set_retry_timeout(Duration::ZERO, never());
        let (quit, quitting) = bounded(0);
        let mut control_loop = ControlLoop { connection, context, alert: None };
        let thread = signals::spawn(move || control_loop.run(&quitting));
        ControlThread { _quit: quit, _thread: thread }
    }
}

struct ControlLoop {
    connection: Connection,
    context: Context,
    /// When the last cancel came.
    alert: Option<Instant>,
}

impl ControlLoop {
    fn run(&mut self, quit: &Receiver<()>) {
        let mut pause = LONG;
        while quit.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let round = self.check_cancelled().and_then(|()| self.listen());
            let quitting = quit.try_recv().is_err_and(|error| error.is_disconnected());
            pause = match round {
                Err(_) => RETRY,
                Ok(None) => Duration::ZERO,
                Ok(Some((list, entry))) if quitting => return self.put_back(list, &entry),
                Ok(Some((list, entry))) => match self.obey(&list, &entry) {
                    Ok(()) => Duration::ZERO,
                    Err(_) => RETRY,
                },
            };
        }
    }

    fn is_alert(&self) -> bool {
        self.alert.is_some_and(|since| since.elapsed() < ALERT)
    }

    /// Interrupt the current task if it was cancelled.
    fn check_cancelled(&mut self) -> Result<()> {
        let Some(id) = self.current() else {
            return Ok(());
        };
        let keys = &self.context.registration.keys;
        let header = query::header(&mut self.connection, keys, &id)?;
        if header.is_some_and(|header| header.is_to_stop()) {
            self.interrupt(&id);
        }
        Ok(())
    }

    /// The running task, if it should be checked and was not interrupted yet.
    fn current(&self) -> Option<String> {
        let batch = lock(&self.context.batch);
        let running = batch.running.as_ref().filter(|running| !running.interrupted)?;
        let ask = running.since.elapsed() >= LONG || self.is_alert();
        ask.then(|| running.id.clone())
    }

    /// Unless another task runs by now.
    fn interrupt(&self, id: &str) {
        let mut batch = lock(&self.context.batch);
        if let Some(running) = batch.running.as_mut().filter(|running| running.id == id) {
            running.interrupt(true, self.context.grace_s);
        }
    }

    /// Sleep until something comes.
    fn listen(&mut self) -> Result<Option<(String, String)>> {
        let block_s = if self.is_alert() { ALERT_BLOCK_S } else { BLOCK_S };
        let [control, signals] = self.lists();
        let mut command = redis::cmd("BLPOP");
        command.arg(control).arg(signals).arg(block_s);
        let mut popped = value::texts(self.connection.command(&command)?)?.into_iter();
        Ok(popped.next().zip(popped.next()))
    }

    /// Where entries come from: the control list, and the signals for whoever keeps the key of the
    /// worker's heartbeat.
    fn lists(&self) -> [String; 2] {
        let registration = &self.context.registration;
        let own = registration.keys.worker(&registration.id);
        [own.control(), own.signals()]
    }

    /// This worker has ended: the entry is for a later worker of the same name.
    fn put_back(&mut self, list: String, entry: &str) {
        let registration = &self.context.registration;
        let names = vec![registration.keys.workers(), list];
        let call = Call::new(&WORKER_PUT_BACK, names).arg(&registration.id).arg(entry);
        let _ = self.connection.call(&call);
    }

    fn obey(&mut self, list: &str, entry: &str) -> Result<()> {
        if list == self.lists()[1] {
            self.signal(entry.parse().unwrap_or(0));
            return Ok(());
        }
        match Order::parse(entry, self.context.registration.incarnation) {
            Some(Order::Cancel) => self.alert = Some(Instant::now()),
            Some(Order::Ping { watch, nonce }) => {
                let answer = ping::answer(&self.context, watch, &nonce);
                self.connection.command(&answer)?;
            }
            Some(Order::Kill) => self.kill(),
            None => {}
        }
        Ok(())
    }

    /// A signal that would end the process at once also ends the registration, so that the worker's
    /// tasks need not wait for its lease to lapse.
    fn signal(&mut self, number: i32) {
        if FATAL.contains(&number) { self.kill() } else { process::send(number) }
    }

    /// Sign off for the worker and end its process. The lock is held until the process ends, so
    /// that the main thread starts no other task. If the server cannot be reached, the worker is
    /// declared lost later.
    ///
    /// A step of the main thread may be under way. The server sees it either before the one sent here,
    /// and then what both report counts once, or after it, and then refuses it.
    fn kill(&mut self) {
        let batch = self.context.batch.clone();
        let mut batch = lock(&batch);
        let registration = &self.context.registration;
        self.connection.set_reply_timeout(KILL_GRACE);
        let _ = sign_off(&mut self.connection, registration, &mut batch, "killed");
        process::terminate();
        std::thread::sleep(KILL_GRACE);
        process::end();
    }
}
