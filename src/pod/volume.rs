//! A volume, down to the fields that controls read: what it is, which the API server writes as a key
//! beside its name.

use crate::json::Text;
use crate::object::{Field as _, Object, Slot, object};

/// A volume of a pod.
#[derive(Debug, Default)]
pub(crate) struct VolumeSpec<'a> {
    pub(crate) name: Text<'a>,
    other_types: Vec<Text<'a>>,
    pub(crate) host_path: Option<HostPathVolume<'a>>,
    pub(crate) image: Option<ImageVolume<'a>>,
}

object! {
    pub(crate) struct ImageVolume<'a> {
        "reference" pub(crate) reference: Option<Text<'a>>,
    }
}

object! {
    pub(crate) struct HostPathVolume<'a> {
        "path" pub(crate) path: Text<'a>,
    }
}

impl VolumeSpec<'_> {
    /// Its types: the keys beside the name whose value is not null. In what Kubernetes accepts there is
    /// one.
    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        let host_path = self.host_path.is_some().then_some(HOST_PATH);
        let image = self.image.is_some().then_some(IMAGE);
        let others = self.other_types.iter().map(Text::as_str);
        host_path.into_iter().chain(image).chain(others)
    }
}

impl<'de> Object<'de> for VolumeSpec<'de> {
    fn slot(&mut self, key: &str) -> Slot<'_, 'de> {
        match key {
            "name" => self.name.slot(),
            HOST_PATH => self.host_path.slot(),
            IMAGE => self.image.slot(),
            _ => Slot::Keys(&mut self.other_types),
        }
    }
}

pub(crate) const HOST_PATH: &str = "hostPath";
const IMAGE: &str = "image";
