//! Keys that expire unless a process lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::heartbeat::{self, Heartbeat, Pulse};
use rrq_core::{Connection, Error};

use crate::support::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn pulse() -> Pulse {
    let (period, expire) = (Duration::from_millis(100), Duration::from_millis(400));
    Pulse { key: "alive".into(), value: "me".into(), period, expire }
}

fn start(url: &str) -> rrq_core::Result<Heartbeat> {
    Heartbeat::start(Connection::open(url, never()).unwrap(), pulse(), PATIENCE, never())
}

#[test]
fn a_cut_anywhere_while_it_starts_is_no_second_heartbeat() {
    let f = Fixture::new();
    let proxy = f.proxy();
    for (way, n) in (1..300).step_by(7).map(|n| (Way::Up, n)).chain((1..30).map(|n| (Way::Down, n)))
    {
        let connection = Connection::open(proxy.url(), never()).unwrap();
        proxy.cut_after(way, n);
        let mut beat = Heartbeat::start(connection, pulse(), PATIENCE, never()).unwrap();
        assert_eq!(f.ask::<String>("GET alive"), "me");
        proxy.cut_after(way, usize::MAX); // where it did not come to that
        beat.stop().unwrap();
        assert_eq!(f.ask::<Vec<String>>("KEYS alive*"), Vec::<String>::new());
    }
}

#[test]
fn it_goes_on_when_the_server_can_be_reached_again() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut beat = start(proxy.url()).unwrap();
    proxy.close(true);
    proxy.cut_after(Way::Up, 1);
    wait_until(|| f.ask::<i64>("EXISTS alive") == 0);
    assert!(beat.is_running());
    proxy.close(false);
    wait_until(|| f.ask::<i64>("EXISTS alive") == 1);
    beat.stop().unwrap();
    assert!(!beat.is_running());
    assert_eq!(f.ask::<i64>("EXISTS alive"), 0);
}

#[test]
fn full_memory_does_not_end_it() {
    let f = Fixture::new();
    let mut beat = start(&f.server.url()).unwrap();
    let _: String = f.ask("CONFIG SET maxmemory 1");
    let value: Result<String, _> = redis::cmd("SET").arg("x").arg("y").query(&mut f.raw());
    assert!(value.is_err());
    let begun = std::time::Instant::now();
    wait_until(|| {
        assert_eq!(f.ask::<i64>("EXISTS alive"), 1);
        begun.elapsed() > 3 * pulse().expire
    });
    let _: String = f.ask("CONFIG SET maxmemory 0");
    beat.stop().unwrap();
}

#[test]
fn a_signal_left_for_an_earlier_process_is_not_delivered() {
    let f = Fixture::new();
    let mut own = Connection::open(&f.server.url(), never()).unwrap();
    assert!(!heartbeat::kill(&mut own, "alive", 9).unwrap());
    let _: String = f.ask("SET alive other PX 60000");
    assert!(heartbeat::kill(&mut own, "alive", 9).unwrap());
    assert!(f.ask::<i64>("PTTL alive:signal") > 0);
    match start(&f.server.url()) {
        Err(Error::HeartbeatExists { key }) => assert_eq!(key, "alive"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    let _: i64 = f.ask("DEL alive");
    let mut beat = start(&f.server.url()).unwrap(); // the signal would end this process
    assert_eq!(f.ask::<i64>("EXISTS alive:signal"), 0);
    beat.stop().unwrap();
}

#[test]
#[cfg(unix)]
fn a_signal_sent_while_it_starts_is_delivered() {
    let f = Fixture::new();
    let proxy = Arc::new(f.proxy());
    let url = proxy.url().to_owned();
    start(&url).unwrap().stop().unwrap(); // loads the script
    let own = Connection::open(&url, never()).unwrap();
    let long = Pulse { expire: Duration::from_secs(60), ..pulse() };
    let begun = proxy.passed(Way::Down);
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, heard.clone()).unwrap();
    // The key exists, but the process that claimed it does not know yet.
    proxy.close(true);
    proxy.cut_after(Way::Down, 1);
    let starting = std::thread::spawn(move || Heartbeat::start(own, long, PATIENCE, never()));
    wait_until(|| f.ask::<i64>("EXISTS alive") == 1);
    wait_until(|| proxy.passed(Way::Down) > begun);
    let mut other = Connection::open(&f.server.url(), never()).unwrap();
    assert!(heartbeat::kill(&mut other, "alive", signal_hook::consts::SIGUSR1).unwrap());
    proxy.close(false);
    let mut beat = starting.join().unwrap().unwrap();
    wait_until(|| heard.load(Ordering::Relaxed));
    assert_eq!(f.ask::<String>("GET alive"), "me");
    beat.stop().unwrap();
}
