//! `/proc/PID/maps`: which file an address of a process comes from.

use std::path::PathBuf;

/// A program with a hundred libraries has a tenth of this.
const LONGEST: u64 = 1024 * 1024;

/// Where the files of a process lie in its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Maps(Vec<Region>);

/// A part of a file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Region {
    start: u64,
    end: u64,
    offset: u64,
    path: PathBuf,
}

/// A file that an address lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// As the kernel wrote it; a file that was deleted since has ` (deleted)` at its end.
    pub(crate) path: &'a PathBuf,
    /// Where its first byte lies in memory.
    pub(crate) base: u64,
    /// The region, as `/proc/PID/map_files` names it.
    pub(crate) region: (u64, u64),
}

impl Maps {
    /// Of process `pid`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        super::read_up_to(format!("/proc/{pid}/maps"), LONGEST).map(|text| Self::parse(&text))
    }

    /// Lines that cannot be understood, and memory that is no file's, are left out.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(region).collect())
    }

    /// The file at `address`.
    pub(crate) fn find(&self, address: u64) -> Option<Place<'_>> {
        let inside = |region: &&Region| (region.start..region.end).contains(&address);
        let found = self.0.iter().find(inside)?;
        let first = |region: &&Region| region.path == found.path && region.offset == 0;
        let base = self.0.iter().find(first).map_or_else(
            || found.start.checked_sub(found.offset),
            |region| Some(region.start),
        )?;
        Some(Place {
            path: &found.path,
            base,
            region: (found.start, found.end),
        })
    }
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE   PATH`
fn region(line: &str) -> Option<Region> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.trim_start().split_once(' ')?;
        rest = after;
        Some(field)
    };
    let (start, end) = field()?.split_once('-')?;
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    let _permissions = field()?;
    let offset = hexadecimal(field()?)?;
    let _device = field()?;
    let _inode = field()?;
    let path = rest.trim_start();
    path.starts_with('/').then(|| {
        Some(Region {
            start: hexadecimal(start)?,
            end: hexadecimal(end)?,
            offset,
            path: path.into(),
        })
    })?
}
