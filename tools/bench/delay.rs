//! A proxy that delays everything by a fixed time in each direction, like a network:
//!
//!     delay <port of the server> <microseconds>
//!
//! It prints the port it listens on, and ends when its standard input closes.

use std::io::{Read, Write, stdin};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Data that arrives later does not wait for data that arrived before: each chunk has its own time.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
    spawn(move || {
        for (due, bytes) in receiver {
            sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    spawn(move || {
        let mut buffer = vec![0; 1 << 18];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    });
}

fn connect(client: TcpStream, port: u16, delay: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pass(client.try_clone()?, server.try_clone()?, delay);
    pass(server, client, delay);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, port, us] = &args[..] else { return Err("usage: delay PORT MICROSECONDS".into()) };
    let (port, delay) = (port.parse()?, Duration::from_micros(us.parse()?));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    spawn(move || {
        for client in listener.incoming().flatten() {
            if let Err(error) = connect(client, port, delay) {
                eprintln!("delay: {error}");
            }
        }
    });
    let _ = stdin().read_to_end(&mut Vec::new());
    Ok(())
}
