//! The log, on standard error. A thread of its own writes it: a disk that is full, a terminal that is stopped or a pipe
//! that nobody reads holds up no call. What does not fit meanwhile is lost, and counted.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::reach::Failure;
use crate::config::{Log, LogFormat};

/// Lines that may wait.
const WAITING: usize = 8_192;
/// How long the thread rests after what was there.
const REST: Duration = Duration::from_millis(20);
/// How long the end waits for the last of them.
const FAREWELL: Duration = Duration::from_secs(1);

/// Starts it by `[log]`; the environment's `RAMAL_LOG` goes before its level. Dropped, it writes what waits.
pub(super) fn start(log: Log) -> Result<Written, Failure> {
    let filter = match std::env::var("RAMAL_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter)
            .map_err(|fault| Failure::No(format!("RAMAL_LOG: {fault}; write it as in `info,ramal::call=debug`")))?,
        _ => EnvFilter::new(log.level.as_str()),
    };
    let (lines, written) = writing_to(io::stderr())?;
    // Complaints of its own would go to the same standard error, and panic where that takes nothing.
    let text = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).log_internal_errors(false);
    match log.format {
        LogFormat::Json => text.json().init(),
        LogFormat::Text => text.with_ansi(io::stderr().is_terminal()).init(),
    }
    Ok(written)
}

/// The thread that writes, and what feeds it.
fn writing_to(to: impl Write + Send + 'static) -> io::Result<(Lines, Written)> {
    let (queue, queued) = sync_channel(WAITING);
    let (done, ended) = sync_channel(1);
    let lines = Lines { queue: queue.clone(), lost: Arc::default() };
    let lost = Arc::clone(&lines.lost);
    std::thread::Builder::new().name("log".into()).spawn(move || {
        write(&queued, &lost, to);
        // Nobody waits any more: the process has lost its patience.
        let _ = done.send(());
    })?;
    Ok((lines, Written { queue, ended }))
}

fn write(queued: &Receiver<Option<Vec<u8>>>, lost: &AtomicU64, mut to: impl Write) {
    while let Ok(Some(line)) = queued.recv() {
        let mut next = Some(line);
        while let Some(line) = next {
            // A line that cannot be written is lost: nor could that be said.
            let _ = to.write_all(&line);
            let lost = lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let _ = to.write_all(format!("{lost} lines of the log are lost: nobody took them\n").as_bytes());
            }
            next = match queued.try_recv() {
                Ok(Some(line)) => Some(line),
                Ok(None) => return,
                Err(_) => None,
            };
        }
        // A thread that does not wait need not be woken for each line.
        std::thread::sleep(REST);
    }
}

/// Where lines are queued; never waits.
#[derive(Clone)]
struct Lines {
    queue: SyncSender<Option<Vec<u8>>>,
    lost: Arc<AtomicU64>,
}

impl Write for Lines {
    /// One line: tracing writes each whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Some(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The log's end.
pub(super) struct Written {
    queue: SyncSender<Option<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Drop for Written {
    fn drop(&mut self) {
        // Full: whoever reads it has stopped, and its end is not waited for.
        if self.queue.try_send(None).is_ok() {
            // Late: the same.
            let _ = self.ended.recv_timeout(FAREWELL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what it is given once the gate is open.
    struct Gate(Receiver<()>, std::sync::mpsc::Sender<String>);

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            // Closed for good: opened.
            let _ = self.0.recv();
            self.1.send(String::from_utf8_lossy(line).into_owned()).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_stopped_holds_up_nobody_and_learns_how_much_she_missed() {
        let (open, gate) = sync_channel(0);
        let (tell, told) = std::sync::mpsc::channel();
        let (mut lines, written) = writing_to(Gate(gate, tell)).unwrap();
        for n in 0..WAITING + 100 {
            lines.write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        drop(open);
        assert_eq!(told.recv().unwrap(), "0\n");
        let rest = told.recv().unwrap();
        let missed: usize = rest.split(' ').next().unwrap().parse().unwrap();
        assert!((98..=100).contains(&missed), "{rest}");
        let left = WAITING + 100 - missed - 1;
        assert_eq!(told.iter().take(left).filter(|line| line.ends_with('\n')).count(), left);
        // Not before all of it is read: a queue that is full takes no end.
        drop(written);
        assert_eq!(told.iter().count(), 0, "nothing is told twice");
    }
}
