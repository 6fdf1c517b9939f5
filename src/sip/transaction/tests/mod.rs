//! The machines, state by event, and their schedules.

mod schedule;
mod table;

use super::*;
use crate::base::{Instant, Now, Transport};

fn at(millis: u64) -> Now {
    Now { mono: Instant::from_millis(millis), ..Now::default() }
}

fn effects(out: &Effects) -> String {
    let words = out.iter().map(|effect| match effect {
        Effect::Send(bytes) => format!("send {}", String::from_utf8_lossy(bytes)),
        Effect::Resend(bytes) => format!("again {}", String::from_utf8_lossy(bytes)),
        Effect::Pass => "pass".into(),
        Effect::TimedOut => "timed out".into(),
        Effect::Unreachable => "unreachable".into(),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "-".into() } else { words.join(", ") }
}

fn client_event(event: &str) -> ClientEvent<'static> {
    const ACK: &dyn Fn() -> Bytes = &|| Bytes::from_static(b"ACK");
    match event {
        "wake" => ClientEvent::Wake,
        "unreachable" => ClientEvent::Unreachable,
        status => ClientEvent::Response { status: status.parse().unwrap(), ack: ACK },
    }
}

fn server_event(event: &str) -> ServerEvent {
    match event {
        "wake" => ServerEvent::Wake,
        "again" => ServerEvent::Again,
        "ACK" => ServerEvent::Ack,
        status => ServerEvent::Respond { status: status.parse().unwrap(), bytes: status.to_owned().into() },
    }
}

/// One interface to the four, so that one table prints them all.
#[derive(Clone, Debug)]
enum Machine {
    InviteClient(InviteClient),
    Client(Client),
    InviteServer(InviteServer),
    Server(Server),
}

impl Machine {
    fn start(kind: &str, transport: Transport, out: &mut Effects) -> Self {
        let timers = Timers::default();
        match kind {
            "invite client" => {
                Self::InviteClient(InviteClient::start(at(0), &timers, transport, Bytes::from_static(b"INVITE"), out))
            }
            "client" => Self::Client(Client::start(at(0), &timers, transport, Bytes::from_static(b"BYE"), out)),
            "invite server" => Self::InviteServer(InviteServer::start(transport)),
            "server" => Self::Server(Server::start(transport)),
            other => panic!("no machine {other}"),
        }
    }

    fn handle(&mut self, now: Now, event: &str, out: &mut Effects) {
        let timers = Timers::default();
        match self {
            Self::InviteClient(machine) => machine.handle(now, &timers, client_event(event), out),
            Self::Client(machine) => machine.handle(now, &timers, client_event(event), out),
            Self::InviteServer(machine) => machine.handle(now, &timers, server_event(event), out),
            Self::Server(machine) => machine.handle(now, &timers, server_event(event), out),
        }
    }

    fn next_wakeup(&self) -> Option<Instant> {
        match self {
            Self::InviteClient(machine) => machine.next_wakeup(),
            Self::Client(machine) => machine.next_wakeup(),
            Self::InviteServer(machine) => machine.next_wakeup(),
            Self::Server(machine) => machine.next_wakeup(),
        }
    }

    fn state(&self) -> String {
        let text = match self {
            Self::InviteClient(machine) => format!("{machine:?}"),
            Self::Client(machine) => format!("{machine:?}"),
            Self::InviteServer(machine) => format!("{machine:?}"),
            Self::Server(machine) => format!("{machine:?}"),
        };
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }

    fn is_over(&self) -> bool {
        self.state() == "Terminated"
    }
}
