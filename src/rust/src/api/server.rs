//! A private server.

use extendr_api::prelude::*;
use rrq_core::server::{Server, ServerOptions};

use rrq_bridge::RResult;
use rrq_bridge::convert::or_null;

#[extendr]
fn rs_server_start(dir: Nullable<String>, port: Nullable<i32>) -> RResult<ExternalPtr<Server>> {
    let dir: Option<String> = dir.into();
    let port: Option<i32> = port.into();
    let options = ServerOptions {
        dir: dir.map(Into::into),
        port: port.and_then(|port| u16::try_from(port).ok()),
        ..ServerOptions::default()
    };
    Ok(ExternalPtr::new(Server::start(&options)?))
}

#[extendr]
fn rs_server_info(server: ExternalPtr<Server>) -> List {
    let socket = server.socket().map(|path| path.display().to_string());
    list!(
        url = server.url(),
        tcp_url = server.tcp_url(),
        socket = or_null(socket),
        port = i32::from(server.port()),
        pid = server.pid() as i32
    )
}

#[extendr]
fn rs_server_is_alive(mut server: ExternalPtr<Server>) -> bool {
    server.is_alive()
}

#[extendr]
fn rs_server_stop(mut server: ExternalPtr<Server>) -> RResult<()> {
    Ok(server.stop()?)
}

extendr_module! {
    mod server;
    fn rs_server_start;
    fn rs_server_info;
    fn rs_server_is_alive;
    fn rs_server_stop;
}
