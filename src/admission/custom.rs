//! An object of a kind that the settings name: each of its pod templates is judged as one of a built-in kind
//! is, and held against the same one of the stored object.

use super::request::{Object, Operation, Request, given};
use super::response::{Response, Title};
use crate::json::{Document, Node};
use crate::pod::template::{self, Templates};
use crate::review::legacy::{Before, Carrier, Change};
use crate::review::{Terms, review};
use crate::settings::custom_workload::CustomWorkload;
use crate::text::Steps;
use crate::violation::Outcome;

#[cold]
#[inline(never)]
pub(super) fn judge(request: &Request<'_>, custom: &CustomWorkload, terms: &Terms<'_>) -> Response {
    let (kind, paths) = (custom.kind(), custom.pod_templates.as_slice());
    let undecodable = |fault| Response::undecodable(&format!("the {kind}"), fault);
    let Object::Raw(new) = request.object else {
        return undecodable("the request has no object".to_owned().into());
    };
    let old = match request.operation {
        Operation::Update => request.old_object,
        _ => None,
    };
    let metadata = template::metadata(new);
    let templates = Templates::read(new, paths);
    let (metadata, templates) = match (metadata, templates) {
        (Ok(metadata), Ok(templates)) => (metadata, templates),
        // What is stored like that may lose its finalizers, and go.
        (Ok(_), Err(fault)) if old.is_some_and(|old| is_left_alone(new, old, paths)) => {
            return Response::accept_with_warning(
                [&fault.text, "; the stored object has that, too"].concat(),
            );
        }
        (Err(fault), _) | (_, Err(fault)) => return undecodable(fault),
    };
    // A stored object that cannot be read excuses nothing.
    let stored = old.and_then(|old| Templates::read(old, paths).ok());
    let mut stored = stored.unwrap_or_default();
    let mut outcome = Outcome::default();
    for path in &templates.missing {
        // What the stored object has not, either, keeps no finalizer on it.
        if !custom.optional && !stored.missing.contains(path) {
            return undecodable(
                [
                    path,
                    " is missing, where customWorkloads has a pod template",
                ]
                .concat()
                .into(),
            );
        }
        outcome.notice(format!(
            "{path} is missing, so no pod template is judged there; what Pods this {kind} leads to are \
             judged when they are created"
        ));
    }
    let namespace = given(request.namespace.as_ref()).or(metadata.namespace());
    outcome.names_templates = templates.found.len() > 1;
    for template in &templates.found {
        let mut all = stored.found.iter();
        let same = all.position(|stored| template.is_same_as(stored));
        // One excuses one.
        let same = same.map(|place| stored.found.swap_remove(place));
        let stored_pod = || same.as_ref().map(|stored| &stored.pod);
        let is_untouched = || {
            let same = same.as_ref();
            same.is_some_and(|stored| template.is_unchanged_from(stored))
        };
        let before = Before {
            carrier: Carrier::Custom {
                names_controllers: custom.names_controllers(),
            },
            namespace,
            change: match old {
                Some(_) => Change::Update {
                    stored: &stored_pod,
                    is_untouched: &is_untouched,
                },
                None => Change::Create { maker: &|| None },
            },
        };
        let mut found = review(&template.pod, &before, terms);
        if outcome.names_templates {
            let place = Steps(template.pod.root.iter().copied());
            for notice in &mut found.notices {
                *notice = format!("{place}: {notice}");
            }
        }
        // It is rejected then, whatever the others are.
        let is_enough = found.is_cut && found.rejects();
        outcome.take(found);
        if is_enough {
            break;
        }
    }
    outcome.sort();
    let title = Title {
        kind,
        name: given(request.name.as_ref()).or(metadata.name()),
        namespace,
    };
    Response::of_outcome(&title, &outcome)
}

/// Whether nothing differs from the stored object but what an object of any kind has beside what it
/// is to be, and where no pod template is.
fn is_left_alone(new: &str, old: &str, paths: &[String]) -> bool {
    let (new, old) = (new.as_bytes(), old.as_bytes());
    let (Ok(new), Ok(old)) = (Document::from_slice(new), Document::from_slice(old)) else {
        return false;
    };
    let (Node::Map(new), Node::Map(old)) = (new.root(), old.root()) else {
        return false;
    };
    let is_compared = |key: &str| {
        let mut paths = paths.iter();
        !matches!(key, "metadata" | "status") || paths.any(|path| path.starts_with(key))
    };
    new.are_same_as(old, &is_compared)
}
