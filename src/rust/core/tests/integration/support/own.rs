//! Servers with other settings than those of a private one, alone or as a cluster.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rrq_core::server::find_program;
use tempfile::TempDir;

use super::{raw, wait_until};

/// A server with its own settings, without a password.
pub struct OwnServer {
    process: Child,
    pub port: u16,
    dir: TempDir,
}

impl OwnServer {
    pub fn start(settings: &[&str]) -> Self {
        OwnServer::with_config("", settings)
    }

    /// The lines of `config` come first.
    pub fn with_config(config: &str, settings: &[&str]) -> Self {
        let (port, dir) = (free_port(), TempDir::new().unwrap());
        let path = dir.path().join("redis.conf");
        let base = format!("port {port}\nbind 127.0.0.1\ndir {}\n{config}", dir.path().display());
        std::fs::write(&path, base).unwrap();
        let mut server = OwnServer { process: run(&path, settings), port, dir };
        server.await_port();
        server
    }

    /// End it without warning.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Start it again after that. It may still be reading its data.
    pub fn restart(&mut self, settings: &[&str]) {
        self.process = run(&self.dir.path().join("redis.conf"), settings);
        self.await_port();
    }

    fn await_port(&mut self) {
        let port = self.port;
        wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    #[cfg(feature = "tls")]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The reply to a plain command.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &str) -> T {
        self.try_ask(command).unwrap()
    }

    pub fn try_ask<T: redis::FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query(&mut raw(&self.url()))
    }

    /// Wait until a line of its description of itself contains this.
    pub fn await_info(&self, command: &str, line: &str) {
        wait_until(|| self.try_ask::<String>(command).is_ok_and(|info| info.contains(line)));
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(config: &std::path::Path, settings: &[&str]) -> Child {
    let mut command = Command::new(find_program().unwrap());
    command.arg(config).args(settings).env("LC_ALL", "C").stdout(Stdio::null());
    command.spawn().unwrap()
}

/// A port that has another one for the nodes of a cluster, 10 000 above.
pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = port.checked_add(10_000).map(|port| (Ipv4Addr::LOCALHOST, port));
        if other.is_some_and(|other| TcpListener::bind(other).is_ok()) {
            return port;
        }
    }
}

/// Three nodes, each with a third of the slots.
pub struct Cluster {
    pub nodes: Vec<OwnServer>,
}

const N_NODES: u16 = 3;
const N_SLOTS: u16 = 16384;

impl Cluster {
    pub fn start() -> Self {
        let mut cluster = Cluster { nodes: Vec::new() };
        for i in 0..N_NODES {
            let node = Cluster::node();
            let slots = (0..N_SLOTS).filter(|slot| slot % N_NODES == i);
            let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
            let _: () = node.ask(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
            let _: () = node.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", i + 1));
            cluster.nodes.push(node);
        }
        for node in &cluster.nodes[1..] {
            cluster.meet(node);
        }
        for node in &cluster.nodes {
            node.await_info("CLUSTER INFO", "cluster_state:ok");
            node.await_info("CLUSTER INFO", "cluster_known_nodes:3");
        }
        cluster
    }

    fn node() -> OwnServer {
        OwnServer::start(&["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"])
    }

    fn meet(&self, node: &OwnServer) {
        let _: () = self.nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {}", node.port));
    }

    /// Add a replica of a node.
    pub fn replicate(&self, i: usize) -> OwnServer {
        let (replica, id) = (Cluster::node(), self.id(i));
        self.meet(&replica);
        wait_until(|| replica.try_ask::<()>(&format!("CLUSTER REPLICATE {id}")).is_ok());
        replica.await_info("INFO replication", "master_link_status:up");
        for node in &self.nodes {
            node.await_info("CLUSTER INFO", "cluster_known_nodes:4");
        }
        replica
    }

    fn id(&self, i: usize) -> String {
        self.nodes[i].ask("CLUSTER MYID")
    }

    /// All its nodes.
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(OwnServer::address).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// Which node holds the queue of this id.
    pub fn holder(&self, queue: &str) -> usize {
        let slot: usize = self.nodes[0].ask(&format!("CLUSTER KEYSLOT {{{queue}}}"));
        slot % usize::from(N_NODES)
    }

    /// Move the slot of a queue to the next node, key by key. Returns that node.
    pub fn move_queue(&self, queue: &str) -> usize {
        let slot: u16 = self.nodes[0].ask(&format!("CLUSTER KEYSLOT {{{queue}}}"));
        let from = self.holder(queue);
        let to = (from + 1) % self.nodes.len();
        let (from_id, to_id) = (self.id(from), self.id(to));
        let (from, target) = (&self.nodes[from], &self.nodes[to]);
        let _: () = target.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
        let _: () = from.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
        loop {
            let keys: Vec<String> = from.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 1"));
            let Some(key) = keys.first() else { break };
            // A key may expire meanwhile.
            let _: String = from.ask(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port));
        }
        for node in [target, from].into_iter().chain(&self.nodes) {
            let _: () = node.ask(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
        }
        to
    }
}
