//! What becomes of a batch whose worker vanishes: what has begun is never handed back, what has
//! surely not begun is not lost.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Commands, Value};
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task;
use rrq_core::worker::{self, Record, Worker};

use crate::support::*;

const STEP: [&str; 4] = ["w", "t", "b", "r"];

/// What a worker holds, and how many of that, at the end, it keeps open.
fn held(raw: &mut redis::Connection, id: &str) -> (Vec<String>, usize) {
    let packed: Vec<u8> = raw.hget("{jobs}:w", id).unwrap();
    let record = Record::unpack(id, &packed).unwrap();
    (record.held().collect(), record.n_open)
}

/// The worker is lost.
fn lose(f: &mut Fixture, id: &str) -> worker::Lost {
    f.pass_time(&format!("L:{id}"));
    let lost = worker::sweep(&mut f.queue).unwrap();
    lost.into_iter().find(|lost| lost.worker == id).unwrap()
}

/// Keep this process busy, as a task does that takes this long.
fn spin(pause: Duration) {
    let start = Instant::now();
    while start.elapsed() < pause {
        std::hint::spin_loop();
    }
}

/// How long the `i`th task takes: tiny ones, then some longer than the batch was claimed for, so that
/// the batch is reported half-way.
fn pause(i: usize) -> Duration {
    Duration::from_micros(match i % 300 {
        0..150 => 0,
        150..280 => 400,
        _ => 1200,
    })
}

#[test]
fn what_is_open_has_not_begun() {
    let mut f = Fixture::new();
    let ids = submit_n(&mut f.queue, 900);
    let mut raw = f.raw();
    let (mut begun, mut most_open) = (HashSet::new(), 0);
    let mut actor = Actor::new(move |task| {
        assert!(begun.insert(task.id.clone()));
        let (held, n_open) = held(&mut raw, "w");
        let open = &held[held.len() - n_open..];
        assert!(open.iter().all(|id| !begun.contains(id)), "{n_open} of {held:?}");
        most_open = most_open.max(n_open);
        assert!(begun.len() < 900 || most_open > 8, "no batch kept more than {most_open} open");
        spin(pause(begun.len()));
        complete("done")
    });
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert_eq!(statuses(&mut f.queue, &ids), [Status::Complete; 900]);
}

/// The ids of tasks that have begun, in order.
type Begun = Arc<Mutex<Vec<String>>>;

/// Run a worker until it vanishes in the middle of its `k`th task.
fn vanish(worker: Worker, k: usize) -> Vec<String> {
    vanish_after(worker, k, |_| {})
}

/// The same; what else happens in the `n`th task is given.
fn vanish_after(
    mut worker: Worker,
    k: usize,
    mut happens: impl FnMut(usize) + Send + 'static,
) -> Vec<String> {
    let begun = Begun::default();
    let noted = begun.clone();
    let mut actor = Actor::new(move |task| {
        let mut noted = noted.lock().unwrap();
        noted.push(task.id.clone());
        if noted.len() == k {
            drop(noted);
            resume_unwind(Box::new("vanished"));
        }
        happens(noted.len());
        spin(pause(noted.len()));
        complete("done")
    });
    catch_unwind(AssertUnwindSafe(|| run_until_idle(&mut worker, &mut actor))).unwrap_err();
    drop(worker);
    let begun = begun.lock().unwrap();
    begun.clone()
}

/// What must be true when a worker that had begun these of these tasks was lost.
fn check(f: &mut Fixture, ids: &[String], begun: &[String]) {
    let headers = task::headers(&mut f.queue, ids).unwrap();
    assert_eq!(ids[..begun.len()], *begun);
    let (begun, rest) = headers.split_at(begun.len());
    let n_reported = begun.iter().take_while(|h| h.status == Status::Complete).count();
    assert!(begun[n_reported..].iter().all(|h| (h.status, h.attempt) == (Status::Died, 1)));
    let n_died = rest.iter().take_while(|h| h.status == Status::Died).count();
    let returned = &rest[n_died..];
    assert!(returned.iter().all(|h| (h.status, h.attempt) == (Status::Pending, 0)));
    assert!(returned.iter().all(|h| h.worker.is_empty() && h.start == 0));
    assert_eq!(f.queue.list("default").unwrap(), ids[ids.len() - returned.len()..]);
    f.assert_counters();
}

#[test]
fn a_worker_that_vanishes_loses_only_what_it_may_have_begun() {
    for k in (1..=320).step_by(9) {
        let mut f = Fixture::new();
        let ids = submit_n(&mut f.queue, 900);
        let worker = f.worker("w");
        let begun = vanish(worker, k);
        let (held, n_open) = held(&mut f.raw(), "w");
        let lost = lose(&mut f, "w");
        assert_eq!(lost.returned, held[held.len() - n_open..]);
        assert_eq!(lost.tasks.len(), held.len() - n_open);
        check(&mut f, &ids, &begun);
    }
}

/// Requests of a worker that runs nothing by itself, made from those of another.
struct Forged {
    step: Request,
    begin: Request,
    id: String,
    incarnation: i64,
    sequence: u64,
}

impl Forged {
    fn templates(f: &mut Fixture) -> (Request, Request) {
        let proxy = f.proxy();
        let worker = register(attach(proxy.url()), "template", never(), |_| {}).unwrap();
        let mut worker = ready(worker);
        let mut actor = Actor::new(|_| {
            spin(Duration::from_micros(200));
            complete("done")
        });
        let begin = (0..TRIES).find_map(|_| {
            let ids = submit_n(&mut f.queue, 600);
            run_until_idle(&mut worker, &mut actor);
            task::delete(&mut f.queue, &ids, false).unwrap();
            begin_calls(&proxy).into_iter().next()
        });
        (proxy.calls(&STEP).remove(0), begin.unwrap())
    }

    fn new(f: &Fixture, (step, begin): &(Request, Request), id: &str) -> Self {
        drop(f.worker(id));
        let rename = |part: &Vec<u8>| {
            let part = String::from_utf8_lossy(part);
            part.replace(":template:", &format!(":{id}:")).into_bytes()
        };
        let at = options_of(step);
        let mut own = step[..at].iter().map(rename).collect::<Request>();
        own.extend_from_slice(&step[at..at + STEP_OPTIONS]);
        let incarnation = f.ask("HGET {jobs}:n incarnation");
        Forged { step: own, begin: begin.clone(), id: id.to_owned(), incarnation, sequence: 0 }
    }

    /// Report tasks and claim up to `n`, of which `window` may begin.
    fn step(&mut self, f: &Fixture, n: usize, window: usize, finished: &[String]) {
        self.sequence += 1;
        let mut step = change_options(
            &self.step,
            &[
                (StepOption::Id, &self.id),
                (StepOption::Incarnation, &self.incarnation),
                (StepOption::Sequence, &self.sequence),
                (StepOption::ClaimLimit, &n),
                (StepOption::Window, &window),
                (StepOption::Woken, &0),
            ],
        );
        for id in finished {
            let parts = [id.as_str(), "1", "C", "9", "5", "value", "", "1", ""];
            step.extend(parts.map(|part| part.as_bytes().to_vec()));
        }
        f.resend(&step);
    }

    fn begin(&self, f: &Fixture, last: &str) -> Value {
        let mut call = self.begin[..4].to_vec();
        let args = [self.id.as_str(), &self.incarnation.to_string(), last];
        call.extend(args.map(|arg| arg.as_bytes().to_vec()));
        f.resend(&call)
    }
}

/// On a loaded machine tasks take long, so a worker may claim too few at a time to announce any.
const TRIES: usize = 100;

/// The requests that move a window on.
fn begin_calls(proxy: &Proxy) -> Vec<Request> {
    let calls = proxy.calls(&["w"]).into_iter();
    calls.filter(|call| call[2] == b"1" && call.len() == 7 && call[6].len() == 32).collect()
}

#[test]
fn at_every_point_of_a_batch_only_what_may_have_begun_dies() {
    const N: usize = 6;
    let mut f = Fixture::new();
    let templates = Forged::templates(&mut f);
    for window in 1..=4 {
        for (k, j) in (0..=N).flat_map(|k| (0..=k).map(move |j| (k, j))) {
            let context = format!("{window}-{k}-{j}");
            let all = submit_n(&mut f.queue, 4 * N);
            let ids = &all[..N];
            let mut forged = Forged::new(&f, &templates, &context);
            forged.step(&f, N, window, &[]);
            let mut allowed = window.min(N);
            for i in 0..k {
                if i == allowed {
                    allowed = (i + window).min(N);
                    assert_eq!(forged.begin(&f, &ids[allowed - 1]), Value::Int(1));
                }
                if i + 1 == j {
                    forged.step(&f, 0, window, &ids[..j]);
                    allowed = allowed.max((j + window).min(N));
                }
            }
            let lost = lose(&mut f, &context);
            assert_eq!(lost.returned, ids[allowed..], "{context}");
            check(&mut f, &all, &ids[..k]);
            let n_not_begun = ids[k..allowed].len();
            assert!(n_not_begun <= window, "{context}");
            task::delete(&mut f.queue, &all, false).unwrap();
        }
    }
}

#[test]
fn a_copy_of_a_request_that_comes_late_hands_back_nothing_that_has_begun() {
    let vanished = (0..TRIES).find_map(|_| {
        let mut f = Fixture::new();
        // A server that does not know a script refuses a copy.
        Forged::templates(&mut f);
        let proxy = f.proxy();
        let ids = submit_n(&mut f.queue, 900);
        let worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
        let begun = vanish(worker, 233);
        (!begin_calls(&proxy).is_empty()).then_some((f, proxy, ids, begun))
    });
    let (mut f, proxy, ids, begun) = vanished.unwrap();
    let (_, before) = held(&mut f.raw(), "w");
    f.resend_all(&proxy.calls(&STEP));
    f.resend_all(&begin_calls(&proxy));
    let (held, n_open) = held(&mut f.raw(), "w");
    assert!(n_open <= before && n_open < held.len());
    lose(&mut f, "w");
    check(&mut f, &ids, &begun);
}

#[test]
fn a_request_that_moves_the_window_on_may_be_cut_anywhere() {
    for (way, width) in [(Way::Up, 19), (Way::Down, 2)] {
        for offset in 0..10 {
            let mut f = Fixture::new();
            let proxy = Arc::new(f.proxy());
            let ids = submit_n(&mut f.queue, 900);
            let worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
            // The next request after a task in the middle of a batch is one that moves the window on.
            let begun = vanish_after(worker, 300, {
                let cutting = proxy.clone();
                move |n| {
                    if n == 170 {
                        cutting.cut_after(way, 1 + width * offset);
                    }
                }
            });
            assert!(proxy.has_cut());
            lose(&mut f, "w");
            check(&mut f, &ids, &begun);
        }
    }
}
