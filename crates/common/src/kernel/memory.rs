//! Memory that processes share: a sealed memfd, mapped as a structure of atomics.
//!
//! Whoever has the descriptor can write any bytes at any time. That is sound because a [`Shared`] type
//! has no invalid bytes and is changed through atomics alone, and because the seals keep the file from
//! shrinking under the mapping.
#![expect(
    unsafe_code,
    reason = "the one place that maps memory of the kernel as a Rust type"
)]

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The largest structure that is mapped.
pub const LARGEST: usize = 1 << 20;

/// A type that other processes may change at any time.
///
/// # Safety
/// Every pattern of bytes is a value, zeros included; all bytes that are read lie in atomics; there is
/// nothing to drop; the alignment is a page's at most. Use [`shared!`](crate::kernel::memory::shared).
pub unsafe trait Shared: Sync + 'static {}

// SAFETY: an atomic integer is its bytes.
unsafe impl Shared for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}
// SAFETY: an array is its elements.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

/// Declares structures in C's layout whose fields are all [`Shared`], and says so.
macro_rules! shared {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident align $align:literal {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$meta])*
        #[repr(C, align($align))]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type,)*
        }

        const _: () = {
            const fn is_shared<T: $crate::kernel::memory::Shared>() {}
            $(is_shared::<$type>();)*
            assert!($align <= 4096);
        };

        #[expect(unsafe_code, reason = "the macro checks what the trait asks for")]
        // SAFETY: every field is `Shared` (checked above), padding is never read, and the structure has
        // no `Drop` beyond its fields', which have none.
        unsafe impl $crate::kernel::memory::Shared for $name {}
    )*};
}
pub(crate) use shared;

/// A mapping of a [`Shared`] structure; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping<T: Shared> {
    at: NonNull<T>,
}

// SAFETY: the memory belongs to the mapping, not to a thread, and `T` is `Sync` by its bound.
unsafe impl<T: Shared> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Mapping<T> {}

/// New shared memory, all zeros, and the descriptor under which others map it. `name` is for `/proc`.
///
/// # Errors
/// No memory, or no descriptor is left.
pub fn create<T: Shared>(name: &str) -> io::Result<(Mapping<T>, OwnedFd)> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let descriptor = rustix::fs::memfd_create(name, flags)?;
    ftruncate(&descriptor, size_of::<T>() as u64)?;
    fcntl_add_seals(&descriptor, needed_seals() | SealFlags::SEAL)?;
    let mapping = Mapping::of(&descriptor)?;
    Ok((mapping, descriptor))
}

impl<T: Shared> Mapping<T> {
    /// Maps memory that somebody else created.
    ///
    /// # Errors
    /// The descriptor is no memfd of exactly `T`'s size, or could shrink under the mapping.
    pub fn of(descriptor: impl AsFd) -> io::Result<Self> {
        const { assert!(size_of::<T>() > 0 && size_of::<T>() <= LARGEST) };
        let descriptor = descriptor.as_fd();
        let wrong = |problem| Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        let Ok(seals) = fcntl_get_seals(descriptor) else {
            return wrong("it is no shared memory");
        };
        if !seals.contains(needed_seals()) {
            return wrong("it is not sealed against a change of its size");
        }
        if u64::try_from(fstat(descriptor)?.st_size).ok() != Some(size_of::<T>() as u64) {
            return wrong("it has another size, so it was made by another version");
        }
        // SAFETY: a fresh mapping at an address that the kernel chooses overlaps nothing. It is backed
        // by a file of exactly this length that can never shrink (seals, checked above), so every byte
        // of it stays readable and writable until `munmap`.
        let at = unsafe {
            mmap(
                std::ptr::null_mut(),
                size_of::<T>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                descriptor,
                0,
            )
        }?;
        match NonNull::new(at.cast::<T>()) {
            Some(at) => Ok(Self { at }),
            None => wrong("it was mapped at address 0"),
        }
    }

    /// Keeps the mapping until the process ends: for what signal handlers and all threads use.
    #[must_use]
    pub fn leak(self) -> &'static T {
        let at = self.at;
        std::mem::forget(self);
        // SAFETY: as in `deref`, and nobody can unmap it any more.
        unsafe { at.as_ref() }
    }
}

impl<T: Shared> Deref for Mapping<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the address comes from `mmap` (aligned to a page, long enough) and is mapped until the
        // drop, which outlives the borrow. Any bytes are a `T`, and what others write they write while
        // we read through atomics.
        unsafe { self.at.as_ref() }
    }
}

impl<T: Shared> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: address and length are those of the `mmap` in `of`, which nothing else unmaps, and no
        // borrow of `self` is left.
        let unmapped = unsafe { munmap(self.at.as_ptr().cast(), size_of::<T>()) };
        debug_assert!(unmapped.is_ok(), "the address came from mmap");
    }
}

fn needed_seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    type Words = [AtomicU64; 1024];

    #[test]
    fn what_one_mapping_writes_the_other_reads() {
        let (one, descriptor) = create::<Words>("test").unwrap();
        let other = Mapping::<Words>::of(&descriptor).unwrap();
        one[1023].store(7, Relaxed);
        assert_eq!(other[1023].load(Relaxed), 7);
        let file = std::fs::File::from(descriptor);
        file.write_all_at(&[0xff; 8], 0).unwrap();
        assert_eq!(other[0].load(Relaxed), u64::MAX);
        assert!(file.set_len(0).is_err(), "it can never shrink");
    }

    #[test]
    fn files_that_could_shrink_and_wrong_sizes_are_refused() {
        let (_, descriptor) = create::<Words>("test").unwrap();
        assert!(Mapping::<[AtomicU64; 8]>::of(&descriptor).is_err());
        let file = tempfile::tempfile().unwrap();
        file.set_len(size_of::<Words>() as u64).unwrap();
        assert!(Mapping::<Words>::of(&file).is_err());
        let open = rustix::fs::memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&open, size_of::<Words>() as u64).unwrap();
        assert!(Mapping::<Words>::of(&open).is_err());
    }
}
