//! LSUN's LMDB databases: each value is an encoded image, each key its name.
//!
//! Read straight from the pages of `data.mdb` (LMDB 0.9, 64-bit, little-endian; the layout is that of
//! liblmdb's `mdb.c`, "Page structures"), without liblmdb: it maps the file and trusts what is in it, so that
//! a truncated or damaged file ends the process. Here every page is checked, nothing is written and no
//! lock file is touched; the database must not be changed while it is read.

use std::collections::BTreeMap;
use std::path::Path;

use pg_image::files::{DecodeLimits, FilesError};

use crate::little_endian::{u16_at, u32_at, u64_at};
use crate::positioned_file::PositionedFile;
use crate::{Collection, Content, Item, Opened, SourceError, item_names};

pub(crate) const DATA_FILE: &str = "data.mdb";
const MAGIC: u32 = 0xBEEF_C0DE;
const VERSION: u32 = 1;
/// Page number, padding, flags, and either the bounds of the free space or a number of pages.
const PAGE_HEADER_BYTES: usize = 16;
const META_BYTES: u64 = 152;
const NODE_HEADER_BYTES: usize = 8;
const NO_PAGE: u64 = u64::MAX;

/// Page flags.
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
/// Node flags.
const BIG_DATA: u16 = 1;
/// Database flags that change how leaves are laid out.
const DUPLICATE_KEYS: u16 = 4;

#[derive(Debug)]
struct Lmdb {
    file: PositionedFile,
    values: Vec<ValuePlace>,
}

/// Where an image's bytes are.
#[derive(Debug)]
struct ValuePlace {
    offset: u64,
    length: u64,
    /// The overflow page that holds them, whose header is then checked on reading.
    page: Option<u64>,
}

/// What the newest of the two meta pages says.
#[derive(Debug)]
struct Meta {
    page_bytes: u64,
    flags: u16,
    depth: u16,
    entries: u64,
    root: u64,
    last_page: u64,
    transaction: u64,
}

/// True when `head`, the first bytes of a file, is an LMDB meta page.
pub(crate) fn begins_database(head: &[u8]) -> bool {
    u32_at(head, PAGE_HEADER_BYTES) == Some(MAGIC)
}

/// True for a folder with a `data.mdb` that begins like one.
pub(crate) fn is_in(folder: &Path) -> bool {
    PositionedFile::open(&folder.join(DATA_FILE))
        .and_then(|file| file.read(0, PAGE_HEADER_BYTES as u64 + 4, "a page"))
        .is_ok_and(|head| begins_database(&head))
}

/// Opens a database's folder, or its `data.mdb` itself, and lists the keys in their order; reads no value.
pub(crate) fn open(path: &Path) -> Result<Opened, SourceError> {
    let path = if path.is_dir() { path.join(DATA_FILE) } else { path.to_owned() };
    let file = PositionedFile::open(&path)?;
    let meta = newest_meta(&file)?;
    if meta.flags & DUPLICATE_KEYS != 0 {
        let detail =
            "several values per key (MDB_DUPSORT), expected one image per key as LSUN has".to_owned();
        return Err(SourceError::Unsupported { path, detail });
    }
    let (items, values) = walk(&file, &meta)?;
    if items.len() as u64 != meta.entries {
        let expected = format!("{} entries by the meta page", meta.entries);
        return Err(file.damaged(0, expected, items.len().to_string()));
    }
    Ok(Opened::new(items, Lmdb { file, values }))
}

fn newest_meta(file: &PositionedFile) -> Result<Meta, SourceError> {
    let first = read_meta(file, 0)?;
    let second = read_meta(file, first.page_bytes)?;
    Ok(if second.transaction > first.transaction { second } else { first })
}

fn read_meta(file: &PositionedFile, at: u64) -> Result<Meta, SourceError> {
    let page = file.read(at, META_BYTES, "a meta page")?;
    let body = page.get(PAGE_HEADER_BYTES..).unwrap_or_default();
    let magic = (u32_at(body, 0), u32_at(body, 4));
    if magic != (Some(MAGIC), Some(VERSION)) {
        let found = format!("{:08x}, version {}", magic.0.unwrap_or(0), magic.1.unwrap_or(0));
        return Err(file.damaged(at + 16, format!("LMDB's mark {MAGIC:08x}, version {VERSION}"), found));
    }
    // Two database records of 48 bytes begin at 24: free pages (whose padding has the page size), main.
    let page_bytes = u64::from(u32_at(body, 24).unwrap_or(0));
    if !page_bytes.is_power_of_two() || !(512..=65_536).contains(&page_bytes) {
        return Err(file.damaged(at + 40, "a page size from 512 to 65536 bytes", page_bytes.to_string()));
    }
    let number = |offset: usize| u64_at(body, offset).unwrap_or(0);
    Ok(Meta {
        page_bytes,
        flags: u16_at(body, 76).unwrap_or(0),
        depth: u16_at(body, 78).unwrap_or(0),
        entries: number(104),
        root: number(112),
        last_page: number(120),
        transaction: number(128),
    })
}

/// All entries in the order of their keys: the tree from its root, left to right.
fn walk(file: &PositionedFile, meta: &Meta) -> Result<(Vec<Item>, Vec<ValuePlace>), SourceError> {
    let (mut items, mut values) = (Vec::new(), Vec::new());
    // By the item's place: few databases have any.
    let mut keys_without_text: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    if meta.root == NO_PAGE {
        return Ok((items, values));
    }
    let pages = file.bytes() / meta.page_bytes;
    let mut open = vec![(meta.root, 1_u16)];
    let mut visited = 0;
    while let Some((number, depth)) = open.pop() {
        visited += 1;
        let page = Page::read(file, meta, number)?;
        // Each page hangs on one branch only, so a tree never has more than the file.
        if visited + open.len() as u64 > pages || depth > meta.depth {
            return Err(file.damaged(page.start, "each page once in the tree", "a page again"));
        }
        if page.flags & BRANCH != 0 {
            let children = page.nodes()?.into_iter().map(|node| (page.child(node), depth + 1));
            open.extend(children.rev());
        } else if page.flags & LEAF != 0 {
            for node in page.nodes()? {
                let (key, place) = page.entry(node)?;
                let name = name_of(key);
                if name.as_bytes() != key {
                    keys_without_text.insert(items.len(), key.to_vec());
                }
                items.push(Item { name, bytes: place.length });
                values.push(place);
            }
        } else {
            let found = format!("page flags {:#x}", page.flags);
            return Err(file.damaged(page.start, "a branch or leaf page", found));
        }
    }
    let usual = |i: usize| items.get(i).map_or_else(String::new, |item: &Item| item.name.clone());
    let is_exact = |i: usize| !keys_without_text.contains_key(&i);
    let bytes = |i: usize| keys_without_text.get(&i).map_or(&[][..], Vec::as_slice);
    let names = item_names::told_apart(items.len(), usual, is_exact, bytes);
    for (item, name) in items.iter_mut().zip(names) {
        item.name = name;
    }
    Ok((items, values))
}

/// A page of the tree.
struct Page<'f> {
    file: &'f PositionedFile,
    size: u64,
    last: u64,
    start: u64,
    bytes: Vec<u8>,
    flags: u16,
}

impl<'f> Page<'f> {
    fn read(file: &'f PositionedFile, meta: &Meta, number: u64) -> Result<Self, SourceError> {
        let start = number.checked_mul(meta.page_bytes).filter(|_| number <= meta.last_page);
        let Some(start) = start else {
            let expected = format!("page numbers up to {}", meta.last_page);
            return Err(file.damaged(0, expected, number.to_string()));
        };
        let bytes = file.read(start, meta.page_bytes, "a page")?;
        let found = u64_at(&bytes, 0).unwrap_or(0);
        if found != number {
            return Err(file.damaged(start, format!("page {number}"), format!("page {found}")));
        }
        let flags = u16_at(&bytes, 10).unwrap_or(0);
        Ok(Self { file, size: meta.page_bytes, last: meta.last_page, start, bytes, flags })
    }

    fn number(&self, at: usize) -> u64 {
        u64::from(u16_at(&self.bytes, at).unwrap_or(0))
    }

    fn wrong(&self, at: usize, expected: &str, found: impl Into<String>) -> SourceError {
        self.file.damaged(self.start + at as u64, expected, found)
    }

    /// Where the page's nodes begin, in the order of their keys.
    fn nodes(&self) -> Result<Vec<usize>, SourceError> {
        let (lower, upper) = (self.number(12) as usize, self.number(14) as usize);
        if lower < PAGE_HEADER_BYTES || lower > upper || upper > self.bytes.len() || !lower.is_multiple_of(2)
        {
            return Err(self.wrong(12, "the bounds of the page's free space", format!("{lower} to {upper}")));
        }
        let mut nodes = Vec::new();
        let mut used = lower;
        for at in (PAGE_HEADER_BYTES..lower).step_by(2) {
            let node = self.number(at) as usize;
            let key = self.number(node + 6) as usize;
            let end = node + NODE_HEADER_BYTES + key;
            // Nodes do not overlap, so a page cannot yield more than it holds.
            used += NODE_HEADER_BYTES + key;
            if node < lower || end > self.bytes.len() || used > self.bytes.len() {
                return Err(self.wrong(
                    at,
                    "a node inside the page",
                    format!("one at {node} with a key of {key} bytes"),
                ));
            }
            nodes.push(node);
        }
        Ok(nodes)
    }

    /// The page that a branch's node leads to.
    fn child(&self, node: usize) -> u64 {
        self.number(node) | self.number(node + 2) << 16 | self.number(node + 4) << 32
    }

    /// Key and place of the value of a leaf's node.
    fn entry(&self, node: usize) -> Result<(&[u8], ValuePlace), SourceError> {
        let length = self.number(node) | self.number(node + 2) << 16;
        let flags = self.number(node + 4) as u16;
        let data = node + NODE_HEADER_BYTES + self.number(node + 6) as usize;
        let key = self.bytes.get(node + NODE_HEADER_BYTES..data).unwrap_or_default();
        let place = match flags {
            0 => ValuePlace { offset: self.start + data as u64, length, page: None },
            BIG_DATA => {
                let page = u64_at(&self.bytes, data).unwrap_or(NO_PAGE);
                let start = page.checked_mul(self.size).filter(|_| page <= self.last);
                let Some(start) = start else {
                    return Err(self.wrong(data, "the number of an overflow page", page.to_string()));
                };
                ValuePlace { offset: start + PAGE_HEADER_BYTES as u64, length, page: Some(page) }
            }
            other => return Err(self.wrong(node + 4, "a plain value", format!("node flags {other:#x}"))),
        };
        let end = if place.page.is_some() { self.file.bytes() } else { self.start + self.size };
        if place.offset.checked_add(length).is_none_or(|value_end| value_end > end) {
            let found = format!("{length} bytes at {}, beyond {end}", place.offset);
            return Err(self.wrong(node, "a value inside the file", found));
        }
        Ok((key, place))
    }
}

/// The key as text, or in hexadecimal where it is none.
fn name_of(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => text.to_owned(),
        _ => key.iter().fold(String::new(), |name, byte| name + &format!("{byte:02x}")),
    }
}

impl Collection for Lmdb {
    fn read(&self, index: usize, limits: &DecodeLimits) -> Result<Content, SourceError> {
        let value = self.values.get(index).ok_or(SourceError::NoItem { index, items: self.values.len() })?;
        if value.length > limits.max_bytes {
            return Err(FilesError::TooManyBytes {
                path: self.file.path().to_owned(),
                bytes: value.length,
                max_bytes: limits.max_bytes,
            }
            .into());
        }
        if let Some(page) = value.page {
            let at = value.offset - PAGE_HEADER_BYTES as u64;
            let header = self.file.read(at, PAGE_HEADER_BYTES as u64, "an overflow page")?;
            let found = (u64_at(&header, 0).unwrap_or(0), u16_at(&header, 10).unwrap_or(0));
            if found.0 != page || found.1 & OVERFLOW == 0 {
                let found = format!("page {} with flags {:#x}", found.0, found.1);
                return Err(self.file.damaged(at, format!("overflow page {page}"), found));
            }
        }
        self.file.read(value.offset, value.length, "a value").map(Content::Encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use pg_testkit::golden::fixture;

    #[test]
    fn a_database_written_by_liblmdb_is_listed_and_read() {
        let source = Source::open(&fixture("sources/lsun_lmdb")).unwrap();
        let keys: Vec<&str> = source.items().iter().map(|item| item.name.as_str()).collect();
        assert_eq!(keys.len(), 300, "several leaf pages under a branch page");
        assert!(keys.is_sorted());
        let limits = DecodeLimits::default();
        let (mut inline, mut big) = (0, 0);
        for (i, item) in source.items().iter().enumerate() {
            let Content::Encoded(bytes) = source.read(i, &limits).unwrap() else { panic!("pixels") };
            assert_eq!(bytes.len() as u64, item.bytes);
            assert!(pg_image::files::decode_bytes(&bytes, &item.name, &limits).is_ok(), "{}", item.name);
            if bytes.len() > 2000 { big += 1 } else { inline += 1 }
        }
        assert!(inline > 0 && big > 0, "{inline} values in leaves, {big} in overflow pages");
    }

    #[test]
    fn reading_leaves_the_folder_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(fixture("sources/lsun_lmdb/data.mdb"), folder.path().join(DATA_FILE)).unwrap();
        let source = Source::open(folder.path()).unwrap();
        let _ = source.read(0, &DecodeLimits::default()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no lock file");
    }

    #[test]
    fn keys_that_are_no_text_become_hexadecimal() {
        assert_eq!(["abc".as_bytes(), b"\0\x01", b"", b"\xff"].map(name_of), ["abc", "0001", "", "ff"]);
    }

    #[test]
    fn a_cut_database_is_an_error_or_lacks_only_pages_that_are_free() {
        let whole = std::fs::read(fixture("sources/lsun_lmdb/data.mdb")).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_all = |bytes: &[u8]| -> Result<Vec<Content>, SourceError> {
            std::fs::write(file.path(), bytes).unwrap();
            let opened = open(file.path())?;
            let limits = DecodeLimits::default();
            (0..opened.items.len()).map(|i| opened.collection.read(i, &limits)).collect()
        };
        let expected = read_all(&whole).unwrap();
        let mut errors = 0;
        for length in (0..whole.len()).step_by(1021) {
            match read_all(&whole[..length]) {
                Ok(found) => assert!(found == expected, "{length} of {} bytes", whole.len()),
                Err(_) => errors += 1,
            }
        }
        assert!(errors > whole.len() / 1021 / 2, "{errors}");
    }
}
