//! The fixes of a verdict as one RFC 6902 patch that applies to the object.
//!
//! Controls report independently of each other, so their fixes may overlap.
//! What becomes of them depends on the fixes alone, not on their order:
//!
//! - Values are set first, those nearer to the root before those below them;
//!   then values are appended, then fields and elements are removed, the
//!   highest index of a list first, so that every path still means what it
//!   meant in the object.
//! - Two values for one field: objects are merged, and of other values the
//!   one whose JSON text sorts first is taken.
//! - A field that one fix wants to have a value is not removed for another;
//!   nothing is set or appended below what is removed.
//! - Missing parents are created as objects, and a `null` counts as missing,
//!   as it does in the API server.
//! - A fix that is already satisfied, or that cannot apply (its path leads
//!   through a scalar or past the end of a list), is left out.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::map::{Entry, VacantEntry};
use serde_json::{Map, Value};

use crate::verdict::{Fix, Violation};

/// The patch that makes of `object` what the fixes of `violations` ask for;
/// `None` when there is nothing to suggest.
#[must_use]
pub fn suggested_patch(object: &Value, violations: &[Violation]) -> Option<Patch> {
    let fixes = Fixes::of(violations);
    let mut draft = Draft {
        object: object.clone(),
        operations: Vec::new(),
    };
    for (path, value) in fixes.set {
        draft.set(&path, value);
    }
    for (path, value) in fixes.append {
        draft.append(&path, value);
    }
    for path in fixes.remove.iter().rev() {
        draft.remove(path);
    }
    (!draft.operations.is_empty()).then_some(Patch(draft.operations))
}

/// The fixes without duplicates and contradictions, each list in the order of
/// its paths.
struct Fixes {
    set: Vec<(Path, Value)>,
    append: Vec<(Path, Value)>,
    remove: Vec<Path>,
}

impl Fixes {
    fn of(violations: &[Violation]) -> Self {
        let (mut set, mut append, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for Violation { path, fix, .. } in violations {
            let Some(path) = Path::parse(path) else {
                continue;
            };
            match fix {
                Some(Fix::Set(value)) => set.push((path, value.clone())),
                Some(Fix::Append(value)) => append.push((path, value.clone())),
                Some(Fix::Remove) => remove.push(path),
                None => {}
            }
        }
        sort_by_path_and_value(&mut set);
        sort_by_path_and_value(&mut append);
        remove.sort();
        remove.dedup();

        remove.retain(|removed| {
            !set.iter()
                .chain(&append)
                .any(|(wanted, _)| wanted == removed)
        });
        let is_below_removed = |path: &Path| remove.iter().any(|removed| path.is_below(removed));
        set.retain(|(path, _)| !is_below_removed(path));
        append.retain(|(path, _)| !is_below_removed(path));
        let covered: Vec<_> = remove
            .iter()
            .filter(|path| is_below_removed(path))
            .cloned()
            .collect();
        remove.retain(|path| !covered.contains(path));

        set.dedup_by(|(path, value), (kept_path, kept)| {
            let is_same = path == kept_path;
            if is_same {
                merge(kept, value);
            }
            is_same
        });
        Self {
            set,
            append,
            remove,
        }
    }
}

fn sort_by_path_and_value(fixes: &mut Vec<(Path, Value)>) {
    fixes.sort_by_cached_key(|(path, value)| (path.clone(), value.to_string()));
    fixes.dedup();
}

/// Adds to an object what only the other has; what both have stays.
fn merge(kept: &mut Value, other: &mut Value) {
    if let (Value::Object(kept), Value::Object(other)) = (kept, other) {
        for (key, value) in std::mem::take(other) {
            kept.entry(key).or_insert(value);
        }
    }
}

/// The tokens of a pointer. Paths sort a parent before what is below it, and
/// the elements of a list by their number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Path(Vec<Step>);

/// One token; an index of a list, or a key that looks like one, sorts before
/// the other keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Number(usize),
    Key(String),
}

impl Path {
    /// `None` for what is no pointer, and for the root, which is no field to fix.
    fn parse(text: &str) -> Option<Self> {
        let pointer = PointerBuf::parse(text).ok()?;
        let steps: Vec<_> = pointer
            .tokens()
            .map(|token| Step::of(&token.decoded()))
            .collect();
        (!steps.is_empty()).then_some(Self(steps))
    }

    fn is_below(&self, other: &Self) -> bool {
        self != other && self.0.starts_with(&other.0)
    }

    fn pointer(&self) -> PointerBuf {
        pointer(&self.0)
    }
}

impl Step {
    fn of(token: &str) -> Self {
        // Only the canonical form is an index: RFC 6901 has no `01` and no `+1`.
        match token.parse::<usize>() {
            Ok(number) if number.to_string() == token => Self::Number(number),
            _ => Self::Key(token.to_owned()),
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Key(key) => key.clone(),
        }
    }
}

fn pointer(steps: &[Step]) -> PointerBuf {
    PointerBuf::from_tokens(steps.iter().map(|step| Token::new(step.key())))
}

/// The object as far as it has been patched, and the operations that did it.
struct Draft {
    object: Value,
    operations: Vec<PatchOperation>,
}

impl Draft {
    fn set(&mut self, path: &Path, value: Value) {
        let Some(Place {
            target,
            present,
            missing,
        }) = locate(&mut self.object, &path.0)
        else {
            return;
        };
        match target {
            Target::Value(current) if missing.is_empty() && *current == value => {}
            Target::Value(current) => {
                *current = nested(missing, value);
                let path = pointer(present);
                let value = current.clone();
                self.operations
                    .push(PatchOperation::Replace(ReplaceOperation { path, value }));
            }
            Target::NewKey(entry) => {
                let value = nested(missing, value);
                entry.insert(value.clone());
                let path = pointer(present);
                self.operations
                    .push(PatchOperation::Add(AddOperation { path, value }));
            }
        }
    }

    fn append(&mut self, path: &Path, value: Value) {
        match self.object.pointer_mut(path.pointer().as_str()) {
            Some(Value::Array(array)) => {
                if !array.contains(&value) {
                    array.push(value.clone());
                    let path = path.pointer().with_trailing_token("-");
                    self.operations
                        .push(PatchOperation::Add(AddOperation { path, value }));
                }
            }
            Some(Value::Null) | None => self.set(path, Value::Array(vec![value])),
            Some(_) => {}
        }
    }

    fn remove(&mut self, path: &Path) {
        let pointer = path.pointer();
        let Some((parent, token)) = pointer.split_back() else {
            return;
        };
        let removed = match self.object.pointer_mut(parent.as_str()) {
            Some(Value::Object(object)) => object.remove(token.decoded().as_ref()).is_some(),
            Some(Value::Array(array)) => match path.0.last() {
                Some(Step::Number(index)) if *index < array.len() => {
                    array.remove(*index);
                    true
                }
                _ => false,
            },
            _ => false,
        };
        if removed {
            self.operations
                .push(PatchOperation::Remove(RemoveOperation { path: pointer }));
        }
    }
}

/// Where in an object a path ends.
struct Place<'a> {
    target: Target<'a>,
    /// The steps to the target.
    present: &'a [Step],
    /// The steps below the target, which the object does not have.
    missing: &'a [Step],
}

enum Target<'a> {
    /// A value that is there; with steps missing below it, a `null`.
    Value(&'a mut Value),
    /// A key that the object does not have.
    NewKey(VacantEntry<'a>),
}

/// Follows a path as far as the object goes; `None` when nothing can be set
/// at its end.
fn locate<'a>(object: &'a mut Value, steps: &'a [Step]) -> Option<Place<'a>> {
    let mut current = object;
    for depth in 0..steps.len() {
        let (before, missing) = steps.split_at_checked(depth)?;
        if current.is_null() {
            return Some(Place {
                target: Target::Value(current),
                present: before,
                missing,
            });
        }
        let (step, below) = missing.split_first()?;
        match current {
            Value::Object(object) => match object.entry(step.key()) {
                Entry::Occupied(entry) => current = entry.into_mut(),
                Entry::Vacant(entry) => {
                    let present = steps.get(..=depth)?;
                    return Some(Place {
                        target: Target::NewKey(entry),
                        present,
                        missing: below,
                    });
                }
            },
            Value::Array(array) => {
                let Step::Number(index) = step else {
                    return None;
                };
                current = array.get_mut(*index)?;
            }
            _ => return None,
        }
    }
    Some(Place {
        target: Target::Value(current),
        present: steps,
        missing: &[],
    })
}

/// The value inside of one object for each step.
fn nested(steps: &[Step], value: Value) -> Value {
    steps.iter().rev().fold(value, |value, step| {
        Map::from_iter([(step.key(), value)]).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn violation(path: &str, fix: Option<Fix>) -> Violation {
        serde_json::from_value(
            json!({"control": "c", "mode": "enforce", "path": path, "field": ""}),
        )
        .map(|violation| Violation { fix, ..violation })
        .unwrap()
    }

    fn set(path: &str, value: Value) -> Violation {
        violation(path, Some(Fix::Set(value)))
    }

    fn append(path: &str, value: Value) -> Violation {
        violation(path, Some(Fix::Append(value)))
    }

    fn remove(path: &str) -> Violation {
        violation(path, Some(Fix::Remove))
    }

    fn patch(object: &Value, violations: &[Violation]) -> Value {
        serde_json::to_value(suggested_patch(object, violations)).unwrap()
    }

    fn patched(object: &Value, violations: &[Violation]) -> Value {
        let mut object = object.clone();
        if let Some(patch) = suggested_patch(&object, violations) {
            json_patch::patch(&mut object, &patch).unwrap();
        }
        object
    }

    #[test]
    fn missing_parents_are_created() {
        assert_eq!(
            patch(
                &json!({"spec": {}}),
                &[
                    set("/spec/securityContext/runAsNonRoot", json!(true)),
                    set(
                        "/spec/securityContext/seccompProfile/type",
                        json!("RuntimeDefault")
                    ),
                ]
            ),
            json!([
                {"op": "add", "path": "/spec/securityContext", "value": {"runAsNonRoot": true}},
                {
                    "op": "add",
                    "path": "/spec/securityContext/seccompProfile",
                    "value": {"type": "RuntimeDefault"},
                },
            ])
        );
    }

    #[test]
    fn a_null_counts_as_missing() {
        assert_eq!(
            patch(
                &json!({"a": null, "b": [null]}),
                &[
                    set("/a/x/y", json!(1)),
                    set("/b/0/x", json!(2)),
                    append("/c", json!(3)),
                ]
            ),
            json!([
                {"op": "replace", "path": "/a", "value": {"x": {"y": 1}}},
                {"op": "replace", "path": "/b/0", "value": {"x": 2}},
                {"op": "add", "path": "/c", "value": [3]},
            ])
        );
    }

    #[test]
    fn a_value_that_is_there_is_replaced() {
        assert_eq!(
            patch(&json!({"a": [{"b": 1}]}), &[set("/a/0/b", json!(2))]),
            json!([{"op": "replace", "path": "/a/0/b", "value": 2}])
        );
    }

    #[test]
    fn a_value_is_appended_once() {
        let fixes = [append("/drop", json!("ALL")), append("/drop", json!("ALL"))];
        assert_eq!(
            patch(&json!({"drop": ["KILL"]}), &fixes),
            json!([{"op": "add", "path": "/drop/-", "value": "ALL"}])
        );
        assert_eq!(
            patch(&json!({}), &fixes),
            json!([{"op": "add", "path": "/drop", "value": ["ALL"]}])
        );
        assert_eq!(patch(&json!({"drop": ["ALL"]}), &fixes), Value::Null);
    }

    #[test]
    fn elements_are_removed_from_the_end() {
        let object = json!({"add": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]});
        let fixes = [
            remove("/add/2"),
            remove("/add/10"),
            remove("/add/2"),
            remove("/add/0"),
        ];
        assert_eq!(
            patch(&object, &fixes),
            json!([
                {"op": "remove", "path": "/add/10"},
                {"op": "remove", "path": "/add/2"},
                {"op": "remove", "path": "/add/0"},
            ])
        );
        assert_eq!(
            patched(&object, &fixes),
            json!({"add": [1, 3, 4, 5, 6, 7, 8, 9]})
        );
    }

    #[test]
    fn fixes_of_the_same_field_are_merged() {
        assert_eq!(
            patch(
                &json!({}),
                &[
                    set("/a", json!({"type": "RuntimeDefault"})),
                    set("/a", json!({"other": 1})),
                    set("/a/below", json!(true)),
                    set("/b", json!(2)),
                    set("/b", json!(1)),
                ]
            ),
            json!([
                {"op": "add", "path": "/a", "value": {"other": 1, "type": "RuntimeDefault"}},
                {"op": "add", "path": "/a/below", "value": true},
                {"op": "add", "path": "/b", "value": 1},
            ])
        );
    }

    #[test]
    fn what_is_wanted_is_not_removed_and_nothing_is_set_below_what_is_removed() {
        let object = json!({"a": 1, "ports": [{"hostPort": 1}]});
        assert_eq!(
            patched(
                &object,
                &[
                    remove("/a"),
                    set("/a", json!(2)),
                    remove("/ports/0"),
                    remove("/ports/0/hostPort"),
                    set("/ports/0/hostPort", json!(0)),
                ]
            ),
            json!({"a": 2, "ports": []})
        );
    }

    #[test]
    fn a_fix_that_cannot_apply_is_left_out() {
        let object = json!({"a": 1, "l": []});
        for fix in [
            set("/a/b", json!(1)),
            set("/l/0", json!(1)),
            set("/l/-", json!(1)),
            set("", json!(1)),
            set("a", json!(1)),
            append("/a", json!(1)),
            remove("/x"),
            remove("/l/0"),
            remove("/a/b"),
            violation("/a", None),
        ] {
            assert_eq!(patch(&object, &[fix]), Value::Null);
        }
    }

    #[test]
    fn keys_are_escaped() {
        assert_eq!(
            patched(
                &json!({"a": {"x/y~z": 1, "01": 1}}),
                &[remove("/a/x~1y~0z"), set("/a/01", json!(2)),]
            ),
            json!({"a": {"01": 2}})
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from),
            "[ab]".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(keys(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn keys() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "0", "1", "10", "-", "x/y", ""]).prop_map(str::to_owned)
    }

    fn paths() -> impl Strategy<Value = String> {
        prop::collection::vec(keys(), 0..5)
            .prop_map(|tokens| PointerBuf::from_tokens(tokens.iter().map(Token::new)).to_string())
    }

    fn violations() -> impl Strategy<Value = Vec<Violation>> {
        let one = (paths(), values(), 0..4).prop_map(|(path, value, kind)| {
            violation(
                &path,
                match kind {
                    0 => Some(Fix::Set(value)),
                    1 => Some(Fix::Append(value)),
                    2 => Some(Fix::Remove),
                    _ => None,
                },
            )
        });
        prop::collection::vec(one, 0..8)
    }

    proptest! {
        #[test]
        fn a_patch_always_applies(object in values(), violations in violations()) {
            patched(&object, &violations);
        }

        #[test]
        fn a_patch_does_not_depend_on_the_order_of_the_violations(
            object in values(), violations in violations(),
        ) {
            let reversed: Vec<_> = violations.iter().rev().cloned().collect();
            prop_assert_eq!(
                suggested_patch(&object, &violations),
                suggested_patch(&object, &reversed)
            );
        }

        #[test]
        fn a_value_that_is_set_is_there_afterwards(
            object in values(), path in paths(), value in values(),
        ) {
            let violations = [set(&path, value.clone())];
            if suggested_patch(&object, &violations).is_some() {
                let patched = patched(&object, &violations);
                prop_assert_eq!(patched.pointer(&path), Some(&value));
            }
        }

        #[test]
        fn a_value_can_be_set_at_every_field_that_is_there_or_missing_from_objects(
            keys in prop::collection::vec("[ab]", 1..5), value in values(),
        ) {
            let path = format!("/{}", keys.join("/"));
            let object = json!({"a": {"a": {"b": 1}}, "b": null});
            prop_assume!(!path.starts_with("/a/a/b/"));
            let patched = patched(&object, &[set(&path, value.clone())]);
            prop_assert_eq!(patched.pointer(&path), Some(&value));
        }

        #[test]
        fn a_removed_field_is_gone(object in values(), path in paths()) {
            let before = object.pointer(&path).cloned();
            let after = patched(&object, &[remove(&path)]);
            match before {
                Some(before) if !path.is_empty() => prop_assert_ne!(
                    serde_json::to_string(&after).unwrap().len(),
                    serde_json::to_string(&object).unwrap().len(),
                    "{} was {}", path, before
                ),
                _ => prop_assert_eq!(after, object),
            }
        }
    }
}
