/** A picture of chunks that is looked around in: by pointer, by keyboard, by ear. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { theme } from '../app/look';
import { paint, type Cells } from '../canvas/paint';
import { css, readPalette, type Palette } from '../canvas/palette';
import {
  cellAt,
  cellOfChunk,
  chunksOf,
  fit,
  frame,
  isAmple,
  shown,
  stepped,
  zoomed,
  type LayoutName,
  type Picture,
  type Zoom,
} from '../model/layout';

export interface MapCanvasProps {
  /** What the picture shows, for people who do not see it. */
  label: string;
  chunks: number;
  layout: LayoutName;
  /** In pixels. */
  maxHeight: number;
  /** The cells of a window; `null` when they cannot be had. */
  load(first: bigint, bits: number, cells: number): Promise<Cells | null>;
  /** Changes when cells have become known, or may have changed. */
  version: unknown;
  reserved?: number;
  /** Cells are as large as if there were so many chunks: for pictures that are held against each other. */
  scaleFor?: number;
  marks?: readonly number[];
  selected: number | null;
  /** In words: chunks from `first` on, `count` of them; `cell` is what the picture knows of them. */
  describe(first: number, count: number, cell: { data: number; lost: number; component: number } | null): string;
  onSelect(chunk: number): void;
  onOpen?(chunk: number): void;
}

const NOTHING: Cells = { data: new Uint8Array() };

export function MapCanvas(props: MapCanvasProps) {
  const { chunks, layout, maxHeight, selected } = props;
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(holder);
  const whole = fit(layout, width, maxHeight, props.scaleFor ?? chunks);
  const [wanted, setWanted] = useState<{ zoom: Zoom; chunk: number; at: number } | null>(null);
  const zoom = wanted?.zoom ?? whole;
  const picture = frame(layout, width, maxHeight, zoom, chunks, wanted?.chunk, wanted?.at);
  const isWhole = !wanted || (zoom.bits === whole.bits && zoom.pixels === whole.pixels);
  const [hovered, setHovered] = useState<number | null>(null);
  const cells = useCells(props, picture);
  const palette = usePalette(holder);
  const visible = trimmed(picture);

  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context || !palette || width === 0) return;
    const { marks = [], reserved = 0 } = props;
    const scale = devicePixelRatio;
    context.canvas.width = Math.round(visible.columns * picture.pixels * scale);
    context.canvas.height = Math.round(visible.rows * picture.pixels * scale);
    paint(context, { picture, cells, reserved, marks, selected, hovered }, palette, scale);
  });
  // A selection made elsewhere is brought into sight.
  useEffect(() => {
    if (selected === null || isWhole || cellOfChunk(picture, selected) !== null) return;
    setWanted({ zoom, chunk: selected, at: Math.floor((picture.columns * picture.rows) / 2) });
  }, [selected]);

  const zoomBy = (by: number, chunk: number) => {
    const next = zoomed(zoom, by, whole);
    // The chunk stays where it is in the window, as near as the layout allows.
    const cell = cellOfChunk(picture, chunk);
    const share = cell === null ? 0.5 : cell / (picture.columns * picture.rows);
    const room = frame(layout, width, maxHeight, next, chunks);
    setWanted({ zoom: next, chunk, at: Math.floor(share * room.columns * room.rows) });
  };
  const centre = () => picture.first + Math.floor((shown(picture) * 2 ** picture.bits) / 2);
  const chunkAt = (event: { offsetX: number; offsetY: number }) => {
    const [column, row] = [event.offsetX, event.offsetY].map((part) => Math.floor(part / picture.pixels));
    const cell = cellAt(picture, column!, row!);
    return cell === null ? null : chunksOf(picture, cell)[0];
  };
  const keyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const chunk = selected ?? picture.first;
    const actions: Record<string, () => void> = {
      '+': () => zoomBy(1, chunk),
      '=': () => zoomBy(1, chunk),
      '-': () => zoomBy(-1, chunk),
      '0': () => setWanted(null),
      Enter: () => props.onOpen?.(chunk),
    };
    const next = stepped(picture, chunk, event.key);
    // The first arrow shows where one is.
    const begins = selected === null && event.key.startsWith('Arrow');
    const action = next === null ? actions[event.key] : () => props.onSelect(begins ? chunk : next);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1 : -1, chunkAt(event) ?? centre());
  };
  useEffect(() => {
    const element = canvas.current!;
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  });

  const words = (chunk: number) => {
    const cell = cellOfChunk(picture, chunk);
    if (cell === null) return props.describe(chunk, 1, null);
    const known = cell < cells.data.length;
    const facts = { data: cells.data[cell]!, lost: cells.lost?.[cell] ?? 0, component: cells.component?.[cell] ?? 0xffff };
    return props.describe(...chunksOf(picture, cell), known ? facts : null);
  };
  const told = hovered ?? selected;
  return (
    <div class="map-canvas" ref={holder}>
      {!isWhole && (
        <Minimap
          {...props}
          picture={picture}
          palette={palette}
          onMove={(chunk) => setWanted({ zoom, chunk, at: Math.floor((picture.columns * picture.rows) / 2) })}
        />
      )}
      <canvas
        ref={canvas}
        style={{ width: `${visible.columns * picture.pixels}px`, height: `${visible.rows * picture.pixels}px` }}
        tabIndex={0}
        role="slider"
        aria-label={props.label}
        aria-valuemin={0}
        aria-valuemax={chunks - 1}
        aria-valuenow={selected ?? 0}
        aria-valuetext={selected === null ? 'nothing selected' : words(selected)}
        onKeyDown={keyDown}
        onPointerMove={(event) => setHovered(chunkAt(event))}
        onPointerLeave={() => setHovered(null)}
        onClick={(event) => {
          const chunk = chunkAt(event);
          if (chunk !== null) props.onSelect(chunk);
        }}
        onDblClick={(event) => {
          const chunk = chunkAt(event);
          if (chunk === null) return;
          if (zoom.bits > 0) zoomBy(2, chunk);
          else props.onOpen?.(chunk);
        }}
      />
      <div class="map-foot">
        <p class="map-told">{told === null ? window_(picture) : words(told)}</p>
        <span class="buttons" hidden={isWhole && isAmple(zoom)}>
          <button aria-label="Zoom out" title="Zoom out (-)" disabled={isWhole} onClick={() => zoomBy(-1, selected ?? centre())}>
            −
          </button>
          <button
            aria-label="Zoom in"
            title="Zoom in (+)"
            disabled={zoomed(zoom, 1, whole).pixels === zoom.pixels && zoom.bits === 0}
            onClick={() => zoomBy(1, selected ?? centre())}
          >
            +
          </button>
          <button title="Show all chunks (0)" disabled={isWhole} onClick={() => setWanted(null)}>
            All
          </button>
        </span>
      </div>
    </div>
  );
}

/** "chunks 0 to 63, 1 to a cell". */
function window_(picture: Picture): string {
  const cells = shown(picture);
  const last = Math.min(picture.chunks, picture.first + cells * 2 ** picture.bits) - 1;
  const unit = 2 ** picture.bits;
  const number = (value: number) => value.toLocaleString('en');
  return `chunks ${number(picture.first)} to ${number(last)}, ${number(unit)} to a cell`;
}

/** The rows and columns that have cells: a small volume gets a small picture. */
function trimmed(picture: Picture): { columns: number; rows: number } {
  const cells = Math.max(1, shown(picture));
  if (picture.layout === 'hilbert') return picture;
  return { columns: Math.min(cells, picture.columns), rows: Math.ceil(cells / picture.columns) };
}

/** Everything in a strip, with the window in it. */
function Minimap(props: MapCanvasProps & { picture: Picture; palette: Palette | null; onMove(chunk: number): void }) {
  const { chunks, picture, palette } = props;
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(holder);
  let bits = 0;
  while (Math.ceil(chunks / 2 ** bits) * 2 > Math.max(2, width)) bits += 1;
  const strip: Picture = { layout: 'rows', columns: Math.ceil(chunks / 2 ** bits), rows: 1, first: 0, chunks, bits, pixels: 1 };
  const cells = useCells(props, strip);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context || !palette) return;
    [context.canvas.width, context.canvas.height] = [strip.columns, 1];
    paint(context, { picture: strip, cells, reserved: props.reserved ?? 0, marks: [], selected: null, hovered: null }, palette, 1);
  });
  const share = (chunk: number) => `${(Math.min(chunk, chunks) / chunks) * 100}%`;
  const point = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    if (event.buttons !== 1) return;
    const box = event.currentTarget.getBoundingClientRect();
    props.onMove(Math.floor(Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * (chunks - 1)));
  };
  const down = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    point(event);
  };
  const end = picture.first + shown(picture) * 2 ** picture.bits;
  return (
    <div class="minimap" ref={holder} aria-hidden="true" onPointerDown={down} onPointerMove={point}>
      <canvas ref={canvas} style={palette ? { background: css(palette.ground) } : undefined} />
      <span class="brush" style={{ left: share(picture.first), width: `max(6px, calc(${share(end)} - ${share(picture.first)}))` }} />
    </div>
  );
}

function useWidth(holder: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setWidth(Math.floor(holder.current?.clientWidth ?? 0));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(holder.current!);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** The cells of the picture; those of the one before until they have come. */
function useCells({ load, version, chunks }: MapCanvasProps, picture: Picture): Cells {
  const [cells, setCells] = useState<{ key: string; cells: Cells }>({ key: '', cells: NOTHING });
  const count = shown(picture);
  const key = `${picture.first} ${picture.bits} ${count} ${chunks}`;
  useEffect(() => {
    if (count === 0) return;
    let current = true;
    void load(BigInt(picture.first), picture.bits, count).then((loaded) => {
      if (current && loaded) setCells({ key, cells: loaded });
    });
    return () => {
      current = false;
    };
  }, [key, version]);
  return cells.key === key ? cells.cells : NOTHING;
}

function usePalette(holder: { current: HTMLElement | null }): Palette | null {
  const [palette, setPalette] = useState<Palette | null>(null);
  const current = theme.value;
  useLayoutEffect(() => {
    if (holder.current) setPalette(readPalette(holder.current));
  }, [current]);
  return palette;
}

