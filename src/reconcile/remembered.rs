//! What a run remembers of the files that it has read, and does not read again.

use std::path::Path;
use std::rc::Rc;

use super::checked::Counted;
use crate::manifest::{self, Extent, Extract, Extractor};
use crate::model::conventions::Conventions;
use crate::model::location::RepoPath;
use crate::source::Cache;

/// The cache in a directory of what files hold by some conventions, as far as they are read.
pub fn cache(directory: &Path, conventions: &Conventions, extent: Extent) -> Rc<Cache> {
    let look = match extent {
        Extent::Ours => "",
        Extent::Whole => "-whole",
    };
    let version = manifest::version(conventions);
    Rc::new(Cache::open(directory, &version, look))
}

/// What the cache remembers of the documents of a file.
struct Documents<'a>(&'a Cache);

impl manifest::Memory for Documents<'_> {
    fn knows(&self, document: &str) -> bool {
        self.0.knows(document.as_bytes())
    }

    fn learn(&self, document: &str) {
        self.0.learn(document.as_bytes());
    }
}

/// Reads so much of a file, with what the cache remembers; the documents of whole ones are counted.
pub(super) fn extract<'a>(
    extractor: &'a Extractor,
    extent: Extent,
    cache: Option<&'a Cache>,
    counted: &'a Counted,
) -> impl Fn(&RepoPath, &[u8]) -> Option<Extract> + Sync + 'a {
    move |path, bytes| {
        if extent == Extent::Whole {
            counted.add(path, bytes);
        }
        match cache {
            Some(cache) => extractor.extract_with(path, bytes, extent, &Documents(cache)),
            None => extractor.extract_with(path, bytes, extent, &()),
        }
    }
}
