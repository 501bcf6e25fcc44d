//! How a worker prints the lines of its log.

use std::time::UNIX_EPOCH;

use rrq_core::worker::Printed;

use crate::protect;

/// The second of the last line that was printed, and how it is printed. Many lines share one, and
/// finding the time zone costs a system call.
#[derive(Default)]
pub struct Second {
    time_s: u64,
    text: String,
}

impl Second {
    /// The line, with its end.
    pub fn line(&mut self, line: &Printed) -> String {
        let Printed { time, command, message } = line;
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.time_s != since.as_secs() || self.text.is_empty() {
            self.time_s = since.as_secs();
            self.text = protect::local_time(self.time_s);
        }
        let (time, ms) = (&self.text, since.subsec_millis());
        let space = if message.is_empty() { "" } else { " " };
        format!("[{time}.{ms:03}] {command}{space}{message}\n")
    }
}
