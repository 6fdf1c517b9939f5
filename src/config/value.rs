//! Values that TOML has no type for: durations, sizes, hours, peers. Text in, value or a fault's words out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::base::{Transport, Way};
use crate::route::directory::Peer;

/// Why a text is not the value wanted, and what would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// The digits in front, and what follows them.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// `"20s"`, `"150ms"`, `"5m"`, `"4h"`, `"180d"`, `"5y"`; a year has 365 days.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    let help = if text == "0" {
        "write a unit too, as in \"0s\""
    } else {
        "write a number and ms, s, m, h, d or y, as in \"20s\""
    };
    let wrong = || Wrong::new(format!("`{text}` is no duration"), help);
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)
}

/// A duration that is not zero.
pub(super) fn some_time(text: &str) -> Result<Duration, Wrong> {
    let time = duration(text)?;
    if time.is_zero() {
        return Err(Wrong::new("a duration of nothing at all", "write more than zero, as in \"20s\""));
    }
    Ok(time)
}

/// `"1GiB"`, `"500MB"`.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    let wrong =
        || Wrong::new(format!("`{text}` is no size"), "write a number and KiB, MiB, GiB, kB, MB or GB, as in \"1GiB\"");
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let bytes: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(bytes).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Any text that is not empty.
pub(super) fn text(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new("an empty text", "write something, or leave the key out"));
    }
    Ok(text.to_owned())
}

/// Digits alone.
pub(super) fn digits(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Wrong::new(format!("`{text}` is not made of digits"), "write digits alone, as in \"201\""));
    }
    Ok(text.to_owned())
}

/// Digits and `x`.
pub(super) fn extension_pattern(text: &str) -> Result<String, Wrong> {
    let fits = !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit() || b == b'x');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new(
            format!("`{text}` is no pattern of extensions"),
            "write digits, and x for any digit, as in \"2xx\"",
        ))
    }
}

/// What callers dial before a number: digits, `*`, `#` or `+`.
pub(super) fn dial_prefix(text: &str) -> Result<String, Wrong> {
    let fits = !text.is_empty() && text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit() || b"*#+".contains(&b));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new(format!("`{text}` cannot be dialled"), "write digits, * or #, as in \"0\""))
    }
}

/// An address without a port.
pub(super) fn address(text: &str) -> Result<IpAddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(format!("`{text}` is no IP address"), "write an address without a port, as in \"203.0.113.10\"")
    })
}

/// An address and a port.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse()
        .map_err(|_| Wrong::new(format!("`{text}` is no address with a port"), "write both, as in \"127.0.0.1:8080\""))
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    let whole = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match whole {
        Ok(net) => Ok(net.trunc()),
        Err(_) => Err(Wrong::new(
            format!("`{text}` is no network"),
            "write an address and the length of its prefix, as in \"10.0.0.0/8\"",
        )),
    }
}

/// `"udp:0.0.0.0:5060"`.
pub(super) fn listener(text: &str) -> Result<(Transport, SocketAddr), Wrong> {
    let help = "write a transport, an address and a port, as in \"udp:0.0.0.0:5060\"";
    let (transport, rest) = text.split_once(':').ok_or_else(|| Wrong::new(format!("`{text}` is no listener"), help))?;
    let transport = match transport {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        "ws" => Transport::Ws,
        "wss" => Transport::Wss,
        other => return Err(Wrong::new(format!("`{other}` is no transport"), "udp, tcp, tls, ws or wss")),
    };
    let address = rest.parse().map_err(|_| Wrong::new(format!("`{rest}` is no address with a port"), help))?;
    Ok((transport, address))
}

/// `"sip:203.0.113.5"`, `"sip:sbc.example.com:5070;transport=tcp"`, `"sip:[2001:db8::1]"`.
pub(super) fn peer(text: &str) -> Result<Peer, Wrong> {
    let wrong = |why: &str| {
        Wrong::new(
            format!("`{text}` is no peer: {why}"),
            "write it as in \"sip:203.0.113.5:5060\" or \"sip:sbc.example.com;transport=tcp\"",
        )
    };
    let (rest, secure) = match (text.strip_prefix("sip:"), text.strip_prefix("sips:")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return Err(wrong("it does not begin with sip: or sips:")),
    };
    if rest.contains('@') {
        return Err(wrong("a peer has no user part"));
    }
    let (host_port, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    let (host, port) = split_port(host_port).ok_or_else(|| wrong("its host or port cannot be read"))?;
    let mut transport = secure.then_some(Transport::Tls);
    for parameter in parameters.split(';').filter(|p| !p.is_empty()) {
        transport = Some(match (parameter.to_ascii_lowercase().as_str(), secure) {
            ("transport=udp", false) => Transport::Udp,
            ("transport=tcp", false) => Transport::Tcp,
            // RFC 3261 §26.2.2 has `sips:…;transport=tcp` mean TLS over TCP.
            ("transport=tls", _) | ("transport=tcp", true) => Transport::Tls,
            ("transport=ws", false) => Transport::Ws,
            ("transport=ws" | "transport=wss", true) | ("transport=wss", false) => Transport::Wss,
            _ => return Err(wrong(&format!("`{parameter}` means nothing here"))),
        });
    }
    let ways = host.parse::<IpAddr>().ok().map(|ip| {
        let transport = transport.unwrap_or(Transport::Udp);
        Way { transport, address: SocketAddr::new(ip, port.unwrap_or(transport.default_port())) }
    });
    Ok(Peer { uri: text.to_owned(), host: host.to_owned(), port, transport, ways: ways.into_iter().collect() })
}

/// Host without brackets, and the port where one is written.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        },
    };
    let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
    let port = match port? {
        "" if text.ends_with(':') => return None,
        "" => None,
        digits => Some(digits.parse().ok().filter(|port| *port != 0)?),
    };
    named.then_some((host, port))
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `"Mon-Fri 08:00-18:00; Sat 09:00-13:00"`: spans as (weekday, from, to), Monday 1, in minutes since midnight.
pub(super) fn hours(text: &str) -> Result<Vec<(u8, u16, u16)>, Wrong> {
    let mut open = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let span = opening(part).ok_or_else(|| {
            let help = "write days and times, as in \"Mon-Fri 08:00-18:00; Sat 09:00-13:00\"";
            Wrong::new(format!("`{part}` is no opening time"), help)
        })?;
        open.extend(span);
    }
    if open.is_empty() {
        return Err(Wrong::new("the line would never be open", "leave the key out where it is always open"));
    }
    open.sort_unstable();
    Ok(open)
}

fn opening(part: &str) -> Option<Vec<(u8, u16, u16)>> {
    let (days, times) = part.split_once(char::is_whitespace)?;
    let (from, to) = times.trim().split_once('-')?;
    let (from, to) = (minutes(from.trim())?, minutes(to.trim())?);
    let mut open = Vec::new();
    for day in days.split(',').map(day_range).collect::<Option<Vec<_>>>()?.into_iter().flatten() {
        match from.cmp(&to) {
            std::cmp::Ordering::Less => open.push((day, from, to)),
            std::cmp::Ordering::Equal => return None,
            // Over midnight: the rest of the night belongs to the next day.
            std::cmp::Ordering::Greater => {
                open.push((day, from, MIDNIGHT));
                open.extend((to > 0).then_some((day % 7 + 1, 0, to)));
            }
        }
    }
    Some(open)
}

const MIDNIGHT: u16 = 24 * 60;

/// `Mon-Fri`, `Sat`; `Sat-Mon` runs over the week's end.
fn day_range(text: &str) -> Option<Vec<u8>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (weekday(first)?, weekday(last)?);
    let days = if last >= first { last - first + 1 } else { last + 7 - first + 1 };
    Some((0..days).map(|i| (first - 1 + i) % 7 + 1).collect())
}

fn weekday(text: &str) -> Option<u8> {
    let text = text.trim().to_ascii_lowercase();
    let day = DAYS.iter().position(|day| *day == text)?;
    u8::try_from(day + 1).ok()
}

/// Minutes since midnight; `24:00` is the day's end.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = (minute < 60 && hour <= 24).then(|| hour * 60 + minute)?;
    (total <= MIDNIGHT).then_some(total)
}
