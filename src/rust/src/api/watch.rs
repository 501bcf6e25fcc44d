//! Watches: the ends and events of tasks, while R does something else.

use extendr_api::prelude::*;
use rrq_core::Queue;
use rrq_core::watch::{News, Watch, WatchState, end_capture};

use rrq_bridge::convert::{limit, or_null, stop};
use rrq_bridge::serialize::unserialize_each;
use rrq_bridge::{RResult, later};

#[extendr]
fn rs_watch_open(mut queue: ExternalPtr<Queue>, follow: bool) -> RResult<ExternalPtr<Watch>> {
    Ok(ExternalPtr::new(Watch::open(&mut queue, follow)?))
}

#[extendr]
fn rs_watch_add(
    watch: ExternalPtr<Watch>,
    mut queue: ExternalPtr<Queue>,
    ids: Vec<String>,
) -> RResult<()> {
    Ok(watch.add(&mut queue, &ids)?)
}

#[extendr]
fn rs_watch_capture(watch: ExternalPtr<Watch>, mut queue: ExternalPtr<Queue>) -> RResult<()> {
    Ok(watch.capture(&mut queue)?)
}

#[extendr]
fn rs_watch_end_capture(mut queue: ExternalPtr<Queue>, keep: bool) -> RResult<()> {
    end_capture(&mut queue, keep);
    Ok(())
}

/// All news, as columns.
#[extendr]
fn rs_watch_drain(watch: ExternalPtr<Watch>) -> RResult<List> {
    let news = watch.drain()?;
    let word = |news: &News| news.status.map_or_else(Rstr::na, |status| status.word().into());
    Ok(list!(
        id = news.iter().map(|news| news.id.as_str()).collect::<Vec<_>>(),
        status = Strings::from_values(news.iter().map(word)),
        event = unserialize_each(news.iter().map(|news| news.event.as_deref()))?,
        dropped = news.iter().map(|news| news.n_dropped as f64).collect::<Vec<_>>()
    ))
}

/// Why the wait is over, as a word.
#[extendr]
fn rs_watch_wait(watch: ExternalPtr<Watch>, limit_s: f64) -> RResult<&'static str> {
    Ok(match watch.wait(limit(limit_s), &stop())? {
        WatchState::News => "news",
        WatchState::Idle => "idle",
        WatchState::Waiting => "waiting",
        WatchState::Failing => "failing",
    })
}

/// The number of tasks that have not ended; `NULL` if it is closed.
#[extendr]
fn rs_watch_n_open(watch: ExternalPtr<Watch>) -> RResult<Robj> {
    Ok(or_null(watch.n_open().ok().map(|n| n as f64)))
}

/// Find the function of later that wakes an event loop from another thread. Returns whether there is one.
#[extendr]
fn rs_later_find(callback: Robj) -> RResult<bool> {
    Ok(later::find(&callback))
}

/// Wake an event loop when there is news; with `NULL` no longer.
#[extendr]
fn rs_watch_on_event(
    watch: ExternalPtr<Watch>,
    number: f64,
    event_loop: Nullable<i32>,
) -> RResult<()> {
    let event_loop: Option<i32> = event_loop.into();
    let number = number as usize;
    Ok(watch.on_event(
        event_loop.map(|to| -> rrq_core::watch::Wake { Box::new(move || later::wake(number, to)) }),
    )?)
}

/// The loop was woken.
#[extendr]
fn rs_watch_answer(watch: ExternalPtr<Watch>) -> RResult<()> {
    Ok(watch.answer()?)
}

#[extendr]
fn rs_watch_close(mut watch: ExternalPtr<Watch>, mut queue: ExternalPtr<Queue>) -> RResult<()> {
    Ok(watch.close(&mut queue)?)
}

extendr_module! {
    mod watch;
    fn rs_watch_open;
    fn rs_watch_add;
    fn rs_watch_capture;
    fn rs_watch_end_capture;
    fn rs_watch_drain;
    fn rs_watch_wait;
    fn rs_watch_n_open;
    fn rs_later_find;
    fn rs_watch_on_event;
    fn rs_watch_answer;
    fn rs_watch_close;
}
