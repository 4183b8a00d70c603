//! Listening where the configuration says: `bind`, `port`, `unixsocket`, with Redis's rules for addresses that are missing.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::base::log;
use crate::config::Settings;
use crate::reactor::{Address, Listener};
use crate::server::start::{ExitReason, reason};

/// Binds every address of the configuration.
///
/// # Errors
/// The reason that ends the process: an address in use, or none to listen on.
pub fn listen(settings: &Settings) -> Result<Vec<Listener>, ExitReason> {
    let mut listeners = listen_tcp(settings).map_err(|reason| {
        ExitReason::Failed(format!("Failed listening on port {} (tcp), aborting: {reason}", settings.port))
    })?;
    if !settings.unixsocket.is_empty() {
        let permissions = Some(settings.unixsocketperm).filter(|&bits| bits != 0);
        let address = Address::Unix(PathBuf::from(&settings.unixsocket), permissions);
        let listener = Listener::bind(&address, settings.tcp_backlog.unsigned_abs()).map_err(|error| {
            ExitReason::Failed(format!("Failed opening Unix socket {}: {}", settings.unixsocket, reason(&error)))
        })?;
        listeners.push(listener);
    }
    if listeners.is_empty() {
        return Err(ExitReason::Failed("Configured to not listen anywhere, exiting.".to_owned()));
    }
    Ok(listeners)
}

/// Binds the TCP addresses; CONFIG SET port and bind use it too. Addresses that this machine has not got are passed over when
/// marked with `-`, families that the kernel has not got always.
///
/// # Errors
/// The first address that can't be bound, and why.
pub fn listen_tcp(settings: &Settings) -> Result<Vec<Listener>, String> {
    if settings.port == 0 {
        return Ok(Vec::new());
    }
    bind_all(&settings.bind, settings.port, settings.tcp_backlog)
}

/// Binds addresses written as in `bind` to one port.
///
/// # Errors
/// As [`listen_tcp`].
pub(super) fn bind_all(addresses: &[String], port: u16, backlog: i32) -> Result<Vec<Listener>, String> {
    let mut listeners = Vec::new();
    for written in addresses {
        let (optional, name) = match written.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, written.as_str()),
        };
        let bound = resolve(name, port)
            .and_then(|address| Listener::bind(&Address::Tcp(address, written.clone()), backlog.unsigned_abs()));
        match bound {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                let text = reason(&error);
                log::warning(format_args!(
                    "Warning: Could not create server TCP listening socket {name}:{port}: bind: {text}"
                ));
                let absent = optional && error.kind() == ErrorKind::AddrNotAvailable;
                let unsupported = matches!(
                    error.raw_os_error(),
                    Some(
                        libc::EAFNOSUPPORT
                            | libc::EPFNOSUPPORT
                            | libc::EPROTONOSUPPORT
                            | libc::ESOCKTNOSUPPORT
                            | libc::ENOPROTOOPT
                    )
                );
                if !absent && !unsupported {
                    return Err(format!("{name}: {text}"));
                }
            }
        }
    }
    Ok(listeners)
}

/// An address as `bind` writes it: `*`, `::*`, a number, or a name.
fn resolve(name: &str, port: u16) -> io::Result<SocketAddr> {
    match name {
        "*" => Ok((Ipv4Addr::UNSPECIFIED, port).into()),
        "::*" => Ok((Ipv6Addr::UNSPECIFIED, port).into()),
        name => match name.parse::<IpAddr>() {
            Ok(address) => Ok((address, port).into()),
            Err(_) => (name, port)
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::Error::new(ErrorKind::AddrNotAvailable, "no address")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{listen, listen_tcp};
    use crate::config::Config;
    use crate::server::start::ExitReason;

    #[test]
    fn listening_needs_an_address() {
        let mut config = Config::default();
        config.load(b"port 0").unwrap();
        let nowhere = ExitReason::Failed("Configured to not listen anywhere, exiting.".to_owned());
        assert_eq!(listen(&config).err(), Some(nowhere));

        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        config.load(format!("port {port}\nbind 127.0.0.1").as_bytes()).unwrap();
        let Some(ExitReason::Failed(text)) = listen(&config).err() else { panic!("the port is taken") };
        assert!(text.starts_with(&format!("Failed listening on port {port} (tcp)")), "{text}");
        assert!(text.contains("in use"), "{text}");

        let path = std::env::temp_dir().join(format!("zedis-start-{}.sock", std::process::id()));
        let text = format!("port 0\nunixsocket {}\nunixsocketperm 700", path.display());
        config.load(text.as_bytes()).unwrap();
        assert_eq!(listen(&config).map(|listeners| listeners.len()).ok(), Some(1));
    }

    #[test]
    fn addresses_that_may_be_missing() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut config = Config::default();
        // 192.0.2.1 is reserved for documentation: no machine has it.
        config.load(format!("port {port}\nbind -192.0.2.1").as_bytes()).unwrap();
        assert!(listen_tcp(&config).unwrap().is_empty());
        config.load(format!("port {port}\nbind 192.0.2.1").as_bytes()).unwrap();
        assert!(listen_tcp(&config).is_err());
    }
}
