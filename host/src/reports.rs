//! Host calls answered from what scanners have written.
//!
//! The namespace that a policy names does not matter: a scan is about an image, wherever a cluster
//! would keep the report of it.

use std::sync::atomic::{AtomicBool, Ordering};

use container_security_text::scan_report::{ScanReport, Shape};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::host_capabilities::HostCapabilities;

/// Answers what is asked of `VulnerabilityReport`s; another host answers everything else.
pub struct Reports<H> {
    scans: Vec<ScanReport>,
    inner: H,
    was_asked: AtomicBool,
}

impl<H> Reports<H> {
    /// Answers from `scans`, and lets `inner` answer the rest.
    #[must_use]
    pub fn new(scans: Vec<ScanReport>, inner: H) -> Self {
        Self {
            scans,
            inner,
            was_asked: AtomicBool::new(false),
        }
    }

    /// Who answers the rest.
    #[must_use]
    pub fn inner(&self) -> &H {
        &self.inner
    }

    /// Whether anybody wanted to know of a report.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    fn list(&self, query: &Query, shape: Shape) -> Result<Vec<Value>, String> {
        let scans = self.scans.iter();
        let mut resources: Vec<_> = scans.flat_map(|scan| scan.resources(shape)).collect();
        // What the API server selects by is what the scanner's own one can be asked for.
        if let Some(selector) = query
            .field_selector
            .as_deref()
            .filter(|text| !text.is_empty())
        {
            let repository = selector
                .strip_prefix("imageMetadata.repository=")
                .filter(|repository| shape == Shape::Sbomscanner && !repository.contains(','));
            let repository = repository
                .ok_or_else(|| format!("field selector {selector:?} is not answered from files"))?;
            resources.retain(|resource| {
                resource.pointer("/imageMetadata/repository") == Some(&json!(repository))
            });
        }
        if query
            .label_selector
            .as_deref()
            .is_some_and(|text| !text.is_empty())
        {
            return Err("label selectors are not answered from files".to_owned());
        }
        Ok(resources)
    }
}

/// What is asked, as far as it matters.
#[derive(Deserialize)]
struct Query {
    api_version: String,
    kind: String,
    name: Option<String>,
    namespace: Option<String>,
    label_selector: Option<String>,
    field_selector: Option<String>,
}

impl<H: HostCapabilities> HostCapabilities for Reports<H> {
    fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        let query = serde_json::from_slice::<Query>(payload)
            .ok()
            .filter(|query| query.kind == "VulnerabilityReport");
        let shape = query
            .as_ref()
            .and_then(|query| Shape::of_api_version(&query.api_version));
        let (Some(query), Some(shape), "kubewarden", "kubernetes") =
            (query, shape, binding, namespace)
        else {
            return self.inner.call(binding, namespace, operation, payload);
        };
        let failure = |problem: String| format!("Callback evaluation failure: {problem}");
        match operation {
            "list_resources_by_namespace" | "list_resources_all" => {
                self.was_asked.store(true, Ordering::Relaxed);
                let list = json!({
                    "apiVersion": query.api_version,
                    "kind": "VulnerabilityReportList",
                    "metadata": {},
                    "items": self.list(&query, shape).map_err(failure)?,
                });
                Ok(list.to_string().into_bytes())
            }
            // They are found by their images, and files know no names of resources.
            "get_resource" => Err(failure(format!(
                "Cannot find {}/{} named '{}' inside of namespace '{:?}'",
                query.api_version,
                query.kind,
                query.name.unwrap_or_default(),
                query.namespace
            ))),
            _ => self.inner.call(binding, namespace, operation, payload),
        }
    }
}
