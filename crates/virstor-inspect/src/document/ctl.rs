//! `ctl`: a server that is running.

use super::document;

document! {
    /// What a server has, after it did what it was asked to.
    pub struct Ctl {
        /// The volume.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// Its size in bytes.
        pub virtual_size: u64,
        /// Whether clients may write to it.
        pub writable: bool,
        /// How many chunks can still be handed out; absent where nothing is written.
        pub free_chunks: Option<u64>,
        /// How many clients have chosen an export.
        pub clients: u64,
        /// How many of them wait for room.
        pub waiting: u64,
        /// The components, in their order.
        pub components: Vec<CtlComponent>,
    }

    /// A component of a volume that is served.
    pub struct CtlComponent {
        /// Its number.
        pub index: u16,
        /// Its file, as the server knows it.
        pub file: String,
        /// Its size in bytes.
        pub size: u64,
    }
}
