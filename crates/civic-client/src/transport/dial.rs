//! A connection to one of several addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::random::shuffle;

/// How long an address is tried before the next one is tried beside it (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);
/// How long a connection without traffic, or with data that is not acknowledged, is believed in.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// Connects to the first of `addresses` that accepts, trying them in this order.
pub(super) async fn dial(addresses: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    if let [only] = addresses {
        return connect(*only).await;
    }
    let mut rest = addresses.iter();
    // Dropped with this future, and the attempts with it.
    let mut attempts = JoinSet::new();
    let mut error = None;
    loop {
        match rest.next() {
            Some(address) => drop(attempts.spawn(connect(*address))),
            None if attempts.is_empty() => {
                return Err(error.unwrap_or_else(|| {
                    io::Error::new(io::ErrorKind::NotFound, "there is no address to connect to")
                }));
            }
            None => {}
        }
        tokio::select! {
            Some(outcome) = attempts.join_next() => match outcome {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(failed)) => drop(error.get_or_insert(failed)),
                Err(failed) => drop(error.get_or_insert_with(|| io::Error::other(failed))),
            },
            () = sleep(STAGGER), if rest.len() > 0 => {}
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    let stream = TcpStream::connect(address).await?;
    // Small writes are not held back.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let keepalive = TcpKeepalive::new()
        .with_time(DEAD_AFTER)
        .with_interval(DEAD_AFTER / 3);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
    Ok((stream, address))
}

/// Puts the addresses of a name into the order in which they are tried: `first`, and then those
/// that less stands against. `weight` says how much that is.
///
/// Among equals the order is random, so that the load is spread, and the two versions of IP take
/// turns (RFC 8305, section 4), the other one than that of `first` beginning.
pub(super) fn order(first: IpAddr, ips: &[(IpAddr, u8)], port: u16) -> Vec<SocketAddr> {
    let mut rest: Vec<_> = ips.iter().copied().filter(|(ip, _)| *ip != first).collect();
    shuffle(&mut rest);
    let (same, other): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|(ip, _)| ip.is_ipv4() == first.is_ipv4());
    let longer = same.len().max(other.len());
    let mut rest: Vec<_> = (0..longer)
        .flat_map(|index| [other.get(index), same.get(index)])
        .flatten()
        .copied()
        .collect();
    rest.sort_by_key(|(_, weight)| *weight);
    std::iter::once(first)
        .chain(rest.into_iter().map(|(ip, _)| ip))
        .map(|ip| SocketAddr::new(ip, port))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    /// What the kernel was told about a socket is read back from it.
    #[tokio::test]
    async fn a_connection_sends_at_once_and_is_given_up_30_s_after_its_peer_has_vanished() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        for addresses in [vec![addr], vec![addr, addr]] {
            let (stream, _) = dial(&addresses).await.unwrap();
            let socket = SockRef::from(&stream);
            assert!(socket.tcp_nodelay().unwrap());
            assert!(socket.keepalive().unwrap());
            let thirty = Duration::from_secs(30);
            assert_eq!(socket.tcp_keepalive_time().unwrap(), thirty);
            let interval = Duration::from_secs(10);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
            #[cfg(any(target_os = "android", target_os = "linux"))]
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(thirty));
        }
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_chosen_address_comes_first_and_the_versions_of_ip_take_turns_after_it() {
        for (texts, expected) in [
            (["::1", "::2", "10.0.0.1"], [false, true, false]),
            (["10.0.0.1", "10.0.0.2", "::1"], [true, false, true]),
        ] {
            let ips = ips(&texts);
            let all: Vec<_> = ips.iter().map(|ip| (*ip, 0)).collect();
            for _ in 0..20 {
                let order = order(ips[0], &all, 80);
                assert_eq!(order[0].ip(), ips[0]);
                let v4: Vec<_> = order.iter().map(SocketAddr::is_ipv4).collect();
                assert_eq!(v4, expected);
            }
        }
    }

    #[test]
    fn an_address_that_much_stands_against_comes_last_and_is_not_left_out() {
        let all = ips(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
        let weighed: Vec<_> = all.iter().copied().zip([4, 6, 2, 0]).collect();
        for _ in 0..20 {
            let order = order(all[0], &weighed, 80).into_iter();
            let order: Vec<_> = order.map(|address| address.ip()).collect();
            assert_eq!(order, [all[0], all[3], all[2], all[1]]);
        }
        assert_eq!(order(all[0], &[], 80), [SocketAddr::new(all[0], 80)]);
    }
}
