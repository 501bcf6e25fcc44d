//! A TCP proxy before a server. It can cut a connection once so many bytes have passed, or let
//! nothing pass for a while, and it records what clients send.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rrq_core::server::Server;

/// The direction bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Requests, to the server.
    Up,
    /// Replies, to the client.
    Down,
}

/// A request as its parts.
pub type Request = Vec<Vec<u8>>;

#[derive(Default)]
struct State {
    /// After how many more bytes which way to cut, once.
    cut: Option<(Way, usize)>,
    /// Whether that cut also closes the proxy.
    closes: bool,
    passed: [usize; 2],
    /// Whether new connections are dropped.
    closed: bool,
    /// Whether nothing passes, either way, for now.
    frozen: bool,
    /// How often something came meanwhile.
    n_held_back: usize,
    /// What each connection sent.
    sent: Vec<Vec<u8>>,
}

impl State {
    /// How many of `n` bytes may pass, and whether the connection is cut behind them.
    fn admit(&mut self, way: Way, n: usize) -> (usize, bool) {
        let (pass, cut) = match &mut self.cut {
            Some((cut_way, left)) if *cut_way == way && n >= *left => (*left, true),
            Some((cut_way, left)) if *cut_way == way => {
                *left -= n;
                (n, false)
            }
            _ => (n, false),
        };
        if cut {
            self.cut = None;
            self.closed |= std::mem::take(&mut self.closes);
        }
        self.passed[way as usize] += pass;
        (pass, cut)
    }
}

/// A running proxy; its threads end with the process.
pub struct Proxy {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// A proxy before a Redis server.
    pub fn start(server: &Server) -> Self {
        let port = server.port();
        let proxy = Proxy::before(port);
        let own = proxy.url.rsplit_once(':').unwrap().1;
        let url = server.tcp_url().replace(&format!(":{port}/"), &format!(":{own}/"));
        Proxy { url, ..proxy }
    }

    /// A proxy before a web server on this machine.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let closed = shared.lock().unwrap().closed;
                if closed {
                    shared.lock().unwrap().n_held_back += 1;
                } else {
                    serve(client, port, &shared);
                }
            }
        });
        Proxy { url, state }
    }

    /// The server's address by way of the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cut the connection that carries the `n`th byte from now on that way.
    pub fn cut_after(&self, way: Way, n: usize) {
        self.state.lock().unwrap().cut = Some((way, n));
    }

    /// The same, and drop new connections from then on.
    pub fn cut_and_close_after(&self, way: Way, n: usize) {
        let mut state = self.state.lock().unwrap();
        (state.cut, state.closes) = (Some((way, n)), true);
    }

    /// Drop new connections, or let them through again.
    pub fn close(&self, closed: bool) {
        self.state.lock().unwrap().closed = closed;
    }

    /// Let nothing pass, as if every packet were lost, or let it pass again.
    pub fn freeze(&self, frozen: bool) {
        self.state.lock().unwrap().frozen = frozen;
    }

    /// How often something came while nothing passed, or a connection that was dropped.
    pub fn n_held_back(&self) -> usize {
        self.state.lock().unwrap().n_held_back
    }

    /// Whether there was a cut since it was asked for.
    pub fn has_cut(&self) -> bool {
        self.state.lock().unwrap().cut.is_none()
    }

    /// How many bytes have passed that way.
    pub fn passed(&self, way: Way) -> usize {
        self.state.lock().unwrap().passed[way as usize]
    }

    /// Every request, connection after connection.
    pub fn requests(&self) -> Vec<Request> {
        let state = self.state.lock().unwrap();
        state.sent.iter().flat_map(|bytes| parse(bytes)).collect()
    }

    /// Every call of a script whose first keys end like this.
    pub fn calls(&self, keys: &[&str]) -> Vec<Request> {
        let is_call = |request: &Request| {
            request[0] == b"EVALSHA"
                && request.len() > 3 + keys.len()
                && keys
                    .iter()
                    .zip(&request[3..])
                    .all(|(key, sent)| sent.ends_with(format!("}}:{key}").as_bytes()))
        };
        self.requests().into_iter().filter(is_call).collect()
    }
}

fn serve(client: TcpStream, port: u16, state: &Arc<Mutex<State>>) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return;
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let index = {
        let mut state = state.lock().unwrap();
        state.sent.push(Vec::new());
        state.sent.len() - 1
    };
    let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
    for (way, from, to) in [(Way::Up, client, server), (Way::Down, back.0, back.1)] {
        let state = state.clone();
        std::thread::spawn(move || pump(way, from, to, index, &state));
    }
}

fn pump(way: Way, mut from: TcpStream, mut to: TcpStream, index: usize, state: &Mutex<State>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let is_frozen = || state.lock().unwrap().frozen;
        if is_frozen() {
            state.lock().unwrap().n_held_back += 1;
        }
        while is_frozen() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (pass, cut) = state.lock().unwrap().admit(way, n);
        if way == Way::Up {
            state.lock().unwrap().sent[index].extend_from_slice(&buffer[..pass]);
        }
        if to.write_all(&buffer[..pass]).is_err() || cut {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// The whole requests in what a client sent.
fn parse(bytes: &[u8]) -> Vec<Request> {
    let (mut requests, mut at) = (Vec::new(), 0);
    while let Some((request, next)) = parse_one(bytes, at) {
        requests.push(request);
        at = next;
    }
    requests
}

fn parse_one(bytes: &[u8], at: usize) -> Option<(Request, usize)> {
    let (n, mut at) = number(bytes, at)?;
    let mut parts = Vec::new();
    for _ in 0..n {
        let (length, start) = number(bytes, at)?;
        parts.push(bytes.get(start..start + length)?.to_vec());
        at = start + length + 2;
    }
    Some((parts, at))
}

/// The number in a line such as `*3` or `$12`, and where the next line starts.
fn number(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    let text = std::str::from_utf8(line.get(1..end)?).ok()?;
    Some((text.parse().ok()?, at + end + 2))
}
