//! The template that a built-in controller has made an object from: whether the request can be believed
//! to come from that controller, and what the template is now.
//!
//! A template excuses only what its own controller makes, because anybody can write an ownerReference.
//! `ControllerRevisions` are not read: no rule judges them.
//!
//! Sources: the service accounts of `cmd/kube-controller-manager/names`; `metav1.NewControllerRef`.

use std::fmt::{self, Display, Formatter};

use crate::host_calls::{self, Answer, GetQuery, Host};
use crate::json::reader::Reader;
use crate::json::{Document, Node};
use crate::pod::kind::Kind;
use crate::pod::spec::Pod;
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

/// Whether a controller makes objects of this kind.
pub(crate) fn is_made_by_controllers(kind: Kind) -> bool {
    CONTROLLERS
        .iter()
        .any(|controller| controller.makes == kind)
}

/// An owner as it is now.
#[derive(Debug)]
pub(crate) struct Owner<'a> {
    /// Its pod; completed as the API server does it, where a Pod is made of it.
    pub(crate) pod: Pod<'a>,
    /// From which ordinal on the Pods of a `StatefulSet` are of its current template, where not all are.
    pub(crate) partition: Option<i64>,
}

/// Asks for the owner of an object that is `made`: its kind, and its JSON.
///
/// # Errors
///
/// Why it excuses nothing, as words behind its name.
pub(crate) fn ask(
    made: Kind,
    namespace: Option<&str>,
    maker: &Maker,
    others: &[String],
    host: &dyn Host,
) -> Result<(Kind, Vec<u8>), String> {
    let Maker { user, owner } = maker;
    let known = CONTROLLERS.iter().find(|controller| {
        controller.makes == made
            && controller.from.name() == owner.kind
            && controller.from.api_version() == owner.api_version
    });
    let Some(Controller { account, from, .. }) = known else {
        let made = made.name();
        return Err(format!(
            "excuses nothing: no built-in controller makes a {made} from it"
        ));
    };
    let is_controller = user
        .strip_prefix(SERVICE_ACCOUNTS)
        .is_some_and(|name| name == *account);
    if user.is_empty() {
        // So do audit scanners, who show what will count one day.
        return Err("excuses nothing: the request does not say who made this".to_owned());
    }
    if !is_controller && !others.contains(user) {
        let user = Quoted(user);
        return Err(format!(
            "excuses nothing: {user} made this, and is not its controller"
        ));
    }
    let mut fields = from.judged_fields();
    if *from == Kind::StatefulSet {
        fields.push("spec.updateStrategy.rollingUpdate.partition".to_owned());
    }
    let query = GetQuery {
        api_version: from.api_version(),
        kind: from.name(),
        name: &owner.name,
        namespace: Some(namespace.unwrap_or_default()),
        disable_cache: true,
        field_masks: fields,
    };
    match host_calls::get(host, &query) {
        Answer::Found(json) => Ok((*from, json)),
        Answer::Absent => Err("excuses nothing: it is not there".to_owned()),
        Answer::Failed(failure) => Err(printable(&failure.describe("could not be asked"))),
    }
}

/// Reads what [`ask`] has got.
///
/// # Errors
///
/// Why it excuses nothing, as words behind its name.
pub(crate) fn read<'a>(
    made: Kind,
    from: Kind,
    owner: &OwnerReference,
    json: &'a [u8],
) -> Result<Owner<'a>, String> {
    let unreadable = |_| "could not be asked: the answer cannot be read".to_owned();
    let object = Document::from_slice(json).map_err(unreadable)?;
    let object = object.root();
    let uid = object
        .get("metadata")
        .and_then(|metadata| metadata.text("uid"));
    if owner.uid.is_empty() || uid != Some(owner.uid.as_str()) {
        return Err("excuses nothing: it is another one than this was made from".to_owned());
    }
    let partition = PARTITION
        .iter()
        .try_fold(object, |found, key| found.get(key));
    let mut pod = from.read(&mut Reader::new(json)).map_err(unreadable)?.pod;
    if made == Kind::Pod {
        pod.complete();
    }
    Ok(Owner {
        pod,
        partition: match partition {
            Some(Node::Integer(ordinal)) if from == Kind::StatefulSet => {
                Some(ordinal).filter(|ordinal| *ordinal > 0)
            }
            _ => None,
        },
    })
}

const SERVICE_ACCOUNTS: &str = "system:serviceaccount:kube-system:";
const PARTITION: [&str; 4] = ["spec", "updateStrategy", "rollingUpdate", "partition"];
