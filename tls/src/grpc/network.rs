//! Networks, as configurations name them and as clients are counted by them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network: an address and how many of its bits count, as in `10.0.0.0/8`.
///
/// It has one spelling, so that what was written is what was meant: no bits are set after its prefix, IPv4 is written as
/// IPv4, and there is none that has every address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IpNetwork {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is no network, as 10.0.0.0/8 or 2001:db8::/32 is: {reason}")]
pub struct NotANetwork {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl IpNetwork {
    /// Whether an address is in it. An IPv4 address is one however it is written.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for IpNetwork {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        read(text).map_err(|reason| NotANetwork {
            text: text.to_owned(),
            reason,
        })
    }
}

fn read(text: &str) -> Result<IpNetwork, &'static str> {
    let (address, number) = text.split_once('/').ok_or("it has no prefix length")?;
    let address: IpAddr = address.parse().map_err(|_| "its address is none")?;
    let bits: u8 = number.parse().map_err(|_| "its prefix length is no number")?;
    if bits.to_string() != number {
        return Err("its prefix length is written in a way of its own");
    }
    if bits == 0 {
        return Err("that would be everybody's");
    }
    let (most, host) = match address {
        IpAddr::V4(v4) => (
            32,
            u128::from(u32::from(v4).checked_shl(bits.into()).unwrap_or(0)),
        ),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return Err("IPv4 is to be written as IPv4"),
        IpAddr::V6(v6) => (128, u128::from(v6).checked_shl(bits.into()).unwrap_or(0)),
    };
    if bits > most {
        return Err("its prefix is longer than its address");
    }
    if host != 0 {
        return Err("bits are set after its prefix");
    }
    Ok(IpNetwork { address, bits })
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What a client is told by: its address, of IPv6 the 64 bits of its network, since whoever has one of its addresses has all
/// of them.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// The network that a client's is part of, as sites are given them: whoever has one has as many clients as it likes.
pub fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_by_what_one_client_and_one_site_has() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (address, client, of_site) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.0"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::", "2001:db8:1::"),
        ] {
            assert_eq!(client_network(ip(address)), ip(client), "{address}");
            assert_eq!(site(ip(address)), ip(of_site), "{address}");
        }
    }

    #[test]
    fn networks_are_read_and_hold_what_is_theirs() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "2001:db8::1"),
            ("128.0.0.0/1", "203.0.113.9", "10.0.0.1"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
            ("2000::/3", "2001:db8::1", "192.0.2.1"),
            ("8000::/1", "fe80::1", "::ffff:192.0.2.1"),
        ] {
            let read: IpNetwork = network.parse().unwrap();
            assert_eq!(read.to_string(), network);
            assert!(read.contains(ip(inside)), "{network} has {inside}");
            assert!(!read.contains(ip(outside)), "{network} has {outside}");
        }
    }

    #[test]
    fn what_may_have_been_meant_otherwise_is_refused() {
        for (text, words) in [
            ("", "no prefix length"),
            ("10.0.0.0", "no prefix length"),
            ("/8", "address is none"),
            ("x/8", "address is none"),
            ("10/8", "address is none"),
            ("10.0.0/8", "address is none"),
            ("10.0.0.0/", "no number"),
            ("10.0.0.0/-1", "no number"),
            ("10.0.0.0/256", "no number"),
            ("10.0.0.0/08", "a way of its own"),
            ("10.0.0.0/+8", "a way of its own"),
            ("10.0.0.0/33", "longer than its address"),
            ("::/129", "longer than its address"),
            ("10.1.2.3/8", "bits are set"),
            ("10.0.0.1/8", "bits are set"),
            ("::1/64", "bits are set"),
            ("0.0.0.0/0", "everybody's"),
            ("::/0", "everybody's"),
            ("::ffff:10.0.0.0/104", "as IPv4"),
        ] {
            let error = text.parse::<IpNetwork>().unwrap_err();
            assert_eq!(error.text, text);
            assert!(error.reason.contains(words), "{error}");
        }
    }
}
