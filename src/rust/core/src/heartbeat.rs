//! A key that expires unless this process lives: a thread renews it, whatever the main thread does.
//! The thread also delivers signals that others send to the process through the key.
//!
//! Errors of the server do not end the thread: it runs until it is stopped or dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};
use redis::Pipeline;

use crate::connection::{Connection, SLICE, Stop, never};
use crate::error::{Error, Result};
use crate::process;
use crate::scripts::{Call, HEARTBEAT_CLAIM};
use crate::signals;
use crate::value;

/// The longest sleep in the server.
const BLOCK: Duration = Duration::from_secs(5);
/// After a failed request, the next comes this much later, or after a period if that is shorter.
const RETRY: Duration = Duration::from_secs(1);
/// A signal that was not delivered by then is dropped.
const SIGNAL_LIFETIME: Duration = Duration::from_secs(60);

/// Which key is renewed, and how.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// The key.
    pub key: String,
    /// What it holds.
    pub value: String,
    /// How often it is renewed.
    pub period: Duration,
    /// When it expires if it is not renewed.
    pub expire: Duration,
}

impl Pulse {
    /// The list of signals for its process.
    fn signals(&self) -> String {
        signals(&self.key)
    }
}

fn signals(key: &str) -> String {
    format!("{key}:signal")
}

/// A running heartbeat. If it is dropped without being stopped, the key expires.
pub struct Heartbeat {
    pulse: Pulse,
    connection: Connection,
    retry_timeout: Duration,
    quit: Arc<AtomicBool>,
    done: Receiver<()>,
    /// The process that has the thread: a forked child does not.
    owner: u32,
}

impl Heartbeat {
    /// Claim the key, which must not exist, and start to renew it. Requests are retried until
    /// `retry_timeout`.
    pub fn start(
        mut connection: Connection,
        pulse: Pulse,
        retry_timeout: Duration,
        stop: Stop,
    ) -> Result<Self> {
        connection.set_retry_timeout(retry_timeout, stop);
        take(&mut connection, &pulse)?;
        let quit = Arc::new(AtomicBool::new(false));
        let (alive, done) = bounded::<()>(0);
        let mut thread = Thread {
            connection: connection.duplicate(),
            pulse: pulse.clone(),
            quit: quit.clone(),
            beaten: Instant::now(),
        };
        thread.connection.set_retry_timeout(Duration::ZERO, never());
        signals::spawn(move || {
            let _alive = alive;
            thread.run();
        });
        Ok(Heartbeat { pulse, connection, retry_timeout, quit, done, owner: std::process::id() })
    }

    /// Whether the key is being renewed.
    pub fn is_running(&self) -> bool {
        self.owner == std::process::id()
            && !self.quit.load(Ordering::Relaxed)
            && self.done.try_recv() == Err(TryRecvError::Empty)
    }

    /// Stop and delete the key. If this fails, the key expires by itself.
    pub fn stop(&mut self) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        self.quit.store(true, Ordering::Relaxed);
        let mut wake = redis::cmd("RPUSH");
        wake.arg(self.pulse.signals()).arg(0);
        self.connection.command(&wake)?;
        // The thread must end first, or it could create the key again.
        if self.done.recv_timeout(self.retry_timeout) == Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
        let mut delete = redis::cmd("DEL");
        delete.arg(&self.pulse.key).arg(self.pulse.signals());
        self.connection.command(&delete).map(|_| ())
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
    }
}

/// The key holds a nonce first, so that a request repeated after a lost reply recognises its own
/// claim. Signals may come as soon as the key exists, so the old ones go in the same request.
fn take(connection: &mut Connection, pulse: &Pulse) -> Result<()> {
    let (nonce, expire_ms) = (value::random_id()?, pulse.expire.as_millis() as u64);
    let names = vec![pulse.key.clone(), pulse.signals()];
    let call = Call::new(&HEARTBEAT_CLAIM, names).arg(nonce).arg(expire_ms);
    if value::integer(connection.call(&call)?)? == 0 {
        return Err(Error::HeartbeatExists { key: pulse.key.clone() });
    }
    let mut set = redis::cmd("SET");
    set.arg(&pulse.key).arg(&pulse.value).arg("PX").arg(expire_ms);
    connection.command(&set).map(|_| ())
}

struct Thread {
    connection: Connection,
    pulse: Pulse,
    quit: Arc<AtomicBool>,
    beaten: Instant,
}

impl Thread {
    fn run(&mut self) {
        while !self.quit.load(Ordering::Relaxed) {
            if self.round().is_err() {
                self.pause(RETRY.min(self.pulse.period));
            }
        }
    }

    /// Renew the key if it is time, then sleep until it is, or until a signal comes.
    fn round(&mut self) -> Result<()> {
        if self.beaten.elapsed() >= self.pulse.period {
            self.beat()?;
            self.beaten = Instant::now();
        }
        let left = self.pulse.period.saturating_sub(self.beaten.elapsed()).min(BLOCK);
        let mut command = redis::cmd("BLPOP");
        command.arg(self.pulse.signals()).arg(left.as_secs_f64().max(0.01));
        if let Some(entry) = value::array(self.connection.command(&command)?)?.pop() {
            process::send(value::text(entry)?.parse().unwrap_or(0));
        }
        Ok(())
    }

    /// A server that is out of memory accepts PEXPIRE but not SET.
    fn beat(&mut self) -> Result<()> {
        let expire_ms = self.pulse.expire.as_millis() as u64;
        let mut prolong = redis::cmd("PEXPIRE");
        prolong.arg(&self.pulse.key).arg(expire_ms);
        if value::integer(self.connection.command(&prolong)?)? == 1 {
            return Ok(());
        }
        let mut set = redis::cmd("SET");
        set.arg(&self.pulse.key).arg(&self.pulse.value).arg("PX").arg(expire_ms);
        self.connection.command(&set).map(|_| ())
    }

    fn pause(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end && !self.quit.load(Ordering::Relaxed) {
            std::thread::sleep(SLICE.min(pause));
        }
    }
}

/// Send a signal to the process that keeps `key` alive; returns whether there is one.
pub fn kill(connection: &mut Connection, key: &str, signal: i32) -> Result<bool> {
    let mut exists = redis::cmd("EXISTS");
    exists.arg(key);
    if value::integer(connection.command(&exists)?)? == 0 {
        return Ok(false);
    }
    let mut pipeline = Pipeline::new();
    pipeline.atomic();
    pipeline.cmd("RPUSH").arg(signals(key)).arg(signal);
    pipeline.cmd("PEXPIRE").arg(signals(key)).arg(SIGNAL_LIFETIME.as_millis() as u64);
    connection.pipeline(&pipeline).map(|_| true)
}
