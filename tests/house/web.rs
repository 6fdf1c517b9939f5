//! The API of a house, asked over real connections.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ramal::config;
use ramal::http::Shared;
use ramal::http::server::{self, Server};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{House, SOON};

/// The token of the file, as it stands there.
pub const TOKEN: &str = "api_token = \"sesame\"";

/// A house with its API.
pub struct Open {
    pub house: House,
    pub shared: Arc<Shared>,
    pub at: SocketAddr,
    pub control: PathBuf,
    pub servers: Vec<Server>,
}

impl Open {
    pub async fn with(more: &str) -> Self {
        Self::of(House::open(more).await).await
    }

    /// The API of this house.
    pub async fn of(house: House) -> Self {
        let handle = house.handle();
        let settings = config::load(handle.config_path()).unwrap().settings;
        let shared = Shared::new(handle, settings.http.api_token);
        let (at, api) = server::listen(settings.http.listen, &shared).await.unwrap();
        let control = settings.http.control;
        let servers = vec![api, server::listen_control(&control, &shared).unwrap()];
        Self { house, shared, at, control, servers }
    }

    pub async fn get(&self, path: &str) -> Answer {
        ask(self.at, "GET", path, "Authorization: Bearer sesame\r\n", "").await
    }

    pub async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let head = "Authorization: Bearer sesame\r\nContent-Type: application/json\r\n";
        ask(self.at, method, path, head, body).await
    }

    pub async fn close(self) {
        self.shared.close();
        for server in self.servers {
            tokio::time::timeout(SOON, server.ended()).await.expect("it ends");
        }
        assert!(!self.control.exists(), "the control socket goes with its server");
        self.house.close().await;
    }
}

/// An answer of HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|fault| panic!("{fault} in {self:?}"))
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("no error in {self:?}")).to_owned()
    }
}

pub async fn ask(at: SocketAddr, method: &str, path: &str, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: ramal\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// A listener of `/api/events`.
pub struct Listener {
    pub stream: TcpStream,
    pub head: String,
    pub text: String,
}

impl Listener {
    pub async fn new(at: SocketAddr, head: &str) -> Self {
        Self::of(at, &format!("Authorization: Bearer sesame\r\n{head}")).await
    }

    /// Whoever says so of herself.
    pub async fn of(at: SocketAddr, head: &str) -> Self {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let text = format!("GET /api/events HTTP/1.1\r\nHost: ramal\r\n{head}\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut listener = Self { stream, head: String::new(), text: String::new() };
        listener.head = listener.until("\r\n\r\n").await;
        listener
    }

    /// All that came up to and with this.
    pub async fn until(&mut self, end: &str) -> String {
        let mut piece = [0; 4096];
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let n = tokio::time::timeout(SOON, self.stream.read(&mut piece)).await.expect("it goes on").unwrap();
            assert!(n > 0, "closed after {}", self.text);
            self.text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
        }
    }

    /// The next event of this name: its id and data.
    pub async fn event(&mut self, name: &str) -> (String, Value) {
        loop {
            let block = self.until("\n\n").await;
            let field = |key: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
                line.unwrap_or_default().to_owned()
            };
            if field("event") == name {
                return (field("id"), serde_json::from_str(&field("data")).unwrap());
            }
        }
    }
}
