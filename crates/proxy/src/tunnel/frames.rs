//! Where WebSocket frames end (RFC 6455 5.2), followed without looking at what is in them: a frame of
//! ours may stand only between two of the application's.

const CLOSE: u8 = 0x8;
/// Two bytes, the longest length, a mask.
const LONGEST_HEAD: usize = 14;

/// Follows one direction of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    have: usize,
    payload: u64,
    closed: bool,
}

impl Frames {
    /// These bytes passed.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if self.payload > 0 {
                self.payload -= u64::try_from(now.len()).unwrap_or(u64::MAX);
            } else {
                self.extend_head(now);
            }
            bytes = later;
        }
    }

    /// True between two frames.
    pub(super) fn at_boundary(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    /// True once a close frame began: nothing may follow it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many bytes certainly belong to the frame under way (or the next one); never 0.
    pub(super) fn room(&self) -> u64 {
        if self.payload > 0 {
            return self.payload;
        }
        u64::try_from(self.head_length() - self.have).unwrap_or(1)
    }

    /// Of the head under way, as far as it is known.
    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        2 + self.length_bytes() + mask
    }

    fn length_bytes(&self) -> usize {
        match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    fn extend_head(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(space) = self.head.get_mut(self.have) {
                *space = *byte;
            }
            self.have += 1;
        }
        if self.have < self.head_length() {
            return;
        }
        let length = self.head.iter().skip(2).take(self.length_bytes());
        self.payload = match self.length_bytes() {
            0 => u64::from(self.head[1] & 0x7f),
            _ => length.fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        self.closed |= self.head[0] & 0x0f == CLOSE;
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, masked: bool, length: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => frame.push(mask | short),
            (_, Ok(middle)) => {
                frame.push(mask | 126);
                frame.extend(middle.to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    proptest! {
        #[test]
        fn boundaries_are_found_however_the_bytes_are_cut(
            frames in prop::collection::vec((0..3_u8, any::<bool>(), prop_oneof![0..130_usize, 65_530..65_540_usize]), 1..6),
            cut in 1..700_usize,
        ) {
            let mut followed = Frames::default();
            let all: Vec<Vec<u8>> = frames.iter().map(|(opcode, masked, length)| frame(*opcode, *masked, *length)).collect();
            let mut ends = Vec::new();
            let mut at = 0;
            for one in &all {
                at += one.len();
                ends.push(at);
            }
            let bytes = all.concat();
            let mut passed = 0;
            for piece in bytes.chunks(cut) {
                followed.pass(piece);
                passed += piece.len();
                prop_assert_eq!(followed.at_boundary(), ends.contains(&passed), "at {}", passed);
                if let Some(next) = ends.iter().find(|end| **end > passed) {
                    prop_assert!(followed.room() <= (next - passed) as u64);
                }
            }
            prop_assert!(!followed.is_closed());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut followed = Frames::default();
            followed.pass(&bytes);
            prop_assert!(followed.room() > 0);
        }
    }

    #[test]
    fn a_close_frame_is_seen() {
        let mut followed = Frames::default();
        followed.pass(&frame(1, false, 300));
        assert!(!followed.is_closed());
        followed.pass(&frame(8, false, 2));
        assert!(followed.is_closed() && followed.at_boundary());
    }
}
