//! The events of a parser as a tree, in which an alias points to what it stands for.

use std::collections::{BTreeMap, BTreeSet};

use libyaml_safer::{
    Encoding, Error, Event, EventData, MappingStyle, Mark, Parser, ScalarStyle, Scanner,
    SequenceStyle, TokenData,
};

use super::{Problem, deeper};
use crate::document::Place;

/// The first document of a text.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// `None` where there is no document.
    pub(super) root: Option<NodeId>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

#[derive(Debug)]
pub(super) enum Kind {
    Alias {
        name: String,
        target: NodeId,
    },
    Scalar {
        tag: Option<String>,
        text: String,
        is_plain: bool,
        end: Place,
    },
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
}

impl Tree {
    /// Parses a text whose first line has the number `line` in its file.
    pub(super) fn parse(text: &str, line: usize) -> Result<Self, Problem> {
        check_tags(text, line)?;
        let mut parser = Parser::new();
        parser.set_encoding(Encoding::Utf8);
        parser.set_input(text.as_bytes());
        let mut reader = Reader {
            text,
            line,
            parser,
            nodes: Vec::new(),
            anchors: BTreeMap::new(),
        };
        let root = reader.document()?;
        Ok(Self {
            nodes: reader.nodes,
            root,
        })
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }
}

struct Reader<'t> {
    text: &'t str,
    line: usize,
    parser: Parser<&'t [u8]>,
    nodes: Vec<Node>,
    anchors: BTreeMap<String, NodeId>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Option<NodeId>, Problem> {
        loop {
            match self.next()?.data {
                EventData::StreamStart { .. } => {}
                EventData::DocumentStart { .. } => break,
                _ => return Ok(None),
            }
        }
        let event = self.next()?;
        let root = self.node(event, 0, false)?;
        // The end of the document.
        self.next()?;
        match self.next() {
            Ok(Event {
                data: EventData::StreamEnd,
                ..
            }) => Ok(Some(root)),
            Ok(event) => Err(Problem::new(self.place(event.start_mark), UNREAD)),
            Err(problem) => Err(Problem::new(problem.place, UNREAD)),
        }
    }

    fn node(&mut self, event: Event, depth: usize, is_in_flow: bool) -> Result<NodeId, Problem> {
        let place = self.place(event.start_mark);
        let end = event.end_mark;
        match event.data {
            EventData::Alias { anchor } => {
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    return Err(Problem::fatal(
                        place,
                        format!("there is no anchor &{anchor} before its alias"),
                    ));
                };
                let name = anchor;
                Ok(self.push(place, None, Kind::Alias { name, target }))
            }
            EventData::Scalar {
                anchor,
                tag,
                value,
                plain_implicit,
                style,
                ..
            } => {
                match style {
                    ScalarStyle::DoubleQuoted => self.check_escapes(event.start_mark, end)?,
                    // Later versions of libyaml accept this, for URLs; kubectl's reader was made from an
                    // earlier one.
                    ScalarStyle::Plain if is_in_flow && value.contains('?') => {
                        return Err(Problem::fatal(
                            place,
                            "text with a ? must be quoted between brackets or braces",
                        ));
                    }
                    _ => {}
                }
                let scalar = Kind::Scalar {
                    tag,
                    text: value,
                    is_plain: plain_implicit,
                    end: self.place(end),
                };
                Ok(self.push(place, anchor, scalar))
            }
            EventData::SequenceStart { anchor, style, .. } => {
                let is_in_flow = style == SequenceStyle::Flow;
                let depth = deeper(depth, place)?;
                let id = self.push(place, anchor, Kind::Sequence(Vec::new()));
                let mut items = Vec::new();
                while let Some(item) = self.next_node(depth, is_in_flow)? {
                    items.push(item);
                }
                self.set(id, Kind::Sequence(items));
                Ok(id)
            }
            EventData::MappingStart { anchor, style, .. } => {
                let is_in_flow = style == MappingStyle::Flow;
                let depth = deeper(depth, place)?;
                let id = self.push(place, anchor, Kind::Mapping(Vec::new()));
                let mut entries = Vec::new();
                while let Some(key) = self.next_node(depth, is_in_flow)? {
                    if let Some(value) = self.next_node(depth, is_in_flow)? {
                        entries.push((key, value));
                    }
                }
                self.set(id, Kind::Mapping(entries));
                Ok(id)
            }
            _ => Err(Problem::fatal(place, "a value is missing")),
        }
    }

    /// The next value; `None` at the end of a list or a mapping.
    fn next_node(&mut self, depth: usize, is_in_flow: bool) -> Result<Option<NodeId>, Problem> {
        let event = self.next()?;
        match event.data {
            EventData::SequenceEnd | EventData::MappingEnd => Ok(None),
            _ => self.node(event, depth, is_in_flow).map(Some),
        }
    }

    /// The anchor counts from here on, so that what it is on can refer to itself.
    fn push(&mut self, place: Place, anchor: Option<String>, kind: Kind) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node { place, kind });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn set(&mut self, id: NodeId, kind: Kind) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.kind = kind;
        }
    }

    fn next(&mut self) -> Result<Event, Problem> {
        self.parser
            .parse()
            .map_err(|error| problem(&error, self.text, self.line))
    }

    /// libyaml has learned an escape since kubectl's reader was made from it.
    fn check_escapes(&self, start: Mark, end: Mark) -> Result<(), Problem> {
        let text = usize::try_from(start.index)
            .and_then(|start| Ok(start..usize::try_from(end.index)?))
            .ok()
            .and_then(|range| self.text.get(range))
            .unwrap_or_default();
        let mut is_escaped = false;
        for character in text.chars() {
            if is_escaped && character == '/' {
                return Err(Problem::fatal(
                    self.place(start),
                    "the escape \\/ is not known; write / alone",
                ));
            }
            is_escaped = !is_escaped && character == '\\';
        }
        Ok(())
    }

    fn place(&self, mark: Mark) -> Place {
        place(mark, self.line)
    }
}

/// The place of a mark in a text whose first line has the number `line`.
fn place(mark: Mark, line: usize) -> Place {
    let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
    Place {
        line: line.saturating_add(number(mark.line)),
        column: number(mark.column).saturating_add(1),
    }
}

/// The words of libyaml, and where what they are about begins.
fn problem(error: &Error, text: &str, line: usize) -> Problem {
    let mark = error.problem_mark().unwrap_or_default();
    let at = usize::try_from(mark.index).unwrap_or_default();
    let follows_tab = text.get(at..).is_some_and(|rest| rest.starts_with('\t'));
    let mut message = match error.problem() {
        "found character that cannot start any token" if follows_tab => {
            "found a tab character where spaces are expected".to_owned()
        }
        message => message.to_owned(),
    };
    if let (Some(context), Some(begin)) = (error.context(), error.context_mark())
        && begin != mark
    {
        message = format!("{message}, {context} that begins at {}", place(begin, line));
    }
    Problem::fatal(place(mark, line), message)
}

/// Refuses a tag that has a comma in it or behind it. To kubectl's reader the comma is part of the
/// tag, and libyaml-safer panics there.
///
/// Most of what looks like one is in text or comments. So the scanner is asked what begins there
/// when another character stands in place of the `!`: up to a tag that changes no token, and at a
/// tag it makes a scalar.
fn check_tags(text: &str, line: usize) -> Result<(), Problem> {
    let mut candidates = BTreeSet::new();
    // What follows before the next space: a comma, and one right behind the next `>`.
    let (mut comma, mut comma_behind_verbatim) = (false, false);
    let mut next = None;
    for (at, character) in text.char_indices().rev() {
        match (character, next) {
            (',', _) => comma = true,
            ('>', _) => comma_behind_verbatim = next == Some(','),
            // A comma inside of `!<...>` is one to both.
            ('!', Some('<')) if comma_behind_verbatim => {
                candidates.insert(at);
            }
            ('!', Some(next)) if comma && next != '<' => {
                candidates.insert(at);
            }
            (space, _) if space.is_whitespace() => (comma, comma_behind_verbatim) = (false, false),
            _ => {}
        }
        next = Some(character);
    }
    if candidates.is_empty() {
        return Ok(());
    }
    let without_tags: String = text
        .char_indices()
        .map(|(at, character)| {
            if candidates.contains(&at) {
                'q'
            } else {
                character
            }
        })
        .collect();
    let mut scanner = Scanner::new();
    scanner.set_encoding(Encoding::Utf8);
    scanner.set_input(without_tags.as_bytes());
    for token in scanner {
        let token = token.map_err(|error| problem(&error, &without_tags, line))?;
        let is_scalar = matches!(token.data, TokenData::Scalar { .. });
        let is_candidate =
            usize::try_from(token.start_mark.index).is_ok_and(|at| candidates.contains(&at));
        if is_scalar && is_candidate {
            return Err(Problem::new(place(token.start_mark, line), TAG_WITH_COMMA));
        }
    }
    Ok(())
}

const UNREAD: &str = "kubectl does not read what begins here, because the document ends before it; \
                      mend the indentation, or write --- on a line of its own between documents";
const TAG_WITH_COMMA: &str =
    "a tag with a comma in it or behind it is not read here; write a space between the two";
