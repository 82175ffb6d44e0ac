//! What the API server writes into an object before it asks anybody about it, as far as a policy
//! would judge its absence.

use serde_json::{Map, Value};

use crate::kinds;

/// Makes an `emptyDir` of each volume without a type in an object of Kubernetes that has Pods:
/// `SetDefaults_Volume` of its `core/v1`. Custom kinds get no defaults.
pub(crate) fn set(group: &str, kind: &str, object: &mut Map<String, Value>) {
    let Some(path) = kinds::pod_spec(group, kind) else {
        return;
    };
    let mut path = path.iter();
    let spec = path.next().and_then(|key| object.get_mut(*key));
    let spec = path.fold(spec, |value, key| {
        value.and_then(|value| value.get_mut(key))
    });
    let volumes = spec.and_then(|spec| spec.get_mut("volumes"));
    let volumes = volumes.and_then(Value::as_array_mut);
    for volume in volumes
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let has_no_type = volume
            .iter()
            .all(|(key, value)| key == "name" || value.is_null());
        if has_no_type {
            volume.insert("emptyDir".to_owned(), Value::Object(Map::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_defaults(group: &str, kind: &str, mut object: Value) -> Value {
        set(group, kind, object.as_object_mut().unwrap());
        object
    }

    #[test]
    fn a_volume_without_a_type_is_an_empty_dir() {
        let volumes = json!({"volumes": [
            {"name": "a"},
            {"name": "b", "emptyDir": null},
            {"name": "c", "hostPath": null, "secret": null},
            {"name": "d", "configMap": {}},
            {"name": "e", "typo": {}},
            null,
        ]});
        let expected = json!({"volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "emptyDir": {}},
            {"name": "c", "hostPath": null, "secret": null, "emptyDir": {}},
            {"name": "d", "configMap": {}},
            {"name": "e", "typo": {}},
            null,
        ]});
        for (group, kind, path) in [
            ("", "Pod", "/spec"),
            ("", "PodTemplate", "/template/spec"),
            ("", "ReplicationController", "/spec/template/spec"),
            ("apps", "Deployment", "/spec/template/spec"),
            ("extensions", "DaemonSet", "/spec/template/spec"),
            ("batch", "Job", "/spec/template/spec"),
            ("batch", "CronJob", "/spec/jobTemplate/spec/template/spec"),
        ] {
            let object = |spec: &Value| {
                let keys = path.rsplit('/').filter(|key| !key.is_empty());
                keys.fold(spec.clone(), |value, key| json!({key: value}))
            };
            assert_eq!(
                with_defaults(group, kind, object(&volumes)),
                object(&expected),
                "{group}/{kind}"
            );
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let volumes = json!({"volumes": [{"name": "a"}]});
        for (group, kind, object) in [
            ("", "Pod", json!({})),
            ("", "Pod", json!({"spec": {"volumes": null}})),
            ("", "Pod", json!({"spec": {"volumes": {"name": "a"}}})),
            ("", "Pod", json!({"spec": {"template": {"spec": volumes}}})),
            ("", "ConfigMap", json!({"spec": volumes})),
            ("example.com", "Pod", json!({"spec": volumes})),
            (
                "batch.volcano.sh",
                "Job",
                json!({"spec": {"template": {"spec": volumes}}}),
            ),
        ] {
            assert_eq!(with_defaults(group, kind, object.clone()), object);
        }
    }
}
