//! Objects of the payload, decoded down to the fields that are read. Whatever else they have is
//! skipped, not built.
//!
//! JSON is read by one decoder, and a type says only where the value of a key goes.

use std::ops::{Deref, DerefMut};
use std::vec;

use crate::json::Text;
use crate::json::reader::{Error, Reader};

/// Something with fields.
pub(crate) trait Object<'de> {
    /// Where the value of a key goes.
    fn slot(&mut self, key: &str) -> Slot<'_, 'de>;

    /// What this is, in an error about a value that is something else.
    fn noun(&self) -> &'static str {
        "an object"
    }
}

/// Something with fields, or nothing.
pub(crate) trait Optional<'de> {
    /// Makes it something.
    fn something(&mut self) -> &mut dyn Object<'de>;
}

/// Something with elements.
pub(crate) trait List<'de> {
    /// Where the next element goes.
    fn next(&mut self) -> Slot<'_, 'de>;
}

/// Where a value goes. `null` is a value where that is optional, and an empty list.
pub(crate) enum Slot<'s, 'de> {
    /// Nobody reads it.
    Nowhere,
    Text(&'s mut Text<'de>),
    OptionalText(&'s mut Option<Text<'de>>),
    OptionalFlag(&'s mut Option<bool>),
    OptionalNumber(&'s mut Option<i32>),
    OptionalLongNumber(&'s mut Option<i64>),
    Object(&'s mut dyn Object<'de>),
    OptionalObject(&'s mut dyn Optional<'de>),
    List(&'s mut dyn List<'de>),
    /// Whatever it is, its text is kept.
    Later(&'s mut Later<'de>),
    /// Its key goes here, unless it is `null`.
    Keys(&'s mut Vec<Text<'de>>),
    /// So does its text.
    Unknown(&'s mut Vec<Unknown<'de>>),
    /// It is a text, and its key goes to the first of these.
    Entry(&'s mut Text<'de>, &'s mut Text<'de>),
}

/// A key that nobody knows, and the text of its value.
#[derive(Debug)]
pub(crate) struct Unknown<'a> {
    pub(crate) key: Text<'a>,
    pub(crate) value: &'a str,
}

/// A type that can be the value of a key.
pub(crate) trait Field<'de> {
    fn slot(&mut self) -> Slot<'_, 'de>;
}

/// Declares a JSON object by the keys that are read; all others are skipped. `usual` and `known` say which
/// those are, and what is none of them is kept. The usual ones nearly every object has.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident<$lifetime:lifetime> { $($fields:tt)* }
        $(usual: [ $($usual:literal),* $(,)? ] known: [ $($known:literal),* $(,)? ])?
    ) => {
        $crate::object::object!(
            @ $(#[$meta])* $vis [$name<$lifetime>] [$name<'de>] { $($fields)* }
            $(unknown: $lifetime [ $($usual),* ] [ $($known),* ])?
        );
    };
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident { $($fields:tt)* }
    ) => {
        $crate::object::object!(@ $(#[$meta])* $vis [$name] [$name] { $($fields)* });
    };
    (
        @ $(#[$meta:meta])*
        $vis:vis [$name:ident $(<$lifetime:lifetime>)?] [$decoded:ty] {
            $( $(#[$field_meta:meta])* $key:literal $field_vis:vis $field:ident : $type:ty ),* $(,)?
        }
        $(unknown: $of:lifetime [ $($usual:literal),* ] [ $($known:literal),* ])?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        $vis struct $name $(<$lifetime>)? {
            $( $(#[$field_meta])* $field_vis $field: $type, )*
            $(
                /// The keys that are neither read nor known.
                pub(crate) unknown: Vec<$crate::object::Unknown<$of>>,
            )?
        }

        $(
            impl $name<'_> {
                /// The keys that are known, and neither read nor usual.
                pub(crate) const KNOWN: &'static [&'static str] = &[$( $known ),*];
            }
        )?

        impl<'de> $crate::object::Object<'de> for $decoded {
            fn slot(&mut self, key: &str) -> $crate::object::Slot<'_, 'de> {
                match key {
                    $( $key => $crate::object::Field::slot(&mut self.$field), )*
                    $( $( $usual => $crate::object::Slot::Nowhere, )* )?
                    _ => $crate::object::object!(@otherwise self key $($of)?),
                }
            }
        }
    };
    (@otherwise $object:ident $key:ident) => {
        $crate::object::Slot::Nowhere
    };
    (@otherwise $object:ident $key:ident $of:lifetime) => {
        $crate::object::not_read($key, Self::KNOWN, &mut $object.unknown)
    };
}

pub(crate) use object;

/// Where the value of a key goes that is neither read nor usual.
// A list, because an arm of a match for each key would be twice the code. To look a key up in it takes ten
// times as long, which the usual ones would do for each container.
#[inline(never)]
pub(crate) fn not_read<'s, 'de>(
    key: &str,
    known: &[&str],
    unknown: &'s mut Vec<Unknown<'de>>,
) -> Slot<'s, 'de> {
    if known.contains(&key) {
        Slot::Nowhere
    } else {
        Slot::Unknown(unknown)
    }
}

/// Decodes an object, which may not be `null`.
pub(crate) fn decode<'de>(
    reader: &mut Reader<'de>,
    object: &mut dyn Object<'de>,
) -> Result<(), Error> {
    reader.map(object.noun(), &mut |reader, key| match object.slot(&key) {
        Slot::Keys(keys) => {
            if !reader.null()? {
                reader.skip()?;
                keys.push(key.into());
            }
            Ok(())
        }
        Slot::Unknown(unknown) => {
            if let Some(value) = optional(reader, Reader::raw)? {
                let key = key.into();
                unknown.push(Unknown { key, value });
            }
            Ok(())
        }
        Slot::Entry(own, text) => {
            *own = key.into();
            fill(reader, Slot::Text(text))
        }
        slot => fill(reader, slot),
    })
}

/// Decodes the value that goes to a slot.
fn fill<'de>(reader: &mut Reader<'de>, slot: Slot<'_, 'de>) -> Result<(), Error> {
    match slot {
        Slot::Text(text) => *text = reader.text()?.into(),
        Slot::OptionalText(text) => *text = optional(reader, Reader::text)?.map(Text::from),
        Slot::OptionalFlag(flag) => *flag = optional(reader, Reader::flag)?,
        Slot::OptionalNumber(number) => *number = optional(reader, Reader::integer)?,
        Slot::OptionalLongNumber(number) => *number = optional(reader, Reader::integer)?,
        Slot::Object(object) => decode(reader, object)?,
        Slot::OptionalObject(object) => {
            if !reader.null()? {
                decode(reader, object.something())?;
            }
        }
        Slot::List(list) => {
            if !reader.null()? {
                reader.list(&mut |reader| fill(reader, list.next()))?;
            }
        }
        Slot::Later(later) => later.text = optional(reader, Reader::raw)?,
        Slot::Nowhere | Slot::Keys(_) | Slot::Unknown(_) | Slot::Entry(..) => reader.skip()?,
    }
    Ok(())
}

/// Reads a value unless it is `null`.
pub(crate) fn optional<'de, T>(
    reader: &mut Reader<'de>,
    read: impl FnOnce(&mut Reader<'de>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if reader.null()? {
        return Ok(None);
    }
    read(reader).map(Some)
}

/// The same from a text, of which nothing else is read.
pub(crate) fn decode_text<'de>(json: &'de str, object: &mut dyn Object<'de>) -> Result<(), Error> {
    decode(&mut Reader::new(json.as_bytes()), object)
}

/// A list, which may be `null`, from a text.
pub(crate) fn decode_list<'de>(json: &'de str, list: &mut dyn List<'de>) -> Result<(), Error> {
    fill(&mut Reader::new(json.as_bytes()), Slot::List(list))
}

/// A list in which `null` means empty, as it does to the API server.
#[derive(Debug)]
pub(crate) struct Sequence<T>(Vec<T>);

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for Sequence<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Sequence<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> IntoIterator for Sequence<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> vec::IntoIter<T> {
        self.0.into_iter()
    }
}

impl<'de, T: Field<'de> + Default> List<'de> for Sequence<T> {
    fn next(&mut self) -> Slot<'_, 'de> {
        self.0.push(T::default());
        self.0.last_mut().map_or(Slot::Nowhere, Field::slot)
    }
}

impl<'de, T: Field<'de> + Default> Field<'de> for Sequence<T> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        // Of a key that is written twice, the last value counts.
        self.0.clear();
        Slot::List(self)
    }
}

impl<'de, T: Object<'de>> Field<'de> for T {
    fn slot(&mut self) -> Slot<'_, 'de> {
        Slot::Object(self)
    }
}

impl<'de, T: Object<'de> + Default> Optional<'de> for Option<T> {
    fn something(&mut self) -> &mut dyn Object<'de> {
        self.insert(T::default())
    }
}

impl<'de, T: Object<'de> + Default> Field<'de> for Option<T> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        *self = None;
        Slot::OptionalObject(self)
    }
}

impl<'de, T: Object<'de>> Object<'de> for Box<T> {
    fn slot(&mut self, key: &str) -> Slot<'_, 'de> {
        (**self).slot(key)
    }
}

impl<'de> Field<'de> for Text<'de> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        Slot::Text(self)
    }
}

impl<'de> Field<'de> for Option<Text<'de>> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        Slot::OptionalText(self)
    }
}

impl<'de> Field<'de> for Option<bool> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        Slot::OptionalFlag(self)
    }
}

impl<'de> Field<'de> for Option<i32> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        Slot::OptionalNumber(self)
    }
}

impl<'de> Field<'de> for Option<i64> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        Slot::OptionalLongNumber(self)
    }
}

impl<'de> Field<'de> for Later<'de> {
    fn slot(&mut self) -> Slot<'_, 'de> {
        Slot::Later(self)
    }
}

/// A value that few pods make anybody read: its text is kept, and decoded when it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Later<'a> {
    text: Option<&'a str>,
    /// A list that comes after this one.
    more: Option<&'static str>,
}

impl<'a> Later<'a> {
    /// Whether it may have this key somewhere in it. The text is searched, which costs less than
    /// decoding it; where a key may be written in escapes, that would prove nothing.
    pub(crate) fn may_have(&self, key: &str) -> bool {
        let key = key.as_bytes();
        let mut rest = self.text.unwrap_or_default().as_bytes();
        while let Some((byte, behind)) = rest.split_first() {
            if *byte == b'\\' || (Some(byte) == key.first() && rest.starts_with(key)) {
                return true;
            }
            rest = behind;
        }
        false
    }

    /// The object; `None` where it cannot be read, and an empty one where it is `null`.
    pub(crate) fn object<T: Object<'a> + Default>(&self) -> Option<T> {
        let mut object = T::default();
        if let Some(text) = self.text {
            decode(&mut Reader::new(text.as_bytes()), &mut object).ok()?;
        }
        Some(object)
    }

    /// The same of a list.
    pub(crate) fn list<T: Field<'a> + Default>(&self) -> Option<Sequence<T>> {
        let mut list = Sequence::default();
        for text in [self.text, self.more].into_iter().flatten() {
            fill(&mut Reader::new(text.as_bytes()), Slot::List(&mut list)).ok()?;
        }
        Some(list)
    }

    /// Its JSON.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// Adds what is in another list.
    pub(crate) fn extend(&mut self, more: &'static str) {
        self.more = Some(more);
    }
}

/// An object of its whole text.
#[cfg(test)]
pub(crate) fn decoded<'a, T: Object<'a> + Default>(json: &'a str) -> Result<T, Error> {
    let mut reader = Reader::new(json.as_bytes());
    let mut object = T::default();
    decode(&mut reader, &mut object)?;
    reader.end()?;
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    object! {
        struct Outer<'a> {
            "inner" inner: Option<Inner<'a>>,
            "later" later: Later<'a>,
            "list" list: Sequence<Inner<'a>>,
            "texts" texts: Sequence<Text<'a>>,
        }
    }

    object! {
        struct Inner<'a> {
            "flag" flag: Option<bool>,
            "long" long: Option<i64>,
            "number" number: Option<i32>,
            "text" text: Text<'a>,
        }
    }

    #[test]
    fn what_is_read_goes_where_it_belongs_and_the_rest_nowhere() {
        let json = r#"{"a":[{"text":"x"}],"inner":{"flag":true,"long":9007199254740993,"number":-1,
            "text":"b\"c","d":{"text":"y"}},"list":[{},{"text":"e"}],"texts":["f"]}"#;
        let outer: Outer<'_> = decoded(json).unwrap();
        let inner = outer.inner.unwrap();
        assert_eq!(inner.flag, Some(true));
        assert_eq!(inner.long, Some(9_007_199_254_740_993));
        assert_eq!(inner.number, Some(-1));
        assert_eq!(inner.text.as_str(), "b\"c");
        let texts = outer.list.iter().map(|inner| inner.text.as_str());
        assert_eq!(texts.collect::<Vec<_>>(), ["", "e"]);
        assert_eq!(outer.texts.len(), 1);
    }

    #[test]
    fn null_is_nothing_where_something_is_optional_and_an_empty_list() {
        let json = r#"{"inner":null,"list":null,"texts":null,"later":null}"#;
        let outer: Outer<'_> = decoded(json).unwrap();
        assert!(outer.inner.is_none() && outer.list.is_empty() && outer.texts.is_empty());
        assert_eq!(outer.later.list::<Text<'_>>().unwrap().len(), 0);
        for json in [
            "null",
            r#"{"list":[null]}"#,
            r#"{"texts":[null]}"#,
            r#"{"inner":{"text":null}}"#,
            r#"{"inner":[]}"#,
            r#"{"list":{}}"#,
        ] {
            assert!(decoded::<Outer<'_>>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn of_a_key_that_is_written_twice_the_last_value_counts() {
        let json = r#"{"list":[{},{}],"inner":{"text":"a"},"texts":["b"],"inner":null,"list":[{}],
            "texts":["c"]}"#;
        let outer: Outer<'_> = decoded(json).unwrap();
        assert!(outer.inner.is_none());
        assert_eq!(outer.list.len(), 1);
        assert_eq!(outer.texts[0].as_str(), "c");
    }

    #[test]
    fn what_is_kept_for_later_is_searched_for_a_key_that_no_escape_can_hide() {
        for (json, may_have) in [
            (r#"{"later":{"a":1}}"#, false),
            (r#"{"later":{"hos":{"ost":"hhos"}}}"#, false),
            (r#"{"later":{"a":{"host":"x"}}}"#, true),
            (r#"{"later":{"a":{"\u0068ost":"x"}}}"#, true),
            (r#"{"other":{"host":"x"}}"#, false),
        ] {
            let outer: Outer<'_> = decoded(json).unwrap();
            assert_eq!(outer.later.may_have("host"), may_have, "{json}");
        }
        let outer: Outer<'_> = decoded(r#"{"later":{"text":1}}"#).unwrap();
        assert!(outer.later.object::<Inner<'_>>().is_none());
        assert!(outer.later.list::<Text<'_>>().is_none());
    }
}
