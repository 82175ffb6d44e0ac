//! Decoding that reports every problem at once, each with its path.
//!
//! serde's derived decoders stop at the first problem. Here the text becomes a borrowed document,
//! and each type reads its [`Node`] and tells [`Problems`] what is wrong with it.
//! [`section!`] and [`words!`] write that code for structs and for enums, from one declaration of
//! keys, types and defaults.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Deref;

use crate::json::Items;
pub(crate) use crate::json::Node;
use crate::text::{Joined, Quoted, Step, Steps};

/// A type that settings are made of.
pub(crate) trait Decode: Sized {
    /// Whether `null` says the same as leaving the key out.
    const NULL_IS_UNSET: bool = true;

    /// Reads a node. What is wrong with it goes to `problems`; the answer is then of no use.
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self>;

    /// Makes a default what the node says.
    fn change(&mut self, node: Node<'_>, problems: &mut Problems) {
        if let Some(value) = Self::decode(node, problems) {
            *self = value;
        }
    }
}

/// Any [`Decode`], so that the code that reads a section is in the module once and not once for each.
pub(crate) trait Setting {
    /// Makes a default what the node says, if it says anything.
    fn set(&mut self, node: Node<'_>, problems: &mut Problems);
}

impl<T: Decode> Setting for T {
    fn set(&mut self, node: Node<'_>, problems: &mut Problems) {
        if !T::NULL_IS_UNSET || !matches!(node, Node::Null) {
            self.change(node, problems);
        }
    }
}

/// A map whose keys are known.
pub(crate) trait Section {
    /// The value of the key that is declared at this place.
    fn setting(&mut self, place: usize) -> Option<&mut dyn Setting>;
}

/// What is wrong with the settings, and where decoding stands.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// What the defaults of the sections are of.
    pub(crate) standard: Standard,
    path: Vec<Step<'static>>,
    found: Vec<String>,
}

impl Problems {
    pub(crate) fn new(standard: Standard) -> Self {
        Self {
            standard,
            ..Self::default()
        }
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn into_messages(self) -> Vec<String> {
        self.found
    }

    /// Notes a problem with what is being decoded.
    pub(crate) fn report(&mut self, problem: impl fmt::Display) {
        self.report_text(&problem.to_string());
    }

    #[cold]
    #[inline(never)]
    fn report_text(&mut self, problem: &str) {
        let mut message = Steps(self.path.iter().copied()).to_string();
        if message.is_empty() {
            message.push_str("settings");
        }
        let _ = write!(message, ": {problem}");
        self.found.push(message);
    }

    /// Does `work` below a key.
    pub(crate) fn within<T>(&mut self, key: &'static str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Key(key), work)
    }

    /// Does `work` below an element of a list.
    pub(crate) fn within_index<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Index(index), work)
    }

    /// Whether this is a list without entries, and notes that as `problem`. A list whose entries are
    /// all commented out is `null`.
    pub(crate) fn is_empty_list(&mut self, node: Node<'_>, problem: &str) -> bool {
        let is_empty = match node {
            Node::Null => true,
            Node::List(entries) => entries.is_empty(),
            _ => false,
        };
        if is_empty {
            self.report(problem);
        }
        is_empty
    }

    fn step<T>(&mut self, step: Step<'static>, work: impl FnOnce(&mut Self) -> T) -> T {
        self.enter(step);
        let answer = work(self);
        self.leave();
        answer
    }

    // Not inlined, here and below: else the module would hold a copy for every key.
    #[inline(never)]
    fn enter(&mut self, step: Step<'static>) {
        self.path.push(step);
    }

    #[inline(never)]
    fn leave(&mut self) {
        self.path.pop();
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn expected(&mut self, what: &str, node: Node<'_>) {
        self.report(format_args!("expected {what}, found {}", node.noun()));
    }

    pub(crate) fn text<'n>(&mut self, node: Node<'n>) -> Option<&'n str> {
        match node {
            Node::Text(text) => Some(text),
            other => {
                self.expected("a string", other);
                None
            }
        }
    }

    pub(crate) fn list<'n>(&mut self, node: Node<'n>) -> Option<Items<'n>> {
        match node {
            Node::List(list) => Some(list),
            other => {
                self.expected("a list", other);
                None
            }
        }
    }

    /// The values of a map that may hold these keys only, in the order of `keys`. `moved` are keys
    /// that it held in an earlier version, each with its path in this one.
    pub(crate) fn values<'n, const N: usize>(
        &mut self,
        node: Node<'n>,
        keys: &[&'static str; N],
        moved: &[(&'static str, &'static str)],
    ) -> Option<[Option<Node<'n>>; N]> {
        let mut values = [None; N];
        self.fill(node, keys, moved, &mut values).then_some(values)
    }

    // Not generic, so that it is in the module once. Whether this is a map.
    #[inline(never)]
    fn fill<'n>(
        &mut self,
        node: Node<'n>,
        keys: &[&'static str],
        moved: &[(&'static str, &'static str)],
        values: &mut [Option<Node<'n>>],
    ) -> bool {
        let Node::Map(entries) = node else {
            self.expected("a map", node);
            return false;
        };
        for (key, node) in entries.iter() {
            let position = keys.iter().position(|known| *known == key);
            match position.and_then(|position| values.get_mut(position)) {
                None => self.unknown_key(key, keys, moved),
                Some(value @ None) => *value = Some(node),
                Some(Some(_)) => {
                    self.report(format_args!("the key {} is written twice", Quoted(key)));
                }
            }
        }
        true
    }

    /// Changes the defaults of a section to what is written, as [`Problems::values`] has it; `None` where
    /// that is no map, else whether nothing is wrong with it.
    #[inline(never)]
    pub(crate) fn read_section<'n>(
        &mut self,
        node: Node<'n>,
        keys: &[&'static str],
        moved: &[(&'static str, &'static str)],
        values: &mut [Option<Node<'n>>],
        section: &mut dyn Section,
    ) -> Option<bool> {
        let known = self.count();
        if !self.fill(node, keys, moved, values) {
            return None;
        }
        for (place, (key, value)) in keys.iter().zip(values).enumerate() {
            if let Some(node) = *value
                && let Some(setting) = section.setting(place)
            {
                self.enter(Step::Key(key));
                setting.set(node, self);
                self.leave();
            }
        }
        Some(self.count() == known)
    }

    /// Reads the value of a key; `None` where it is left out, and where it is wrong.
    pub(crate) fn read<T: Decode>(
        &mut self,
        key: &'static str,
        value: Option<Node<'_>>,
    ) -> Option<T> {
        let node = value?;
        if T::NULL_IS_UNSET && matches!(node, Node::Null) {
            return None;
        }
        self.within(key, |problems| T::decode(node, problems))
    }

    /// The values of keys that loosen a section, as [`Problems::values`] has them: what is left out is
    /// `None`. A key that is no list has the one value that asks for less, its `loosest`.
    pub(crate) fn loosening<'n, const N: usize>(
        &mut self,
        node: Node<'n>,
        keys: &[&'static str; N],
        loosest: [Option<Node<'static>>; N],
    ) -> Option<[Option<Node<'n>>; N]> {
        let mut values = [None; N];
        self.fill_loosening(node, keys, &loosest, &mut values)
            .then_some(values)
    }

    // Not generic, as above.
    #[inline(never)]
    fn fill_loosening<'n>(
        &mut self,
        node: Node<'n>,
        keys: &[&'static str],
        loosest: &[Option<Node<'static>>],
        values: &mut [Option<Node<'n>>],
    ) -> bool {
        let known = self.count();
        if !self.fill(node, keys, &[], values) {
            return false;
        }
        for ((key, loosest), value) in keys.iter().zip(loosest).zip(values.iter_mut()) {
            let loosest = match (*value, *loosest) {
                (None | Some(Node::Null), _) => {
                    *value = None;
                    continue;
                }
                (Some(Node::List(items)), None) if items.is_empty() => None,
                (Some(Node::Bool(flag)), Some(Node::Bool(loosest))) if flag == loosest => continue,
                (Some(Node::Text(word)), Some(Node::Text(loosest))) if word == loosest => continue,
                (_, Some(Node::Bool(false))) => Some("false"),
                (_, Some(Node::Bool(true))) => Some("true"),
                (_, Some(Node::Text(word))) => Some(word),
                (Some(_), _) => continue,
            };
            *value = None;
            self.within(key, |problems| match loosest {
                None => problems.report("is empty; leave it out where it does not matter"),
                Some(loosest) => {
                    problems.report(format_args!("allows nothing more; only {loosest} does"));
                }
            });
        }
        if self.count() == known && values.iter().all(Option::is_none) {
            self.report("allows nothing more");
        }
        true
    }

    #[cold]
    #[inline(never)]
    fn unknown_key(
        &mut self,
        key: &str,
        known: &[&'static str],
        moved: &[(&'static str, &'static str)],
    ) {
        if let Some((_, now)) = moved.iter().find(|(before, _)| *before == key) {
            self.report(format_args!("unknown key {}: it is {now} now", Quoted(key)));
            return;
        }
        match nearest(key, known) {
            Some(near) => {
                self.report(format_args!(
                    "unknown key {}; did you mean {near}?",
                    Quoted(key)
                ));
            }
            None => self.report(format_args!(
                "unknown key {}; the keys are: {}",
                Quoted(key),
                Joined(known)
            )),
        }
    }

    /// The place of a word among those that may stand here.
    #[inline(never)]
    pub(crate) fn word(&mut self, node: Node<'_>, known: &[&'static str]) -> Option<usize> {
        let word = self.text(node)?;
        let place = known.iter().position(|known| *known == word);
        if place.is_none() {
            self.unknown_word(word, known);
        }
        place
    }

    /// Notes that a word is none of those that may stand here.
    #[cold]
    #[inline(never)]
    pub(crate) fn unknown_word(&mut self, word: &str, known: &[&'static str]) {
        match nearest(word, known) {
            Some(near) => self.report(format_args!(
                "{} is none of: {}; did you mean {near}?",
                Quoted(word),
                Joined(known)
            )),
            None => self.report(format_args!(
                "{} is none of: {}",
                Quoted(word),
                Joined(known)
            )),
        }
    }
}

/// Declares a map of the settings: its keys, their types and their defaults, once; where keys of an
/// earlier version have gone; what it asks of its values taken together, if anything; and how much of
/// that a schema can say. Doc comments are for whoever writes settings.
///
/// `in standard` names what the defaults are of, for a control of the Pod Security Standard: they differ
/// by level or version, and where its mode does, a section without one may look like protection and be
/// none. `follows` is what a section takes from there and nobody can write. `over standard` is for what
/// such sections are in.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),+)])?
        $vis:vis struct $name:ident $(in $standard:ident)? $(over $shared:ident)? {
            $(
                $(#[doc = $key_doc:literal])*
                $key:literal $field:ident : $type:ty = $default:expr
            ),* $(,)?
        }
        $(follows: { $(
            $(#[doc = $followed_doc:literal])*
            $followed:ident : $followed_type:ty = $value:expr
        ),* $(,)? })?
        $(moved: [ $( $before:literal => $now:literal ),* $(,)? ])?
        $(check: $check:path $(, schema: $schema:path)?)?
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone $($(, $derive)+)?)]
        $vis struct $name {
            $( $(#[doc = $key_doc])* pub(crate) $field: $type, )*
            $($( $(#[doc = $followed_doc])* $followed: $followed_type, )*)?
        }

        impl $name {
            /// What holds where nothing is written.
            #[inline(never)]
            pub(crate) fn unset(_standard: $crate::decode::Standard) -> Self {
                $( let $standard = _standard; )?
                $( let $shared = _standard; )?
                Self {
                    $( $field: $default, )*
                    $($( $followed: $value, )*)?
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::unset($crate::decode::Standard::default())
            }
        }

        impl $crate::decode::Section for $name {
            fn setting(&mut self, place: usize) -> Option<&mut dyn $crate::decode::Setting> {
                let mut away = place;
                $(
                    if away == 0 {
                        return Some(&mut self.$field);
                    }
                    away = away.wrapping_sub(1);
                )*
                let _ = away;
                None
            }
        }

        impl $crate::decode::Decode for $name {
            fn decode(
                node: $crate::decode::Node<'_>,
                problems: &mut $crate::decode::Problems,
            ) -> Option<Self> {
                let mut section = Self::unset(problems.standard);
                section.change(node, problems);
                matches!(node, $crate::decode::Node::Map(_)).then_some(section)
            }

            fn change(
                &mut self,
                node: $crate::decode::Node<'_>,
                problems: &mut $crate::decode::Problems,
            ) {
                // Where it stands it may have another default than what it starts from.
                *self = Self::unset(problems.standard);
                let keys = &[$( $key ),*];
                let mut values = [None; [$( $key ),*].len()];
                let moved = &[$($( ($before, $now) ),*)?];
                let Some(is_sound) = problems.read_section(node, keys, moved, &mut values, self)
                else {
                    return;
                };
                let _written = $crate::decode::Written {
                    keys,
                    values: &values,
                    is_sound,
                };
                $(
                    let $standard = problems.standard;
                    _written.refuse_without_mode(self.mode, $standard, problems);
                )?
                $( $check(self, &_written, problems); )?
            }
        }

        #[cfg(feature = "schema")]
        impl $crate::schema::Describe for $name {
            $( const SAYS_DEFAULTS: bool = stringify!($standard).is_empty(); )?

            fn schema() -> $crate::schema::Schema {
                let default = Self::default();
                let mut schema = $crate::schema::section(&[$( $doc ),*], [$((
                    $key,
                    $crate::schema::key(
                        &default.$field,
                        <$type as $crate::decode::Decode>::NULL_IS_UNSET,
                        &[$( $key_doc ),*],
                    ),
                )),*]);
                if !Self::SAYS_DEFAULTS {
                    $crate::schema::say_no_defaults(&mut schema);
                }
                $($( $schema(&mut schema); )?)?
                schema
            }

            fn written(&self) -> $crate::schema::Value {
                [$( ($key, self.$field.written()) ),*]
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .collect()
            }

            fn keys() -> Vec<$crate::schema::Key> {
                vec![$( $crate::schema::Key {
                    name: $key,
                    keys: <$type as $crate::schema::Describe>::keys(),
                } ),*]
            }
        }
    };
}

/// Declares an enum whose values are words.
macro_rules! words {
    (
        $(#[doc = $doc:literal])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $word_doc:literal])* $variant:ident = $word:literal ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        $vis enum $name {
            $( $(#[doc = $word_doc])* $variant, )*
        }

        impl $name {
            /// The word in the settings.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )*
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl From<$name> for $crate::decode::Node<'static> {
            fn from(word: $name) -> Self {
                Self::Text(word.name())
            }
        }

        impl $crate::decode::Decode for $name {
            fn decode(
                node: $crate::decode::Node<'_>,
                problems: &mut $crate::decode::Problems,
            ) -> Option<Self> {
                let place = problems.word(node, &[$( $word ),*])?;
                [$( Self::$variant ),*].get(place).copied()
            }
        }

        $crate::decode::describe! {
            $name: $crate::schema::words(
                &[$( $doc ),*],
                [$( ($word, &[$( $word_doc ),*]) ),*],
            ),
            |word| word.name().into()
        }
    };
}

/// Says what a schema can say of a type that is neither a section nor words, and how settings write a
/// value of it. Nothing of that is in the policy.
macro_rules! describe {
    (<$parameter:ident> $type:ty: $schema:expr, $written:expr $(,)?) => {
        $crate::decode::describe!(
            @for [<$parameter: $crate::schema::Describe>] $type, $schema, $written
        );
    };
    ($type:ty: { $($keywords:tt)* }, $written:expr $(,)?) => {
        $crate::decode::describe!(
            @for [] $type,
            $crate::schema::object($crate::schema::json!({ $($keywords)* })),
            $written
        );
    };
    ($type:ty: $schema:expr, $written:expr $(,)?) => {
        $crate::decode::describe!(@for [] $type, $schema, $written);
    };
    (@for [$($parameters:tt)*] $type:ty, $schema:expr, $written:expr) => {
        #[cfg(feature = "schema")]
        impl $($parameters)* $crate::schema::Describe for $type {
            fn schema() -> $crate::schema::Schema {
                $schema
            }

            fn written(&self) -> $crate::schema::Value {
                let written: fn(&Self) -> $crate::schema::Value = $written;
                written(self)
            }
        }
    };
}

/// Declares which keys of a section an exemption can loosen: lists, to which it adds entries, and keys
/// with the one value that asks for less.
///
/// Anything else an exemption cannot write, so it never makes a section stricter.
macro_rules! loosens {
    ( $section:ident { $( $key:literal $field:ident : $type:ty $(= $loosest:expr)? ),* $(,)? } ) => {
        /// What an exemption allows beside the section.
        #[derive(Debug, Clone)]
        pub(crate) struct Loosening {
            $( $field: $crate::decode::loosens!(@type $type $(, $loosest)?), )*
        }

        impl $crate::decode::Decode for Loosening {
            fn decode(
                node: $crate::decode::Node<'_>,
                problems: &mut $crate::decode::Problems,
            ) -> Option<Self> {
                let loosest = [$( $crate::decode::loosens!(@loosest $($loosest)?) ),*];
                let [$( $field ),*] = problems.loosening(node, &[$( $key ),*], loosest)?;
                Some(Self {
                    $( $field: $crate::decode::loosens!(
                        @read problems, $key, $field $(, $loosest)?
                    ), )*
                })
            }
        }

        #[cfg(feature = "schema")]
        impl $crate::schema::Describe for Loosening {
            fn schema() -> $crate::schema::Schema {
                let keys = [$( (
                    $key,
                    $crate::schema::key(&None::<$type>, true, &[]),
                ) ),*];
                let doc = "What an exemption allows beside the section.";
                let mut schema = $crate::schema::section(&[doc], keys);
                $crate::schema::need_some(&mut schema, &[$(
                    ($key, $crate::decode::loosens!(@schema $($loosest)?))
                ),*]);
                schema
            }

            fn written(&self) -> $crate::schema::Value {
                // No exemption is there by default.
                $crate::schema::Value::Null
            }

            fn keys() -> Vec<$crate::schema::Key> {
                vec![$( $crate::schema::Key {
                    name: $key,
                    keys: <$type as $crate::schema::Describe>::keys(),
                } ),*]
            }
        }

        impl $section {
            /// Allows what `more` does beside what it allows.
            pub(crate) fn loosen(&mut self, more: Loosening) {
                $( $crate::decode::loosens!(@apply self.$field, more.$field $(, $loosest)?); )*
            }
        }
    };
    (@type $type:ty) => {
        Option<$type>
    };
    // Whether it is written: there is one value that it can have.
    (@type $type:ty, $loosest:expr) => {
        bool
    };
    (@loosest) => {
        None
    };
    (@loosest $loosest:expr) => {
        Some($loosest.into())
    };
    (@read $problems:ident, $key:literal, $value:ident) => {
        $problems.read($key, $value)
    };
    (@read $problems:ident, $key:literal, $value:ident, $loosest:expr) => {
        $value.is_some()
    };
    (@schema) => {
        $crate::schema::json!({"minItems": 1})
    };
    (@schema $loosest:expr) => {
        $crate::schema::json!({"enum": [$crate::schema::Describe::written(&$loosest)]})
    };
    (@apply $own:expr, $more:expr) => {
        if let Some(more) = $more {
            $own.extend(more);
        }
    };
    (@apply $own:expr, $more:expr, $loosest:expr) => {
        if $more {
            $own = $loosest;
        }
    };
}

pub(crate) use {describe, loosens, section, words};

words! {
    /// What happens to the violations of a control.
    pub(crate) enum Mode {
        /// They reject the request.
        Enforce = "enforce",
        /// They come back as admission warnings.
        Warn = "warn",
        /// The control does not look.
        Disabled = "disabled",
    }
}

words! {
    /// Whether a profile annotation can satisfy a requirement.
    pub(crate) enum AnnotationUse {
        /// No: today's clusters do not act on it.
        Ignore = "ignore",
        /// Yes: the cluster is old enough to act on it.
        Honor = "honor",
    }
}

words! {
    /// A level of the Pod Security Standard.
    pub(crate) enum Level {
        /// Everything that the standard asks.
        Restricted = "restricted",
        /// What keeps a workload from taking over its node.
        Baseline = "baseline",
        /// Nothing.
        Privileged = "privileged",
    }
}

/// A version of the Pod Security Standard: the minor version of the Kubernetes that it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u8);

describe!(
    Version: {
        "type": "string",
        "enum": std::iter::once("latest".to_owned())
            .chain(Version::all().map(|version| version.to_string()))
            .collect::<Vec<_>>(),
    },
    |version| match *version {
        Version::NEWEST => "latest".into(),
        version => version.to_string().into(),
    }
);

impl Version {
    /// Before it the standard had no word for Windows.
    pub(crate) const OLDEST: Self = Self(25);
    /// The newest whose standard is known here; a later one may ask more.
    pub(crate) const NEWEST: Self = Self(37);

    /// The newest first.
    #[cfg(feature = "schema")]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (Self::OLDEST.0..=Self::NEWEST.0).rev().map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}", self.0)
    }
}

impl Decode for Version {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let word = problems.text(node)?;
        if word == "latest" {
            return Some(Self::NEWEST);
        }
        let digits = word.trim_start_matches('v').strip_prefix("1.");
        let version = digits.and_then(|minor| minor.parse().ok()).map(Self);
        let (oldest, newest) = (Self::OLDEST, Self::NEWEST);
        let near = version.unwrap_or(newest).clamp(oldest, newest);
        match version {
            Some(version) if version.to_string() == word && version == near => {
                return version.into();
            }
            _ => problems.report(format_args!(
                "{} is none of: latest, {oldest} to {newest}; did you mean {near}?",
                Quoted(word)
            )),
        }
        None
    }
}

/// What of the Pod Security Standard the defaults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standard {
    pub(crate) level: Level,
    pub(crate) version: Version,
}

impl Default for Standard {
    fn default() -> Self {
        Self {
            level: Level::Restricted,
            version: Version::NEWEST,
        }
    }
}

impl Standard {
    pub(crate) fn is_baseline(self) -> bool {
        self.level == Level::Baseline
    }

    /// Whether its version is this minor one, or a later one.
    pub(crate) fn is_since(self, minor: u8) -> bool {
        self.version >= Version(minor)
    }

    /// What becomes of the violations of a control that the standard has from this level on.
    pub(crate) fn mode_from(self, level: Level) -> Mode {
        if self.level <= level {
            Mode::Enforce
        } else {
            Mode::Disabled
        }
    }
}

/// How a section is written, beside the values that were read from it.
pub(crate) struct Written<'s> {
    pub(crate) keys: &'s [&'static str],
    /// The values of the keys, in their order.
    pub(crate) values: &'s [Option<Node<'s>>],
    /// Whether nothing is wrong with any of the values.
    pub(crate) is_sound: bool,
}

impl Written<'_> {
    /// Whether the key is given, rightly or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        !matches!(self.value(key), None | Some(Node::Null))
    }

    /// Whether the key is a list with entries, right or wrong.
    pub(crate) fn has_items(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Node::List(items)) if !items.is_empty())
    }

    /// Reports a section that looks like protection and is none, because its control is not one of
    /// the level, or not yet one of the version.
    pub(crate) fn refuse_without_mode(
        &self,
        mode: Mode,
        standard: Standard,
        problems: &mut Problems,
    ) {
        let is_given = |value: &Option<Node<'_>>| !matches!(value, None | Some(Node::Null));
        // A mode that is written, rightly or not, is a decision.
        if mode == Mode::Disabled && !self.has("mode") && self.values.iter().any(is_given) {
            let Standard { level, version } = standard;
            problems.report(format_args!(
                "has no effect at level {level} of {version}; write mode, too"
            ));
        }
    }

    fn value(&self, key: &str) -> Option<Node<'_>> {
        let position = self.keys.iter().position(|name| *name == key)?;
        *self.values.get(position)?
    }

    /// Reports a section that looks like protection and is none: it can find nothing, and whoever
    /// wrote its mode, or a key that `is_tuned` tells from its default, thinks that it does.
    pub(crate) fn refuse_idle(
        &self,
        mode: Mode,
        is_tuned: bool,
        lacks: &str,
        problems: &mut Problems,
    ) {
        if self.is_sound && mode != Mode::Disabled && (is_tuned || self.has("mode")) {
            problems.report(format_args!(
                "can find nothing without {lacks}; add that, or set mode to disabled"
            ));
        }
    }
}

/// Values of which one must be met: an empty list would reject everything.
#[derive(Debug, Clone)]
pub(crate) struct Choices<T>(pub(crate) Vec<T>);

describe!(<T> Choices<T>: crate::schema::choices::<T>(), |choices| {
    crate::schema::entries_written(&choices.0)
});

impl<T> Deref for Choices<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> Extend<T> for Choices<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        self.0.extend(more);
    }
}

impl<T> IntoIterator for Choices<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Decode> Decode for Choices<T> {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let reason = "is empty and would reject everything; leave it out for its default";
        if problems.is_empty_list(node, reason) {
            return None;
        }
        Vec::decode(node, problems).map(Self)
    }
}

impl Decode for bool {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        match node {
            Node::Bool(flag) => Some(flag),
            other => {
                problems.expected("true or false", other);
                None
            }
        }
    }
}

impl Decode for String {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = problems.text(node)?;
        if text.trim().is_empty() {
            problems.report("is empty");
            return None;
        }
        Some(text.to_owned())
    }
}

/// The name of a namespace: the `IsDNS1123Label` of Kubernetes. Anything else would never be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespace(pub(crate) String);

describe!(
    Namespace: {
        "type": "string",
        "pattern": "^[0-9a-z](?:[-0-9a-z]*[0-9a-z])?$",
        "maxLength": 63,
    },
    |name| name.0.as_str().into(),
);

impl Decode for Namespace {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let name = String::decode(node, problems)?;
        let is_of_it = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let has_dash = name.starts_with('-') || name.ends_with('-');
        if has_dash || name.len() > 63 || !name.bytes().all(is_of_it) {
            problems.report(format_args!(
                "{} is no name of a namespace, which are compared whole",
                Quoted(&name)
            ));
        }
        Some(Self(name))
    }
}

impl Decode for i64 {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        match node {
            Node::Integer(number) => Some(number),
            other => {
                problems.expected("a whole number", other);
                None
            }
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    const NULL_IS_UNSET: bool = T::NULL_IS_UNSET;

    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        T::decode(node, problems).map(Some)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let mut list = Self::new();
        for (index, node) in problems.list(node)?.iter().enumerate() {
            list.extend(problems.within_index(index, |problems| T::decode(node, problems)));
        }
        Some(list)
    }
}

impl Decode for BTreeMap<String, String> {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let Node::Map(entries) = node else {
            problems.expected("a map", node);
            return None;
        };
        let mut map = Self::new();
        for (key, value) in entries.iter() {
            match value {
                Node::Text(value) => {
                    map.insert(key.to_owned(), value.to_owned());
                }
                other => problems.report(format_args!(
                    "{}: expected a string, found {}",
                    Quoted(key),
                    other.noun()
                )),
            }
        }
        Some(map)
    }
}

/// The known word that somebody who wrote `word` most likely meant.
fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let word: String = word
        .chars()
        .take(MAX_WORD_CHARS)
        .collect::<String>()
        .to_ascii_lowercase();
    let (distance, near) = known
        .iter()
        .map(|candidate| {
            (
                edit_distance(&word, &candidate.to_ascii_lowercase()),
                *candidate,
            )
        })
        .min()?;
    (distance <= near.len().div_ceil(3)).then_some(near)
}

/// Levenshtein's distance between two words.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (position, from) in left.chars().enumerate() {
        let mut diagonal = position;
        let mut previous = position.saturating_add(1);
        for (cell, to) in row
            .iter_mut()
            .zip(std::iter::once(None).chain(right.chars().map(Some)))
        {
            let Some(to) = to else {
                *cell = previous;
                continue;
            };
            let replaced = diagonal.saturating_add(usize::from(from != to));
            diagonal = *cell;
            previous = replaced
                .min(cell.saturating_add(1))
                .min(previous.saturating_add(1));
            *cell = previous;
        }
    }
    row.last().copied().unwrap_or_default()
}

const MAX_WORD_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_forgives_case_and_small_slips() {
        let known = ["enforce", "warn", "disabled"];
        for (word, near) in [
            ("Enforce", Some("enforce")),
            ("enforced", Some("enforce")),
            ("wran", Some("warn")),
            ("disable", Some("disabled")),
            ("monitor", None),
        ] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
    }

    #[test]
    fn edit_distance_counts_single_edits() {
        for (left, right, distance) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("warn", "wran", 2),
        ] {
            assert_eq!(edit_distance(left, right), distance, "{left} {right}");
        }
    }
}
