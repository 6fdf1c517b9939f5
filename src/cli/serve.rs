//! `ramal serve`: the server, from its files to its drain.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reach::Failure;
use super::{log, out};
use crate::config::{self, Loaded, Settings};
use crate::http::{Shared, server};
use crate::node::{Handle, Node, ReloadError};

/// Runs until it is told to stop.
pub(super) fn run(path: &Path) -> Result<ExitCode, Failure> {
    let Loaded { settings, warnings, .. } =
        config::load(path).map_err(|faults| Failure::Faults(faults.render(std::io::stderr().is_terminal())))?;
    let _written = log::start(settings.log)?;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?;
    runtime.block_on(serve(settings, path))
}

async fn serve(settings: Settings, path: &Path) -> Result<ExitCode, Failure> {
    let (http, drain) = (settings.http.clone(), settings.sip.drain);
    let mut signals = Signals::new()?;
    let node = Node::start(settings, path.to_owned()).await.map_err(|fault| Failure::No(fault.to_string()))?;
    let handle = node.handle();
    let shared = Shared::new(handle.clone(), http.api_token);
    let no = |fault: server::ListenError| Failure::No(fault.to_string());
    // First, so that whoever has read `ready` from the other finds this one there.
    let control = server::listen_control(&http.control, &shared).map_err(no)?;
    let (address, api) = server::listen(http.listen, &shared).await.map_err(no)?;
    for (transport, at) in handle.listening() {
        out::text(&format!("sip      {}:{at}\n", transport.as_str().to_ascii_lowercase()));
    }
    out::text(&format!("http     http://{address}\n"));
    out::text(&format!("control  {}\n", http.control.display()));
    signals.until_told(&handle).await;
    // In force before it is said.
    handle.begin_drain();
    out::text("draining: new calls get 503\n");
    tokio::select! {
        left = handle.drain(drain) => if left > 0 {
            tracing::warn!(left, "calls outlived sip.drain and are hung up");
        },
        () = signals.stop() => tracing::warn!("told again: calls that are still up are hung up"),
    }
    let unsaved = handle.hang_up_all(LAST_WORDS).await;
    if unsaved > 0 {
        tracing::error!(unsaved, "records of calls are lost: the store does not commit");
    }
    shared.close();
    api.ended().await;
    control.ended().await;
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Threads that step calls: half of the cores, the other half being the store's, the traces' and the kernel's. At the
/// rates of an office each thread more is mostly woken for nothing.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// How long the records of calls that were hung up at the end may take.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// The signals that a server knows.
struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// Held so that a file at its limit (`ulimit -f`) is an error of the write, as a full disk is, and no death.
    _file_too_large: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_too_large: signal(SignalKind::from_raw(nix::libc::SIGXFSZ))?,
        })
    }

    /// Waits for SIGTERM or SIGINT, and reloads at each SIGHUP meanwhile.
    async fn until_told(&mut self, handle: &Handle) {
        loop {
            tokio::select! {
                _ = self.reload.recv() => reload(handle).await,
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }

    /// Waits for SIGTERM or SIGINT.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn reload(handle: &Handle) {
    match handle.reload().await {
        Ok(warnings) => {
            warnings.iter().for_each(|warning| tracing::warn!("{}", warning.trim_end()));
            tracing::info!("the files were read again");
        }
        Err(ReloadError::Faults(faults)) => {
            tracing::warn!("the files have faults, the old ones stay in force:\n{}", faults.trim_end());
        }
        Err(fault @ ReloadError::GoingDown) => tracing::info!(%fault, "not reloaded"),
    }
}
