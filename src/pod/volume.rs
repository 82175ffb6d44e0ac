//! A volume, down to the fields that controls read: what it is, which the API server writes as a key
//! beside its name.

use std::fmt::{self, Formatter};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::json::{Text, object};

/// A volume of a pod.
#[derive(Debug, Default)]
pub(crate) struct VolumeSpec<'a> {
    pub(crate) name: Text<'a>,
    /// The keys beside the name whose value is not null; in what Kubernetes accepts there is one.
    pub(crate) types: Vec<Text<'a>>,
    pub(crate) host_path: Option<Text<'a>>,
    pub(crate) image: Option<ImageVolume<'a>>,
}

object! {
    pub(crate) struct ImageVolume<'a> {
        "reference" pub(crate) reference: Option<Text<'a>>,
    }
}

object! {
    struct HostPathVolume<'a> {
        "path" path: Text<'a>,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for VolumeSpec<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = VolumeSpec<'de>;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut volume = VolumeSpec::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    let is_set = match key.as_str() {
                        "name" => {
                            volume.name = map.next_value()?;
                            continue;
                        }
                        "hostPath" => {
                            let host_path: Option<HostPathVolume<'de>> = map.next_value()?;
                            volume.host_path = host_path.map(|host_path| host_path.path);
                            volume.host_path.is_some()
                        }
                        "image" => {
                            volume.image = map.next_value()?;
                            volume.image.is_some()
                        }
                        _ => map.next_value::<Option<IgnoredAny>>()?.is_some(),
                    };
                    if is_set {
                        volume.types.push(key);
                    }
                }
                Ok(volume)
            }
        }

        deserializer.deserialize_map(Visit)
    }
}
