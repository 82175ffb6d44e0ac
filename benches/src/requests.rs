//! The requests that are measured: made by code, the same bytes in every run.
//!
//! A request has the shape in which policy-server hands it to a guest: one compact JSON object with
//! `request` and `settings`, keys sorted at every depth, and the object as an API server sends it
//! after defaulting, `managedFields` included.

#![expect(
    clippy::indexing_slicing,
    reason = "the values are made here, so an index that is wrong is wrong in every run"
)]

use anyhow::Result;
use container_security::settings_defaults;
use serde_json::{Map, Value, json};

use crate::guests::Guest;

/// A payload and what the guests must answer to it.
pub(crate) struct Request {
    pub(crate) name: &'static str,
    pub(crate) payload: Vec<u8>,
    policy: Expected,
    sdk_style: Expected,
}

/// What an answer must be. Everything else is an error path, and its figures mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Accepted, without a warning.
    Accepted,
    /// Rejected for what the object is, with a message that names this field.
    Rejected { naming: &'static str },
}

impl Request {
    /// What `guest` must answer.
    pub(crate) fn expected(&self, guest: Guest) -> Expected {
        match guest {
            Guest::Policy => self.policy,
            Guest::SdkStyle => self.sdk_style,
            Guest::SkipOnly => Expected::Accepted,
        }
    }
}

/// Every request, in the order of the tables.
pub(crate) fn all() -> Result<Vec<Request>> {
    let pod = realistic_pod();
    let violating = violating_pod(&pod);
    let accepted = |name, payload: Value| request(name, &payload, Expected::Accepted);
    Ok(vec![
        accepted("small", create(&minimal_pod(), &settings()))?,
        accepted(TWENTY_KB, create(&pod, &settings()))?,
        accepted("20 KB, every key written", create(&pod, &every_key()))?,
        accepted(BY_DEFAULT, create(&without_host_port(&pod), &json!({})))?,
        request(
            "20 KB, rejected",
            &create(&violating, &settings()),
            Expected::Rejected {
                naming: "hostNetwork",
            },
        )?,
        accepted(SUPPLY_CHAIN, create(&pod, &supply_chain(&workflow())))?,
        accepted(SIGNATURE_BY_KEY, create(&pod, &signatures(&public_key())))?,
        accepted(UPDATE, update(&pod, &settings()))?,
        accepted(
            UPDATE_SUPPLY_CHAIN,
            update(&pod, &supply_chain(&workflow())),
        )?,
        Request {
            // What the stored object had already does not count, so the policy decodes both.
            policy: Expected::Accepted,
            ..request(
                "20 KB, UPDATE of a violating Pod",
                &update(&violating, &settings()),
                Expected::Rejected {
                    naming: "hostNetwork",
                },
            )?
        },
        accepted(
            "60 containers",
            create(&many_containers(&pod, 60, 4), &settings()),
        )?,
        accepted("1.7 MB", create(&huge_pod(&pod), &settings()))?,
    ])
}

/// The requests that the budgets are about.
pub(crate) const TWENTY_KB: &str = "20 KB";
pub(crate) const BY_DEFAULT: &str = "20 KB, settings {}";

/// The same with controls configured that ask the host, and no image that they would ask about;
/// each beside the request without them.
pub(crate) const WITHOUT_LOOKUPS: [(&str, &str); 3] = [
    (SUPPLY_CHAIN, TWENTY_KB),
    (SIGNATURE_BY_KEY, TWENTY_KB),
    (UPDATE_SUPPLY_CHAIN, UPDATE),
];

const SUPPLY_CHAIN: &str = "20 KB, supply chain";
const SIGNATURE_BY_KEY: &str = "20 KB, signatures by key";
const UPDATE: &str = "20 KB, UPDATE";
const UPDATE_SUPPLY_CHAIN: &str = "20 KB, UPDATE, supply chain";

/// Every control that is decided from the request alone, but `serviceAccountToken`, switched on and configured
/// the way an operator would: what differs from the defaults, and no more. The requests above comply with
/// all of it; their Pods have a token, as nearly all do.
pub(crate) fn settings() -> Value {
    json!({
        "appArmor": {"required": true},
        "exemptions": [
            {"controls": ["hostNamespaces", "hostPorts"], "namespaces": ["kube-system", "monitoring"]},
        ],
        "hostPorts": {"allowed": [{"max": 9110, "min": 9100}]},
        "imagePinning": {"rejectTags": ["latest"]},
        "readOnlyRootFilesystem": {"mode": "enforce"},
        "registries": {
            "allow": [
                "registry.acme.example/platform",
                "registry.acme.example/shop",
                "acme.azurecr.io",
                "ghcr.io/acme-oss",
                "mcr.microsoft.com/oss",
            ],
        },
        "shareProcessNamespace": {"mode": "enforce"},
        "unknownFields": {"mode": "enforce"},
    })
}

/// The same, and all three controls that ask the host: signatures of other images than the Pod's,
/// reports and age in other namespaces.
fn supply_chain(authority: &Value) -> Value {
    let mut settings = signatures(authority);
    settings["vulnerabilities"] = json!({"source": "trivy-operator"});
    settings["imageFreshness"] = json!({"maximumAge": "90d"});
    if let Some(exemptions) = settings["exemptions"].as_array_mut() {
        exemptions.push(json!({
            "controls": ["imageFreshness", "vulnerabilities"],
            "namespaces": [NAMESPACE],
        }));
    }
    settings
}

/// The same, and who must have signed other images than the Pod's.
fn signatures(authority: &Value) -> Value {
    let mut settings = settings();
    settings["signatures"] = json!({
        "rules": [{"anyOf": [authority], "images": ["docker.io/acme"]}],
        "unmatched": "accept",
    });
    settings
}

fn workflow() -> Value {
    json!({"githubActions": {"owner": "acme"}})
}

fn public_key() -> Value {
    json!({"publicKeys": [
        "-----BEGIN PUBLIC KEY-----\n\
         MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsLeM2H+JQfKi0PtDdtSJ4C0jWnqX\n\
         YYfPsT0Vh6K2f8oSGNbNfE8H1sCkN4b0X9hq1zPUb3OZmv+CdKFWKkBwdQ==\n\
         -----END PUBLIC KEY-----\n",
    ]})
}

/// The same, with every key written out, where it is at its default, too, but for the mode of what then has
/// nothing to find, which would be refused.
fn every_key() -> Value {
    let mut settings = settings_defaults("restricted");
    for idle in [
        "localhostProfiles",
        "signatures",
        "vulnerabilities",
        "imageFreshness",
    ] {
        if let Some(Value::Object(section)) = settings.get_mut(idle) {
            section.remove("mode");
        }
    }
    let sections = [
        (
            "appArmor",
            json!({
                "allowed": ["RuntimeDefault", "Localhost/acme-web", "Localhost/acme-batch"],
                "annotations": "ignore",
                "mode": "enforce",
                "required": true,
            }),
        ),
        (
            "seccomp",
            json!({
                "allowed": ["RuntimeDefault", "Localhost/profiles/acme-web.json"],
                "annotations": "ignore",
                "mode": "enforce",
                "required": true,
            }),
        ),
        (
            "hostPorts",
            json!({"allowed": [{"max": 9110, "min": 9100}], "mode": "enforce"}),
        ),
        ("shareProcessNamespace", json!({"mode": "enforce"})),
        (
            "rootUser",
            json!({
                "mode": "enforce",
                "relaxForUserNamespaces": false,
                "require": "runAsNonRoot",
            }),
        ),
        ("readOnlyRootFilesystem", json!({"mode": "enforce"})),
        (
            "registries",
            json!({
                "allow": [
                    "registry.acme.example/platform",
                    "registry.acme.example/shop",
                    "acme.azurecr.io",
                    "ghcr.io/acme-oss",
                    "mcr.microsoft.com/oss",
                ],
                "mode": "enforce",
                "reject": ["registry.acme.example/platform/deprecated"],
            }),
        ),
        (
            "imagePinning",
            json!({"mode": "enforce", "rejectTags": ["latest"], "requireDigest": false}),
        ),
        (
            "exemptions",
            json!([
                {
                    "controls": ["appArmor", "seccomp"],
                    "images": ["registry.acme.example/platform/node-agent"],
                },
                {
                    "controls": ["hostNamespaces", "hostPorts"],
                    "namespaces": ["kube-system", "monitoring"],
                },
            ]),
        ),
    ];
    for (section, written) in sections {
        match (settings.get_mut(section), written) {
            (Some(Value::Object(defaults)), Value::Object(written)) => defaults.extend(written),
            (_, written) => settings[section] = written,
        }
    }
    settings
}

fn request(name: &'static str, payload: &Value, expected: Expected) -> Result<Request> {
    let payload = serde_json::to_vec(&sorted(payload))?;
    Ok(Request {
        name,
        payload,
        policy: expected,
        sdk_style: expected,
    })
}

pub(crate) fn create(pod: &Value, settings: &Value) -> Value {
    json!({"request": review(pod, "CREATE", "CreateOptions"), "settings": settings})
}

/// An update that a controller makes all the time: one label is new.
fn update(pod: &Value, settings: &Value) -> Value {
    let mut object = pod.clone();
    object["metadata"]["labels"]["shop.acme.example/canary"] = json!("promoted");
    let mut request = review(&object, "UPDATE", "UpdateOptions");
    request["oldObject"] = pod.clone();
    json!({"request": request, "settings": settings})
}

fn review(pod: &Value, operation: &str, options: &str) -> Value {
    let kind = json!({"group": "", "kind": "Pod", "version": "v1"});
    let resource = json!({"group": "", "resource": "pods", "version": "v1"});
    json!({
        "dryRun": false,
        "kind": kind,
        "name": pod["metadata"]["name"],
        "namespace": NAMESPACE,
        "object": pod,
        "operation": operation,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": options},
        "requestKind": kind,
        "requestResource": resource,
        "resource": resource,
        "uid": "5f2b8c1e-8f0b-4a53-9c52-0d6c7f3a1b77",
        "userInfo": {
            "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
            "uid": "b1f6f0f5-9d0e-4a1c-8b5e-2f8f0b1d7c11",
            "username": "system:serviceaccount:kube-system:replicaset-controller",
        },
    })
}

/// The least that complies with every control.
pub(crate) fn minimal_pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hello", "namespace": NAMESPACE},
        "spec": {
            "containers": [{
                "image": "registry.acme.example/shop/hello:1.0.3",
                "name": "hello",
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            }],
            "securityContext": {
                "appArmorProfile": {"type": "RuntimeDefault"},
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    })
}

/// A Pod that a `ReplicaSet` made: a web service with a metrics exporter, a log shipper and a
/// migration that runs first.
fn realistic_pod() -> Value {
    let mut web = container("web", &image("shop/storefront", "4.17.2"), 8080);
    let mut web_env = environment("STOREFRONT", 6);
    web_env.extend([
        json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}),
        json!({"name": "NODE_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.hostIP"}}}),
        json!({"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"key": "password", "name": "storefront-database"}}}),
        json!({"name": "GOMAXPROCS", "valueFrom": {"resourceFieldRef": {"containerName": "web", "divisor": "0", "resource": "limits.cpu"}}}),
    ]);
    web["env"] = Value::Array(web_env);
    web["envFrom"] = json!([
        {"configMapRef": {"name": "storefront-config"}},
        {"prefix": "FEATURE_", "secretRef": {"name": "storefront-features", "optional": true}},
    ]);
    web["lifecycle"] =
        json!({"preStop": {"exec": {"command": ["/bin/storefront", "drain", "--grace=15s"]}}});

    let mut exporter = container(
        "metrics-exporter",
        &image("platform/exporter", "0.31.0"),
        9102,
    );
    exporter["ports"] =
        json!([{"containerPort": 9102, "hostPort": 9102, "name": "metrics", "protocol": "TCP"}]);
    exporter["env"] = Value::Array(environment("EXPORTER", 3));

    let mut shipper = container(
        "log-shipper",
        "ghcr.io/acme-oss/log-shipper:2.9@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
        2020,
    );
    shipper["env"] = Value::Array(environment("SHIPPER", 3));

    let mut migrate = container("migrate", &image("shop/storefront-migrate", "4.17.2"), 8081);
    migrate["command"] = json!(["/bin/migrate"]);
    migrate["env"] = Value::Array(environment("MIGRATE", 2));
    for only_running in ["livenessProbe", "readinessProbe", "startupProbe", "ports"] {
        if let Some(migrate) = migrate.as_object_mut() {
            migrate.remove(only_running);
        }
    }

    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(),
        "spec": {
            "affinity": affinity(),
            "automountServiceAccountToken": true,
            "containers": [web, exporter, shipper],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": false,
            "imagePullSecrets": [{"name": "registry-acme-example"}],
            "initContainers": [migrate],
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 1000,
            "priorityClassName": "shop-critical",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {
                "appArmorProfile": {"type": "RuntimeDefault"},
                "fsGroup": 10001,
                "fsGroupChangePolicy": "OnRootMismatch",
                "runAsGroup": 10001,
                "runAsNonRoot": true,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
                "supplementalGroups": [10002],
            },
            "serviceAccount": "storefront",
            "serviceAccountName": "storefront",
            "terminationGracePeriodSeconds": 45,
            "tolerations": tolerations(),
            "topologySpreadConstraints": [{
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "storefront"}},
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
            }],
            "volumes": volumes(),
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    });
    add_managed_fields(&mut pod);
    pod
}

fn metadata() -> Value {
    json!({
        "annotations": {
            "checksum/config": "d3b07384d113edec49eaa6238ad5ff00a1b2c3d4e5f60718293a4b5c6d7e8f90",
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
            "kubectl.kubernetes.io/restartedAt": "2026-01-01T08:15:30Z",
            "prometheus.io/path": "/metrics",
            "prometheus.io/port": "9102",
            "prometheus.io/scrape": "true",
            "shop.acme.example/routing": routing_table(3),
        },
        "creationTimestamp": "2026-01-01T08:15:31Z",
        "generateName": "storefront-7c9d8b6f54-",
        "labels": {
            "app.kubernetes.io/component": "web",
            "app.kubernetes.io/instance": "storefront-production",
            "app.kubernetes.io/managed-by": "Helm",
            "app.kubernetes.io/name": "storefront",
            "app.kubernetes.io/part-of": "shop",
            "app.kubernetes.io/version": "4.17.2",
            "pod-template-hash": "7c9d8b6f54",
            "team": "checkout",
        },
        "name": "storefront-7c9d8b6f54-x2v9k",
        "namespace": NAMESPACE,
        "ownerReferences": [{
            "apiVersion": "apps/v1",
            "blockOwnerDeletion": true,
            "controller": true,
            "kind": "ReplicaSet",
            "name": "storefront-7c9d8b6f54",
            "uid": "0a4c53d2-7c3b-4f61-8f3b-9f2f0e9d6a31",
        }],
        "uid": "c2a9b7de-51f7-4e0a-9d3f-3c1e2b4a5d60",
    })
}

/// The default settings allow no host port.
fn without_host_port(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(port) = pod["spec"]["containers"][1]["ports"][0].as_object_mut() {
        port.remove("hostPort");
    }
    pod
}

/// The same Pod with a violation of most controls.
fn violating_pod(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let spec = &mut pod["spec"];
    spec["hostNetwork"] = json!(true);
    spec["hostPID"] = json!(true);
    spec["shareProcessNamespace"] = json!(true);
    let containers = &mut spec["containers"];
    containers[0]["image"] = json!("docker.io/library/nginx:latest");
    containers[0]["securityContext"]["privileged"] = json!(true);
    containers[1]["securityContext"]["seccompProfile"] = json!({"type": "Unconfined"});
    containers[2]["securityContext"]["appArmorProfile"] = json!({"type": "Unconfined"});
    pod
}

/// The Pod with `count` sidecars of `variables` environment variables each in place of its own
/// containers.
fn many_containers(pod: &Value, count: u16, variables: u16) -> Value {
    let mut pod = pod.clone();
    pod["spec"]["containers"] = (0..count)
        .map(|index| {
            let name = format!("shard-{index:03}");
            let mut shard = container(
                &name,
                &image("shop/search-shard", "2.4.0"),
                index.saturating_add(20_000),
            );
            shard["env"] = Value::Array(environment(&format!("SHARD_{index:03}"), variables));
            shard
        })
        .collect();
    add_managed_fields(&mut pod);
    pod
}

/// Close to the 2 MiB that policy-server takes: annotations up to their limit of 256 KiB, and
/// hundreds of containers.
fn huge_pod(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for index in 0..16 {
        pod["metadata"]["annotations"][format!("shop.acme.example/routing-{index}")] =
            json!(routing_table(123));
    }
    many_containers(&pod, 300, 12)
}

/// A container as complete as they come: every field that a control reads, and those around them.
fn container(name: &str, image: &str, port: u16) -> Value {
    let probe = |path: &str, period: u8| {
        json!({
            "failureThreshold": 3,
            "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
            "periodSeconds": period,
            "successThreshold": 1,
            "timeoutSeconds": 2,
        })
    };
    json!({
        "args": ["--config=/etc/acme/config.yaml", format!("--listen=0.0.0.0:{port}"), "--log-format=json"],
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": probe("/healthz", 20),
        "name": name,
        "ports": [{"containerPort": port, "name": "http", "protocol": "TCP"}],
        "readinessProbe": probe("/readyz", 5),
        "resources": {
            "limits": {"cpu": "2", "ephemeral-storage": "1Gi", "memory": "512Mi"},
            "requests": {"cpu": "250m", "ephemeral-storage": "256Mi", "memory": "384Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "appArmorProfile": {"localhostProfile": "acme-web", "type": "Localhost"},
            "capabilities": {"drop": ["ALL"]},
            "privileged": false,
            "procMount": "Default",
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"mountPath": "/etc/acme", "name": "config", "readOnly": true},
            {"mountPath": "/tmp", "name": "scratch"},
            {"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access-q7x4z", "readOnly": true},
        ],
    })
}

fn image(repository: &str, tag: &str) -> String {
    format!("registry.acme.example/{repository}:{tag}")
}

fn environment(prefix: &str, count: u16) -> Vec<Value> {
    (0..count)
        .map(|index| {
            json!({
                "name": format!("{prefix}_UPSTREAM_{index}_URL"),
                "value": format!("http://backend-{index}.shop.svc.cluster.local:8080/api/v1?timeout=5s"),
            })
        })
        .collect()
}

/// JSON inside a string, as controllers leave it in annotations: every quote is escaped.
fn routing_table(routes: u16) -> String {
    let routes: Vec<Value> = (0..routes)
        .map(|index| {
            json!({
                "backend": format!("backend-{index}.shop.svc.cluster.local"),
                "path": format!("/api/v1/route/{index}"),
                "timeout": "5s",
                "weight": 100,
            })
        })
        .collect();
    sorted(&json!({"routes": routes, "version": 3})).to_string()
}

fn affinity() -> Value {
    json!({
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{
                    "matchExpressions": [
                        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                        {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                        {"key": "agentpool", "operator": "NotIn", "values": ["system", "gpu"]},
                    ],
                }],
            },
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{
                "podAffinityTerm": {
                    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "storefront"}},
                    "topologyKey": "kubernetes.io/hostname",
                },
                "weight": 100,
            }],
        },
    })
}

fn tolerations() -> Value {
    json!([
        {"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300},
        {"effect": "NoExecute", "key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300},
        {"effect": "NoSchedule", "key": "workload", "operator": "Equal", "value": "web"},
    ])
}

fn volumes() -> Value {
    json!([
        {"configMap": {"defaultMode": 420, "name": "storefront-config"}, "name": "config"},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}, "name": "scratch"},
        {"name": "tls", "secret": {"defaultMode": 288, "secretName": "storefront-tls"}},
        {
            "name": "registry-token",
            "projected": {
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {"audience": "registry.acme.example", "expirationSeconds": 3600, "path": "token"}}],
            },
        },
        {
            "name": "kube-api-access-q7x4z",
            "projected": {
                "defaultMode": 420,
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
                    {"downwardAPI": {"items": [{"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}]}},
                ],
            },
        },
    ])
}

/// Writes down who set which field, as the API server does: about a third of a real Pod's bytes.
fn add_managed_fields(pod: &mut Value) {
    let metadata = json!({
        "annotations": pod["metadata"]["annotations"],
        "generateName": "",
        "labels": pod["metadata"]["labels"],
        "ownerReferences": pod["metadata"]["ownerReferences"],
    });
    let fields = json!({"metadata": metadata, "spec": pod["spec"]});
    pod["metadata"]["managedFields"] = json!([{
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": Value::Object(owned_fields(&fields)),
        "manager": "kube-controller-manager",
        "operation": "Update",
        "time": "2026-01-01T08:15:31Z",
    }]);
}

/// `value` in the form of `fieldsV1`.
fn owned_fields(value: &Value) -> Map<String, Value> {
    let Value::Object(fields) = value else {
        return Map::new();
    };
    fields
        .iter()
        .map(|(name, value)| {
            let owned = match value {
                Value::Array(items) => owned_items(name, items),
                value => owned_fields(value),
            };
            (format!("f:{name}"), Value::Object(owned))
        })
        .collect()
}

/// The items of a list by their merge keys; a list without any is owned as a whole.
fn owned_items(list: &str, items: &[Value]) -> Map<String, Value> {
    let keys: &[&str] = match list {
        "containers" | "env" | "imagePullSecrets" | "initContainers" | "volumes" => &["name"],
        "ownerReferences" => &["uid"],
        "ports" => &["containerPort", "protocol"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "volumeMounts" => &["mountPath"],
        _ => return Map::new(),
    };
    let mut owned: Map<String, Value> = items
        .iter()
        .map(|item| {
            let key: Map<String, Value> = keys
                .iter()
                .map(|key| ((*key).to_owned(), item[*key].clone()))
                .collect();
            let mut fields = owned_fields(item);
            fields.insert(".".to_owned(), json!({}));
            (format!("k:{}", Value::Object(key)), Value::Object(fields))
        })
        .collect();
    owned.insert(".".to_owned(), json!({}));
    owned
}

/// `value` with sorted keys, whatever order `serde_json`'s map keeps in this build.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (name.clone(), sorted(value)))
                .collect();
            fields.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        value => value.clone(),
    }
}

const NAMESPACE: &str = "shop";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_realistic_pod_has_19_to_21_kb() {
        let bytes = sorted(&realistic_pod()).to_string().len();
        assert!((19_000..=21_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_huge_request_has_1_7_mb() {
        let bytes = create(&huge_pod(&realistic_pod()), &settings())
            .to_string()
            .len();
        assert!((1_650_000..=1_750_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_annotations_of_the_huge_pod_stay_within_their_limit() {
        let pod = huge_pod(&realistic_pod());
        let annotations = pod["metadata"]["annotations"].as_object().unwrap();
        let bytes: usize = annotations
            .iter()
            .map(|(name, value)| name.len() + value.as_str().unwrap().len())
            .sum();
        assert!((200_000..=262_144).contains(&bytes), "{bytes}");
    }

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let text = sorted(&json!({"b": [{"d": 1, "c": 2}], "a": {}})).to_string();
        assert_eq!(text, r#"{"a":{},"b":[{"c":2,"d":1}]}"#);
    }
}
