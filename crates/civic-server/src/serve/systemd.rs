//! The socket that systemd has passed on (`sd_listen_fds(3)`).

use std::io;
use std::net::TcpListener;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// The first descriptor that systemd passes on.
const FIRST: i32 = 3;

/// Returns the socket that systemd has passed to this process, if it has passed one.
///
/// The descriptor is duplicated and not adopted: that takes no unsafe code, and the original stays
/// as systemd has left it.
pub(super) fn listener() -> io::Result<Option<TcpListener>> {
    let Some(count) = passed(
        std::env::var("LISTEN_PID").ok().as_deref(),
        std::env::var("LISTEN_FDS").ok().as_deref(),
        std::process::id(),
    )?
    else {
        return Ok(None);
    };
    if count != 1 {
        return Err(io::Error::other(format!(
            "systemd has passed {count} sockets, and a server has one: give the unit one ListenStream"
        )));
    }
    let duplicated = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|process| pidfd_getfd(process, FIRST, PidfdGetfdFlags::empty()))
        .map_err(io::Error::from)
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the socket that systemd has passed cannot be duplicated: {error}"),
            )
        })?;
    let listener = TcpListener::from(duplicated);
    listener.local_addr().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the socket that systemd has passed is not a TCP socket: {error}"),
        )
    })?;
    Ok(Some(listener))
}

/// Returns how many sockets were passed to this process; `None` if they are for another one.
fn passed(pid: Option<&str>, count: Option<&str>, own: u32) -> io::Result<Option<u32>> {
    let (Some(pid), Some(count)) = (pid, count) else {
        return Ok(None);
    };
    // A parent's, inherited by a child that they are not meant for.
    if pid.parse() != Ok(own) {
        return Ok(None);
    }
    match count.parse() {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count)),
        Err(_) => Err(io::Error::other(format!(
            "LISTEN_FDS is not a number: {count:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn sockets_that_are_meant_for_another_process_are_none() {
        for (pid, count) in [
            (None, None),
            (Some("7"), None),
            (None, Some("1")),
            (Some("8"), Some("1")),
            (Some("x"), Some("1")),
        ] {
            assert_eq!(passed(pid, count, 7).unwrap(), None, "{pid:?} {count:?}");
        }
        assert_eq!(passed(Some("7"), Some("1"), 7).unwrap(), Some(1));
        assert_eq!(passed(Some("7"), Some("0"), 7).unwrap(), None);
        assert!(passed(Some("7"), Some("many"), 7).is_err());
    }
}
