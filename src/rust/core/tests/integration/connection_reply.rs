//! Replies to commands of the user, of every type that servers have, in both versions of the
//! protocol.

use rrq_core::reply::RedisReply;
use rrq_core::{Connection, connection::never};

use crate::support::*;

fn send(connection: &mut Connection, parts: &[&str]) -> RedisReply {
    let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.as_bytes().to_vec()).collect();
    connection.raw_command(&parts).unwrap()
}

fn run(connection: &mut Connection, script: &str) -> RedisReply {
    send(connection, &["EVAL", script, "0"])
}

fn text(text: &str) -> RedisReply {
    RedisReply::Bytes(text.as_bytes().to_vec())
}

fn open(f: &Fixture) -> Connection {
    Connection::open(&f.server.url(), never()).unwrap()
}

#[test]
fn replies_keep_their_type() {
    let f = Fixture::new();
    let mut connection = open(&f);
    assert_eq!(send(&mut connection, &["SET", "x", "a\0b"]), RedisReply::Status("OK".to_owned()));
    assert_eq!(send(&mut connection, &["PING"]), RedisReply::Status("PONG".to_owned()));
    assert_eq!(send(&mut connection, &["GET", "x"]), text("a\0b"));
    assert_eq!(send(&mut connection, &["GET", "y"]), RedisReply::Nil);
    assert_eq!(send(&mut connection, &["STRLEN", "x"]), RedisReply::Integer(3));
    let items = vec![RedisReply::Integer(1), text("b"), RedisReply::Array(Vec::new())];
    assert_eq!(run(&mut connection, "return {1, 'b', {}}"), RedisReply::Array(items));
}

#[test]
fn replies_of_the_third_protocol_arrive_as_their_nearest_type() {
    let f = Fixture::new();
    let mut connection = open(&f);
    send(&mut connection, &["HELLO", "3"]);
    send(&mut connection, &["HSET", "h", "field", "value"]);
    send(&mut connection, &["SADD", "s", "member"]);
    let pair = RedisReply::Array(vec![text("field"), text("value")]);
    assert_eq!(send(&mut connection, &["HGETALL", "h"]), pair);
    let members = RedisReply::Array(vec![text("member")]);
    assert_eq!(send(&mut connection, &["SMEMBERS", "s"]), members);
    assert_eq!(run(&mut connection, "return {double = 0.5}"), RedisReply::Double(0.5));
    let truth = "redis.setresp(3) return {true, false}";
    let flags = RedisReply::Array(vec![RedisReply::Integer(1), RedisReply::Integer(0)]);
    assert_eq!(run(&mut connection, truth), flags);
    // The server describes itself in a verbatim string.
    let RedisReply::Bytes(info) = send(&mut connection, &["INFO", "server"]) else { panic!() };
    assert!(String::from_utf8(info).unwrap().starts_with("# Server"));
}

#[test]
fn a_link_that_is_lost_does_not_change_the_database() {
    let f = Fixture::new();
    let mut connection = open(&f);
    send(&mut connection, &["SELECT", "3"]);
    send(&mut connection, &["SET", "x", "1"]);
    connection.close();
    assert_eq!(send(&mut connection, &["GET", "x"]), text("1"));
    let select = ["SELECT", "4"].map(|part| part.as_bytes().to_vec()).to_vec();
    connection.raw_pipeline(&[select]).unwrap();
    connection.close();
    assert_eq!(send(&mut connection, &["GET", "x"]), RedisReply::Nil);
    assert_eq!(connection.server_address().db, 4);
}

#[test]
fn a_link_that_is_lost_does_not_change_the_user() {
    let f = Fixture::new();
    let _: String = f.ask("ACL SETUSER ann on >secret ~* +@all");
    let mut connection = open(&f);
    send(&mut connection, &["AUTH", "ann", "secret"]);
    connection.close();
    assert_eq!(send(&mut connection, &["ACL", "WHOAMI"]), text("ann"));
}

#[test]
fn a_failed_command_of_a_pipeline_leaves_the_others_alone() {
    let f = Fixture::new();
    let commands = [vec!["SET", "x", "1"], vec!["LPOP", "x"], vec!["INCR", "x"]];
    let parts = |words: &Vec<&str>| words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let commands: Vec<Vec<Vec<u8>>> = commands.iter().map(parts).collect();
    let replies = open(&f).raw_pipeline(&commands).unwrap();
    let [set, RedisReply::Error(error), incremented] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!(set, &RedisReply::Status("OK".to_owned()));
    assert!(error.contains("WRONGTYPE"), "{error}");
    assert_eq!(incremented, &RedisReply::Integer(2));
}
