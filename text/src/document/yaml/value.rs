//! A tree as JSON, as the `decode` of `go.yaml.in/yaml/v2` and `sigs.k8s.io/yaml` make it.
//!
//! - The entries of a mapping are taken in their order, and what a merge key (`<<`) brings is one of
//!   them: it loses to the keys after it and wins over those before it.
//! - Aliases are counted as there, so that a few lines cannot become a billion values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::scalar::Scalar;
use super::tree::{Kind, Node, NodeId, Tree};
use super::{Problem, deeper};
use crate::document::{Place, Places};

/// The value of a tree; `null` where there is no document.
pub(super) fn value(tree: &Tree) -> Result<(Value, Places), Problem> {
    let Some(root) = tree.root else {
        return Ok((Value::Null, Places::default()));
    };
    let mut decoder = Decoder {
        tree,
        open_aliases: BTreeSet::new(),
        // The document is counted, too.
        decoded: 1,
        decoded_by_alias: 0,
        text_by_alias: 0,
    };
    decoder.value(root, 0)
}

struct Decoder<'t> {
    tree: &'t Tree,
    /// The aliases whose values are being decoded.
    open_aliases: BTreeSet<NodeId>,
    decoded: u32,
    decoded_by_alias: u32,
    /// Bytes.
    text_by_alias: usize,
}

impl<'t> Decoder<'t> {
    fn value(&mut self, id: NodeId, depth: usize) -> Result<(Value, Places), Problem> {
        let node = self.count(id)?;
        match &node.kind {
            Kind::Alias { name, target } => {
                self.of_alias(id, name, |decoder| decoder.value(*target, depth))
            }
            Kind::Scalar { end, .. } => {
                let json = scalar(node).and_then(Scalar::into_json);
                let json = json.map_err(|message| Problem::new(node.place, message))?;
                Ok((json, Places::of(node.place, *end)))
            }
            Kind::Sequence(items) => {
                let depth = deeper(depth, node.place)?;
                let mut list = Vec::with_capacity(items.len());
                let mut places = Vec::with_capacity(items.len());
                for item in items {
                    let (value, place) = self.value(*item, depth)?;
                    list.push(value);
                    places.push(place);
                }
                Ok((Value::Array(list), Places::of_list(node.place, places)))
            }
            Kind::Mapping(_) => {
                let mut object = Object::default();
                self.entries(node, &mut object, deeper(depth, node.place)?)?;
                let places = Places::of_object(node.place, object.places);
                Ok((Value::Object(object.values), places))
            }
        }
    }

    /// Puts the entries of a mapping into an object that may have some already.
    fn entries(&mut self, node: &Node, object: &mut Object, depth: usize) -> Result<(), Problem> {
        let Kind::Mapping(entries) = &node.kind else {
            return Err(Problem::new(node.place, MERGES));
        };
        let mut own_keys = BTreeMap::new();
        for (key, value) in entries {
            if self.tree.node(*key).is_some_and(is_merge) {
                self.merge(*value, object, depth)?;
                continue;
            }
            let (scalar, place) = self.key(*key)?;
            let key = scalar
                .as_key()
                .map_err(|message| Problem::new(place, message))?;
            if let Some(first) = own_keys.insert(key.clone(), place) {
                let message =
                    format!("the key {key:?} is set a second time; the first is at {first}");
                return Err(Problem::new(place, message));
            }
            // To kubectl, 1 and "1" are two keys until they are JSON, and then either may win.
            match object.keys.get(&key) {
                Some(merged) if *merged != scalar => {
                    let message = format!(
                        "the key {key:?} and the merged one are two keys to kubectl and one in JSON; quote both or neither"
                    );
                    return Err(Problem::new(place, message));
                }
                _ => object.keys.insert(key.clone(), scalar),
            };
            let (value, places) = self.value(*value, depth)?;
            object.values.insert(key.clone(), value);
            object.places.insert(key, places.with(place));
        }
        Ok(())
    }

    fn merge(&mut self, id: NodeId, object: &mut Object, depth: usize) -> Result<(), Problem> {
        let Some(node) = self.tree.node(id) else {
            return Ok(());
        };
        let Kind::Sequence(items) = &node.kind else {
            return self.merge_one(id, object, depth);
        };
        // The first one wins, so it comes last.
        for item in items.iter().rev() {
            self.merge_one(*item, object, depth)?;
        }
        Ok(())
    }

    fn merge_one(&mut self, id: NodeId, object: &mut Object, depth: usize) -> Result<(), Problem> {
        let node = self.count(id)?;
        // A chain of merges is as deep as it is long.
        let depth = deeper(depth, node.place)?;
        match &node.kind {
            Kind::Alias { name, target } => self.of_alias(id, name, |decoder| {
                let node = decoder.count(*target)?;
                decoder.entries(node, object, depth)
            }),
            _ => self.entries(node, object, depth),
        }
    }

    fn key(&mut self, id: NodeId) -> Result<(Scalar, Place), Problem> {
        let node = self.count(id)?;
        if let Kind::Alias { name, target } = &node.kind {
            return self.of_alias(id, name, |decoder| decoder.key(*target));
        }
        scalar(node)
            .map(|scalar| (scalar, node.place))
            .map_err(|message| Problem::new(node.place, message))
    }

    /// Does something with the target of an alias, which must not have the alias in it.
    fn of_alias<T>(
        &mut self,
        id: NodeId,
        name: &str,
        decode: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        if !self.open_aliases.insert(id) {
            let place = self.tree.node(id).map(|node| node.place);
            return Err(Problem::new(
                place.unwrap_or_default(),
                format!("the alias *{name} is inside of what it stands for"),
            ));
        }
        let decoded = decode(self);
        self.open_aliases.remove(&id);
        decoded
    }

    /// The node, counted by the rules of `unmarshal`.
    fn count(&mut self, id: NodeId) -> Result<&'t Node, Problem> {
        let Some(node) = self.tree.node(id) else {
            return Err(Problem::new(Place::default(), "a value is missing"));
        };
        self.decoded = self.decoded.saturating_add(1);
        if !self.open_aliases.is_empty() {
            self.decoded_by_alias = self.decoded_by_alias.saturating_add(1);
            if let Kind::Scalar { text, .. } = &node.kind {
                self.text_by_alias = self.text_by_alias.saturating_add(text.len());
            }
        }
        let is_excessive = self.decoded_by_alias > 100
            && self.decoded > 1000
            && f64::from(self.decoded_by_alias) / f64::from(self.decoded)
                > allowed_alias_ratio(self.decoded);
        if is_excessive {
            return Err(Problem::new(
                node.place,
                "aliases make too much of this document",
            ));
        }
        if self.text_by_alias > MAX_TEXT_BY_ALIAS {
            return Err(Problem::new(
                node.place,
                "aliases make too much text of this document",
            ));
        }
        Ok(node)
    }
}

/// An object that is being made, and where its entries stand.
#[derive(Default)]
struct Object {
    keys: BTreeMap<String, Scalar>,
    values: Map<String, Value>,
    places: BTreeMap<String, Places>,
}

fn scalar(node: &Node) -> Result<Scalar, String> {
    match &node.kind {
        Kind::Scalar {
            tag,
            text,
            is_plain,
            ..
        } => Scalar::resolve(tag.as_deref(), text, *is_plain),
        Kind::Alias { .. } | Kind::Sequence(_) | Kind::Mapping(_) => Err(
            "a key must be text, a number or a boolean; quote it where it begins with [, { or *"
                .to_owned(),
        ),
    }
}

fn is_merge(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar {
            tag,
            text,
            is_plain,
            ..
        } => text == "<<" && (*is_plain || tag.as_deref() == Some(MERGE_TAG)),
        _ => false,
    }
}

/// How much of all that is decoded aliases may make: 99 % of a document of usual size, 10 % of a
/// very large one. `allowedAliasRatio` of `go.yaml.in/yaml/v2`.
fn allowed_alias_ratio(decoded: u32) -> f64 {
    const LOW: u32 = 400_000;
    const HIGH: u32 = 4_000_000;
    let above = decoded.clamp(LOW, HIGH).saturating_sub(LOW);
    0.99 - 0.89 * (f64::from(above) / f64::from(HIGH.saturating_sub(LOW)))
}

/// Ten times what the API server stores of one object.
const MAX_TEXT_BY_ALIAS: usize = 16 * 1024 * 1024;

const MERGE_TAG: &str = "tag:yaml.org,2002:merge";
const MERGES: &str = "the merge key << takes a mapping or a list of mappings";
