//! `ramal presence` and the API: what is set counts from the very next INVITE, also when no server was there to hear it.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use std::io::{Read, Write};
use std::net::TcpStream;

use house::process::{LINE, Premises, Serve};

const MARIA: &str = "+5511987654321";

struct House(Premises);

impl House {
    async fn new() -> Self {
        let house = Self(Premises::new("api_token = \"for-tests-only\"").await);
        house.says(&["crm", "add-contact", "--name", "Maria", "--phone", MARIA, "--responsible", "ana"]);
        house
    }

    fn says(&self, args: &[&str]) -> String {
        let done = self.0.ramal(args).output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn serve(&self) -> Serve {
        self.0.serve()
    }

    /// Which extension Maria's next call rings first; it answers, and she hangs up.
    async fn rings(&self, serve: &Serve, call: &str) -> String {
        let rung = self.0.call(serve, MARIA, call).await.rung;
        rung.trim_start_matches("INVITE sip:").split('@').next().unwrap().to_owned()
    }
}

/// `PUT` of the API.
fn put(serve: &Serve, presence: &str) -> String {
    let body = format!("{{\"presence\":\"{presence}\"}}");
    let mut stream = TcpStream::connect(serve.http).unwrap();
    write!(
        stream,
        "PUT /api/employees/ana/presence HTTP/1.0\r\nHost: ramal\r\nAuthorization: Bearer for-tests-only\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn what_is_set_by_command_or_api_counts_from_the_next_invite_on_and_over_a_restart() {
    let house = House::new().await;
    assert_eq!(house.says(&["presence", "ana", "away"]), "ana is away\n", "beside no server");
    let serve = house.serve();
    assert_eq!(house.rings(&serve, "c1").await, "202", "the queue at once");
    house.says(&["presence", "ana", "available"]);
    assert_eq!(house.rings(&serve, "c2").await, "201", "her manager");
    assert!(put(&serve, "off").starts_with("HTTP/1.0 200"));
    assert_eq!(house.rings(&serve, "c3").await, "202");
    let explained = house.says(&["explain", "--line", LINE, "--from", MARIA]);
    assert!(explained.contains("passed over ana: off"), "{explained}");
    drop(serve);
    assert_eq!(house.says(&["presence", "ana"]), "ana is off\n");
    let serve = house.serve();
    assert_eq!(house.rings(&serve, "c4").await, "202", "what was set lives through a kill");
    house.says(&["presence", "ana", "available"]);
    drop(serve);
    let serve = house.serve();
    assert_eq!(house.rings(&serve, "c5").await, "201");
}
