//! A bad network, seeded: what it does to one datagram.

use std::time::Duration;

use crate::base::Ids;

/// How bad the network is, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Datagrams that never arrive.
    pub loss: u64,
    /// Datagrams that arrive twice.
    pub duplication: u64,
    /// Datagrams held back long enough to be overtaken.
    pub reordering: u64,
}

/// The network between `ramal` and everybody else.
#[derive(Debug)]
pub(crate) struct Network {
    ids: Ids,
    weather: Weather,
    /// To be lost whatever the weather, by a piece of their first line.
    doomed: Vec<(String, u32)>,
}

impl Network {
    pub(crate) fn new(ids: Ids) -> Self {
        Self { ids, weather: Weather::default(), doomed: Vec::new() }
    }

    pub(crate) fn set(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Loses the next `n` datagrams whose first line has `piece`.
    pub(crate) fn lose(&mut self, piece: &str, n: u32) {
        self.doomed.push((piece.to_owned(), n));
    }

    /// After what time each copy of this datagram arrives.
    pub(crate) fn carry(&mut self, bytes: &[u8]) -> Vec<Duration> {
        let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        if let Some((_, n)) = self.doomed.iter_mut().find(|(piece, n)| *n > 0 && line.contains(piece.as_str())) {
            *n -= 1;
            return Vec::new();
        }
        let Weather { loss, duplication, reordering } = self.weather;
        if self.ids.below(100) < loss {
            return Vec::new();
        }
        let copies = if self.ids.below(100) < duplication { 2 } else { 1 };
        (0..copies)
            .map(|_| {
                let late = self.ids.below(100) < reordering;
                let spread = match (late, self.is_fine()) {
                    (true, _) => 400,
                    (false, false) => 5,
                    // in fine weather the order of sending is the order of arrival
                    (false, true) => 1,
                };
                Duration::from_millis(1 + self.ids.below(spread))
            })
            .collect()
    }

    fn is_fine(&self) -> bool {
        let Weather { loss, duplication, reordering } = self.weather;
        loss + duplication + reordering == 0
    }
}
