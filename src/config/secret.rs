//! Passwords and tokens: where they come from.

use std::path::Path;

use toml::de::DeValue;

use super::fault::{At, Fault, Place};
use super::tree::Section;
use super::value;
use crate::base::Secret;

impl Section<'_> {
    /// A secret: plain, `{ env = "NAME" }` or `{ file = "PATH" }`, the path relative to the file that names it.
    pub(super) fn secret(&self, key: &'static str) -> Option<At<Secret>> {
        let value = self.find(key)?;
        let place = self.at(value.span());
        if let Some(text) = value.get_ref().as_str() {
            return self.filled(key, text, place);
        }
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(&place, key, SECRET, value.get_ref());
            return None;
        };
        let inner = Section::new(format!("{}: `{key}`", self.what), self.source, table, value.span(), self.report);
        let env = inner.parsed("env", value::text);
        let file = inner.parsed("file", value::text);
        inner.finish();
        match (env, file) {
            (Some(name), None) => self.environment(key, &name),
            (None, Some(path)) => self.file(key, &path),
            (env, file) => {
                self.one_place(key, &place, env.is_some() && file.is_some() || table.is_empty());
                None
            }
        }
    }

    /// Refuses a secret with two places or none; one whose key is misspelt is told of already.
    fn one_place(&self, key: &str, place: &Place, wrong: bool) {
        if wrong {
            let message = format!("{}: `{key}` comes from one place", self.what);
            self.report
                .fault(Fault::new(place, message).help("write either { env = \"NAME\" } or { file = \"PATH\" }"));
        }
    }

    /// An empty secret is none: whoever shows nothing would be let in.
    fn filled(&self, key: &str, text: &str, place: Place) -> Option<At<Secret>> {
        if text.is_empty() {
            let message = format!("{}: `{key}` is empty", self.what);
            self.report.fault(Fault::new(&place, message).help("write a long one by chance, or take the key out"));
            return None;
        }
        Some(At { value: Secret::new(text.to_owned()), place })
    }

    /// A variable that is not set is a warning: `check` runs where the service's environment is not.
    fn environment(&self, key: &str, name: &At<String>) -> Option<At<Secret>> {
        match std::env::var(&name.value) {
            Ok(text) if !text.is_empty() => Some(At { value: Secret::new(text), place: name.place.clone() }),
            _ => {
                let message = format!("{}: `{key}`: the environment variable {} is not set", self.what, name.value);
                let help = "as long as it is not, the key counts as not written";
                self.report.warn(Fault::new(&name.place, message).help(help));
                None
            }
        }
    }

    fn file(&self, key: &str, path: &At<String>) -> Option<At<Secret>> {
        let folder = Path::new(&self.source.name).parent().unwrap_or(Path::new(""));
        match std::fs::read_to_string(folder.join(&path.value)) {
            Ok(text) => self.filled(key, text.trim_end(), path.place.clone()),
            Err(error) => {
                let message = format!("{}: `{key}`: {} cannot be read: {error}", self.what, path.value);
                self.report
                    .fault(Fault::new(&path.place, message).help("the path counts from the folder of this file"));
                None
            }
        }
    }
}

const SECRET: &str = "a text, { env = \"NAME\" } or { file = \"PATH\" }";
