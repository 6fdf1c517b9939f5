//! How words of the model stand in rows, and back.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use crate::base::{EmployeeId, PhoneNumber, Wall};
use crate::crm::model::WriteState;

/// Plain data as JSON text, for one column or one statement.
pub(super) fn text_of<T: Serialize + ?Sized>(data: &T) -> String {
    serde_json::to_string(data).expect("plain data with text for keys has a JSON form")
}

/// The word for how far a write has come.
pub(super) const fn write_state(state: WriteState) -> &'static str {
    match state {
        WriteState::Owed => "owed",
        WriteState::Written => "written",
        WriteState::Dead => "dead",
    }
}

/// A row of one table, read by position.
pub(super) struct Cells<'r> {
    pub(super) table: &'static str,
    pub(super) row: &'r SqliteRow,
}

impl Cells<'_> {
    pub(super) fn int(&self, at: usize) -> Result<i64, StoreError> {
        Ok(self.row.try_get(at)?)
    }

    pub(super) fn maybe_int(&self, at: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.row.try_get(at)?)
    }

    pub(super) fn text(&self, at: usize) -> Result<String, StoreError> {
        Ok(self.row.try_get(at)?)
    }

    pub(super) fn maybe_text(&self, at: usize) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(at)?)
    }

    pub(super) fn employee(&self, at: usize) -> Result<Option<EmployeeId>, StoreError> {
        Ok(self.row.try_get::<Option<&str>, _>(at)?.map(EmployeeId::from))
    }

    pub(super) fn wall(&self, at: usize) -> Result<Wall, StoreError> {
        Ok(Wall::from_unix_millis(self.int(at)?))
    }

    pub(super) fn maybe_wall(&self, at: usize) -> Result<Option<Wall>, StoreError> {
        Ok(self.maybe_int(at)?.map(Wall::from_unix_millis))
    }

    pub(super) fn phone(&self, at: usize) -> Result<PhoneNumber, StoreError> {
        let digits = self.int(at)?;
        let phone = u64::try_from(digits).ok().and_then(PhoneNumber::from_digits);
        phone.ok_or_else(|| self.unreadable("a phone number out of range"))
    }

    /// A value by its printed form.
    pub(super) fn parse<T: FromStr<Err: ToString>>(&self, at: usize) -> Result<T, StoreError> {
        self.row.try_get::<&str, _>(at)?.parse().map_err(|cause: T::Err| self.unreadable(&cause.to_string()))
    }

    /// A value by its printed form, or nothing.
    pub(super) fn maybe_parse<T: FromStr<Err: ToString>>(&self, at: usize) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.row.try_get(at)?;
        text.map(str::parse).transpose().map_err(|cause: T::Err| self.unreadable(&cause.to_string()))
    }

    /// A value by its JSON text.
    pub(super) fn json<T: DeserializeOwned>(&self, at: usize) -> Result<T, StoreError> {
        serde_json::from_str(self.row.try_get(at)?).map_err(|cause| self.unreadable(&cause.to_string()))
    }

    /// One of the model's words, by the name that serde gives it.
    pub(super) fn word<T: DeserializeOwned>(&self, at: usize) -> Result<T, StoreError> {
        let text: &str = self.row.try_get(at)?;
        T::deserialize(serde::de::value::StrDeserializer::<serde_json::Error>::new(text))
            .map_err(|cause| self.unreadable(&cause.to_string()))
    }

    fn unreadable(&self, cause: &str) -> StoreError {
        StoreError::Unreadable { table: self.table, cause: cause.to_owned() }
    }
}
