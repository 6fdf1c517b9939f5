//! Whether a line is open: its hours in its own time zone, and its holidays.

use jiff::civil::{Date, DateTime};

use super::directory::{Hours, Line};
use crate::base::Wall;

/// Why a line is closed at that moment; `None`: it is open.
pub fn closed(line: &Line, now: Wall) -> Option<String> {
    let hours = line.hours.as_ref()?;
    let at = jiff::Timestamp::from_millisecond(now.unix_millis()).ok()?;
    let local = hours.timezone.to_datetime(at);
    if hours.is_holiday(local.date()) {
        return Some(format!("{} is a holiday of the line", local.date()));
    }
    if hours.is_open_at(local) {
        return None;
    }
    let zone = hours.timezone.iana_name().unwrap_or("the line's zone");
    Some(format!("{} {} in {zone} is outside the line's hours", weekday(local.date()), local.strftime("%H:%M")))
}

impl Hours {
    fn is_holiday(&self, day: Date) -> bool {
        self.holidays_once.contains(&day) || self.holidays_yearly.contains(&(day.month(), day.day()))
    }

    /// By the clock on the wall: an hour that comes twice in autumn is open twice, one that spring leaves out never.
    fn is_open_at(&self, local: DateTime) -> bool {
        let today = weekday_number(local.date());
        let minute = local.hour().unsigned_abs() as u16 * 60 + local.minute().unsigned_abs() as u16;
        self.open.iter().any(|&(day, from, to)| day == today && (from..to).contains(&minute))
    }
}

fn weekday_number(day: Date) -> u8 {
    day.weekday().to_monday_one_offset().unsigned_abs()
}

fn weekday(day: Date) -> &'static str {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][usize::from(weekday_number(day) - 1)]
}
