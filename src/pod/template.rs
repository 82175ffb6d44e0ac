//! The pod templates of an object whose kind is not of Kubernetes: they are where the settings say.
//!
//! A path is names of fields with dots between them, and `[*]` behind the name of a list. At each step down the
//! text of the value is kept, and at the end it is decoded as a PodTemplate.

use super::kind::{ObjectMeta, PodTemplate};
use super::spec::{Pod, PodSpec};
use crate::json::reader::Error;
use crate::json::{Document, Fault};
use crate::object::{self, Field as _, Later, Object, Sequence, Slot, object};
use crate::text::{Step, Steps};

/// The pod templates of an object.
#[derive(Default)]
pub(crate) struct Templates<'a> {
    pub(crate) found: Vec<Template<'a>>,
    /// Where there is none.
    pub(crate) missing: Vec<String>,
}

/// One of the pod templates of an object.
pub(crate) struct Template<'a> {
    pub(crate) pod: Pod<'a>,
    json: &'a str,
    path: usize,
    /// The entry of each list on the way to it.
    entries: Vec<Entry<'a>>,
}

/// An entry of a list: its position, and the JSON of its name.
#[derive(Clone, Copy)]
struct Entry<'a> {
    index: usize,
    name: Option<&'a str>,
}

object! {
    /// Any object of a cluster.
    struct Named<'a> {
        "metadata" metadata: Option<ObjectMeta<'a>>,
    }
}

/// The metadata of an object.
///
/// # Errors
///
/// What is wrong with it, and where, without any of its content.
pub(crate) fn metadata(json: &str) -> Result<ObjectMeta<'_>, Fault> {
    let mut named = Named::default();
    object::decode_text(json, &mut named).map_err(|error| Fault::new(error, json.as_bytes()))?;
    Ok(named.metadata.unwrap_or_default())
}

impl<'a> Templates<'a> {
    /// Reads what an object has at each of the paths.
    ///
    /// # Errors
    ///
    /// What is no pod template, and where, without any of its content.
    #[cold]
    #[inline(never)]
    pub(crate) fn read(json: &'a str, paths: &'a [String]) -> Result<Self, Fault> {
        let mut walk = Walk::default();
        for (path, way) in paths.iter().enumerate() {
            walk.path = path;
            walk.down(json, way)?;
        }
        Ok(walk.templates)
    }
}

impl Template<'_> {
    /// Whether `other`, of another state of the object, is this one: an entry of a list is known by its name,
    /// else by its position.
    pub(crate) fn is_same_as(&self, other: &Template<'_>) -> bool {
        let mut entries = self.entries.iter().zip(&other.entries);
        self.path == other.path
            && entries.all(|(one, other)| {
                one.name == other.name && (one.name.is_some() || one.index == other.index)
            })
    }

    /// Whether `other` has the same in it.
    pub(crate) fn is_unchanged_from(&self, other: &Template<'_>) -> bool {
        let (one, other) = (self.json.as_bytes(), other.json.as_bytes());
        match (Document::from_slice(one), Document::from_slice(other)) {
            (Ok(one), Ok(other)) => one.root().is_same_as(other.root()),
            _ => false,
        }
    }
}

/// The way down, and what has been found on it.
#[derive(Default)]
struct Walk<'a> {
    templates: Templates<'a>,
    path: usize,
    root: Vec<Step<'a>>,
    entries: Vec<Entry<'a>>,
}

impl<'a> Walk<'a> {
    /// Goes from a value down a way that begins in it.
    #[cold]
    #[inline(never)]
    fn down(&mut self, json: &'a str, way: &'a str) -> Result<(), Fault> {
        if way.is_empty() {
            return self.take(json);
        }
        let (step, rest) = way.split_once('.').unwrap_or((way, ""));
        let list = step.strip_suffix(EACH);
        let mut level = Level {
            key: list.unwrap_or(step),
            ..Level::default()
        };
        object::decode_text(json, &mut level).map_err(|error| self.fault(error, json))?;
        if let (Some(Step::Index(_)), Some(entry)) = (self.root.last(), self.entries.last_mut()) {
            entry.name = level.name.text().or(level.group_name.text());
        }
        self.root.push(Step::Key(level.key));
        match (level.found.text(), list) {
            (None, _) => {
                let rest = way.strip_prefix(level.key).unwrap_or_default();
                let missing = self.place(rest);
                self.make_room()?;
                self.templates.missing.push(missing);
            }
            (Some(json), None) => self.down(json, rest)?,
            (Some(json), Some(_)) => {
                let mut items: Sequence<Later<'_>> = Sequence::default();
                object::decode_list(json, &mut items).map_err(|error| self.fault(error, json))?;
                for (index, item) in items.iter().enumerate() {
                    self.root.push(Step::Index(index));
                    self.entries.push(Entry { index, name: None });
                    self.down(item.text().unwrap_or("null"), rest)?;
                    self.entries.pop();
                    self.root.pop();
                }
            }
        }
        self.root.pop();
        Ok(())
    }

    /// Takes what is at the end of the way. Nobody else has checked that it is a pod template.
    #[cold]
    #[inline(never)]
    fn take(&mut self, json: &'a str) -> Result<(), Fault> {
        let mut template = PodTemplate::default();
        object::decode_text(json, &mut template).map_err(|error| self.fault(error, json))?;
        let has_containers = |spec: &PodSpec<'_>| !spec.containers.is_empty();
        let Some(spec) = template.spec.filter(has_containers) else {
            return Err(self.fault_of(".spec.containers is missing, so it is no pod template"));
        };
        self.make_room()?;
        let annotations = template.metadata.and_then(|metadata| metadata.annotations);
        self.templates.found.push(Template {
            pod: Pod {
                root: self.root.clone(),
                annotations: annotations.unwrap_or_default(),
                spec,
            },
            json,
            path: self.path,
            entries: self.entries.clone(),
        });
        Ok(())
    }

    /// Fails where there is no room for another pod template, or for another place without one.
    fn make_room(&self) -> Result<(), Fault> {
        let Templates { found, missing } = &self.templates;
        if found.len().saturating_add(missing.len()) == MAX_TEMPLATES {
            return Err(self.fault_of(" is one pod template too many"));
        }
        Ok(())
    }

    /// What is wrong with the value that the way has led to.
    #[cold]
    #[inline(never)]
    fn fault(&self, error: Error, json: &str) -> Fault {
        let fault = Fault::new(error, json.as_bytes());
        let separator = match (self.root.is_empty(), fault.pointer) {
            (true, _) => "",
            (false, Some(_)) => ".",
            (false, None) => ": ",
        };
        self.fault_of(&[separator, &fault.text].concat())
    }

    fn fault_of(&self, text: &str) -> Fault {
        self.place(text).into()
    }

    /// Where the way has led to, and a text behind it.
    #[cold]
    #[inline(never)]
    fn place(&self, text: &str) -> String {
        let mut place = Steps(self.root.iter().copied()).to_string();
        place.push_str(text);
        place
    }
}

/// An object on the way: what it has at the next step, and what it may be called.
#[derive(Default)]
struct Level<'a> {
    key: &'a str,
    found: Later<'a>,
    name: Later<'a>,
    group_name: Later<'a>,
}

impl<'de> Object<'de> for Level<'de> {
    fn slot(&mut self, key: &str) -> Slot<'_, 'de> {
        match key {
            _ if key == self.key => self.found.slot(),
            "name" => self.name.slot(),
            "groupName" => self.group_name.slot(),
            _ => Slot::Nowhere,
        }
    }
}

/// Behind the name of a list: in each of its entries.
pub(crate) const EACH: &str = "[*]";
/// No kind that there is has so many.
const MAX_TEMPLATES: usize = 128;
