//! Where in a file the values of a document stand.

use std::collections::BTreeMap;
use std::fmt;

/// A place in a text, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Default for Place {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// Where a value stands, and the values in it. Nowhere, when the file is JSON.
///
/// A value that an alias or a merge key has brought stands where it is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    place: Option<Place>,
    end: Option<Place>,
    inside: Inside,
}

#[derive(Debug, Clone, Default, PartialEq)]
enum Inside {
    #[default]
    Nothing,
    Items(Vec<Places>),
    Entries(BTreeMap<String, Places>),
}

impl Places {
    /// The place of the value; of an entry of an object, that of its key.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Where a text, a number or a word ends: right behind its last character, or its closing quote.
    /// Nowhere, when the value is an object or a list.
    #[must_use]
    pub fn end(&self) -> Option<Place> {
        self.end
    }

    /// The places of an entry of an object.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Self> {
        match &self.inside {
            Inside::Entries(entries) => entries.get(key),
            Inside::Nothing | Inside::Items(_) => None,
        }
    }

    /// The places of an item of a list, counted from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Option<&Self> {
        match &self.inside {
            Inside::Items(items) => items.get(index),
            Inside::Nothing | Inside::Entries(_) => None,
        }
    }

    /// The place of what a JSON pointer (RFC 6901) leads to.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<Place> {
        let mut places = self;
        for token in pointer.split('/').skip(1) {
            places = match &places.inside {
                Inside::Items(items) => items.get(token.parse::<usize>().ok()?)?,
                Inside::Entries(entries) => {
                    entries.get(&token.replace("~1", "/").replace("~0", "~"))?
                }
                Inside::Nothing => return None,
            };
        }
        places.place
    }

    pub(super) fn of(place: Place, end: Place) -> Self {
        Self {
            place: Some(place),
            end: Some(end),
            inside: Inside::Nothing,
        }
    }

    pub(super) fn of_list(place: Place, items: Vec<Self>) -> Self {
        Self {
            place: Some(place),
            end: None,
            inside: Inside::Items(items),
        }
    }

    pub(super) fn of_object(place: Place, entries: BTreeMap<String, Self>) -> Self {
        Self {
            place: Some(place),
            end: None,
            inside: Inside::Entries(entries),
        }
    }

    pub(super) fn with(self, place: Place) -> Self {
        Self {
            place: Some(place),
            ..self
        }
    }
}
