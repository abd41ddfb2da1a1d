/**
 * Where chunks lie in a picture, and which chunk lies under a point.
 *
 * A picture shows a window of the address space: `cells` cells of `2^bits` chunks each, the first beginning at chunk
 * `first`. A layout only says in which order the cells fill the plane, so zooming and panning are the same in all of
 * them, and none of it looks at what is shown. Chunks are counted in numbers: a map has at most 2^32 entries.
 */

import { cellOf, indexOf } from './hilbert';

export type LayoutName = 'rows' | 'hilbert';

/** How close one looks: chunks of a cell as a power of two, and the side of a cell in pixels. */
export interface Zoom {
  bits: number;
  pixels: number;
}

/** What is shown where. */
export interface Picture extends Zoom {
  layout: LayoutName;
  columns: number;
  rows: number;
  /** The first chunk: a multiple of the chunks of a cell. */
  first: number;
  /** Chunks of all there is. */
  chunks: number;
}

/** Sides of a cell in pixels, small to large. Below the first one a cell holds several chunks. */
export const SIDES = [3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32] as const;

/** The largest cells that nobody asked for. */
const MODEST = 24;

const MOST_CELLS = 1 << 20;

/** How many cells a frame of so many pixels has. */
export function grid(layout: LayoutName, width: number, height: number, pixels: number): [number, number] {
  const fitting = Math.max(1, Math.floor(width / pixels));
  // A line of a multiple of eight chunks can be counted in the head.
  const columns = fitting < 8 ? fitting : fitting - (fitting % 8);
  const rows = Math.max(1, Math.floor(height / pixels));
  if (layout === 'rows') return [columns, Math.max(1, Math.min(rows, Math.floor(MOST_CELLS / columns)))];
  const side = 1 << Math.min(10, Math.floor(Math.log2(Math.min(columns, rows))));
  return [side, side];
}

/** Whether a picture is as large as it gets without being asked to. */
export function isAmple({ bits, pixels }: Zoom): boolean {
  return bits === 0 && pixels >= MODEST;
}

/** The zoom at which all chunks are seen, as large as there is room for. */
export function fit(layout: LayoutName, width: number, height: number, chunks: number): Zoom {
  for (const pixels of SIDES.filter((side) => side <= MODEST).reverse()) {
    const [columns, rows] = grid(layout, width, height, pixels);
    if (columns * rows >= chunks) return { bits: 0, pixels };
  }
  const [columns, rows] = grid(layout, width, height, SIDES[0]);
  let bits = 0;
  while (columns * rows * 2 ** bits < chunks) bits += 1;
  return { bits, pixels: SIDES[0] };
}

/** One step closer (`by` > 0) or further away, not further than `out`. */
export function zoomed(zoom: Zoom, by: number, out: Zoom): Zoom {
  const step = SIDES.indexOf(zoom.pixels as (typeof SIDES)[number]);
  const depth = (zoom: Zoom) => SIDES.indexOf(zoom.pixels as (typeof SIDES)[number]) - zoom.bits;
  let next = zoom;
  if (by > 0) {
    if (zoom.bits > 0) next = { ...zoom, bits: zoom.bits - 1 };
    else next = { ...zoom, pixels: SIDES[Math.min(step + 1, SIDES.length - 1)]! };
  } else {
    next = step > 0 ? { ...zoom, pixels: SIDES[step - 1]! } : { ...zoom, bits: zoom.bits + 1 };
    if (depth(next) < depth(out)) return out;
  }
  return next;
}

/** The picture of a frame in which `chunk` is as near as can be to the cell numbered `at`. */
export function frame(
  layout: LayoutName,
  width: number,
  height: number,
  zoom: Zoom,
  chunks: number,
  chunk = 0,
  at = 0,
): Picture {
  const [columns, rows] = grid(layout, width, height, zoom.pixels);
  const picture = { layout, columns, rows, first: 0, chunks, ...zoom };
  return moved(picture, Math.floor(chunk / 2 ** zoom.bits) - at);
}

/** The picture with cell number `cell` (of the whole space) in front, or the nearest that the layout allows. */
export function moved(picture: Picture, cell: number): Picture {
  const { columns, rows, bits, chunks } = picture;
  const cells = Math.ceil(chunks / 2 ** bits);
  // A part of Hilbert's curve is a square only where it is aligned to a quarter of the window.
  const unit = picture.layout === 'rows' ? columns : (columns * rows) / 4 || 1;
  const last = Math.max(0, Math.ceil((cells - columns * rows) / unit) * unit);
  const aligned = Math.round(Math.max(0, cell) / unit) * unit;
  return { ...picture, first: Math.min(aligned, last) * 2 ** bits };
}

/** How many cells of the picture have chunks. */
export function shown(picture: Picture): number {
  const cells = Math.ceil((picture.chunks - picture.first) / 2 ** picture.bits);
  return Math.max(0, Math.min(cells, picture.columns * picture.rows));
}

/** Column and row of a cell, counted from the first one of the picture. */
export function placeOf(picture: Picture, cell: number): [number, number] {
  if (picture.layout === 'rows') return [cell % picture.columns, Math.floor(cell / picture.columns)];
  return cellOf(Math.log2(picture.columns), cell);
}

/** The cell in a column and row; `null` where there is none. */
export function cellAt(picture: Picture, column: number, row: number): number | null {
  if (column < 0 || row < 0 || column >= picture.columns || row >= picture.rows) return null;
  const rows = picture.layout === 'rows';
  const cell = rows ? row * picture.columns + column : indexOf(Math.log2(picture.columns), column, row);
  return cell < shown(picture) ? cell : null;
}

/** The cell that shows a chunk; `null` when it is outside. */
export function cellOfChunk(picture: Picture, chunk: number): number | null {
  const cell = Math.floor((chunk - picture.first) / 2 ** picture.bits);
  return cell >= 0 && cell < shown(picture) ? cell : null;
}

/** First chunk of a cell, and how many it has. */
export function chunksOf(picture: Picture, cell: number): [number, number] {
  const first = picture.first + cell * 2 ** picture.bits;
  return [first, Math.min(2 ** picture.bits, picture.chunks - first)];
}

/** The chunk that an arrow key leads to: along the address space, or up and down the picture. */
export function stepped(picture: Picture, chunk: number, key: string): number | null {
  const unit = 2 ** picture.bits;
  const line = picture.columns * unit;
  const page = picture.columns * picture.rows * unit;
  const steps: Record<string, number> = {
    ArrowLeft: chunk - unit,
    ArrowRight: chunk + unit,
    ArrowUp: chunk - line,
    ArrowDown: chunk + line,
    PageUp: chunk - page,
    PageDown: chunk + page,
    Home: 0,
    End: picture.chunks - 1,
  };
  const next = picture.layout === 'hilbert' ? (across(picture, chunk, key) ?? steps[key]) : steps[key];
  return next === undefined ? null : Math.max(0, Math.min(picture.chunks - 1, next));
}

/** In Hilbert's square the arrows follow the eye, not the curve, as long as they stay inside. */
function across(picture: Picture, chunk: number, key: string): number | null {
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const cell = cellOfChunk(picture, chunk);
  if (!by || cell === null) return null;
  const [column, row] = placeOf(picture, cell);
  const next = cellAt(picture, column + by[0]!, row + by[1]!);
  return next === null ? chunk : chunksOf(picture, next)[0];
}
