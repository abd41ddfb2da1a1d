/** The colours of a map, as the style sheet has them: it knows the theme, and forced colours too. */

export type Rgb = readonly [number, number, number];

export interface Palette {
  /** Behind all cells. */
  ground: Rgb;
  hole: Rgb;
  data: Rgb;
  lost: Rgb;
  /** Strokes over lost cells. */
  hatch: Rgb;
  reserved: Rgb;
  mark: Rgb;
  /** What is selected: the outline, and the line around that. */
  ink: Rgb;
  halo: Rgb;
}

const NAMES: readonly (keyof Palette)[] = ['ground', 'hole', 'data', 'lost', 'hatch', 'reserved', 'mark', 'ink', 'halo'];

/** Reads the custom properties `--map-*` where `element` stands. */
export function readPalette(element: HTMLElement): Palette {
  const probe = document.createElement('span');
  probe.hidden = true;
  element.append(probe);
  const read = (name: string): Rgb => {
    probe.style.color = `var(--map-${name})`;
    const [red = 0, green = 0, blue = 0] = (getComputedStyle(probe).color.match(/[\d.]+/g) ?? []).map(Number);
    return [red, green, blue];
  };
  const palette = Object.fromEntries(NAMES.map((name) => [name, read(name)])) as unknown as Palette;
  probe.remove();
  return palette;
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** 256 steps from one colour to another. What is not nothing starts well off the first: brightness is fill. */
export function ramp(from: Rgb, to: Rgb): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, step) => {
    const share = step === 0 ? 0 : 0.28 + (0.72 * step) / 255;
    const [red, green, blue] = from.map((part, index) => Math.round(part + (to[index]! - part) * share));
    return pixel([red!, green!, blue!]);
  });
}

/** A pixel of an image as a little-endian number. */
export function pixel([red, green, blue]: Rgb): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
