//! Pictures: a stretch of chunks as a row of cells, each saying how much of it is what.

use virstor::geometry::ComponentIndex;
use virstor::plan::{Segment, SegmentPlace};

/// No component, or none that could be named.
pub const NO_COMPONENT: u16 = u16::MAX;

/// What a cell shows: shares in 255ths. A share is 0 only where there is nothing, and 255 only where there is
/// nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    /// Bytes that lie on a component.
    pub data: u8,
    /// Bytes that are not to be had.
    pub lost: u8,
    /// The component that holds the data: where there are several, one that holds more than half of it, else
    /// any of them. [`NO_COMPONENT`] without data.
    pub component: u16,
}

impl Cell {
    /// The cell that is at this place from end to end.
    #[inline]
    fn whole(place: SegmentPlace) -> Self {
        match place {
            SegmentPlace::Hole => Self { data: 0, lost: 0, component: NO_COMPONENT },
            SegmentPlace::Lost(_) => Self { data: 0, lost: u8::MAX, component: NO_COMPONENT },
            SegmentPlace::Data { component, .. } => Self { data: u8::MAX, lost: 0, component: component.0 },
        }
    }
}

/// `part` of `whole` in 255ths.
#[must_use]
pub fn share(part: u64, whole: u64) -> u8 {
    if part == 0 || whole == 0 {
        return 0;
    }
    if part >= whole {
        return u8::MAX;
    }
    // A division of 128 bits for each cell would take long; what is shifted out instead is less than a part in 2^47.
    let shift = 8_u32.saturating_sub(whole.leading_zeros());
    let scaled = (part >> shift) * 255 / (whole >> shift);
    u8::try_from(scaled.clamp(1, 254)).expect("it was clamped")
}

/// Cells of one size in bytes, filled by segments that come in order.
#[derive(Debug)]
pub struct Painter {
    cell_size: u64,
    /// First byte of the cell that is being filled.
    start: u64,
    /// First byte that belongs to no cell.
    end: u64,
    data: u64,
    lost: u64,
    /// Boyer and Moore's majority vote, in bytes.
    component: u16,
    lead: u64,
}

impl Painter {
    /// For the bytes from `start` on, in cells of `cell_size` bytes; the last ends at `end`.
    #[must_use]
    pub fn new(cell_size: u64, start: u64, end: u64) -> Self {
        Self { cell_size, start, end, data: 0, lost: 0, component: NO_COMPONENT, lead: 0 }
    }

    /// Takes the segment that comes next, and hands every cell it completes to `done`.
    #[inline]
    pub fn take(&mut self, segment: &Segment, done: &mut impl FnMut(Cell)) {
        let mut rest = segment.len;
        let mut at = segment.start;
        while rest > 0 {
            let end = self.start.saturating_add(self.cell_size).min(self.end);
            if at == self.start && rest >= end - at {
                // There may be very many that are filled by nothing else.
                (self.start, at, rest) = (end, end, rest - (end - at));
                done(Cell::whole(segment.place));
                continue;
            }
            let here = rest.min(end - at);
            match segment.place {
                SegmentPlace::Hole => {}
                SegmentPlace::Lost(_) => self.lost += here,
                SegmentPlace::Data { component, .. } => self.vote(component, here),
            }
            (at, rest) = (at + here, rest - here);
            if at == end {
                done(self.finish(end));
            }
        }
    }

    fn vote(&mut self, component: ComponentIndex, len: u64) {
        self.data += len;
        if self.component == component.0 {
            self.lead += len;
        } else if self.lead >= len {
            self.lead -= len;
        } else {
            (self.component, self.lead) = (component.0, len - self.lead);
        }
    }

    fn finish(&mut self, end: u64) -> Cell {
        let size = end - self.start;
        let cell = Cell {
            data: share(self.data, size),
            lost: share(self.lost, size),
            component: if self.data == 0 { NO_COMPONENT } else { self.component },
        };
        *self = Self::new(self.cell_size, end, self.end);
        cell
    }
}

/// Cells of equal size as one.
#[must_use]
pub fn merge(cells: &[Cell]) -> Cell {
    let (mut data, mut lost) = (0_u64, 0_u64);
    let (mut component, mut lead) = (NO_COMPONENT, 0_u64);
    for cell in cells {
        let weight = u64::from(cell.data);
        data += weight;
        lost += u64::from(cell.lost);
        if weight == 0 {
            continue;
        }
        if cell.component == component {
            lead += weight;
        } else if lead >= weight {
            lead -= weight;
        } else {
            (component, lead) = (cell.component, weight - lead);
        }
    }
    let whole = 255 * cells.len() as u64;
    Cell { data: share(data, whole), lost: share(lost, whole), component }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virstor::plan::Lost;

    fn paint(cell_size: u64, end: u64, segments: &[(u64, SegmentPlace)]) -> Vec<Cell> {
        let (mut painter, mut cells, mut start) = (Painter::new(cell_size, 0, end), Vec::new(), 0);
        for (len, place) in segments {
            painter.take(&Segment { start, len: *len, place: *place }, &mut |cell| cells.push(cell));
            start += len;
        }
        cells
    }

    fn data(component: u16) -> SegmentPlace {
        SegmentPlace::Data { component: ComponentIndex(component), offset: 0 }
    }

    #[test]
    fn a_little_is_not_nothing_and_almost_all_is_not_all() {
        assert_eq!([share(0, 9), share(1, 1 << 40), share(9, 9)], [0, 1, 255]);
        assert_eq!(share((1 << 40) - 1, 1 << 40), 254);
        assert_eq!(share(1, 2), 127);
    }

    #[test]
    fn cells_are_filled_across_segments_and_segments_across_cells() {
        let lost = SegmentPlace::Lost(Lost::NoMap);
        let cells = paint(10, 25, &[(5, data(1)), (10, SegmentPlace::Hole), (6, data(2)), (4, lost)]);
        let cell = |data, lost, component| Cell { data, lost, component };
        assert_eq!(cells, [cell(127, 0, 1), cell(127, 0, 2), cell(51, 204, 2)]);
    }

    #[test]
    fn the_component_with_more_than_half_of_a_cell_names_it() {
        let cells = paint(10, 10, &[(2, data(1)), (3, data(2)), (1, data(1)), (4, data(2))]);
        assert_eq!(cells[0].component, 2);
        let cell = |data, component| Cell { data, lost: 0, component };
        assert_eq!(merge(&[cell(10, 1), cell(100, 7), cell(20, 1), cell(0, NO_COMPONENT)]).component, 7);
        assert_eq!(merge(&[cell(0, NO_COMPONENT)]), cell(0, NO_COMPONENT));
    }
}
