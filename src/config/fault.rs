//! What is wrong in a file, where, and how to mend it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity,
    SourceCode, SourceSpan, SpanContents,
};

/// The text of one file, shared by all that points into it.
#[derive(Debug)]
pub(super) struct Source {
    /// As the operator would write its path.
    pub(super) name: String,
    pub(super) text: String,
}

/// A piece of a file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) source: Arc<Source>,
    pub(super) span: Range<usize>,
}

/// A value, and where it is written.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A list, and where each of its items is written.
pub(super) type List<T> = At<Vec<At<T>>>;

impl<T> At<T> {
    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> At<U> {
        At { value: f(self.value), place: self.place }
    }
}

/// One fault or warning.
#[derive(Debug, Clone)]
pub struct Fault {
    place: Place,
    message: String,
    label: String,
    help: Option<String>,
    warning: bool,
}

impl Fault {
    pub(super) fn new(place: &Place, message: impl Into<String>) -> Self {
        Self { place: place.clone(), message: message.into(), label: "here".to_owned(), help: None, warning: false }
    }

    /// A few words beside the underlined text.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The file, as the operator wrote its path.
    pub fn file(&self) -> &str {
        &self.place.source.name
    }

    /// The line in it, from 1.
    pub fn line(&self) -> usize {
        let before = self.place.source.text.get(..self.place.span.start).unwrap_or(&self.place.source.text);
        before.bytes().filter(|b| *b == b'\n').count() + 1
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn mend(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The fault with its piece of the file, over several lines; coloured for a terminal.
    pub fn render(&self, colours: bool) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(110);
        let mut text = String::new();
        match handler.render_report(&mut text, &Shown { fault: self }) {
            Ok(()) => text + "\n",
            Err(_) => self.to_string(), // the writer is a String, so only a span outside the text can fail
        }
    }
}

impl fmt::Display for Fault {
    /// One line: `config/ramal.toml:12: message (mend)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file(), self.line(), self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// A fault as miette wants it: with the lines that it underlines, and no others.
#[derive(Debug)]
struct Shown<'a> {
    fault: &'a Fault,
}

impl SourceCode for Shown<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let Source { name, text } = &*self.fault.place.source;
        let (head, rest) = text.split_at_checked(span.offset()).ok_or(MietteError::OutOfBounds)?;
        let tail = rest.get(span.len()..).ok_or(MietteError::OutOfBounds)?;
        let column = head.len() - head.rfind('\n').map_or(0, |newline| newline + 1);
        let line = head.bytes().filter(|b| *b == b'\n').count();
        // Asked without context, miette wants to know where the span begins; else it wants text to show.
        let (start, column) = if before + after == 0 { (head.len(), column) } else { (head.len() - column, 0) };
        let end = head.len() + span.len() + if column == 0 { tail.find('\n').unwrap_or(tail.len()) } else { 0 };
        let lines = text.get(start..end).ok_or(MietteError::OutOfBounds)?;
        let shown = SourceSpan::from(start..end);
        let count = lines.lines().count();
        Ok(Box::new(MietteSpanContents::new_named(name.clone(), lines.as_bytes(), shown, line, column, count)))
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(if self.fault.warning { Severity::Warning } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Range { start, end } = self.fault.place.span.clone();
        let label = LabeledSpan::new(Some(self.fault.label.clone()), start, end.saturating_sub(start));
        Some(Box::new(std::iter::once(label)))
    }
}

/// All that is wrong in the files: never empty.
#[derive(Debug, Clone)]
pub struct Faults {
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Faults {
    /// Each fault, in the order of the files.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The warnings beside them.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// All faults one after another, each with its piece of the file.
    pub fn render(&self, colours: bool) -> String {
        self.faults.iter().map(|fault| fault.render(colours)).collect()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.faults.iter().map(Fault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// Where faults and warnings gather while the files are read.
#[derive(Debug, Default)]
pub(super) struct Report {
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<Fault>>,
}

impl Report {
    pub(super) fn fault(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    pub(super) fn warn(&self, warning: Fault) {
        self.warnings.borrow_mut().push(Fault { warning: true, ..warning });
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.borrow().is_empty()
    }

    /// `value` and the warnings where there was no fault; everything in the order in which the files were read.
    pub(super) fn conclude<T>(self, files: &[Arc<Source>], value: Option<T>) -> Result<(T, Vec<Fault>), Faults> {
        let place = |fault: &Fault| {
            let file = files.iter().position(|source| Arc::ptr_eq(source, &fault.place.source));
            (file, fault.place.span.start)
        };
        let (mut faults, mut warnings) = (self.faults.into_inner(), self.warnings.into_inner());
        faults.sort_by_key(place);
        warnings.sort_by_key(place);
        match value {
            Some(value) if faults.is_empty() => Ok((value, warnings)),
            _ => Err(Faults { faults, warnings }),
        }
    }
}

/// `did you mean …?`, where one of `names` is near.
pub(super) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let far = (wrong.chars().count() / 3).max(1) + 1;
    let near =
        names.into_iter().map(|name| (strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase()), name));
    let (_, name) = near.filter(|(distance, _)| *distance <= far).min()?;
    Some(format!("did you mean `{name}`?"))
}
