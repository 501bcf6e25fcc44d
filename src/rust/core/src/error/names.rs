//! Ids in messages: the first of them, and how many more there are.

/// How many ids a message names; the condition carries all of them.
const SHOWN: usize = 5;

/// The first of some ids.
pub(super) fn name_some(ids: &[String]) -> String {
    let mut shown: Vec<String> = ids.iter().take(SHOWN).cloned().collect();
    if ids.len() > SHOWN {
        shown.push(format!("and {} more", ids.len() - SHOWN));
    }
    shown.join(", ")
}

/// The first of some tasks, each with its status.
pub(super) fn name_tasks(ids: &[String], statuses: &[String]) -> String {
    let tasks = ids.iter().zip(statuses).map(|(id, status)| format!("{id} is {status}"));
    name_some(&tasks.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use crate::error::Error;

    #[test]
    fn a_message_names_a_few_ids_and_counts_the_rest() {
        let ids: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        let message = Error::TaskMissing { ids }.to_string();
        assert_eq!(message, "no such task: 0, 1, 2, 3, 4, and 99995 more");
    }
}
