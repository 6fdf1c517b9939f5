//! A Bitrix24 of one process: OAuth with rotation, the leaky bucket, calls with their thirty-minute key and cards,
//! records, offline events; and faults on demand. Nothing is kept beyond its end.
//!
//! It is written from the public documentation of the REST API. Where that is silent, the code says what was assumed.

mod batch;
mod clock;
mod crm;
mod events;
mod faults;
mod limits;
mod listing;
mod methods;
mod page;
mod params;
mod portal;
mod record;
mod seed;
mod server;
mod telephony;
mod tokens;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::faults::{Fault, Ill};
pub use self::limits::Bucket;
pub use self::portal::{Mode, Portal, User};
pub use self::record::{Kind, Multi, Record};
pub use self::seed::{ANA, BRUNO, CARLA};
use self::server::Shared;
pub use self::telephony::{Call, End, Key};
pub use self::tokens::Tokens;
use crate::base::Wall;

/// What a portal is like.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The date when it starts.
    pub start: Wall,
    /// How many requests it lets through; `None`: all.
    pub bucket: Option<Bucket>,
    /// The operating time that a method has in ten minutes; `None`: no end of it.
    pub budget: Option<Duration>,
    /// How it works with new clients.
    pub mode: Mode,
}

impl Default for Options {
    /// On a free port of loopback, on 2026-11-24 at 14:00 UTC, with the standard plan's bucket.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            start: Wall::from_unix_millis(1_795_528_800_000),
            bucket: Some(Bucket::default()),
            budget: None,
            mode: Mode::Classic,
        }
    }
}

/// A portal that is served; it ends when this is dropped.
#[derive(Debug)]
pub struct Fake {
    /// Its address, without a slash at its end: `crm.bitrix24.portal`.
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// One request that a portal was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The method, in small letters; `oauth.token` for the token service.
    pub method: String,
    /// The status of the answer; 0 where the connection was closed instead.
    pub status: u16,
    /// When.
    pub at: Wall,
}

impl Fake {
    /// Starts one.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::new(&options, url.clone()));
        let task = tokio::spawn(server::accept(listener, Arc::clone(&shared)));
        Ok(Self { url, shared, task })
    }

    /// The address of its inbound webhook: `crm.bitrix24.webhook`.
    pub fn webhook(&self) -> String {
        format!("{}/rest/{}/{}/", self.url, seed::ADMIN, server::WEBHOOK_SECRET)
    }

    /// The address of its token service: `crm.bitrix24.token_url`.
    pub fn token_url(&self) -> String {
        format!("{}/oauth/token/", self.url)
    }

    /// Its application's `client_id` and `client_secret`.
    pub const fn application(&self) -> (&'static str, &'static str) {
        (server::CLIENT_ID, server::CLIENT_SECRET)
    }

    /// A pair of tokens, as if somebody had authorised the application.
    pub fn grant(&self) -> Tokens {
        self.shared.grant()
    }

    /// Looks at what it holds, or changes that as somebody at the portal would.
    pub fn portal<T>(&self, look: impl FnOnce(&mut Portal) -> T) -> T {
        look(&mut self.shared.state.lock().portal)
    }

    /// Sets a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.state.lock().faults.set(fault);
    }

    /// Mends all faults.
    pub fn mend(&self) {
        self.shared.state.lock().faults.mend("*");
    }

    /// Moves its clock forward.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// The date there.
    pub fn now(&self) -> Wall {
        self.shared.clock.now()
    }

    /// What it was asked so far, in order; the last ten thousand.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state.lock().asked.iter().cloned().collect()
    }

    /// How often it was asked a method.
    pub fn times(&self, method: &str) -> usize {
        self.shared.state.lock().asked.iter().filter(|one| one.method.eq_ignore_ascii_case(method)).count()
    }

    /// The section that makes `ramal` use it.
    pub fn section(&self) -> String {
        let (id, secret) = self.application();
        format!(
            "[crm.bitrix24]\nportal        = \"{url}\"\nclient_id     = \"{id}\"\nclient_secret = \"{secret}\"\n\
             token_url     = \"{token}\"\n",
            url = self.url,
            token = self.token_url(),
        )
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
