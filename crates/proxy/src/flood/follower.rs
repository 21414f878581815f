//! Where frames begin and end in a stream of bytes (RFC 9113 4.1). Pure: no input or output.

/// `PRI * HTTP/2.0 …` (RFC 9113 3.4).
const PREFACE: usize = 24;
const HEADER: usize = 9;
/// So much of a payload is kept: 20 settings.
const KEPT: usize = 120;

/// A frame, seen once its header and the kept part of its payload are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// RFC 9113 6.
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// Of the whole payload, in bytes.
    pub(super) length: usize,
    /// Its beginning.
    pub(super) payload: &'a [u8],
}

/// Follows one direction of one connection.
#[derive(Debug)]
pub(super) struct Follower {
    skip: usize,
    header: [u8; HEADER],
    have: usize,
    kept: [u8; KEPT],
    kept_length: usize,
    /// Of the payload, not yet kept or passed by.
    left: usize,
    open: bool,
}

impl Follower {
    /// What a visitor sends: the preface comes first.
    pub(super) fn of_visitor() -> Self {
        Self {
            skip: PREFACE,
            header: [0; HEADER],
            have: 0,
            kept: [0; KEPT],
            kept_length: 0,
            left: 0,
            open: false,
        }
    }

    /// What we send.
    pub(super) fn of_ours() -> Self {
        Self {
            skip: 0,
            ..Self::of_visitor()
        }
    }

    /// True between two frames.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.skip == 0 && self.have == 0 && !self.open
    }

    /// Follows `bytes`, showing each frame to `see`, which may stop it.
    pub(super) fn step<E>(
        &mut self,
        mut bytes: &[u8],
        mut see: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.skip > 0 {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
        }
        while !bytes.is_empty() {
            if !self.open {
                bytes = self.header(bytes);
                if !self.open {
                    break;
                }
            }
            let wanted = self.length().min(KEPT) - self.kept_length;
            let kept = self.keep(bytes, wanted);
            bytes = bytes.get(kept..).unwrap_or_default();
            if kept == wanted && self.have == HEADER {
                see(self.frame())?;
                // Shown: what is left of it is passed by.
                self.have = 0;
            }
            let passed = match self.have {
                0 => self.left.min(bytes.len()),
                _ => 0,
            };
            self.left -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            if self.left == 0 && self.have == 0 {
                self.open = false;
                self.kept_length = 0;
            }
        }
        Ok(())
    }

    fn header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let taken = (HEADER - self.have).min(bytes.len());
        let (front, rest) = bytes.split_at(taken);
        if let Some(space) = self.header.get_mut(self.have..self.have + taken) {
            space.copy_from_slice(front);
        }
        self.have += taken;
        if self.have == HEADER {
            self.open = true;
            self.kept_length = 0;
            self.left = self.length();
        }
        rest
    }

    fn keep(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let taken = wanted.min(bytes.len());
        let end = self.kept_length + taken;
        if let (Some(space), Some(front)) =
            (self.kept.get_mut(self.kept_length..end), bytes.get(..taken))
        {
            space.copy_from_slice(front);
        }
        self.kept_length = end;
        self.left -= taken;
        taken
    }

    fn length(&self) -> usize {
        let [a, b, c, ..] = self.header;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    fn frame(&self) -> Frame<'_> {
        let [_, _, _, kind, flags, a, b, c, d] = self.header;
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff,
            length: self.length(),
            payload: self.kept.get(..self.kept_length).unwrap_or_default(),
        }
    }
}
