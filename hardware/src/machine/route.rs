//! Which of this computer's addresses is the one that others see: a reading of four tables of the
//! kernel (proc(5)), by [`super::address_under`] only. Nothing is opened or sent here.
//!
//! * `route`: IPv4 routes by interface. Addresses are 32 bits in the machine's own byte order.
//! * `fib_trie`: the IPv4 addresses that are this computer's (`/32 host LOCAL`), without interface.
//! * `ipv6_route`, `if_inet6`: IPv6 routes and addresses, both with their interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The route is usable (`RTF_UP` of linux/route.h).
const UP: u32 = 0x0001;

/// The route refuses what matches it (`RTF_REJECT`).
const REJECT: u32 = 0x0200;

/// Address flags of linux/if_addr.h that speak against an address: temporary 01h, duplicate 08h,
/// deprecated 20h, tentative 40h.
const PASSING: u32 = 0x01 | 0x08 | 0x20 | 0x40;

/// One IPv4 route.
struct Route<'t> {
    interface: &'t str,
    destination: u32,
    mask: u32,
    flags: u32,
    metric: u32,
}

/// The address of the interface with the default route, else the first that is not loopback.
pub(super) fn address(
    route: &str,
    fib_trie: &str,
    ipv6_route: &str,
    if_inet6: &str,
) -> Option<IpAddr> {
    let routes: Vec<Route<'_>> = route.lines().filter_map(parse_route).collect();
    let own = own_addresses(fib_trie);
    default_v4(&routes, &own)
        .map(IpAddr::V4)
        .or_else(|| {
            let interface = default_interface_v6(ipv6_route)?;
            own_address_v6(if_inet6, Some(interface)).map(IpAddr::V6)
        })
        .or_else(|| own.first().copied().map(IpAddr::V4))
        .or_else(|| own_address_v6(if_inet6, None).map(IpAddr::V6))
}

fn default_v4(routes: &[Route<'_>], own: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    let default = routes
        .iter()
        .filter(|route| route.destination == 0 && route.mask == 0)
        .filter(|route| route.flags & UP != 0 && route.flags & REJECT == 0)
        .min_by_key(|route| route.metric)?;
    // The kernel's table has no addresses, but an address lies in a network that its interface is
    // connected to.
    let network_of = |address: &Ipv4Addr, route: &&Route<'_>| {
        let bits = u32::from_ne_bytes(address.octets());
        route.mask != 0 && bits & route.mask == route.destination
    };
    own.iter()
        .find(|address| {
            let mut here = routes.iter().filter(|route| route.interface == default.interface);
            here.any(|route| network_of(address, &route))
        })
        // A point-to-point interface (a modem) is connected to no network that holds its own
        // address; then it is the address that no other interface's network holds.
        .or_else(|| own.iter().find(|address| !routes.iter().any(|r| network_of(address, &r))))
        .copied()
}

/// Fields: Iface Destination Gateway Flags RefCnt Use Metric Mask …
fn parse_route(line: &str) -> Option<Route<'_>> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let hex = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok();
    Some(Route {
        interface: fields.first()?,
        destination: hex(1)?,
        flags: hex(3)?,
        metric: fields.get(6)?.parse().ok()?,
        mask: hex(7)?,
    })
}

/// The addresses that are marked `/32 host LOCAL`, loopback left out, each once, in table order.
fn own_addresses(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut own = Vec::new();
    let mut leaf = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line.starts_with("/32 host LOCAL") {
            own.extend(leaf.filter(|address| !address.is_loopback() && !own.contains(address)));
        }
    }
    own
}

/// Fields: destination, its length, source, its length, next hop, metric, references, uses, flags,
/// interface; numbers in hex.
fn default_interface_v6(ipv6_route: &str) -> Option<&str> {
    ipv6_route
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let hex = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok();
            let default = fields.first()?.bytes().all(|byte| byte == b'0') && hex(1)? == 0;
            let flags = hex(8)?;
            let usable = default && flags & UP != 0 && flags & REJECT == 0;
            usable.then_some((hex(5)?, *fields.get(9)?))
        })
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, interface)| interface)
}

/// The first lasting global address, of this interface or of any. Fields: address, interface
/// index, prefix length, scope (00 global), flags, interface; numbers in hex.
fn own_address_v6(if_inet6: &str, interface: Option<&str>) -> Option<Ipv6Addr> {
    let candidates = if_inet6.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let hex = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok();
        let address = Ipv6Addr::from(u128::from_str_radix(fields.first()?, 16).ok()?);
        let wanted = interface.is_none_or(|name| fields.get(5) == Some(&name));
        (wanted && hex(3)? == 0 && !address.is_loopback()).then_some((hex(4)? & PASSING, address))
    });
    // A stable sort key: an address without flags against it first, in table order.
    candidates.min_by_key(|(passing, _)| *passing != 0).map(|(_, address)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

    /// A row of the route table, written with the addresses as people write them.
    fn row(interface: &str, destination: &str, mask: &str, metric: u32) -> String {
        let hex = |address: &str| {
            format!("{:08X}", u32::from_ne_bytes(address.parse::<Ipv4Addr>().unwrap().octets()))
        };
        format!(
            "{interface}\t{}\t00000000\t0003\t0\t0\t{metric}\t{}\t0\t0\t0\n",
            hex(destination),
            hex(mask),
        )
    }

    fn trie(addresses: &[&str]) -> String {
        let mut text =
            "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                        \x20    |-- 10.255.255.255\n        /32 link BROADCAST\n"
                .to_owned();
        for address in addresses {
            text += &format!("     |-- {address}\n        /32 host LOCAL\n");
        }
        text
    }

    #[track_caller]
    fn check(routes: &[String], own: &[&str], expected: Option<&str>) {
        let found = address(&format!("{HEAD}{}", routes.concat()), &trie(own), "", "");
        assert_eq!(found, expected.map(|address| address.parse().unwrap()));
    }

    #[test]
    fn the_interface_with_the_default_route_is_taken() {
        let routes = [
            row("docker0", "172.17.0.0", "255.255.0.0", 0),
            row("eth0", "0.0.0.0", "0.0.0.0", 100),
            row("eth0", "192.168.1.0", "255.255.255.0", 100),
        ];
        check(&routes, &["127.0.0.1", "172.17.0.1", "192.168.1.7"], Some("192.168.1.7"));
    }

    #[test]
    fn of_several_default_routes_the_lowest_metric_wins() {
        let routes = [
            row("wlan0", "0.0.0.0", "0.0.0.0", 600),
            row("wlan0", "10.0.0.0", "255.0.0.0", 600),
            row("eth0", "0.0.0.0", "0.0.0.0", 100),
            row("eth0", "192.168.1.0", "255.255.255.0", 100),
        ];
        check(&routes, &["10.1.2.3", "192.168.1.7"], Some("192.168.1.7"));
    }

    #[test]
    fn a_route_that_refuses_or_is_down_is_no_default() {
        let usable = row("eth0", "0.0.0.0", "0.0.0.0", 100);
        let networks = [
            row("eth0", "192.168.1.0", "255.255.255.0", 100),
            row("eth1", "10.0.0.0", "255.0.0.0", 1),
        ];
        for flags in ["0201", "0002"] {
            let other = row("eth1", "0.0.0.0", "0.0.0.0", 1).replace("0003", flags);
            let routes = [&[other, usable.clone()], &networks[..]].concat();
            check(&routes, &["10.1.2.3", "192.168.1.7"], Some("192.168.1.7"));
        }
    }

    #[test]
    fn a_modem_has_the_address_that_no_network_holds() {
        let routes = [
            row("docker0", "172.17.0.0", "255.255.0.0", 0),
            row("ppp0", "0.0.0.0", "0.0.0.0", 0),
            row("ppp0", "10.64.64.64", "255.255.255.255", 0),
        ];
        check(&routes, &["172.17.0.1", "100.70.1.9"], Some("100.70.1.9"));
    }

    #[test]
    fn without_a_default_route_the_first_address_is_taken() {
        let routes = [row("eth0", "192.168.1.0", "255.255.255.0", 0)];
        check(&routes, &["127.0.0.1", "192.168.1.7"], Some("192.168.1.7"));
        check(&[], &["127.0.0.1"], None);
    }

    #[test]
    fn ipv6_is_asked_when_ipv4_has_no_default_route() {
        let routes = "\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
fe800000000000000000000000000001 00000064 00000002 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000001 00000001 00000000 00200200       lo
";
        let addresses = "\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000bad 03 40 00 80     eth1
fe8000000000000000fc00fffe000001 02 40 20 80     eth0
20010db8000000000000000000000099 02 40 00 01     eth0
20010db8000000000000000000000007 02 40 00 80     eth0
";
        let found = address(HEAD, &trie(&["172.17.0.1"]), routes, addresses);
        assert_eq!(found, Some("2001:db8::7".parse().unwrap()));
        let found = address(HEAD, &trie(&["127.0.0.1"]), "", addresses);
        assert_eq!(found, Some("2001:db8::bad".parse().unwrap()));
    }

    #[test]
    fn broken_tables_are_no_address() {
        assert_eq!(address("x\ny 1 2\n", "|-- 1.2.3\n/32 host LOCAL\n", "0 0\n", "zz\n"), None);
    }
}
