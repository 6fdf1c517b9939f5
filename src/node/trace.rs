//! Ladders of ended calls, in rolling files: written by a thread of their own, off the calls' path and outside
//! "nothing lost"; the oldest files go when `[trace] size` or `keep` is reached.
//!
//! A file holds one call a line, `{"id":"…","ladder":[…]}`. Where each call's lines stand is known in memory, read
//! again from the files at start.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::clock::Clock;
use crate::base::CallId;
use crate::call::ladder::Entry;

/// The ladders of ended calls.
#[derive(Debug)]
pub struct Trace {
    shared: Arc<Shared>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// Where ladders are kept, and how many.
#[derive(Debug, Clone)]
pub struct TraceRules {
    /// The folder.
    pub path: PathBuf,
    /// The bytes that all files together may take.
    pub size: u64,
    /// How long a ladder is kept.
    pub keep: Duration,
}

#[derive(Debug)]
struct Shared {
    rules: TraceRules,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Not in a file yet, in order.
    waiting: Vec<(CallId, Arc<Vec<Entry>>)>,
    /// A call has more than one line where news came after its end.
    places: HashMap<CallId, SmallVec<[Place; 1]>>,
    /// Said already that ladders are dropped.
    choked: bool,
    closed: bool,
}

/// A line of a file.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: u32,
    offset: u32,
    length: u32,
}

/// A line's shape. The identifier stands first, so that the index is read without reading the JSON.
#[derive(Serialize, Deserialize)]
struct Line<L> {
    id: CallId,
    ladder: L,
}

impl Trace {
    /// Opens the folder, making it where it is missing, and starts the writer.
    pub fn open(rules: TraceRules, clock: Clock) -> io::Result<Self> {
        fs::create_dir_all(&rules.path)?;
        let files = Files::open(&rules)?;
        let shared = Arc::new(Shared { rules, state: Mutex::default(), more: Condvar::new() });
        let writer = std::thread::Builder::new().name("ramal-trace".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || Writer { shared, files, clock, failing: false }.run()
        })?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)) })
    }

    /// Keeps a ladder, or more lines of one that is kept already. Never waits.
    pub fn keep(&self, call: CallId, ladder: Vec<Entry>) {
        if ladder.is_empty() {
            return;
        }
        let mut state = self.shared.state.lock();
        if state.waiting.len() < WAITING {
            // Where others wait already, the writer is awake.
            let is_first = state.waiting.is_empty();
            state.waiting.push((call, Arc::new(ladder)));
            state.choked = false;
            drop(state);
            if is_first {
                self.shared.more.notify_one();
            }
        } else if !std::mem::replace(&mut state.choked, true) {
            tracing::warn!(path = %self.shared.rules.path.display(), "the disk of [trace] is too slow: ladders are lost");
        }
    }

    /// The ladder of an ended call; `None` where it has rolled away.
    pub async fn find(&self, call: CallId) -> Option<Vec<Entry>> {
        let shared = Arc::clone(&self.shared);
        // Fails only where the runtime is being shut down.
        tokio::task::spawn_blocking(move || shared.find(call)).await.ok().flatten()
    }

    /// Writes what waits, and ends the writer.
    pub fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.more.notify_one();
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of [trace] had panicked");
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn find(&self, call: CallId) -> Option<Vec<Entry>> {
        let (places, waiting) = {
            let state = self.state.lock();
            let waiting: Vec<_> =
                state.waiting.iter().filter(|(id, _)| *id == call).map(|(_, l)| Arc::clone(l)).collect();
            (state.places.get(&call).cloned().unwrap_or_default(), waiting)
        };
        let mut ladder = Vec::new();
        for place in places {
            match self.read(place) {
                Ok(mut entries) => ladder.append(&mut entries),
                // Rolled away between the two looks.
                Err(fault) => tracing::debug!(call_id = %call, %fault, "a ladder cannot be read"),
            }
        }
        for entries in waiting {
            ladder.extend_from_slice(&entries);
        }
        (!ladder.is_empty()).then_some(ladder)
    }

    fn read(&self, place: Place) -> io::Result<Vec<Entry>> {
        let mut file = File::open(file_path(&self.rules.path, place.file))?;
        file.seek(SeekFrom::Start(place.offset.into()))?;
        let mut line = vec![0; place.length as usize];
        file.read_exact(&mut line)?;
        let line: Line<Vec<Entry>> = serde_json::from_slice(&line)?;
        Ok(line.ladder)
    }
}

/// The writer's thread.
struct Writer {
    shared: Arc<Shared>,
    files: Files,
    clock: Clock,
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        self.read_places();
        let mut batch = Vec::new();
        loop {
            let closed = self.next_batch(&mut batch);
            if !batch.is_empty() {
                self.write(&batch);
            }
            if closed {
                return;
            }
        }
    }

    /// Waits for ladders and copies them; they stay findable until they are in a file. True: none will follow.
    fn next_batch(&self, batch: &mut Vec<(CallId, Arc<Vec<Entry>>)>) -> bool {
        let mut state = self.shared.state.lock();
        while state.waiting.is_empty() && !state.closed {
            self.shared.more.wait(&mut state);
        }
        if !state.closed {
            // What comes within this time goes to the disk in one write.
            self.shared.more.wait_while_for(&mut state, |state| !state.closed, GATHERED);
        }
        batch.clear();
        batch.extend(state.waiting.iter().cloned());
        state.closed
    }

    fn write(&mut self, batch: &[(CallId, Arc<Vec<Entry>>)]) {
        let mut lines = Vec::with_capacity(batch.len());
        let mut text = Vec::with_capacity(batch.len() * 4096);
        for (call, ladder) in batch {
            let from = text.len();
            serde_json::to_writer(&mut text, &Line { id: *call, ladder: &**ladder }).expect("a Vec takes all text");
            lines.push((*call, from, text.len() - from));
            text.push(b'\n');
        }
        let written = self.files.append(&text);
        if let Err(fault) = &written
            && !self.failing
        {
            let path = self.shared.rules.path.display();
            tracing::warn!(%path, %fault, "ladders are lost: mend the disk of [trace], or its path");
        }
        self.failing = written.is_err();
        let gone = self.files.roll(&self.shared.rules, self.clock);
        let mut state = self.shared.state.lock();
        state.waiting.drain(..batch.len());
        if let Ok((file, base)) = written {
            for (call, from, length) in lines {
                let place = |n: usize| u32::try_from(n).expect("files are far smaller than 4 GiB");
                let at = Place { file, offset: place(base + from), length: place(length) };
                state.places.entry(call).or_default().push(at);
            }
        }
        if let Some(first_kept) = gone {
            state.places.retain(|_, places| {
                places.retain(|place| place.file >= first_kept);
                !places.is_empty()
            });
        }
    }

    /// Reads where the ladders of the processes before stand.
    fn read_places(&self) {
        for &(file, _) in &self.files.older {
            match fs::read(file_path(&self.shared.rules.path, file)) {
                Ok(text) => index(&text, file, &mut self.shared.state.lock().places),
                Err(fault) => tracing::warn!(file, %fault, "ladders of an earlier time cannot be read"),
            }
        }
    }
}

fn index(text: &[u8], file: u32, places: &mut HashMap<CallId, SmallVec<[Place; 1]>>) {
    let mut from = 0;
    // A torn last line, without its end, is skipped.
    for end in memchr::memchr_iter(b'\n', text) {
        let line = &text[from..end];
        if let Some(id) = line.strip_prefix(br#"{"id":""#).and_then(|rest| rest.get(..16))
            && let Some(id) = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok())
            && let (Ok(offset), Ok(length)) = (u32::try_from(from), u32::try_from(line.len()))
        {
            places.entry(id).or_default().push(Place { file, offset, length });
        }
        from = end + 1;
    }
}

/// The files: one that grows, and older ones.
struct Files {
    folder: PathBuf,
    /// Number and size, oldest first.
    older: Vec<(u32, u64)>,
    current: u32,
    open: Option<File>,
    size: u64,
    largest: u64,
}

impl Files {
    fn open(rules: &TraceRules) -> io::Result<Self> {
        let mut older = Vec::new();
        for entry in fs::read_dir(&rules.path)? {
            let entry = entry?;
            if let Some(number) = file_number(&entry.path()) {
                older.push((number, entry.metadata()?.len()));
            }
        }
        older.sort_unstable();
        // Never the last process's file: its last line may be torn.
        let current = older.last().map_or(0, |(number, _)| number + 1);
        let largest = (rules.size / 16).clamp(SMALLEST_FILE, LARGEST_FILE);
        Ok(Self { folder: rules.path.clone(), older, current, open: None, size: 0, largest })
    }

    /// Writes; gives the file and the offset at which the text begins.
    fn append(&mut self, text: &[u8]) -> io::Result<(u32, usize)> {
        let file = match &mut self.open {
            Some(file) => file,
            none => {
                let path = file_path(&self.folder, self.current);
                none.insert(File::options().create_new(true).append(true).open(path)?)
            }
        };
        let base = self.size;
        if let Err(fault) = file.write_all(text) {
            // Part of it may stand there; the next goes to a new file.
            self.finish_file();
            return Err(fault);
        }
        self.size += text.len() as u64;
        Ok((self.current, usize::try_from(base).expect("files are far smaller than 4 GiB")))
    }

    fn finish_file(&mut self) {
        self.older.push((self.current, self.size));
        self.current += 1;
        self.size = 0;
        self.open = None;
    }

    /// Begins a new file where this one is full, and removes the oldest: gives the first number kept if any went.
    fn roll(&mut self, rules: &TraceRules, clock: Clock) -> Option<u32> {
        if self.size < self.largest {
            return None;
        }
        self.finish_file();
        let now = u64::try_from(clock.now().wall.unix_millis()).unwrap_or_default();
        let mut total: u64 = self.older.iter().map(|(_, size)| size).sum();
        let mut gone = 0;
        for &(number, size) in &self.older {
            let path = file_path(&self.folder, number);
            if total <= rules.size && !is_older(&path, now, rules.keep) {
                break;
            }
            if let Err(fault) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %fault, "cannot remove an old file of [trace]");
            }
            total -= size;
            gone += 1;
        }
        self.older.drain(..gone);
        (gone > 0).then(|| self.older.first().map_or(self.current, |(number, _)| *number))
    }
}

/// Whether the last ladder in this file is older than `keep`.
fn is_older(path: &Path, now_unix_millis: u64, keep: Duration) -> bool {
    let Ok(modified) = fs::metadata(path).and_then(|file| file.modified()) else { return false };
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(now_unix_millis).saturating_sub(modified) > keep
}

fn file_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("ladders-{number:08}.jsonl"))
}

fn file_number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("ladders-")?.strip_suffix(".jsonl")?.parse().ok()
}

/// Ladders that may wait in memory for the disk.
const WAITING: usize = 10_000;
/// How long ladders are gathered for one write.
const GATHERED: Duration = Duration::from_millis(50);
/// A file's bounds: small enough that rolling away takes little at a time, not so small that files are many.
const SMALLEST_FILE: u64 = 64 << 10;
const LARGEST_FILE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use crate::call::ladder::What;

    fn ladder(what: &str) -> Vec<Entry> {
        vec![Entry { at: Wall::from_unix_millis(1), what: What::Media { what: what.to_owned() } }]
    }

    fn open(path: &Path, size: u64) -> Trace {
        let rules = TraceRules { path: path.to_owned(), size, keep: Duration::from_secs(60) };
        Trace::open(rules, Clock::start()).unwrap()
    }

    const CALL: CallId = CallId::from_bits(0xabc);

    #[tokio::test]
    async fn finds_a_ladder_at_once_after_its_writing_and_after_a_restart_with_what_came_late() {
        let folder = tempfile::tempdir().unwrap();
        let trace = open(folder.path(), 1 << 20);
        assert_eq!(trace.find(CALL).await, None);
        trace.keep(CALL, ladder("first"));
        assert_eq!(trace.find(CALL).await, Some(ladder("first")));
        trace.close();
        assert_eq!(trace.find(CALL).await, Some(ladder("first")));
        drop(trace);

        let trace = open(folder.path(), 1 << 20);
        trace.keep(CALL, ladder("late"));
        trace.close();
        assert_eq!(trace.find(CALL).await, Some([ladder("first"), ladder("late")].concat()));
    }

    #[tokio::test]
    async fn a_torn_line_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let trace = open(folder.path(), 1 << 20);
        trace.keep(CALL, ladder("whole"));
        drop(trace);
        let torn = format!("{{\"id\":\"{}\",\"lad", CallId::from_bits(5));
        File::options().append(true).open(file_path(folder.path(), 0)).unwrap().write_all(torn.as_bytes()).unwrap();
        let trace = open(folder.path(), 1 << 20);
        trace.close();
        assert_eq!(trace.find(CALL).await, Some(ladder("whole")));
        assert_eq!(trace.find(CallId::from_bits(5)).await, None);
    }

    #[tokio::test]
    async fn the_oldest_roll_away_when_the_size_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let big = "x".repeat(70 << 10);
        for n in 0..4 {
            let trace = open(folder.path(), 200 << 10);
            trace.keep(CallId::from_bits(n), ladder(&big));
            trace.close();
        }
        let trace = open(folder.path(), 200 << 10);
        trace.close();
        assert_eq!(trace.find(CallId::from_bits(0)).await, None);
        assert_eq!(trace.find(CallId::from_bits(3)).await, Some(ladder(&big)));
    }
}
