//! Commands that a worker obeys whatever it is doing: entries of its control list, which its control
//! thread takes.

use std::time::Duration;

use crate::error::Result;
use crate::queue::Queue;
use crate::scripts::{Call, WORKER_CONTROL};
use crate::value;

/// An entry that nobody took by then is dropped.
const LIFETIME: Duration = Duration::from_secs(60);
/// How many workers one request addresses.
const CHUNK: usize = 256;

/// An entry of the control list.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Some task that this worker holds was cancelled.
    Cancel,
    /// Answer to the event stream of this number.
    Ping {
        /// Whose stream.
        watch: u64,
        /// Which question.
        nonce: String,
    },
    /// End the process.
    Kill,
}

impl Order {
    /// Read an entry. What was for another incarnation of the worker is no order.
    pub fn parse(entry: &str, incarnation: i64) -> Option<Self> {
        let words: Vec<&str> = entry.split(' ').collect();
        match words[..] {
            ["cancel"] => Some(Order::Cancel),
            [whose, ..] if whose.parse() != Ok(incarnation) => None,
            [_, "ping", watch, nonce] => {
                Some(Order::Ping { watch: watch.parse().unwrap_or(0), nonce: nonce.to_owned() })
            }
            [_, "kill"] => Some(Order::Kill),
            _ => None,
        }
    }

    /// The entry, before which the script puts the incarnation of each worker.
    fn entry(&self) -> String {
        match self {
            Order::Cancel => "cancel".to_owned(),
            Order::Ping { watch, nonce } => format!("ping {watch} {nonce}"),
            Order::Kill => "kill".to_owned(),
        }
    }
}

/// Put an order on the control lists of workers; returns those that are not alive.
pub fn tell(queue: &mut Queue, workers: &[String], order: &Order) -> Result<Vec<String>> {
    let mut absent = Vec::new();
    for chunk in workers.chunks(CHUNK) {
        let (token, number) = queue.number_request()?;
        let mut names = vec![queue.keys.workers(), queue.keys.config()];
        names.extend(chunk.iter().map(|id| queue.keys.worker(id).control()));
        let call = Call::new(&WORKER_CONTROL, names)
            .arg(token)
            .arg(number)
            .arg(order.entry())
            .arg(LIFETIME.as_millis() as u64)
            .arg(chunk);
        absent.extend(value::texts(queue.connection.call(&call)?)?);
    }
    Ok(absent)
}

/// End the processes of workers, wherever they are; returns those that were no longer alive.
pub fn kill(queue: &mut Queue, workers: &[String]) -> Result<Vec<String>> {
    tell(queue, workers, &Order::Kill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_for_one_incarnation() {
        assert_eq!(Order::parse("7 kill", 7), Some(Order::Kill));
        assert_eq!(Order::parse("7 kill", 8), None);
        assert_eq!(Order::parse("cancel", 7), Some(Order::Cancel));
        assert_eq!(Order::parse("7 dance", 7), None);
    }

    #[test]
    fn an_order_reads_back_as_written() {
        for order in [Order::Kill, Order::Ping { watch: 3, nonce: "abc".into() }] {
            assert_eq!(Order::parse(&format!("7 {}", order.entry()), 7), Some(order));
        }
    }
}
