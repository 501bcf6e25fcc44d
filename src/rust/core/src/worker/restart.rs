//! How a process replaces itself by a new one, in place. The code that started the process provides
//! the means; a worker in a user's session has none.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::status::Status;

/// Replaces the process by a new one that takes over the registration, as a `Handover` says;
/// returns only the reason why it could not. Its argument is the text of that.
#[derive(Clone)]
pub struct Restart(pub Arc<dyn Fn(&str) -> io::Error + Send + Sync>);

impl fmt::Debug for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Restart")
    }
}

/// What the old process passes to the new one: the registration to take over, and the request that
/// tells the server about the restart. Both send it, because the server may not have answered the old
/// process in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The nonce of the registration.
    pub nonce: String,
    /// The number of the request among the steps.
    pub sequence: u64,
    /// Why the process is replaced.
    pub reason: String,
    /// The task that was ended, and its status.
    pub ended: Option<(String, Status)>,
    /// The tasks that were begun and not reported.
    pub begun: Vec<String>,
}

impl Handover {
    /// As a text, for the new process.
    pub fn text(&self) -> String {
        let Handover { nonce, sequence, reason, ended, begun } = self;
        let ended = ended
            .as_ref()
            .map(|(id, status)| format!("{}{id}", status.letter()))
            .unwrap_or_default();
        format!("{nonce},{sequence},{ended},{},{reason}", begun.join(" "))
    }

    /// Read the text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ',');
        let nonce = parts.next()?.to_owned();
        let sequence = parts.next()?.parse().ok()?;
        let ended = parts.next()?;
        let ended = ended
            .bytes()
            .next()
            .and_then(|letter| Some((ended.get(1..)?.to_owned(), Status::from_letter(letter))));
        let begun = parts.next()?.split_whitespace().map(str::to_owned).collect();
        Some(Handover { nonce, sequence, reason: parts.next()?.to_owned(), ended, begun })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handover_reads_back_as_written() {
        let plain = Handover {
            nonce: "n".into(),
            sequence: 7,
            reason: "it has run 3 tasks, enough".into(),
            ended: None,
            begun: Vec::new(),
        };
        let ended = Handover {
            ended: Some(("a".into(), Status::Timeout)),
            begun: vec!["a".into(), "b".into()],
            ..plain.clone()
        };
        for handover in [plain, ended] {
            assert_eq!(Handover::parse(&handover.text()), Some(handover));
        }
        assert_eq!(Handover::parse("something else"), None);
    }
}
