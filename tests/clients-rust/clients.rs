//! The Rust clients of Redis against the server in `ZEDIS_TEST_BIN`, with RESP2 and RESP3, and against redis-server as a control.
//! `make test-clients` runs them.

mod fred_crate;
mod redis_crate;
#[path = "../support/mod.rs"]
mod support;

use std::future::Future;
use std::time::Duration;

use support::server::Server;

/// What takes that long has failed.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Protocol {
    Resp2,
    Resp3,
}

/// Where a test finds its server.
#[derive(Clone, Copy)]
struct Place {
    port: u16,
    protocol: Protocol,
}

/// Runs it against both servers and with both protocols, each time on a server of its own: connections that have been dropped are
/// there for a moment longer.
fn everywhere(test: impl Fn(Place)) {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for (name, server) in [("redis-server", Server::oracle(&[])), ("zedis", Server::subject(&[]))] {
            eprintln!("{name}, {protocol:?}");
            test(Place { port: server.open_port(), protocol });
        }
    }
}

fn everywhere_async<F: Future<Output = ()>>(test: impl Fn(Place) -> F) {
    everywhere(|place| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { tokio::time::timeout(DEADLINE, test(place)).await.expect("in time") });
    });
}
