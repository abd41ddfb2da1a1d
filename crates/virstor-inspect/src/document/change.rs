//! The verbs that make and change volumes: what was done, or with `--dry-run` what would be.

use virstor::counted::{agreeing, counted};
use virstor::format::Record;
use virstor::label::LabelPlan;

use super::document;

document! {
    /// A volume that was made.
    pub struct Label {
        /// Its name.
        pub name: String,
        /// Its id.
        pub id: u32,
        /// Size of the virtual device in bytes.
        pub virtual_size: u64,
        /// Size of a chunk in bytes.
        pub chunk_size: u64,
        /// Sector size in bytes.
        pub sector_size: u32,
        /// Chunks of the virtual device.
        pub virtual_chunks: u64,
        /// Chunks of all components, reserved ones included.
        pub physical_chunks: u64,
        /// The map in bytes.
        pub map_size: u64,
        /// Chunks of component 0 that the map takes.
        pub map_chunks: u64,
        /// Chunks of component 0 that are reserved for it.
        pub reserved_chunks: u16,
        /// How many bytes can be written before the volume is full.
        pub usable_bytes: u64,
        /// The components.
        pub components: Vec<Member>,
        /// What is not as it was asked for, or not as FreeBSD would have it.
        pub notes: Vec<LabelNote>,
        /// Whether nothing was written.
        pub dry_run: bool,
        /// The undo log, where one was written.
        pub undo_log: Option<String>,
    }

    /// Something to know about a new volume.
    pub struct LabelNote {
        /// What it is called.
        pub code: &'static str,
        /// A sentence.
        pub message: String,
    }

    /// A component as its record describes it.
    pub struct Member {
        /// Its number.
        pub index: u16,
        /// The file it is in.
        pub file: String,
        /// Its size in bytes.
        pub size: u64,
        /// How many chunks it has, reserved ones included.
        pub chunk_count: u32,
        /// The chunk that is handed out next.
        pub chunk_next: u32,
        /// How many low chunks are never handed out.
        pub chunk_reserved: u16,
    }

    /// A volume whose components were changed, or that grew: `add`, `remove`, `grow`.
    pub struct Changed {
        /// What was done: the verb.
        pub verb: &'static str,
        /// Name of the volume.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// Size of the virtual device afterwards, in bytes.
        pub virtual_size: u64,
        /// The components afterwards.
        pub components: Vec<Member>,
        /// Files that became components.
        pub added: Vec<String>,
        /// Files that are nobody's components any more.
        pub removed: Vec<String>,
        /// How many chunks moved for that.
        pub moved_chunks: u64,
        /// How many chunks can be handed out afterwards.
        pub free_chunks: u64,
        /// Whether nothing was written.
        pub dry_run: bool,
        /// The undo log, where one was written.
        pub undo_log: Option<String>,
    }

    /// A volume that is none any more.
    pub struct Cleared {
        /// Its name.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// The files whose records became zero.
        pub files: Vec<String>,
        /// Whether nothing was written.
        pub dry_run: bool,
        /// The undo log, where one was written.
        pub undo_log: Option<String>,
    }

    /// A volume that gave space back.
    pub struct Compacted {
        /// Its name.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// Chunks that were in use before.
        pub used_chunks: u64,
        /// Chunks that came back.
        pub freed_chunks: u64,
        /// Their bytes.
        pub freed_bytes: u64,
        /// Chunks that moved for that.
        pub moved_chunks: u64,
        /// What came back on each component.
        pub components: Vec<FreedOn>,
        /// Whether nothing was written.
        pub dry_run: bool,
        /// The undo log, where one was written.
        pub undo_log: Option<String>,
    }

    /// What came back on a component.
    pub struct FreedOn {
        /// Its number.
        pub index: u16,
        /// The file it is in.
        pub file: String,
        /// Chunks that came back.
        pub freed_chunks: u64,
    }

    /// An image that was put into a volume.
    pub struct Imported {
        /// The image.
        pub image: String,
        /// Its size in bytes.
        pub image_size: u64,
        /// Name of the volume.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// Bytes of the image that were written.
        pub data: u64,
        /// Those among them that were written over other bytes of the volume.
        pub overwritten: u64,
        /// Bytes of the image that the volume held already.
        pub unchanged: u64,
        /// Bytes of the image that are zero and took no space.
        pub zero: u64,
        /// Chunks that were handed out.
        pub new_chunks: u64,
        /// Whether volume and image were compared afterwards, byte by byte.
        pub verified: bool,
        /// Whether nothing was written.
        pub dry_run: bool,
        /// The undo log, where one was written.
        pub undo_log: Option<String>,
        /// How long it is, or would be, in bytes: it keeps all that was overwritten.
        pub undo_log_size: u64,
    }

    /// Names that were changed: `rename`, `set`.
    pub struct Renamed {
        /// What was done: the verb.
        pub verb: &'static str,
        /// Name of the volume afterwards.
        pub volume: String,
        /// Its id.
        pub id: u32,
        /// The components and the provider names in their records afterwards; empty where there is none.
        pub components: Vec<NamedMember>,
        /// How many records changed.
        pub changed_records: u64,
        /// Whether nothing was written.
        pub dry_run: bool,
        /// The undo log, where one was written.
        pub undo_log: Option<String>,
    }

    /// A component and the provider it is tied to.
    pub struct NamedMember {
        /// Its number.
        pub index: u16,
        /// The file it is in.
        pub file: String,
        /// The provider name in its record.
        pub provider: String,
    }
}

impl Member {
    /// The component with `record` in `file`.
    #[must_use]
    pub fn new(record: &Record, file: &str) -> Self {
        Self {
            index: record.no.get(),
            file: file.into(),
            size: record.provsize.get(),
            chunk_count: record.chunk_count.get(),
            chunk_next: record.chunk_next.get(),
            chunk_reserved: record.chunk_reserved.get(),
        }
    }
}

impl Label {
    /// What `plan` makes of `files`.
    ///
    /// # Panics
    ///
    /// When there are no components.
    #[must_use]
    pub fn new(plan: &LabelPlan, files: &[String]) -> Self {
        let members: Vec<_> = plan
            .components
            .iter()
            .zip(files)
            .map(|(component, file)| Member::new(&component.record, file))
            .collect();
        let first = &plan.components[0].record;
        Self {
            name: first.name().to_string(),
            id: first.md_id.get(),
            virtual_size: plan.virtual_size,
            chunk_size: plan.chunk_size.bytes(),
            sector_size: plan.sector_size,
            virtual_chunks: plan.virtual_chunks(),
            physical_chunks: members.iter().map(|member| u64::from(member.chunk_count)).sum(),
            map_size: plan.map_len(),
            map_chunks: plan.map_chunks(),
            reserved_chunks: plan.reserved(),
            usable_bytes: plan.usable_bytes(),
            components: members,
            notes: plan.notes.iter().map(|note| LabelNote::new(note, files)).collect(),
            dry_run: false,
            undo_log: None,
        }
    }
}

impl LabelNote {
    fn new(note: &virstor::label::Note, files: &[String]) -> Self {
        use virstor::label::Note;
        let file = |component: &virstor::geometry::ComponentIndex| &files[component.as_usize()];
        let (code, message) = match note {
            Note::ChunkSizeRounded { asked, chunk_size } => (
                "chunk-size-rounded",
                format!(
                    "the chunk size is {} instead of {asked}: a multiple of maxphys",
                    counted(*chunk_size, "byte")
                ),
            ),
            Note::VirtualSizeRounded { asked, virtual_size } => (
                "virtual-size-rounded",
                format!(
                    "the virtual size is {} instead of {asked}: whole chunks",
                    counted(*virtual_size, "byte")
                ),
            ),
            Note::VirtualSizePadded { virtual_size, new_chunks } => (
                "virtual-size-padded",
                format!(
                    "the virtual size is {}, with {}: the map fills whole sectors",
                    counted(*virtual_size, "byte"),
                    counted(*new_chunks, "more chunk")
                ),
            ),
            Note::SmallerThanPhysical { virtual_size, physical } => (
                "smaller-than-physical",
                format!(
                    "the virtual size is {} and the components have {physical}: the rest can never be used",
                    counted(*virtual_size, "byte")
                ),
            ),
            Note::LastChunk { component, freebsd, room } => (
                "last-chunk",
                format!(
                    "{}: FreeBSD counts {}, and the last would cover the record; there is room for {room}",
                    file(component),
                    counted(*freebsd, "chunk")
                ),
            ),
            Note::ReserveClipped { wanted, reserved } => (
                "reserve-clipped",
                format!(
                    "{} {} reserved instead of {wanted}: the record has 16 bits for them",
                    counted(*reserved, "chunk"),
                    agreeing(*reserved, "is", "are")
                ),
            ),
            Note::TooSmall { component, size, needed } => (
                "too-small",
                format!(
                    "{}: is too small with {} of {needed}, and labelled all the same",
                    file(component),
                    counted(*size, "byte")
                ),
            ),
            Note::ChunkSizeCut { asked, chunk_size } => (
                "chunk-size-cut",
                format!(
                    "the chunk size {asked} is cut to 32 bits, which leaves {}",
                    counted(*chunk_size, "byte")
                ),
            ),
            Note::NoVirtualSize { asked, chunk_size } => (
                "no-virtual-size",
                format!(
                    "the virtual size is 0, as {} {} less than a chunk of {chunk_size}: FreeBSD refuses the volume",
                    counted(*asked, "byte"),
                    agreeing(*asked, "is", "are")
                ),
            ),
            Note::NameCut { len } => {
                ("name-cut", format!("the name is cut from {len} bytes to {}", virstor::label::MAX_NAME_LEN))
            }
            Note::ProviderNameCut { component, len } => (
                "provider-name-cut",
                format!(
                    "{}: the provider's name is cut from {len} bytes to {}: FreeBSD will not find it",
                    file(component),
                    virstor::label::MAX_NAME_LEN
                ),
            ),
        };
        Self { code, message }
    }
}
