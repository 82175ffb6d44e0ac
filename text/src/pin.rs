//! The images of a file, and the digests behind their tags.
//!
//! Only what stands behind a reference is written: comments, order and quotes stay as they are. So a
//! reference must stand in the file as it is; one that is put together by YAML (escapes, folded lines) is
//! an error with its place, and so is everything by which the file would say something else than before.
//!
//! An image is what stands as `image` in a list `containers`, `initContainers` or `ephemeralContainers`,
//! or as `image.reference` in a list `volumes`: in every kind of Kubernetes, and in those of others that are
//! made alike.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use container_security::Reference;
use serde_json::Value;

use crate::document::{self, Document, Place, Places};

/// A file, and its images without a digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    source: String,
    text: String,
    /// By where they end in the text.
    tagged: BTreeMap<usize, Tagged>,
    /// How many images have a digest already.
    pub pinned: usize,
}

/// An image that is named by a tag, or by none, which is `latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// As it is written.
    pub written: String,
    /// The line on which it stands, counted from 1.
    pub line: usize,
    /// With registry and tag, however it is written: what a registry is asked.
    pub name: String,
    has_tag: bool,
}

impl Manifest {
    /// Reads the images of a file, of which `source` is the name.
    ///
    /// # Errors
    ///
    /// What is wrong, with its place: a document that cannot be read, a reference that is none, and one
    /// that does not stand in the file as it is. A file without a document is an error, too: whoever made
    /// it may have failed.
    pub fn read(source: &str, bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| format!("{source}: only UTF-8 is written, and the file is none"))?;
        let mut manifest = Self {
            source: source.to_owned(),
            text: text.to_owned(),
            tagged: BTreeMap::new(),
            pinned: 0,
        };
        let documents = document::parse_yaml(source, bytes);
        if documents.is_empty() {
            return Err(format!("{source}: no object in it"));
        }
        for document in documents {
            let Document { value, places, .. } = document.map_err(|error| error.to_string())?;
            let mut images = Vec::new();
            collect(&value, &places, &mut images);
            for (image, places) in images {
                manifest.add(image, places)?;
            }
        }
        Ok(manifest)
    }

    /// The images without a digest, in the order of the file.
    pub fn tagged(&self) -> impl Iterator<Item = &Tagged> {
        self.tagged.values()
    }

    /// The file with a digest behind each tag, by [`Tagged::name`].
    ///
    /// # Errors
    ///
    /// When there is no digest for one of them, or the file would then say anything else than before.
    pub fn with_digests(&self, digests: &BTreeMap<String, String>) -> Result<String, String> {
        let Self { source, text, .. } = self;
        let mut pinned = String::with_capacity(text.len());
        let mut rest = text.as_str();
        let mut begin = 0;
        for (end, image) in &self.tagged {
            let digest = digests
                .get(&image.name)
                .ok_or_else(|| format!("{source}: there is no digest for {}", image.name))?;
            let (before, behind) = rest
                .split_at_checked(end.saturating_sub(begin))
                .ok_or_else(|| format!("{source}: line {}: {MOVED}", image.line))?;
            pinned.push_str(before);
            pinned.push_str(&image.suffix(digest));
            (rest, begin) = (behind, *end);
        }
        pinned.push_str(rest);
        self.check(&pinned, digests)?;
        Ok(pinned)
    }

    fn add(&mut self, image: &str, places: Option<&Places>) -> Result<(), String> {
        let Some(end) = places.and_then(Places::end) else {
            return Err(format!("{}: {image:?}: {MOVED}", self.source));
        };
        let problem = |problem: &dyn std::fmt::Display| {
            format!("{}: line {}: {image:?}: {problem}", self.source, end.line)
        };
        let reference = Reference::of_container(image).map_err(|error| problem(&error))?;
        if reference.digest().is_some() {
            self.pinned = self.pinned.saturating_add(1);
            return Ok(());
        }
        if reference.registry().is_empty() {
            return Err(problem(&"its registry has no name that can be asked"));
        }
        let at = place_of_end(&self.text, end, image).ok_or_else(|| problem(&MOVED))?;
        let name = format!(
            "{}/{}:{}",
            reference.registry(),
            reference.repository(),
            reference.pulled_tag().unwrap_or_default()
        );
        self.tagged.insert(
            at,
            Tagged {
                written: image.to_owned(),
                line: end.line,
                name,
                has_tag: reference.tag().is_some(),
            },
        );
        Ok(())
    }

    /// Whether the new text says the same, but for the digests.
    fn check(&self, pinned: &str, digests: &BTreeMap<String, String>) -> Result<(), String> {
        let values = |text: &str| -> Result<Vec<Value>, String> {
            document::parse(&self.source, text.as_bytes())
                .into_iter()
                .map(|document| document.map(|document| document.value))
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string())
        };
        let mut expected = values(&self.text)?;
        for value in &mut expected {
            pin(value, &|image| {
                let tagged = self.tagged().find(|tagged| tagged.written == image);
                let digest = tagged.and_then(|tagged| Some((tagged, digests.get(&tagged.name)?)));
                digest.map(|(tagged, digest)| format!("{image}{}", tagged.suffix(digest)))
            });
        }
        if values(pinned)? == expected {
            Ok(())
        } else {
            Err(format!(
                "{}: an image stands where something else is meant by the same text, an anchor for \
                 example; nothing is written",
                self.source
            ))
        }
    }
}

impl Tagged {
    fn suffix(&self, digest: &str) -> String {
        let mut suffix = String::new();
        if !self.has_tag {
            suffix.push_str(":latest");
        }
        // Writing to a text does not fail.
        let _ = write!(suffix, "@{digest}");
        suffix
    }
}

/// The images in a value.
fn collect<'v>(
    value: &'v Value,
    places: &'v Places,
    images: &mut Vec<(&'v str, Option<&'v Places>)>,
) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(places) = places.item(index) {
                    collect(item, places, images);
                }
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let Some(places) = places.entry(key) else {
                    continue;
                };
                let path = path_of_image(key);
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    let mut found = (Some(item), places.item(index));
                    for key in path {
                        found = (
                            found.0.and_then(|value| value.get(key)),
                            found.1.and_then(|places| places.entry(key)),
                        );
                    }
                    let image = found.0.and_then(Value::as_str);
                    images.extend(
                        image
                            .filter(|image| !path.is_empty() && !image.is_empty())
                            .map(|image| (image, found.1)),
                    );
                }
                collect(value, places, images);
            }
        }
        _ => {}
    }
}

/// Writes digests behind the images in a value.
fn pin(value: &mut Value, digest: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| pin(item, digest)),
        Value::Object(entries) => {
            for (key, value) in entries.iter_mut() {
                let path = path_of_image(key);
                for item in value.as_array_mut().into_iter().flatten() {
                    let mut found = Some(item);
                    for key in path {
                        found = found.and_then(|value| value.get_mut(key));
                    }
                    if let Some(Value::String(image)) = found
                        && let Some(pinned) = digest(image)
                    {
                        *image = pinned;
                    }
                }
                pin(value, digest);
            }
        }
        _ => {}
    }
}

/// Where the items of a list under this key have an image.
fn path_of_image(key: &str) -> &'static [&'static str] {
    match key {
        "containers" | "initContainers" | "ephemeralContainers" => &["image"],
        "volumes" => &["image", "reference"],
        _ => &[],
    }
}

/// Where in the text a reference ends, if it ends there as it is: behind its last character, and
/// before a closing quote.
fn place_of_end(text: &str, end: Place, image: &str) -> Option<usize> {
    let mark = text
        .len()
        .checked_sub(text.trim_start_matches('\u{feff}').len())?;
    let lines = text.split_at_checked(mark)?.1.split_inclusive('\n');
    let mut at = mark;
    for (line, number) in lines.zip(1..) {
        if number < end.line {
            at = at.checked_add(line.len())?;
            continue;
        }
        let columns = line.char_indices().map(|(index, _)| index);
        let column = columns
            .chain([line.len()])
            .nth(end.column.checked_sub(1)?)?;
        let before = line.get(..column)?;
        let (before, quote) = match before.strip_suffix(['"', '\'']) {
            Some(before) => (before, 1),
            None => (before, 0),
        };
        let begins = before.strip_suffix(image)?.chars().next_back();
        let is_whole = match quote {
            0 => begins.is_none_or(|before| before.is_whitespace() || "[{,:".contains(before)),
            _ => begins.is_some_and(|before| matches!(before, '"' | '\'')),
        };
        return is_whole
            .then(|| at.checked_add(column)?.checked_sub(quote))
            .flatten();
    }
    None
}

const MOVED: &str =
    "write it on one line, without escapes; it cannot be found in the file as it is";
