//! `status`: the kernel's configuration XML, and where its arithmetic lies.

use virstor::io::ReadAt;
use virstor::kernel;

use super::document;
use crate::heap::Heap;

document! {
    /// What a read of `kern.geom.confxml` would give for the class.
    pub struct Status {
        /// The class element; where the kernel would panic, as far as it gets.
        pub xml: String,
        /// Values that wrapped.
        pub notes: Vec<Note>,
        /// Why reading it panics; absent when it does not.
        pub panic: Option<String>,
    }

    /// A value in the XML that is not what it seems.
    pub struct Note {
        /// The volume.
        pub volume: String,
        /// The provider of the component; empty for the volume itself.
        pub provider: String,
        /// The XML element.
        pub element: &'static str,
        /// What the kernel prints.
        pub printed: String,
        /// What its formula gives without wrapping at 32 bits.
        pub meant: String,
    }
}

impl Status {
    /// The configuration of FreeBSD's class after it was offered the files of `heap`.
    pub fn new<D: ReadAt + Clone>(heap: &Heap<D>) -> Self {
        let configuration = heap.kernel().configuration();
        let note = |note: kernel::Note| Note {
            volume: note.geom,
            provider: note.provider,
            element: note.element,
            printed: note.printed,
            meant: note.meant,
        };
        Self {
            xml: configuration.xml,
            notes: configuration.notes.into_iter().map(note).collect(),
            panic: configuration.panic,
        }
    }
}
