//! `compare`: the volume held against a raw image.

use std::ops::Range;

use virstor::block::Block;
use virstor::counted::{agreeing, counted};
use virstor::io::ReadAt;
use virstor::kernel::Tunables;
use virstor::plan::{ReadError, Segment, SegmentPlace, VolumeReader};
use virstor_inspect::document::export::Compare;
use virstor_inspect::heap::ComponentDisk;

use crate::args::CompareArgs;
use crate::disk::Disk;
use crate::failure::{Failure, Status};
use crate::progress::Progress;
use crate::{heap, output, range, verb};

/// Bytes compared at once.
const BLOCK: u64 = 1 << 20;

/// How a qcow2 image starts; taken for a raw one it would differ everywhere.
const QCOW2_MAGIC: [u8; 4] = *b"QFI\xfb";

pub(crate) fn run(args: &CompareArgs) -> Result<Status, Failure> {
    let heap = heap::open(&args.input, args.output, Tunables::default())?;
    let number = heap::choose_one(&heap, &args.input, args.output)?;
    heap::refuse_specimen(&heap, number, "compare")?;
    // One reader plans, the other reads: the plan may be longer than memory.
    let mut planner = heap.reader(number, verb::MAP_MEMORY);
    let reader = heap.reader(number, 0);
    let shown = args.with.display();
    let image = Disk::open(&args.with).map_err(|reason| Failure::Operation(format!("{shown}: {reason}")))?;
    refuse_qcow2(&image, &shown.to_string())?;

    let volume_size = reader.volume().size();
    let asked = range::within(args.range, volume_size)?;
    let sizes_differ = args.range.is_none() && image.size() != volume_size;
    let range = asked.start..asked.end.min(image.size()).max(asked.start);
    let absent = asked.end - range.end;
    let mut comparison = Comparison::default();
    let mut progress = Progress::new(args.output.progress, args.output.quiet);
    for segment in planner.segments(range.clone()) {
        comparison
            .segment(&reader, &image, segment)
            .map_err(|error| failure(&heap, number, &shown, error))?;
        progress.report("comparing", segment.end() - range.start, range.end - range.start);
    }
    drop(progress);

    let document = Compare {
        identical: !sizes_differ && absent == 0 && comparison.different == 0 && comparison.lost == 0,
        volume: reader.volume().name.to_string(),
        volume_size,
        image_size: image.size(),
        compared: comparison.compared,
        different: comparison.different,
        first_difference: comparison.first,
        lost: comparison.lost,
        absent,
    };
    if args.output.json {
        output::print_json(&document)?;
    } else if !args.output.quiet {
        output::print(&text(&document, args.range.and(Some(asked))))?;
    }
    heap::note_unreadable(&heap, args.output);
    Ok(if document.identical { Status::Fine } else { Status::Damage })
}

/// What the comparison has seen so far, in bytes of the volume.
#[derive(Default)]
struct Comparison {
    compared: u64,
    different: u64,
    first: Option<u64>,
    lost: u64,
}

/// Which side could not be read.
enum CompareError {
    Volume(ReadError),
    Image(virstor::io::IoError),
}

impl Comparison {
    fn segment(
        &mut self,
        reader: &VolumeReader<ComponentDisk<Disk>>,
        image: &Disk,
        segment: Segment,
    ) -> Result<(), CompareError> {
        if matches!(segment.place, SegmentPlace::Lost(_)) {
            self.lost += segment.len;
            return Ok(());
        }
        let len = usize::try_from(segment.len.min(BLOCK)).expect("at most a block");
        let (mut ours, mut theirs) = (Block::new(len), Block::new(len));
        for done in (0..segment.len).step_by(usize::try_from(BLOCK).expect("a block is small")) {
            let part = part(segment, done);
            let len = usize::try_from(part.len).expect("at most a block");
            reader.read_segment(&part, &mut ours[..len]).map_err(CompareError::Volume)?;
            image.read_at(part.start, &mut theirs[..len]).map_err(CompareError::Image)?;
            self.block(part.start, &ours[..len], &theirs[..len]);
        }
        Ok(())
    }

    fn block(&mut self, start: u64, ours: &[u8], theirs: &[u8]) {
        self.compared += ours.len() as u64;
        if ours == theirs {
            return;
        }
        let mut differing = ours.iter().zip(theirs).enumerate().filter(|(_, (a, b))| a != b);
        if let Some((at, _)) = differing.next() {
            self.first.get_or_insert(start + at as u64);
            self.different += 1 + differing.count() as u64;
        }
    }
}

/// At most a block of `segment`, from byte `done` of it on.
fn part(segment: Segment, done: u64) -> Segment {
    let place = match segment.place {
        SegmentPlace::Data { component, offset } => SegmentPlace::Data { component, offset: offset + done },
        other => other,
    };
    Segment { start: segment.start + done, len: BLOCK.min(segment.len - done), place }
}

/// Refuses an image that is not raw.
///
/// # Errors
///
/// [`Failure::Operation`] when it is a qcow2 image.
pub(crate) fn refuse_qcow2(image: &Disk, shown: &str) -> Result<(), Failure> {
    let mut magic = [0; QCOW2_MAGIC.len()];
    if image.size() >= magic.len() as u64 && image.read_at(0, &mut magic).is_ok() && magic == QCOW2_MAGIC {
        return Err(Failure::Operation(format!(
            "{shown}: is a qcow2 image; convert it to raw with 'qemu-img convert', or compare it with the volume exported"
        )));
    }
    Ok(())
}

fn failure(
    heap: &virstor_inspect::Heap<Disk>,
    number: usize,
    image: &std::path::Display<'_>,
    error: CompareError,
) -> Failure {
    Failure::Operation(match error {
        CompareError::Image(error) => format!("{image}: {error}"),
        CompareError::Volume(error) => heap::read_error(heap, number, &error),
    })
}

/// `range` is what was asked for, where it is not the whole volume.
fn text(document: &Compare, range: Option<Range<u64>>) -> String {
    let mut text = String::new();
    let (volume, image) = (document.volume_size, document.image_size);
    if volume != image {
        text.push_str(&format!("the volume has {}, the image {image}\n", counted(volume, "byte")));
    }
    if let Some(Range { start, end }) = range.filter(|_| document.absent > 0) {
        let (absent, were) = (counted(document.absent, "byte"), agreeing(document.absent, "was", "were"));
        text.push_str(&format!(
            "the image ends at {image}, the range is {start}-{end}: {absent} of it {were} not compared\n"
        ));
        if image == end - start {
            text.push_str(&format!(
                "the image is as long as the range, which starts at {start} in the image as well; an export of the \
                 range alone: virstor export --range {start}-{end} -o - FILE... | cmp - RAW\n"
            ));
        }
    }
    if let Some(first) = document.first_difference {
        let (different, compared) = (document.different, counted(document.compared, "byte"));
        let differ = agreeing(different, "differs", "differ");
        text.push_str(&format!("{different} of {compared} {differ}, first at {first}\n"));
    }
    if document.lost > 0 {
        let (lost, are) = (counted(document.lost, "byte"), agreeing(document.lost, "is", "are"));
        let were = agreeing(document.lost, "was", "were");
        text.push_str(&format!("{lost} of the volume {are} lost and {were} not compared\n"));
    }
    if document.identical {
        text.push_str(&format!("identical: {}\n", counted(document.compared, "byte")));
    }
    text
}
