//! The listening sockets: bound here, or handed over by systemd (LISTEN_FDS) or by the process before
//! this one, and handed on to the next.
//!
//! While a socket is handed on it stays open, so that connections wait in its backlog and none is
//! refused.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;

use super::restart;
use crate::config::Config;

/// The first descriptor that is handed over, by the convention of systemd.
const FIRST: i32 = 3;

/// The listening sockets.
pub struct Listeners {
    /// For events.
    pub ingest: TcpListener,
    /// For operators.
    pub admin: TcpListener,
}

impl Listeners {
    /// Takes those that were handed over for the configured ports, and binds the others. To be called
    /// once, at the start: the environment's word on sockets holds for one process.
    ///
    /// # Errors
    /// Names the key whose address cannot be had.
    pub fn open(config: &Config) -> anyhow::Result<Listeners> {
        let mut given = ListenFd::from_env();
        let mut inherited = Vec::new();
        for number in 0..given.len() {
            inherited.extend(given.take_tcp_listener(number).context("a socket that was handed over is no listener")?);
        }
        let listeners = Listeners {
            ingest: take(&mut inherited, config.ingest_address, "listen.ingest")?,
            admin: take(&mut inherited, config.admin_address, "listen.admin")?,
        };
        for unused in inherited {
            tracing::warn!(address = ?unused.local_addr(), "a socket was handed over that the configuration does not name");
        }
        Ok(listeners)
    }

    /// The same sockets once more, for the async runtime.
    pub fn to_async(&self) -> anyhow::Result<(tokio::net::TcpListener, tokio::net::TcpListener)> {
        let one = |listener: &TcpListener| {
            let listener = listener.try_clone()?;
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        };
        Ok((one(&self.ingest)?, one(&self.admin)?))
    }

    /// Becomes the program that stands at this process's path now, with the same arguments and these
    /// sockets. The process keeps its id. Returns only when that fails.
    pub fn hand_on(self) -> anyhow::Error {
        match self.successor().and_then(|command| restart::hold_back().map(|()| command)) {
            Ok(mut command) => anyhow::Error::new(command.exec()).context("the successor cannot be started"),
            Err(error) => error,
        }
    }

    fn successor(&self) -> anyhow::Result<Command> {
        let mut command = restart::this_program()?;
        let sockets: Vec<OwnedFd> = [&self.ingest, &self.admin]
            .map(|listener| listener.as_fd().try_clone_to_owned())
            .into_iter()
            .collect::<Result<_, _>>()?;
        let mappings = sockets.into_iter().zip(FIRST..);
        command
            .env("LISTEN_PID", std::process::id().to_string())
            .env("LISTEN_FDS", "2")
            .env_remove("LISTEN_FDNAMES")
            .fd_mappings(mappings.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }).collect())
            .context("the sockets cannot be handed on")?;
        Ok(command)
    }
}

/// The socket for an address: of those handed over the one with its port, or a new one.
fn take(inherited: &mut Vec<TcpListener>, address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let is_for = |listener: &TcpListener| listener.local_addr().is_ok_and(|own| own.port() == address.port());
    if let Some(at) = inherited.iter().position(is_for) {
        return Ok(inherited.swap_remove(at));
    }
    bind(address).with_context(|| format!("{key}: cannot listen on {address}: is another daemon running there?"))
}

/// Binds as servers do: an address whose last owner has just gone can be had.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address)
}
