//! The registrar of a node: whose phones are where, written to the store, and who may say so.
//!
//! What a REGISTER does to one user's bindings is [`sip::registrar`](crate::sip::registrar)'s; here they are kept for
//! all, found by employee and by source, and forgotten when they end or are found dead. Passwords are asked for by
//! [`doors`](super::doors).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;

use super::doors::Doors;
use crate::base::{EmployeeId, Instant, Now, Transport, Wall, Way};
use crate::net::sink::Path;
use crate::sip::message::{Request, Response};
use crate::sip::registrar::{Binding, Bindings};
use crate::store::rows::{BindingRow, Rows};
use crate::store::{Store, StoreError};

/// Everybody's phones.
pub(super) struct Registrar {
    book: RwLock<Book>,
    /// Who may register, and call.
    pub(super) doors: Doors,
    /// How many there are, for the metric.
    count: AtomicI64,
    store: Store,
}

#[derive(Default)]
struct Book {
    of: HashMap<EmployeeId, Bindings>,
    /// How many bindings each source has, and each address.
    sources: HashMap<Way, u32>,
    addresses: HashMap<IpAddr, u32>,
}

impl Registrar {
    /// With what the store has kept.
    pub(super) async fn open(
        store: &Store,
        listening: &[(Transport, SocketAddr)],
        now: Now,
    ) -> Result<Self, StoreError> {
        let doors = Doors::open(store, now).await?;
        let mut book = Book::default();
        let mut kept: HashMap<EmployeeId, Vec<Binding>> = HashMap::new();
        for (employee, row) in store.reader().bindings(now.wall).await? {
            match read(&row, now) {
                // Its connection ended with the process before, or nobody listens where it registered: the phone finds that
                // out, and registers anew.
                Some(binding)
                    if binding.source.transport.is_reliable()
                        || !listening.contains(&(binding.source.transport, binding.local)) =>
                {
                    store.append(|rows| drop(rows.bindings.insert((employee, binding.contact), None)));
                }
                Some(binding) => kept.entry(employee).or_default().push(binding),
                None => {
                    tracing::warn!(%employee, "a phone's row in the store cannot be read; it registers anew");
                }
            }
        }
        for (employee, bindings) in kept {
            book.put(&employee, Bindings::of(bindings, now.mono));
        }
        let count = AtomicI64::new(book.len());
        Ok(Self { book: RwLock::new(book), doors, count, store: store.clone() })
    }

    /// Does what a REGISTER of hers asks, and answers it.
    pub(super) fn register(&self, now: Now, employee: &EmployeeId, path: Path, request: &Request) -> Response {
        let source = Way { transport: path.transport, address: path.remote };
        let answer = self.change(now, employee, |bindings| {
            let done = bindings.register(now.mono, request, source, path.local);
            done.map_or_else(
                |refusal| refusal.response(request),
                |()| bindings.response(now.mono, request, path.transport),
            )
        });
        tracing::debug!(%employee, source = %path.remote, status = answer.status.code(), "a phone registers");
        answer
    }

    /// Her phones that hold now.
    pub(super) fn phones(&self, employee: &EmployeeId, now: Instant) -> Vec<Binding> {
        let book = self.book.read();
        let of_hers = book.of.get(employee).map(Bindings::all).unwrap_or_default();
        of_hers.iter().filter(|binding| binding.until > now).cloned().collect()
    }

    /// Whether she has a phone that holds now.
    pub(super) fn is_registered(&self, employee: &EmployeeId, now: Instant) -> bool {
        let book = self.book.read();
        book.of.get(employee).is_some_and(|of_hers| of_hers.all().iter().any(|binding| binding.until > now))
    }

    /// Whether some phone has registered from this very source.
    pub(super) fn is_source(&self, path: Path) -> bool {
        let way = Way { transport: path.transport, address: path.remote };
        self.book.read().sources.contains_key(&way)
    }

    /// Whether some phone has registered from this address, whatever its port.
    pub(super) fn is_address(&self, ip: IpAddr) -> bool {
        self.book.read().addresses.contains_key(&ip)
    }

    /// Whether a phone of the same employee's has registered from each of these sources.
    pub(super) fn are_of_one(&self, one: Path, others: &[SocketAddr]) -> bool {
        let here =
            |binding: &Binding| binding.source.transport == one.transport && binding.source.address == one.remote;
        let there = |binding: &Binding| others.contains(&binding.source.address);
        let book = self.book.read();
        book.of.values().any(|of_hers| of_hers.all().iter().any(here) && of_hers.all().iter().any(there))
    }

    /// How many phones are registered.
    pub(super) fn count(&self) -> i64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Nothing gets to this source any more: what has registered from there is gone. Gives whose it was.
    pub(super) fn lost(&self, now: Now, way: Way) -> Vec<EmployeeId> {
        let hers: Vec<EmployeeId> = {
            let book = self.book.read();
            if !book.sources.contains_key(&way) {
                return Vec::new();
            }
            let is_there = |of_hers: &Bindings| of_hers.all().iter().any(|binding| binding.source == way);
            book.of.iter().filter(|(_, of_hers)| is_there(of_hers)).map(|(id, _)| id.clone()).collect()
        };
        for employee in &hers {
            tracing::info!(%employee, source = %way.address, "a phone cannot be reached: its registration is dropped");
            self.change(now, employee, |bindings| bindings.remove(|binding| binding.source == way));
        }
        hers
    }

    /// Who is no employee with a password any more has no phones.
    pub(super) fn keep_only(&self, now: Now, may: impl Fn(&EmployeeId) -> bool) {
        let gone: Vec<EmployeeId> = self.book.read().of.keys().filter(|id| !may(id)).cloned().collect();
        for employee in gone {
            self.change(now, &employee, |bindings| bindings.remove(|_| true));
        }
    }

    /// When the next binding ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.book.read().of.values().filter_map(Bindings::next_end).min()
    }

    /// Forgets what has ended.
    pub(super) fn expire(&self, now: Now) {
        let ended: Vec<EmployeeId> = {
            let book = self.book.read();
            let has_ended = |of_hers: &Bindings| of_hers.next_end().is_some_and(|end| end <= now.mono);
            book.of.iter().filter(|(_, of_hers)| has_ended(of_hers)).map(|(id, _)| id.clone()).collect()
        };
        for employee in ended {
            self.change(now, &employee, |bindings| bindings.expire(now.mono));
        }
    }

    /// Changes one employee's bindings, here and in the store.
    fn change<T>(&self, now: Now, employee: &EmployeeId, how: impl FnOnce(&mut Bindings) -> T) -> T {
        let mut book = self.book.write();
        let before = book.of.get(employee).cloned().unwrap_or_default();
        let mut after = before.clone();
        let told = how(&mut after);
        if before != after {
            // Under the lock, so that the store hears of two changes in their order.
            self.store.append(|rows| write(rows, now, employee, &before, &after));
            book.put(employee, after);
            self.count.store(book.len(), Ordering::Relaxed);
        }
        told
    }
}

impl Book {
    /// Her bindings are these from now on.
    fn put(&mut self, employee: &EmployeeId, bindings: Bindings) {
        if let Some(before) = self.of.remove(employee) {
            for binding in before.all() {
                take_one(&mut self.sources, &binding.source);
                take_one(&mut self.addresses, &binding.source.address.ip());
            }
        }
        for binding in bindings.all() {
            *self.sources.entry(binding.source).or_default() += 1;
            *self.addresses.entry(binding.source.address.ip()).or_default() += 1;
        }
        if !bindings.is_empty() {
            self.of.insert(employee.clone(), bindings);
        }
    }

    fn len(&self) -> i64 {
        let all: usize = self.of.values().map(|bindings| bindings.all().len()).sum();
        i64::try_from(all).unwrap_or(i64::MAX)
    }
}

fn take_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Writes what has changed.
fn write(rows: &mut Rows, now: Now, employee: &EmployeeId, before: &Bindings, after: &Bindings) {
    for old in before.all() {
        if !after.all().iter().any(|new| new.contact == old.contact) {
            rows.bindings.insert((employee.clone(), old.contact.clone()), None);
        }
    }
    for new in after.all().iter().filter(|new| !before.all().contains(new)) {
        let left = i64::try_from(new.until.since(now.mono).as_millis()).unwrap_or(i64::MAX);
        let expires = Wall::from_unix_millis(now.wall.unix_millis().saturating_add(left));
        let binding = serde_json::to_string(new).expect("a binding is plain data with text for keys");
        rows.bindings.insert((employee.clone(), new.contact.clone()), Some(BindingRow { expires, binding }));
    }
}

/// A binding as the store has it; `None`: it is not one.
fn read(row: &BindingRow, now: Now) -> Option<Binding> {
    let mut binding: Binding = serde_json::from_str(&row.binding).ok()?;
    let left = row.expires.unix_millis().saturating_sub(now.wall.unix_millis());
    binding.until = now.mono + std::time::Duration::from_millis(u64::try_from(left).unwrap_or_default());
    Some(binding)
}
