//! What a session knows of deletions whose replies it does not wait for.

use crate::scripts::Call;

/// The last request to delete tasks without waiting for the reply.
#[derive(Default)]
pub enum Deletion {
    /// There was none: the server may not have the script.
    #[default]
    Unknown,
    /// It was served.
    Known,
    /// Its reply was not read.
    Posted(Call),
}
