//! Leads, deals, contacts and companies: kept by the old methods' names of fields, shown by either family's.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::params::{as_map, of, several, text};

/// A kind of record, by the number that `entityTypeId` has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Kind {
    Lead = 1,
    Deal = 2,
    Contact = 3,
    Company = 4,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lead, Self::Deal, Self::Contact, Self::Company];

    /// `LEAD`: the word for it in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "LEAD",
            Self::Deal => "DEAL",
            Self::Contact => "CONTACT",
            Self::Company => "COMPANY",
        }
    }

    pub(super) fn by_type(id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i64 == id)
    }

    pub(super) fn by_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(word))
    }
}

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which kind.
    pub kind: Kind,
    /// Its number among its kind.
    pub id: i64,
    /// Its fields by the old methods' names, texts as these show them.
    pub fields: BTreeMap<String, String>,
    /// Its numbers and addresses.
    pub multi: Vec<Multi>,
    /// The `CALL_ID` of the call that created it.
    pub made_by: Option<String>,
}

/// One value of a field that may have several: a phone, an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multi {
    /// Its own number.
    pub id: i64,
    /// `PHONE`, `EMAIL`.
    pub field: String,
    /// `WORK`, `MOBILE`.
    pub kind: String,
    /// As somebody wrote it.
    pub value: String,
}

impl Record {
    pub(super) const fn new(kind: Kind, id: i64) -> Self {
        Self { kind, id, fields: BTreeMap::new(), multi: Vec::new(), made_by: None }
    }

    /// A field by the old methods' name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The user who is responsible.
    pub fn owner(&self) -> i64 {
        self.field("ASSIGNED_BY_ID").and_then(|id| id.parse().ok()).unwrap_or(0)
    }

    /// The name on it: of a person, else its title.
    pub fn name(&self) -> String {
        let words: Vec<&str> =
            ["NAME", "LAST_NAME"].iter().filter_map(|key| self.field(key)).filter(|word| !word.is_empty()).collect();
        if words.is_empty() { self.field("TITLE").unwrap_or_default().to_owned() } else { words.join(" ") }
    }

    /// Its numbers, as somebody wrote them.
    pub fn phones(&self) -> impl Iterator<Item = &str> {
        self.multi.iter().filter(|multi| multi.field == "PHONE").map(|multi| multi.value.as_str())
    }

    /// Takes fields by the old methods' names.
    pub(super) fn take_legacy(&mut self, fields: &Map<String, Value>, next_multi: &mut i64) {
        for (key, value) in fields {
            let key = key.to_ascii_uppercase();
            if matches!(key.as_str(), "PHONE" | "EMAIL" | "WEB" | "IM") {
                several(value).iter().for_each(|multi| self.take_multi(&key, multi, next_multi));
            } else if let Some(text) = text(value)
                && key != "ID"
            {
                self.fields.insert(key, text);
            }
        }
    }

    /// Takes fields by the names of `crm.item.*`.
    pub(super) fn take_item(&mut self, fields: &Map<String, Value>, next_multi: &mut i64) {
        for (key, value) in fields {
            if key.eq_ignore_ascii_case("fm") {
                for multi in several(value) {
                    let field = of(&as_map(&multi), "typeId").and_then(text).unwrap_or_default();
                    self.take_multi(&field.to_ascii_uppercase(), &multi, next_multi);
                }
            } else if let Some(text) = text(value)
                && key != "id"
            {
                self.fields.insert(old_name(self.kind, key), text);
            }
        }
    }

    /// One value: new without an ID, changed or (empty, or `DELETE`) taken away with one.
    fn take_multi(&mut self, field: &str, multi: &Value, next: &mut i64) {
        let map = as_map(multi);
        let word = |names: [&str; 2]| names.iter().find_map(|name| of(&map, name)).and_then(text);
        let value = word(["VALUE", "value"]).unwrap_or_default();
        let kind = word(["VALUE_TYPE", "valueType"]).unwrap_or_else(|| "WORK".to_owned());
        let id: Option<i64> = of(&map, "ID").and_then(super::params::number);
        if let Some(id) = id {
            let gone = value.is_empty() || of(&map, "DELETE").is_some();
            self.multi.retain(|one| !(one.id == id && gone));
            for one in self.multi.iter_mut().filter(|one| one.id == id) {
                one.value.clone_from(&value);
            }
        } else if !value.is_empty() {
            *next += 1;
            self.multi.push(Multi { id: *next, field: field.to_owned(), kind, value });
        }
    }

    /// As `crm.lead.get` shows it: texts. Lists show multi-fields only where they are selected.
    pub(super) fn legacy(&self, select: &[String]) -> Value {
        let all = select.is_empty() || select.iter().any(|name| name == "*");
        let wants = |name: &str| all || select.iter().any(|one| one.eq_ignore_ascii_case(name));
        let mut shown = Map::new();
        shown.insert("ID".to_owned(), self.id.to_string().into());
        for (key, value) in self.fields.iter().filter(|(key, _)| wants(key)) {
            shown.insert(key.clone(), value.clone().into());
        }
        let has = |field: &str| self.multi.iter().any(|one| one.field == field);
        for (key, field) in [("HAS_PHONE", "PHONE"), ("HAS_EMAIL", "EMAIL")] {
            if wants(key) {
                shown.insert(key.to_owned(), if has(field) { "Y" } else { "N" }.into());
            }
        }
        for field in ["PHONE", "EMAIL"] {
            if has(field) && select.iter().any(|one| one.eq_ignore_ascii_case(field)) {
                shown.insert(field.to_owned(), self.multi_legacy(field));
            }
        }
        Value::Object(shown)
    }

    pub(super) fn multi_legacy(&self, field: &str) -> Value {
        let of_field = self.multi.iter().filter(|one| one.field == field);
        of_field
            .map(|one| {
                json!({"ID": one.id.to_string(), "VALUE_TYPE": one.kind, "VALUE": one.value, "TYPE_ID": one.field})
            })
            .collect()
    }

    /// As `crm.item.get` shows it: numbers are numbers. Whether `*` takes `fm` along is not written anywhere; here it
    /// must be named.
    pub(super) fn item(&self, select: &[String]) -> Value {
        let all = select.is_empty() || select.iter().any(|name| name == "*");
        let mut shown = Map::new();
        shown.insert("id".to_owned(), self.id.into());
        shown.insert("entityTypeId".to_owned(), (self.kind as i64).into());
        for (key, value) in &self.fields {
            let name = new_name(self.kind, key);
            if all || select.contains(&name) {
                let number = is_number(key).then(|| value.parse::<i64>().ok()).flatten();
                shown.insert(name, number.map_or_else(|| value.clone().into(), Value::from));
            }
        }
        if select.iter().any(|name| name == "fm") {
            let fm = self.multi.iter();
            let fm =
                fm.map(|one| json!({"id": one.id, "typeId": one.field, "valueType": one.kind, "value": one.value}));
            shown.insert("fm".to_owned(), fm.collect());
        }
        Value::Object(shown)
    }
}

/// The old methods' name of a field of `crm.item.*`.
pub(super) fn old_name(kind: Kind, name: &str) -> String {
    match (name, kind) {
        ("createdTime", _) => return "DATE_CREATE".to_owned(),
        ("updatedTime", _) => return "DATE_MODIFY".to_owned(),
        ("createdBy", _) => return "CREATED_BY_ID".to_owned(),
        ("stageId", Kind::Lead) => return "STATUS_ID".to_owned(),
        _ => {}
    }
    let mut old = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            old.push('_');
        }
        old.push(c.to_ascii_uppercase());
    }
    old
}

fn new_name(kind: Kind, old: &str) -> String {
    match (old, kind) {
        ("DATE_CREATE", _) => return "createdTime".to_owned(),
        ("DATE_MODIFY", _) => return "updatedTime".to_owned(),
        ("CREATED_BY_ID", _) => return "createdBy".to_owned(),
        ("STATUS_ID", Kind::Lead) => return "stageId".to_owned(),
        _ => {}
    }
    let mut name = String::with_capacity(old.len());
    let mut up = false;
    for c in old.chars() {
        if c == '_' {
            up = true;
        } else {
            name.push(if up { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
            up = false;
        }
    }
    name
}

fn is_number(old: &str) -> bool {
    matches!(
        old,
        "ASSIGNED_BY_ID" | "CONTACT_ID" | "COMPANY_ID" | "LEAD_ID" | "CATEGORY_ID" | "CREATED_BY_ID" | "MODIFY_BY_ID"
    )
}
