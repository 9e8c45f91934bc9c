//! Who listens at a port of this machine: the token goes to nobody but this user's own services, and root's. What a lookup says of a
//! farm's address is no proof: on loopback anybody may listen there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Of a socket that listens, in the tables of the kernel.
const LISTENS: &str = "0A";
/// The kernel's tables of sockets.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// Whether this port of loopback is listened at by this user or root, and by nobody else. Where the system does not say, not.
pub(super) fn is_trusted(port: u16) -> bool {
    let Ok(us) = fs::metadata("/proc/self").map(|about| about.uid()) else { return false };
    let tables: String = TABLES.iter().filter_map(|table| fs::read_to_string(table).ok()).collect();
    let owners = owners(&tables, port);
    !owners.is_empty() && owners.iter().all(|owner| [0, us].contains(owner))
}

/// The users who listen at a port, whatever the address.
fn owners(tables: &str, port: u16) -> Vec<u32> {
    let port = format!(":{port:04X}");
    let owner = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let uid = words.nth(3)?;
        (local.ends_with(&port) && state == LISTENS).then(|| uid.parse().ok())?
    };
    tables.lines().filter_map(owner).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_table_says_who_listens() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1CEB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 22 1 0 100 0 0 10 0
   1: 0100007F:1CEB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   999        0 23 1 0 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24 1 0 100 0 0 10 0
";
        assert_eq!(owners(table, 0x1CEB), [1000]);
        assert_eq!(owners(table, 22), [0]);
        assert_eq!(owners(table, 23), [0_u32; 0]);
    }

    #[test]
    fn a_port_of_ours_is_trusted_and_one_at_which_nobody_listens_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_trusted(port));
        drop(listener);
        assert!(!is_trusted(port));
    }
}
