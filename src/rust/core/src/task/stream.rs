//! What a controller knows of its event stream. The ends of tasks submitted while it is open are
//! written to it, so that a wait for them need not ask the server first.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long the server keeps a stream that nobody renews.
pub const LIFETIME: Duration = Duration::from_secs(120);
/// For how long after a renewal it is relied on.
const FRESH: Duration = Duration::from_secs(60);
/// More tasks than this are not remembered: asking costs little then.
const REMEMBERED: usize = 10_000;

/// A controller's side of its event stream.
#[derive(Debug)]
pub struct Stream {
    /// The entry read last.
    pub position: String,
    fresh_until: Option<Instant>,
    announced: HashSet<String>,
}

impl Default for Stream {
    fn default() -> Self {
        Stream { position: "0-1".into(), fresh_until: None, announced: HashSet::new() }
    }
}

impl Stream {
    fn is_fresh(&self) -> bool {
        self.fresh_until.is_some_and(|until| Instant::now() < until)
    }

    /// The server has just opened or renewed it.
    pub fn renew(&mut self) {
        self.fresh_until = Some(Instant::now() + FRESH);
    }

    /// Nothing is written to it any more.
    pub fn close(&mut self) {
        *self = Stream { position: std::mem::take(&mut self.position), ..Stream::default() };
    }

    /// These were submitted just now: their ends will be written to it if it is open.
    pub fn submitted(&mut self, ids: &[String]) {
        if !self.is_fresh() {
            self.announced.clear();
        } else if self.announced.len() + ids.len() <= REMEMBERED {
            self.announced.extend(ids.iter().cloned());
        }
    }

    /// Whether the ends of all these tasks are still to be read from it.
    pub fn will_tell(&self, ids: &HashSet<String>) -> bool {
        self.is_fresh() && ids.is_subset(&self.announced)
    }

    /// The end of a task was read from it.
    pub fn told(&mut self, id: &str) {
        self.announced.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn asks(stream: &Stream, wanted: &[&str]) -> bool {
        !stream.will_tell(&ids(wanted).into_iter().collect())
    }

    #[test]
    fn only_tasks_submitted_while_it_is_open_need_not_be_asked_about() {
        let mut stream = Stream::default();
        stream.submitted(&ids(&["early"]));
        stream.renew();
        stream.submitted(&ids(&["a", "b"]));
        assert!(asks(&stream, &["early"]));
        assert!(!asks(&stream, &["a", "b"]));
        stream.told("a");
        assert!(asks(&stream, &["a", "b"]));
        stream.close();
        assert!(asks(&stream, &["b"]));
    }
}
