//! Pods must not mount what gives them the files of their node, or storage past its administrator.
//!
//! - **Reads** `volumes`: the keys beside `name` whose value is not null are a volume's types; and
//!   `volumeMounts` of each container, where a path of the node must be mounted read-only
//! - **Unset** means no volumes; a volume without a type is an `emptyDir` in effect
//! - **Allowed** the types in `volumes.allowed`, of which `*` is any, but none in `volumes.forbidden`;
//!   and beside them a `hostPath` at or below a path in `volumes.hostPaths`, by whole segments, after
//!   `.`, `..` and doubled slashes are resolved. With `readOnly` every mount of it in every container
//!   must be read-only
//! - **Not applicable** never
//! - **Differs from the Pod Security Standard** in a volume of several types, which the API server
//!   refuses: each must be allowed here, one of them there. A type that Kubernetes does not know is
//!   one more
//! - **Source** `check_restrictedVolumes.go` and `check_hostPathVolumes.go` of pod-security-admission

use std::cell::LazyCell;
use std::fmt;

use crate::decode::{
    Choices, Decode, Level, Mode, Node, Problems, Written, describe, loosens, section,
};
use crate::finding::{Finding, Findings, Found, Remedy, unreadable_mounts};
use crate::json::{Text, has, sorted};
use crate::pod::spec::Pod;
use crate::pod::volume::HOST_PATH;
use crate::text::{Joined, Quoted, names_of_path};

section! {
    /// Pods mount volumes of harmless types, and no files of their node.
    ///
    /// What nobody can see here are symbolic links on the node: below a path of `hostPaths` they lead
    /// wherever they lead. And a mount that is read-only may have writable ones below it, unless it is
    /// `recursiveReadOnly`.
    pub(crate) struct Volumes in standard {
        "mode" mode: Mode = standard.mode_from(Level::Baseline),
        /// Not empty: the types that may be used, as Kubernetes writes them; `["*"]` is any.
        "allowed" allowed: Choices<VolumeType> = Choices(if standard.is_baseline() {
            vec![VolumeType(ANY)]
        } else {
            RESTRICTED.iter().copied().map(VolumeType).collect()
        }),
        /// Types that must not be used; it wins over `allowed`. At level baseline a list of your own
        /// takes the place of `hostPath`, so name that too.
        "forbidden" forbidden: Vec<VolumeType> = if standard.is_baseline() {
            vec![VolumeType(HOST_PATH)]
        } else {
            Vec::new()
        },
        /// Paths of the node that may be mounted all the same, such as `{path: /var/log, readOnly: true}`,
        /// with everything below them; `readOnly` asks that each mount is read-only.
        "hostPaths" host_paths: Vec<HostPath> = Vec::new(),
    }
    check: Volumes::check,
    schema: Volumes::check_in_schema
}

loosens! {
    Volumes {
        "allowed" allowed: Choices<VolumeType>,
        "hostPaths" host_paths: Vec<HostPath>,
    }
}

impl Volumes {
    fn check(&self, written: &Written<'_>, problems: &mut Problems) {
        // Of the types that are allowed by default, some may be forbidden.
        for allowed in self.allowed.iter().filter(|_| written.has("allowed")) {
            if self.forbidden.contains(allowed) {
                problems.report(format_args!(
                    "{allowed} is both in allowed and in forbidden"
                ));
            }
        }
        if self.forbidden.contains(&VolumeType(ANY)) {
            problems.within("forbidden", |problems| {
                problems.report("\"*\" would reject everything; list in allowed what may be used");
            });
        } else if !self.host_paths.is_empty() && self.allows(HOST_PATH) {
            problems.report("hostPaths has no effect, because any hostPath is allowed");
        }
    }

    /// A schema cannot compare two lists, nor does it know what `*` means beside the other.
    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        let items = crate::schema::json!({"not": {"const": ANY}});
        crate::schema::restrict_entries(schema, "forbidden", &items);
    }

    fn allows(&self, type_: &str) -> bool {
        let is_in = |list: &[VolumeType]| list.iter().any(|entry| entry.0 == type_);
        let is_any = self.allowed.iter().any(|entry| entry.0 == ANY);
        (is_any || is_in(&self.allowed)) && !is_in(&self.forbidden)
    }
}

/// A type of volume that Kubernetes has, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeType(&'static str);

describe!(
    VolumeType: {"type": "string", "enum": TYPES},
    |type_| type_.0.into(),
);

impl Decode for VolumeType {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let word = problems.text(node)?;
        let known = TYPES.iter().copied().find(|known| *known == word);
        if known.is_none() {
            problems.unknown_word(word, TYPES);
        }
        known.map(Self)
    }
}

impl fmt::Display for VolumeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

section! {
    /// A path of the node that may be mounted.
    pub(crate) struct HostPath {
        /// An absolute path; what is below it may be mounted too.
        "path" path: Option<NodePath> = None,
        /// `true`: every mount of it must be read-only.
        "readOnly" read_only: bool = false,
    }
    check: HostPath::check,
    schema: HostPath::check_in_schema
}

impl HostPath {
    fn check(_: &Self, written: &Written<'_>, problems: &mut Problems) {
        if !written.has("path") {
            problems.report("has no path");
        }
    }

    #[cfg(feature = "schema")]
    fn check_in_schema(schema: &mut crate::schema::Schema) {
        crate::schema::need(schema, &["path"]);
    }

    fn covers(&self, path: Option<&[&str]>) -> bool {
        let own = self.path.as_ref().and_then(|own| names_of_path(&own.0));
        own.is_some_and(|own| path.is_some_and(|path| path.starts_with(&own)))
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_ref().map(|path| path.0.as_str());
        f.write_str(path.unwrap_or_default())?;
        f.write_str(if self.read_only { " (read-only)" } else { "" })
    }
}

/// An absolute path of the node.
#[derive(Debug, Clone)]
pub(crate) struct NodePath(String);

describe!(
    NodePath: {"type": "string", "pattern": "^/", "not": {"pattern": r"(?:^|/)\.\.?(?:/|$)|\*"}},
    |path| path.0.as_str().into(),
);

impl Decode for NodePath {
    fn decode(node: Node<'_>, problems: &mut Problems) -> Option<Self> {
        let path = problems.text(node)?;
        let mut names = path.split('/');
        if names_of_path(path).is_none() {
            problems.report(format_args!("{} is no absolute path", Quoted(path)));
        } else if names.any(|name| matches!(name, "." | "..")) {
            problems.report(format_args!(
                "{} must say where it leads, without . and ..",
                Quoted(path)
            ));
        } else if path.contains('*') {
            problems.report(format_args!(
                "{} has a *, which stands for nothing else here; what is below a path may be mounted, too",
                Quoted(path)
            ));
        }
        Some(Self(path.to_owned()))
    }
}

pub(crate) fn judge<'p>(pod: &'p Pod<'p>, settings: &Volumes, findings: &mut Findings<'p>) {
    let written_to = LazyCell::new(|| written_to(pod));
    let remedy = LazyCell::new(|| settings.remedy());
    let mut read_only: Vec<(&str, &str)> = Vec::new();
    for (index, volume) in pod.spec.volumes.iter().enumerate() {
        if findings.is_full() {
            return;
        }
        let name = volume.name.as_str();
        if volume.types().next().is_none() && !settings.allows_any() {
            let place = pod.field(&["volumes"]).index(index);
            let found = Found::Phrase("has no type".into());
            findings.report(Finding::new(place, found, remedy.clone()).bounded_by(vec![name]));
        }
        for type_ in volume.types() {
            if settings.allows(type_) {
                continue;
            }
            let place = pod.volume_field(index, name, type_);
            let path = volume.host_path.as_ref().filter(|_| type_ == HOST_PATH);
            let Some(path) = path.map(|volume| volume.path.as_str()) else {
                let found = Found::Phrase("is not allowed".into());
                findings.report(Finding::new(place, found, remedy.clone()));
                continue;
            };
            let names = names_of_path(path);
            let mut covering = settings
                .host_paths
                .iter()
                .filter(|own| own.covers(names.as_deref()));
            if let Some(own) = covering.next() {
                // Of several entries, the one that allows more counts.
                if own.read_only && covering.all(|own| own.read_only) {
                    read_only.push((name, path));
                }
                continue;
            }
            let names = written_to.as_ref();
            let is_written_to = names.is_none_or(|names| has(names, name));
            let bounds = (!is_written_to).then_some("mounted read-only");
            let found = Finding::new(place, Found::Text(path), remedy.clone())
                .bounded_by(bounds.into_iter().collect());
            findings.report(if settings.host_paths.is_empty() {
                found
            } else {
                let paths = Joined(&settings.host_paths);
                found.because(format!("which is not at or below: {paths}"))
            });
        }
    }
    must_be_read_only(pod, read_only, findings);
}

/// The names of the volumes that a container may write to; `None` where that cannot be read.
fn written_to<'p>(pod: &'p Pod<'p>) -> Option<Vec<Text<'p>>> {
    let mut names = Vec::new();
    for container in pod.containers() {
        let mounts = container.mounts()?.into_iter();
        let written_to = mounts.filter(|mount| mount.read_only != Some(true));
        names.extend(written_to.map(|mount| mount.name));
    }
    // There may be as many mounts as there is room for, and as many volumes.
    Some(sorted(names))
}

/// Judges the mounts of volumes, given by name and path, that may be mounted read-only.
fn must_be_read_only<'p>(
    pod: &'p Pod<'p>,
    volumes: Vec<(&'p str, &'p str)>,
    findings: &mut Findings<'p>,
) {
    if volumes.is_empty() {
        return;
    }
    let volumes = sorted(volumes);
    for container in pod.containers() {
        let Some(mounts) = container.mounts() else {
            findings.report(unreadable_mounts(&container));
            continue;
        };
        for (index, mount) in mounts.iter().enumerate() {
            let name = mount.name.as_str();
            let place = volumes.binary_search_by(|(volume, _)| (*volume).cmp(name));
            let Some((name, path)) = place.ok().and_then(|place| volumes.get(place)) else {
                continue;
            };
            if mount.read_only == Some(true) || findings.is_full() {
                continue;
            }
            let place = container.place().field(&["volumeMounts"]).index(index);
            let found = mount.read_only.map_or(Found::Unset, Found::Flag);
            let remedy = Remedy::Set(true.into());
            findings.report(
                Finding::new(place.field(&["readOnly"]), found, remedy)
                    .because(format!(
                        "and {} of the node may be mounted read-only",
                        Quoted(path)
                    ))
                    .bounded_by(vec![name, path]),
            );
        }
    }
}

impl Volumes {
    fn allows_any(&self) -> bool {
        self.allowed.iter().any(|entry| entry.0 == ANY)
    }

    /// A volume has to be another one.
    fn remedy(&self) -> Remedy {
        if self.allows_any() {
            return Remedy::Never("use a volume of another type".into());
        }
        let mut allowed = self.allowed.0.clone();
        allowed.retain(|type_| self.allows(type_.0));
        Remedy::Never(format!("use one of: {}", Joined(&allowed)).into())
    }
}

const ANY: &str = "*";
/// The types that the restricted level allows.
const RESTRICTED: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// All that Kubernetes has, or had.
const TYPES: &[&str] = &[
    ANY,
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    HOST_PATH,
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];
