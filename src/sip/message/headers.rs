//! [`Headers`]: the header fields of a message in their order, each a name and its text.

use super::lexer::List;
use super::{Name, Text};

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    name: Name,
    value: Text,
}

impl Header {
    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its value, unfolded and trimmed.
    pub fn value(&self) -> &Text {
        &self.value
    }
}

/// Header fields in order; Via, Contact, Route and Record-Route hold one value each, however they came.
///
/// Content-Length is not among them: the body's own length is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// The first value of that name.
    pub fn get(&self, name: &Name) -> Option<&Text> {
        self.0.iter().find(|h| h.name == *name).map(Header::value)
    }

    /// All values of that name, top first.
    pub fn all<'a>(&'a self, name: &'a Name) -> impl DoubleEndedIterator<Item = &'a Text> {
        self.0.iter().filter(move |h| h.name == *name).map(Header::value)
    }

    /// Whether a field of that name is there.
    pub fn has(&self, name: &Name) -> bool {
        self.get(name).is_some()
    }

    /// All fields, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field at the end.
    ///
    /// Line ends in the value become spaces, so that no value can add a field of its own.
    pub fn push(&mut self, name: Name, value: impl Into<Text>) {
        self.0.push(Header { name, value: inert(value.into()) });
    }

    /// Adds a field at the top, as a Via is.
    pub fn push_front(&mut self, name: Name, value: impl Into<Text>) {
        self.0.insert(0, Header { name, value: inert(value.into()) });
    }

    /// Makes this the only field of that name, where the first one stood, else at the end.
    pub fn set(&mut self, name: Name, value: impl Into<Text>) {
        let value = inert(value.into());
        let mut is_first = true;
        self.0.retain(|h| h.name != name || std::mem::take(&mut is_first));
        match self.value_mut(&name) {
            Some(old) => *old = value,
            None => self.0.push(Header { name, value }),
        }
    }

    /// Takes all fields of that name out.
    pub fn remove(&mut self, name: &Name) {
        self.0.retain(|h| h.name != *name);
    }

    /// Copies all fields of that name from another message, sharing their bytes.
    pub fn copy(&mut self, name: &Name, from: &Self) {
        self.0.extend(from.0.iter().filter(|h| h.name == *name).cloned());
    }

    /// The tokens of all lists of that name, as in Supported and Allow.
    pub fn tokens<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
    }

    /// Whether a list of that name has this token, in whatever case.
    pub fn has_token(&self, name: &Name, token: &str) -> bool {
        self.tokens(name).any(|t| t.eq_ignore_ascii_case(token))
    }

    /// The elements of all lists of that name, quotes and angle brackets kept; broken ones are left out.
    pub(super) fn elements<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = (&'a Text, &'a str)> {
        self.all(name)
            .flat_map(|value| List::new(value).map(move |element| (value, element)))
            .filter_map(|(value, element)| element.ok().filter(|e| !e.is_empty()).map(|e| (value, e)))
    }

    pub(super) fn value_mut(&mut self, name: &Name) -> Option<&mut Text> {
        self.0.iter_mut().find(|h| h.name == *name).map(|h| &mut h.value)
    }

    /// Adds a field whose value came off the wire and holds no line end.
    pub(super) fn push_read(&mut self, name: Name, value: Text) {
        self.0.push(Header { name, value });
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The value without anything that could end its line, trimmed as a reader would.
pub(super) fn inert(value: Text) -> Text {
    if memchr::memchr2(b'\r', b'\n', value.as_bytes()).is_some() {
        let spaced: String = value.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }).collect();
        return Text::from(spaced.trim());
    }
    let trimmed = value.trim_matches([' ', '\t']);
    if trimmed.len() == value.len() { value } else { value.part(trimmed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(Name, &str)]) -> Headers {
        let mut headers = Headers::new();
        fields.iter().for_each(|(name, value)| headers.push(name.clone(), *value));
        headers
    }

    #[test]
    fn no_value_can_add_a_field() {
        let made = headers(&[(Name::Subject, " a\r\nRoute: <sip:evil>\n\r\n\r\nv=0 ")]);
        assert_eq!(made.get(&Name::Subject).unwrap(), "a  Route: <sip:evil>     v=0");
    }

    #[test]
    fn set_replaces_in_place_and_leaves_one() {
        let mut made = headers(&[(Name::Via, "1"), (Name::To, "2"), (Name::Via, "3"), (Name::From, "4")]);
        made.set(Name::Via, "5");
        made.set(Name::Expires, "6");
        let wanted = headers(&[(Name::Via, "5"), (Name::To, "2"), (Name::From, "4"), (Name::Expires, "6")]);
        assert_eq!(made, wanted);
    }

    #[test]
    fn tokens_come_from_all_fields_of_the_name() {
        let made =
            headers(&[(Name::Supported, "timer, 100rel"), (Name::Allow, "INVITE"), (Name::Supported, ",replaces,")]);
        assert_eq!(made.tokens(&Name::Supported).collect::<Vec<_>>(), ["timer", "100rel", "replaces"]);
        assert!(made.has_token(&Name::Supported, "Replaces"));
    }
}
