//! The template that a controller has made an object from, a built-in one or one that the settings name:
//! whether the request can be believed to come from that controller, and what the template is now.
//!
//! A template excuses only what its own controller makes, because anybody can write an ownerReference.
//! `ControllerRevisions` are not read: no rule judges them.
//!
//! Sources: the service accounts of `cmd/kube-controller-manager/names`; `metav1.NewControllerRef`.

use std::fmt::{self, Display, Formatter};

use crate::host_calls::{self, Answer, GetQuery, Host};
use crate::json::{Document, Node};
use crate::pod::kind::Kind;
use crate::pod::spec::Pod;
use crate::pod::template::{EACH, Template, Templates};
use crate::settings::Settings;
use crate::settings::custom_workload::CustomWorkload;
use crate::text::{Quoted, printable};

/// Who has made an object, and from what, as the request says it.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(crate) user: String,
    pub(crate) owner: OwnerReference,
}

/// The one owner that controls an object.
#[derive(Debug)]
pub(crate) struct OwnerReference {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Display for OwnerReference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", printable(&self.kind), Quoted(&self.name))
    }
}

/// A controller of kube-controller-manager: the name of its service account, what it makes, and from
/// what.
struct Controller {
    account: &'static str,
    makes: Kind,
    from: Kind,
}

const fn controller(account: &'static str, makes: Kind, from: Kind) -> Controller {
    Controller {
        account,
        makes,
        from,
    }
}

const CONTROLLERS: &[Controller] = &[
    controller("replicaset-controller", Kind::Pod, Kind::ReplicaSet),
    controller("statefulset-controller", Kind::Pod, Kind::StatefulSet),
    controller("daemon-set-controller", Kind::Pod, Kind::DaemonSet),
    controller("job-controller", Kind::Pod, Kind::Job),
    controller(
        "replication-controller",
        Kind::Pod,
        Kind::ReplicationController,
    ),
    controller("cronjob-controller", Kind::Job, Kind::CronJob),
    controller("deployment-controller", Kind::ReplicaSet, Kind::Deployment),
];

/// Whether a controller makes objects of this kind; one that the settings name may make any.
pub(crate) fn is_made_by_controllers(kind: Kind, settings: &Settings) -> bool {
    CONTROLLERS
        .iter()
        .any(|controller| controller.makes == kind)
        || settings
            .custom_workloads
            .iter()
            .any(CustomWorkload::names_controllers)
}

/// An owner as it is now.
#[derive(Debug)]
pub(crate) struct Owner<'a> {
    /// Its pod; completed as the API server does it, where a Pod is made of it.
    pub(crate) pod: Pod<'a>,
    /// From which ordinal on the Pods of a `StatefulSet` are of its current template, where not all are.
    pub(crate) partition: Option<i64>,
}

/// What is read of an owner: where its pod templates are, and its JSON.
pub(crate) struct OwnerText {
    paths: Vec<String>,
    is_custom: bool,
    json: Vec<u8>,
}

/// Asks for the owner of an object that is `made`.
///
/// # Errors
///
/// Why it excuses nothing, as words behind its name.
#[cold]
#[inline(never)]
pub(crate) fn ask(
    made: Kind,
    namespace: Option<&str>,
    maker: &Maker,
    settings: &Settings,
    host: &dyn Host,
) -> Result<OwnerText, String> {
    let Maker { user, owner } = maker;
    let known = CONTROLLERS.iter().find(|controller| {
        controller.makes == made
            && controller.from.name() == owner.kind
            && controller.from.api_version() == owner.api_version
    });
    let group = owner.api_version.split_once('/').map(|(group, _)| group);
    let custom = settings.custom_workload(group.unwrap_or_default(), &owner.kind);
    let is_custom = known.is_none();
    let (paths, is_controller) = match (known, custom) {
        (Some(Controller { account, from, .. }), _) => {
            let name = user.strip_prefix(SERVICE_ACCOUNTS);
            let is_it = name == Some(*account) || settings.legacy.controllers.contains(user);
            (vec![from.template_path().join(".")], is_it)
        }
        (None, Some(custom)) if custom.names_controllers() => {
            let is_it = custom.controllers.contains(user);
            (custom.pod_templates.clone(), is_it)
        }
        _ => {
            let made = made.name();
            return Err(format!(
                "excuses nothing: no built-in controller makes a {made} from it, and customWorkloads names none"
            ));
        }
    };
    if user.is_empty() {
        // Audit scanners send none either: they are to show what would count.
        return Err("excuses nothing: the request does not say who made this".to_owned());
    }
    if !is_controller {
        let user = Quoted(user);
        return Err(format!(
            "excuses nothing: {user} made this, and is not its controller"
        ));
    }
    let mut fields = Vec::new();
    for path in &paths {
        let mut template = String::new();
        for step in path.split('.') {
            template.push_str(step.strip_suffix(EACH).unwrap_or(step));
            template.push('.');
        }
        for field in JUDGED_FIELDS {
            fields.push([template.as_str(), field].concat());
        }
    }
    if owner.kind == Kind::StatefulSet.name() {
        fields.push(PARTITION.join("."));
    }
    let query = GetQuery {
        api_version: &owner.api_version,
        kind: &owner.kind,
        name: &owner.name,
        namespace: Some(namespace.unwrap_or_default()),
        disable_cache: true,
        field_masks: fields,
    };
    match host_calls::get(host, &query) {
        Answer::Found(json) => Ok(OwnerText {
            paths,
            is_custom,
            json,
        }),
        Answer::Absent => Err("excuses nothing: it is not there".to_owned()),
        Answer::Failed(failure) => Err(printable(&failure.describe("could not be asked"))),
    }
}

/// Reads what [`ask`] has got.
///
/// # Errors
///
/// Why it excuses nothing, as words behind its name.
#[cold]
#[inline(never)]
pub(crate) fn read<'a>(
    made: (Kind, &Pod<'_>),
    owner: &OwnerReference,
    text: &'a OwnerText,
) -> Result<Owner<'a>, &'static str> {
    const UNREADABLE: &str = "could not be asked: the answer cannot be read";

    let Ok(object) = Document::from_slice(&text.json) else {
        return Err(UNREADABLE);
    };
    let object = object.root();
    let uid = object
        .get("metadata")
        .and_then(|metadata| metadata.text("uid"));
    if owner.uid.is_empty() || uid != Some(owner.uid.as_str()) {
        return Err("excuses nothing: it is another one than this was made from");
    }
    let templates = str::from_utf8(&text.json)
        .ok()
        .and_then(|json| Templates::read(json, &text.paths).ok());
    let Some(mut templates) = templates.filter(|templates| !templates.found.is_empty()) else {
        return Err(UNREADABLE);
    };
    let (made, pod) = made;
    if text.is_custom {
        keep_likely(&mut templates.found, pod);
    }
    let Some(Template { mut pod, .. }) = templates.found.into_iter().next() else {
        return Err("excuses nothing: which of its pod templates this is made from cannot be told");
    };
    if made == Kind::Pod {
        pod.complete();
    }
    // It is asked for of a StatefulSet only.
    let partition = PARTITION
        .iter()
        .try_fold(object, |found, key| found.get(key));
    Ok(Owner {
        pod,
        partition: match partition {
            Some(Node::Integer(ordinal)) => Some(ordinal).filter(|ordinal| *ordinal > 0),
            _ => None,
        },
    })
}

/// Keeps the template that a pod is made from: the one whose first container is the pod's, with the same image.
/// Where none is, or where several are that are not alike, none is kept: the pod may be from a template that
/// nobody has judged.
#[cold]
#[inline(never)]
fn keep_likely(templates: &mut Vec<Template<'_>>, made: &Pod<'_>) {
    let of_made = made.spec.containers.first();
    templates.retain(|template| {
        let first = template.pod.spec.containers.first();
        let both = first.zip(of_made);
        both.is_some_and(|(one, other)| one.name == other.name && one.image == other.image)
    });
    if let [first, others @ ..] = templates.as_slice()
        && !others.iter().all(|other| first.is_unchanged_from(other))
    {
        templates.clear();
    }
}

/// All of the pod's spec, because what nobody knows of it is judged, too.
const JUDGED_FIELDS: [&str; 2] = ["metadata.annotations", "spec"];
const SERVICE_ACCOUNTS: &str = "system:serviceaccount:kube-system:";
const PARTITION: [&str; 4] = ["spec", "updateStrategy", "rollingUpdate", "partition"];
