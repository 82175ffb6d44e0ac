//! A volume, down to the fields that controls read: what it is, which the API server writes as a key
//! beside its name.

use crate::json::Text;
use crate::object::{Failed, Object, Read, Reader, object};

/// A volume of a pod.
#[derive(Debug, Default)]
pub(crate) struct VolumeSpec<'a> {
    pub(crate) name: Text<'a>,
    /// The keys beside the name whose value is not null; in what Kubernetes accepts there is one.
    pub(crate) types: Vec<Text<'a>>,
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

impl<'de> Object<'de> for VolumeSpec<'de> {
    fn field(&mut self, key: Text<'de>, value: &mut dyn Reader<'de>) -> Result<(), Failed> {
        let is_set = match key.as_str() {
            "name" => {
                self.name = value.text()?;
                return Ok(());
            }
            "hostPath" => {
                self.host_path = Read::read(value)?;
                self.host_path.is_some()
            }
            "image" => {
                self.image = Read::read(value)?;
                self.image.is_some()
            }
            _ => value.is_given()?,
        };
        if is_set {
            self.types.push(key);
        }
        Ok(())
    }
}
