/** Draws a picture of chunks. */
import { cellOfChunk, placeOf, shown, type Picture } from '../model/layout';
import { css, pixel, ramp, type Palette } from './palette';

/** What the cells of a picture are, in 255ths. Shorter than the picture where it is not known yet. */
export interface Cells {
  data: Uint8Array;
  lost?: Uint8Array;
  /** The component with most of the data; 65535 is none. */
  component?: Uint16Array;
}

export interface Scene {
  picture: Picture;
  cells: Cells;
  /** Chunks below this one are never handed out. */
  reserved: number;
  /** Chunks that findings are about. */
  marks: readonly number[];
  selected: number | null;
  hovered: number | null;
}

/** Draws the scene, `scale` device pixels to a pixel. */
export function paint(context: CanvasRenderingContext2D, scene: Scene, palette: Palette, scale: number): void {
  const { picture } = scene;
  const side = picture.pixels * scale;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(cellImage(scene, palette), 0, 0, picture.columns * side, picture.rows * side);
  hatch(context, scene, palette, side);
  if (picture.pixels >= 8) gaps(context, picture, palette, side, scale);
  const outline = (chunk: number, width: number) => frameCell(context, picture, chunk, side, width * scale, palette);
  for (const chunk of scene.marks) mark(context, picture, chunk, side, palette);
  if (scene.hovered !== null) outline(scene.hovered, 1);
  if (scene.selected !== null) outline(scene.selected, 2);
}

/** One pixel for each cell. */
function cellImage({ picture, cells, reserved }: Scene, palette: Palette): OffscreenCanvas {
  const image = new ImageData(picture.columns, picture.rows);
  const pixels = new Uint32Array(image.data.buffer);
  const data = ramp(palette.hole, palette.data);
  const lost = ramp(palette.hole, palette.lost);
  const kept = pixel(palette.reserved);
  const known = Math.min(cells.data.length, shown(picture));
  const unit = 2 ** picture.bits;
  for (let cell = 0; cell < known; cell += 1) {
    const bad = cells.lost?.[cell] ?? 0;
    const isKept = picture.first + (cell + 1) * unit <= reserved;
    pixels[indexIn(picture, cell)] = isKept ? kept : bad > 0 ? lost[bad]! : data[cells.data[cell]!]!;
  }
  const canvas = new OffscreenCanvas(picture.columns, picture.rows);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}

function indexIn(picture: Picture, cell: number): number {
  if (picture.layout === 'rows') return cell;
  const [column, row] = placeOf(picture, cell);
  return row * picture.columns + column;
}

/** Strokes over what is lost, dots over what is reserved: state is never told by colour alone. */
function hatch(context: CanvasRenderingContext2D, scene: Scene, palette: Palette, side: number): void {
  const { picture, cells, reserved } = scene;
  const known = Math.min(cells.data.length, shown(picture));
  const [bad, kept] = [new Path2D(), new Path2D()];
  let [anyBad, anyKept] = [false, false];
  const unit = 2 ** picture.bits;
  for (let cell = 0; cell < known; cell += 1) {
    const isKept = picture.first + (cell + 1) * unit <= reserved;
    if (!isKept && !cells.lost?.[cell]) continue;
    const [column, row] = placeOf(picture, cell);
    (isKept ? kept : bad).rect(column * side, row * side, side, side);
    if (isKept) anyKept = true;
    else anyBad = true;
  }
  if (anyBad) fill(context, bad, strokes(css(palette.hatch)));
  if (anyKept) fill(context, kept, dots(css(palette.hatch)));
}

function fill(context: CanvasRenderingContext2D, path: Path2D, tile: OffscreenCanvas): void {
  context.fillStyle = context.createPattern(tile, 'repeat')!;
  context.fill(path);
}

function strokes(colour: string): OffscreenCanvas {
  const tile = new OffscreenCanvas(6, 6);
  const context = tile.getContext('2d')!;
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const shift of [-6, 0, 6]) {
    context.moveTo(shift - 1, 7);
    context.lineTo(shift + 7, -1);
  }
  context.stroke();
  return tile;
}

function dots(colour: string): OffscreenCanvas {
  const tile = new OffscreenCanvas(4, 4);
  const context = tile.getContext('2d')!;
  context.fillStyle = colour;
  context.fillRect(1, 1, 1, 1);
  return tile;
}

function gaps(
  context: CanvasRenderingContext2D,
  picture: Picture,
  palette: Palette,
  side: number,
  scale: number,
): void {
  context.fillStyle = css(palette.ground);
  const width = Math.max(1, Math.round(scale));
  for (let column = 1; column <= picture.columns; column += 1) {
    context.fillRect(column * side - width, 0, width, picture.rows * side);
  }
  for (let row = 1; row <= picture.rows; row += 1) {
    context.fillRect(0, row * side - width, picture.columns * side, width);
  }
}

/** A diamond, with a halo so that it is seen on every fill. */
function mark(
  context: CanvasRenderingContext2D,
  picture: Picture,
  chunk: number,
  side: number,
  palette: Palette,
): void {
  const cell = cellOfChunk(picture, chunk);
  if (cell === null) return;
  const [column, row] = placeOf(picture, cell);
  const [x, y] = [(column + 0.5) * side, (row + 0.5) * side];
  const radius = Math.max(3, Math.min(side * 0.3, 7));
  context.beginPath();
  context.moveTo(x, y - radius);
  context.lineTo(x + radius, y);
  context.lineTo(x, y + radius);
  context.lineTo(x - radius, y);
  context.closePath();
  context.fillStyle = css(palette.mark);
  context.strokeStyle = css(palette.halo);
  context.lineWidth = 2;
  context.stroke();
  context.fill();
}

function frameCell(
  context: CanvasRenderingContext2D,
  picture: Picture,
  chunk: number,
  side: number,
  width: number,
  palette: Palette,
): void {
  const cell = cellOfChunk(picture, chunk);
  if (cell === null) return;
  const [column, row] = placeOf(picture, cell);
  // Small cells get a frame that is larger than they are, or nobody would find it.
  const size = Math.max(side, 4 * width);
  const [x, y] = [(column + 0.5) * side - size / 2, (row + 0.5) * side - size / 2];
  for (const [colour, line] of [
    [palette.halo, width + 2],
    [palette.ink, width],
  ] as const) {
    context.strokeStyle = css(colour);
    context.lineWidth = line;
    context.strokeRect(x, y, size, size);
  }
}
