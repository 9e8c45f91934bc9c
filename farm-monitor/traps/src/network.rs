//! Networks in the notation of CIDR.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not of its form.
    #[error(
        "`{0}` is no network: expected ADDRESS/BITS or an address, as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"
    )]
    Form(String),
    /// Bits are set behind the prefix: it is not clear what is meant.
    #[error("`{written}` names an address within a network: expected `{network}`, or the address alone")]
    Inside {
        /// What is written.
        written: String,
        /// The network that it lies in.
        network: Network,
    },
}

impl Network {
    /// Whether an address lies in it. An IPv4 address that came in an IPv6 one counts as what it is.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                masked(network.to_bits().into(), self.bits, 32)
                    == masked(address.to_bits().into(), self.bits, 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                masked(network.to_bits(), self.bits, 128) == masked(address.to_bits(), self.bits, 128)
            }
            _ => false,
        }
    }

    /// All of 127.0.0.0/8, and ::1.
    pub fn loopback() -> [Self; 2] {
        [
            Self { address: [127, 0, 0, 0].into(), bits: 8 },
            Self { address: [0, 0, 0, 0, 0, 0, 0, 1].into(), bits: 128 },
        ]
    }
}

/// The first `bits` of `width`.
fn masked(address: u128, bits: u8, width: u8) -> u128 {
    address.checked_shr(u32::from(width - bits)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(written: &str) -> Result<Self, NetworkError> {
        let form = || NetworkError::Form(written.to_owned());
        let (address, bits) = match written.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (written, None),
        };
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().map_err(|_| form())?,
            Some(_) => return Err(form()),
        };
        if bits > width {
            return Err(form());
        }
        let first: IpAddr = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(u32::from(width - bits)).unwrap_or(0);
                std::net::Ipv4Addr::from_bits(v4.to_bits() & mask).into()
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(u32::from(width - bits)).unwrap_or(0);
                std::net::Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        };
        let network = Self { address: first, bits };
        if first != address {
            return Err(NetworkError::Inside { written: written.to_owned(), network });
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_what_begins_with_its_bits() {
        let holds = |text: &str, address: &str| network(text).holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("192.0.2.4/31", "192.0.2.5") && !holds("192.0.2.4/31", "192.0.2.6"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "8.8.8.8"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(Network::loopback().iter().any(|network| network.holds([127, 0, 0, 9].into())));
    }

    #[test]
    fn what_is_no_network_is_refused_and_a_slip_is_explained() {
        for wrong in
            ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "host", "::/129", "10.0.0.0/8/8"]
        {
            assert!(matches!(wrong.parse::<Network>(), Err(NetworkError::Form(_))), "{wrong}");
        }
        let error = "10.1.2.3/8".parse::<Network>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`10.1.2.3/8` names an address within a network: expected `10.0.0.0/8`, or the address alone"
        );
    }
}
