//! The queue's settings.

use rrq_core::Error;
use rrq_core::config::{self, WorkerConfig};

use crate::support::*;

fn changed() -> WorkerConfig {
    WorkerConfig {
        queue: vec!["a".into(), "b".into()],
        verbose: false,
        logdir: Some("logs".into()),
        poll_queue: Some(0.25),
        timeout_idle: 3.5,
        heartbeat_period: Some(2.0),
        ..WorkerConfig::default()
    }
}

#[test]
fn a_configuration_reads_back_as_saved() {
    let mut f = Fixture::new();
    assert!(config::save(&mut f.queue, "big", &changed(), false).unwrap());
    assert_eq!(config::read(&mut f.queue, "big").unwrap(), changed());
}

#[test]
fn times_without_a_limit_stay_infinite() {
    let mut f = Fixture::new();
    config::save(&mut f.queue, "big", &WorkerConfig::default(), false).unwrap();
    let read = config::read(&mut f.queue, "big").unwrap();
    assert!(read.timeout_idle.is_infinite());
    assert_eq!(read.heartbeat_period, None);
}

#[test]
fn a_configuration_is_overwritten_only_on_demand() {
    let mut f = Fixture::new();
    let first = WorkerConfig::default();
    config::save(&mut f.queue, "big", &first, false).unwrap();
    assert!(!config::save(&mut f.queue, "big", &changed(), false).unwrap());
    assert_eq!(config::read(&mut f.queue, "big").unwrap(), first);
    assert!(config::save(&mut f.queue, "big", &changed(), true).unwrap());
    assert_eq!(config::read(&mut f.queue, "big").unwrap(), changed());
}

#[test]
fn a_new_queue_has_one_configuration_and_the_names_are_sorted() {
    let mut f = Fixture::new();
    assert_eq!(config::list(&mut f.queue).unwrap(), ["localhost"]);
    for name in ["zebra", "ant"] {
        config::save(&mut f.queue, name, &changed(), false).unwrap();
    }
    assert_eq!(config::list(&mut f.queue).unwrap(), ["ant", "localhost", "zebra"]);
}

#[test]
fn a_configuration_nobody_saved_is_named_by_the_error() {
    let mut f = Fixture::new();
    match config::read(&mut f.queue, "big") {
        Err(Error::ConfigMissing { name }) => assert_eq!(name, "big"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_environment_can_be_set_and_removed() {
    let mut f = Fixture::new();
    assert_eq!(config::envir(&mut f.queue).unwrap(), None);
    config::set_envir(&mut f.queue, Some(b"\x00create")).unwrap();
    let stored = config::envir(&mut f.attach()).unwrap();
    assert_eq!(stored.as_deref(), Some(b"\x00create".as_slice()));
    config::set_envir(&mut f.queue, None).unwrap();
    assert_eq!(config::envir(&mut f.queue).unwrap(), None);
}
