/**
 * What one looks at, as the fragment of the address. It names views, numbers and offsets only: never a file, a name
 * or a byte of anybody's data.
 */

export const VIEWS = ['overview', 'map', 'findings', 'hex', 'records', 'export', 'repair', 'compare', 'report'] as const;
export type ViewName = (typeof VIEWS)[number];

export interface Route {
  view: ViewName;
  /** The volume, by its place. */
  volume: number;
  /** The selected byte of the volume, or of what the hex view shows. */
  at: bigint | null;
  /** What the hex view shows: the volume, a component (`c2`) or a file (`f0`). */
  space: string;
  layout: 'rows' | 'hilbert';
}

export const HOME: Route = { view: 'overview', volume: 0, at: null, space: 'volume', layout: 'rows' };

/** The fragment without `#`; what is as at home is left out. */
export function toFragment(route: Route): string {
  const parts = new URLSearchParams();
  if (route.volume !== HOME.volume) parts.set('volume', String(route.volume));
  if (route.space !== HOME.space) parts.set('in', route.space);
  if (route.layout !== HOME.layout) parts.set('layout', route.layout);
  if (route.at !== null) parts.set('at', `0x${route.at.toString(16)}`);
  const rest = parts.toString();
  return route.view + (rest ? `?${rest}` : '');
}

/** The route that a fragment names. Whatever cannot be read is as at home: a link is hostile input too. */
export function fromFragment(fragment: string): Route {
  const [name = '', rest = ''] = fragment.replace(/^#/, '').split('?', 2);
  const parts = new URLSearchParams(rest);
  const at = /^0x[0-9a-f]{1,16}$/.exec(parts.get('at') ?? '');
  const volume = /^\d{1,4}$/.exec(parts.get('volume') ?? '');
  return {
    view: VIEWS.find((view) => view === name) ?? HOME.view,
    volume: volume ? Number(volume[0]) : HOME.volume,
    at: at ? BigInt(at[0]) : null,
    space: /^[cf]\d{1,5}$/.exec(parts.get('in') ?? '')?.[0] ?? HOME.space,
    layout: parts.get('layout') === 'hilbert' ? 'hilbert' : HOME.layout,
  };
}
