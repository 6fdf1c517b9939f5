//! What a command reaches: the running server by its control socket, else the store that nobody holds.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::control::{Control, ControlError};
use super::{crm, out};
use crate::base::PhoneNumber;
use crate::config::{self, Settings};
use crate::crm::desk::{Answer, DeskError, Request};
use crate::crm::embedded::{EditError, Rules};
use crate::node::Clock;
use crate::route::directory::Directory;
use crate::store::{self, Reader, Store, StoreError};

/// The files, for a command.
pub(super) struct House {
    pub(super) settings: Settings,
    runtime: tokio::runtime::Runtime,
}

/// Whom a command found.
pub(super) enum Reached {
    /// A server.
    Server(Control),
    /// Nobody, and nobody holds the store.
    Nobody,
}

/// Why a command failed: one line with what to do, or the faults of the files.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Faults(String),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(
        "a running ramal holds the store {}, and nobody answers on http.control {}: name the file that it runs by \
         with --config, and run this in its folder",
        store.display(), socket.display()
    )]
    OutOfReach { store: PathBuf, socket: PathBuf },
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    #[error("{0}")]
    No(String),
}

impl House {
    /// Reads the operator's files.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let loaded = config::load(path).map_err(|faults| Failure::Faults(faults.render(false)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { settings: loaded.settings, runtime })
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.settings.directory
    }

    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Finds the server. That nobody answers while somebody holds the store is a fault.
    pub(super) async fn reach(&self) -> Result<Reached, Failure> {
        let socket = &self.settings.http.control;
        if let Some(control) = Control::connect(socket).await? {
            return Ok(Reached::Server(control));
        }
        if self.is_held().await? { Err(self.out_of_reach()) } else { Ok(Reached::Nobody) }
    }

    /// The store, to read; `None` where there is none yet.
    pub(super) async fn reader(&self) -> Result<Option<Reader>, StoreError> {
        match Reader::open(&self.store_url()).await {
            Ok(reader) => Ok(Some(reader)),
            Err(StoreError::Missing(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The store, to write.
    pub(super) async fn store(&self) -> Result<Store, Failure> {
        match self.open_store().await {
            Ok(store) => Ok(store),
            Err(StoreError::InUse(_)) => Err(self.out_of_reach()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// The same; that somebody holds it is the caller's to know.
    pub(super) async fn open_store(&self) -> Result<Store, StoreError> {
        Store::open(&self.store_url(), usize::MAX, clock()).await
    }

    /// What the file says to the embedded CRM.
    pub(super) fn rules(&self) -> Rules {
        let rules = &self.directory().crm;
        Rules::new(&rules.prefer, &rules.exceptions, &rules.country)
    }

    /// Puts a request about the CRM to whoever can answer it, and prints the answer.
    pub(super) fn desk(&self, request: Request, json: bool) -> Result<ExitCode, Failure> {
        let directory = self.directory();
        let of_the_house =
            |number: PhoneNumber| directory.employee_with(number).is_some() || directory.line(number).is_some();
        let (url, rules) = (self.store_url(), self.rules());
        let access = crm::Access { url: &url, rules: &rules, of_the_house: &of_the_house, clock: clock() };
        let server = async |request: Request| match Control::connect(&self.settings.http.control).await? {
            Some(mut control) => Ok(control.post::<Answer>("/control/desk", &request).await?),
            None => Err(self.out_of_reach()),
        };
        let answer = self.block_on(crm::ask::<Failure, _>(&access, request, server))?;
        match json {
            true => out::json(&crm::json(&answer)),
            false => out::text(&crm::text(&answer)),
        }
        Ok(ExitCode::SUCCESS)
    }

    pub(super) fn out_of_reach(&self) -> Failure {
        Failure::OutOfReach { store: self.settings.store.path.clone(), socket: self.settings.http.control.clone() }
    }

    async fn is_held(&self) -> Result<bool, StoreError> {
        Ok(match self.reader().await? {
            Some(reader) => reader.running_since().await?.is_some(),
            None => false,
        })
    }

    fn store_url(&self) -> String {
        format!("sqlite:{}", self.settings.store.path.display())
    }
}

fn clock() -> store::Clock {
    let clock = Clock::start();
    std::sync::Arc::new(move || clock.now().wall)
}
