//! Objects of the payload, decoded down to the fields that are read. Whatever else they have is
//! skipped, not built.
//!
//! serde makes a decoder for each type anew, and most of each is how JSON is read: that would be a tenth
//! of the module. Here [`Reader`] stands between the two, so that JSON is read by one decoder, and a
//! type says only which of its fields has which key.

use std::fmt::{self, Formatter};
use std::ops::Deref;
use std::vec;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use serde_json::de::SliceRead;
use serde_json::value::RawValue;

use crate::json::Text;

/// The value that comes next, which is to be read once, or left alone to be skipped.
pub(crate) trait Reader<'de> {
    /// Whether it is anything but `null`.
    fn is_given(&mut self) -> Result<bool, Failed>;
    fn text(&mut self) -> Result<Text<'de>, Failed>;
    fn optional_text(&mut self) -> Result<Option<Text<'de>>, Failed>;
    fn optional_flag(&mut self) -> Result<Option<bool>, Failed>;
    fn optional_number(&mut self) -> Result<Option<i32>, Failed>;
    fn optional_long_number(&mut self) -> Result<Option<i64>, Failed>;
    /// Keeps the text of a value.
    fn later(&mut self) -> Result<Later<'de>, Failed>;
    /// Reads an object, field by field.
    fn object(&mut self, object: &mut dyn Object<'de>) -> Result<(), Failed>;
    /// The same where it may be `null`. Whether it is an object.
    fn optional_object(&mut self, object: &mut dyn Object<'de>) -> Result<bool, Failed>;
    /// Reads a list, in which `null` means empty, as it does to the API server.
    fn list(&mut self, list: &mut dyn List<'de>) -> Result<(), Failed>;
}

/// Reading has failed. Why, the reader keeps.
#[derive(Debug)]
pub(crate) struct Failed;

/// Something with fields.
pub(crate) trait Object<'de> {
    /// Reads the value of a key, or leaves it alone.
    fn field(&mut self, key: Text<'de>, value: &mut dyn Reader<'de>) -> Result<(), Failed>;

    /// What this is, in an error about a value that is something else.
    fn noun(&self) -> &'static str {
        "an object"
    }
}

/// Something with elements.
pub(crate) trait List<'de> {
    /// Reads the next element.
    fn element(&mut self, value: &mut dyn Reader<'de>) -> Result<(), Failed>;
}

/// A type that can be the value of a key.
pub(crate) trait Read<'de>: Sized {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed>;
}

/// Declares a JSON object by the keys that are read; all others are skipped.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident<$lifetime:lifetime> { $($fields:tt)* }
    ) => {
        $crate::object::object!(@ $(#[$meta])* $vis [$name<$lifetime>] [$name<'de>] { $($fields)* });
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
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        $vis struct $name $(<$lifetime>)? {
            $( $(#[$field_meta])* $field_vis $field: $type, )*
        }

        impl<'de> $crate::object::Object<'de> for $decoded {
            fn field(
                &mut self,
                key: $crate::json::Text<'de>,
                value: &mut dyn $crate::object::Reader<'de>,
            ) -> Result<(), $crate::object::Failed> {
                match key.as_str() {
                    $( $key => self.$field = $crate::object::Read::read(value)?, )*
                    _ => {}
                }
                Ok(())
            }
        }

        $crate::object::deserialize!($decoded);
    };
}

/// Lets serde decode an [`Object`], for those that something else holds.
macro_rules! deserialize {
    ($decoded:ty) => {
        impl<'de> ::serde::Deserialize<'de> for $decoded {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let mut object = Self::default();
                $crate::object::decode(deserializer, &mut object)?;
                Ok(object)
            }
        }
    };
}

pub(crate) use {deserialize, object};

/// Decodes an object, which may not be `null`.
pub(crate) fn decode<'de, D: Deserializer<'de>>(
    deserializer: D,
    object: &mut dyn Object<'de>,
) -> Result<(), D::Error> {
    deserializer.deserialize_map(Fill(object)).map(|_| ())
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

impl<T> IntoIterator for Sequence<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> vec::IntoIter<T> {
        self.0.into_iter()
    }
}

impl<'de, T: Read<'de>> List<'de> for Sequence<T> {
    fn element(&mut self, value: &mut dyn Reader<'de>) -> Result<(), Failed> {
        self.0.push(T::read(value)?);
        Ok(())
    }
}

impl<'de, T: Read<'de>> Read<'de> for Sequence<T> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        let mut list = Self::default();
        value.list(&mut list)?;
        Ok(list)
    }
}

impl<'de, T: Object<'de> + Default> Read<'de> for T {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        let mut object = T::default();
        value.object(&mut object)?;
        Ok(object)
    }
}

impl<'de, T: Object<'de> + Default> Read<'de> for Option<T> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        let mut object = T::default();
        Ok(value.optional_object(&mut object)?.then_some(object))
    }
}

impl<'de, T: Object<'de>> Object<'de> for Box<T> {
    fn field(&mut self, key: Text<'de>, value: &mut dyn Reader<'de>) -> Result<(), Failed> {
        (**self).field(key, value)
    }
}

impl<'de> Read<'de> for Text<'de> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        value.text()
    }
}

impl<'de> Read<'de> for Option<Text<'de>> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        value.optional_text()
    }
}

impl<'de> Read<'de> for Option<bool> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        value.optional_flag()
    }
}

impl<'de> Read<'de> for Option<i32> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        value.optional_number()
    }
}

impl<'de> Read<'de> for Option<i64> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        value.optional_long_number()
    }
}

impl<'de> Read<'de> for Later<'de> {
    fn read(value: &mut dyn Reader<'de>) -> Result<Self, Failed> {
        value.later()
    }
}

/// A value that few pods make anybody read: its text is kept, and decoded when it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Later<'a>(Option<&'a RawValue>);

impl<'a> Later<'a> {
    /// Whether it may have this key somewhere in it. The text is searched, which costs less than
    /// decoding it; where a key may be written in escapes, that would prove nothing.
    pub(crate) fn may_have(&self, key: &str) -> bool {
        self.0
            .is_some_and(|raw| raw.get().contains(key) || raw.get().contains('\\'))
    }

    /// The object; `None` where it cannot be read, and an empty one where it is `null`.
    pub(crate) fn object<T: Object<'a> + Default>(&self) -> Option<T> {
        let mut object = T::default();
        self.read(|json| decode(json, &mut object))?;
        Some(object)
    }

    /// The same of a list.
    pub(crate) fn list<T: Read<'a>>(&self) -> Option<Sequence<T>> {
        let mut list = Sequence::default();
        self.read(|json| json.deserialize_option(Extend(&mut list)))?;
        Some(list)
    }

    fn read(
        &self,
        read: impl FnOnce(&mut serde_json::Deserializer<SliceRead<'a>>) -> serde_json::Result<()>,
    ) -> Option<()> {
        let Some(raw) = self.0 else {
            return Some(());
        };
        let mut json = serde_json::Deserializer::from_slice(raw.get().as_bytes());
        read(&mut json).ok()
    }
}

/// Fills an object: here serde's decoder meets everything above.
struct Fill<'o, 'de>(&'o mut dyn Object<'de>);

impl<'de> DeserializeSeed<'de> for Fill<'_, 'de> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_, 'de> {
    /// Whether there is an object.
    type Value = bool;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.noun())
    }

    fn visit_none<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key()? {
            map.next_value_seed(Field {
                object: self.0,
                key,
            })?;
        }
        Ok(true)
    }
}

/// Reads the value of a key of an object.
struct Field<'o, 'de> {
    object: &'o mut dyn Object<'de>,
    key: Text<'de>,
}

impl<'de> DeserializeSeed<'de> for Field<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut next = Next::new(deserializer);
        let read = self.object.field(self.key, &mut next);
        next.finish(read)
    }
}

/// Fills a list.
struct Extend<'l, 'de>(&'l mut dyn List<'de>);

impl<'de> Visitor<'de> for Extend<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Element(self.0))?.is_some() {}
        Ok(())
    }
}

/// Reads an element of a list.
struct Element<'l, 'de>(&'l mut dyn List<'de>);

impl<'de> DeserializeSeed<'de> for Element<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut next = Next::new(deserializer);
        let read = self.0.element(&mut next);
        next.finish(read)
    }
}

/// The value that comes next; none when it has been read.
struct Next<D, E> {
    deserializer: Option<D>,
    error: Option<E>,
}

impl<'de, D: Deserializer<'de>> Next<D, D::Error> {
    fn new(deserializer: D) -> Self {
        Self {
            deserializer: Some(deserializer),
            error: None,
        }
    }

    fn read<T>(&mut self, read: impl FnOnce(D) -> Result<T, D::Error>) -> Result<T, Failed> {
        let deserializer = self.deserializer.take().ok_or(Failed)?;
        read(deserializer).map_err(|error| {
            self.error = Some(error);
            Failed
        })
    }

    fn finish(self, read: Result<(), Failed>) -> Result<(), D::Error> {
        match (read, self.error, self.deserializer) {
            (Ok(()), _, None) => Ok(()),
            // Nobody has read it.
            (Ok(()), _, Some(deserializer)) => IgnoredAny::deserialize(deserializer).map(|_| ()),
            (Err(Failed), Some(error), _) => Err(error),
            (Err(Failed), None, _) => Err(D::Error::custom("a value is read twice")),
        }
    }
}

impl<'de, D: Deserializer<'de>> Reader<'de> for Next<D, D::Error> {
    fn is_given(&mut self) -> Result<bool, Failed> {
        self.read(|value| Option::<IgnoredAny>::deserialize(value).map(|found| found.is_some()))
    }

    fn text(&mut self) -> Result<Text<'de>, Failed> {
        self.read(Text::deserialize)
    }

    fn optional_text(&mut self) -> Result<Option<Text<'de>>, Failed> {
        self.read(Option::deserialize)
    }

    fn optional_flag(&mut self) -> Result<Option<bool>, Failed> {
        self.read(Option::deserialize)
    }

    fn optional_number(&mut self) -> Result<Option<i32>, Failed> {
        self.read(Option::deserialize)
    }

    fn optional_long_number(&mut self) -> Result<Option<i64>, Failed> {
        self.read(Option::deserialize)
    }

    fn later(&mut self) -> Result<Later<'de>, Failed> {
        self.read(Option::deserialize).map(Later)
    }

    fn object(&mut self, object: &mut dyn Object<'de>) -> Result<(), Failed> {
        self.read(|value| decode(value, object))
    }

    fn optional_object(&mut self, object: &mut dyn Object<'de>) -> Result<bool, Failed> {
        self.read(|value| Fill(object).deserialize(value))
    }

    fn list(&mut self, list: &mut dyn List<'de>) -> Result<(), Failed> {
        self.read(|value| value.deserialize_option(Extend(list)))
    }
}
