//! A sorted list of items, looked up by path.
//!
//! Lists of 50,000 files are compared with each other in nearly every command. When paths are
//! looked up in sorted order, each lookup costs one comparison and no hashing; in any other order
//! it costs a binary search. The list borrows its paths.

use std::cell::Cell;

use super::RelPath;

/// Items by path, sorted by the bytes of the paths.
pub struct Sorted<'a, T> {
    items: Vec<(&'a RelPath, T)>,
    /// The expected position of the next path.
    next: Cell<usize>,
}

impl<'a, T> Sorted<'a, T> {
    /// Sorts the items; fast if they are sorted already. Items with equal paths are all kept.
    pub fn new(items: impl IntoIterator<Item = (&'a RelPath, T)>) -> Self {
        let mut items: Vec<_> = items.into_iter().collect();
        items.sort_by_key(|(path, _)| *path);
        Self {
            items,
            next: Cell::new(0),
        }
    }

    /// Returns the item with this path.
    pub fn get(&self, path: &RelPath) -> Option<&T> {
        let next = self.next.get();
        let expected = self.items.get(next).map(|(here, _)| (*here).cmp(path));
        let found = match expected {
            Some(std::cmp::Ordering::Equal) => Ok(next),
            _ => self.items.binary_search_by_key(&path, |(here, _)| *here),
        };
        self.next.set(found.map_or_else(|at| at, |at| at + 1));
        found.ok().map(|at| &self.items[at].1)
    }

    /// True when some item has this path.
    pub fn contains(&self, path: &RelPath) -> bool {
        self.get(path).is_some()
    }

    /// Iterates over the paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &'a RelPath> {
        self.items.iter().map(|(path, _)| *path)
    }

    /// Iterates over the items, sorted by path.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_every_order() {
        let names = ["b", "a/x", "c", "a", "a-b"];
        let paths: Vec<RelPath> = names
            .iter()
            .map(|name| RelPath::parse(name).expect("it is honest"))
            .collect();
        let sorted = Sorted::new(paths.iter().zip(names));
        assert_eq!(
            sorted.paths().map(RelPath::to_text).collect::<Vec<_>>(),
            ["a", "a-b", "a/x", "b", "c"]
        );
        let absent = RelPath::parse("a/y").expect("it is honest");
        for order in [[0, 1, 2, 3, 4], [3, 4, 1, 0, 2], [2, 2, 0, 3, 3]] {
            for at in order {
                assert_eq!(sorted.get(&paths[at]), Some(&names[at]));
                assert!(!sorted.contains(&absent));
            }
        }
        assert!(!Sorted::<()>::new([]).contains(&absent));
    }
}
