//! Tables of tasks.

use crate::error::Result;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::query::{Label, headers_if_any, labels};
use crate::task::{Header, header};

/// About how many tasks a reply returns.
const PAGE: usize = 5000;

/// Which tasks to list: those that meet all conditions.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// With one of these statuses; with any if empty.
    pub status: Vec<Status>,
    /// With this tag.
    pub tag: Option<String>,
    /// In this queue.
    pub queue: Option<String>,
    /// Submitted at this time or later, in µs of server time.
    pub since_us: u64,
}

impl Filter {
    fn takes(&self, header: &Header) -> bool {
        (self.status.is_empty() || self.status.contains(&header.status))
            && self.queue.as_ref().is_none_or(|queue| *queue == header.queue)
            && header.submit >= self.since_us
    }
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its header.
    pub header: Header,
    /// Its label and tags.
    pub label: Label,
}

/// The tasks that match `filter`: of `ids`, in their order and without unknown ones, or of all
/// tasks, in order of submission.
pub fn table(queue: &mut Queue, ids: Option<&[String]>, filter: &Filter) -> Result<Vec<Row>> {
    let all = ids.is_none();
    let mut found = match ids {
        Some(ids) => {
            let headers = headers_if_any(queue, ids)?;
            let known = ids.iter().cloned().zip(headers);
            known.filter_map(|(id, header)| Some((id, header?))).collect()
        }
        None => all_headers(queue, filter)?,
    };
    found.retain(|(_, header)| filter.takes(header));
    let ids: Vec<String> = found.iter().map(|(id, _)| id.clone()).collect();
    let labels = labels(queue, &ids)?;
    let mut rows: Vec<Row> = found
        .into_iter()
        .zip(labels)
        .map(|((id, header), label)| Row { id, header, label })
        .filter(|row| filter.tag.as_ref().is_none_or(|tag| row.label.tags.contains(tag)))
        .collect();
    // Requested ids keep their order.
    if all {
        rows.sort_by(|a, b| (a.header.submit, &a.id).cmp(&(b.header.submit, &b.id)));
    }
    Ok(rows)
}

/// All headers that match, read page by page, so that the server is not blocked for long.
fn all_headers(queue: &mut Queue, filter: &Filter) -> Result<Vec<(String, Header)>> {
    let mut found = std::collections::HashMap::new();
    queue.connection.hash_scan(&queue.keys.tasks(), PAGE, |id, stored| {
        let wanted = header::stored_status(&stored);
        if filter.status.is_empty() || filter.status.contains(&wanted) {
            let header = Header::parse(&stored);
            found.insert(id, header);
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}
