/** Addresses as people type them. */

/** What an address is an address in. Sizes in bytes. */
export interface Ground {
  size: bigint;
  chunkSize: bigint;
  sectorSize: bigint;
  /** Where relative addresses start. */
  current: bigint;
}

export type Address =
  | { offset: bigint }
  | { error: 'empty' | 'not-an-address' }
  | { error: 'outside'; offset: bigint; last: bigint };

const UNITS: Record<string, bigint> = {
  '': 1n,
  k: 1n << 10n,
  m: 1n << 20n,
  g: 1n << 30n,
  t: 1n << 40n,
  p: 1n << 50n,
};

/**
 * The byte that `text` names: `0x1f00`, `1f00h`, `4096`, `4M`, `s8` or `8s` (sector), `c3` or `3c` (chunk), `50%`,
 * `end`, and with `+` or `-` in front the same counted from where one is. Case, blanks, `,` and `_` do not matter.
 */
export function parseAddress(text: string, ground: Ground): Address {
  const clean = text.toLowerCase().replace(/[\s,_]/g, '');
  if (clean === '') return { error: 'empty' };
  const last = ground.size > 0n ? ground.size - 1n : 0n;
  if (clean === 'end') return { offset: last };
  const sign = clean[0] === '+' ? 1n : clean[0] === '-' ? -1n : 0n;
  const distance = parseDistance(sign === 0n ? clean : clean.slice(1), ground);
  if (distance === null) return { error: 'not-an-address' };
  // '100%' is the end, which has no byte of its own.
  const there = clean === '100%' ? last : distance;
  const offset = sign === 0n ? there : ground.current + sign * distance;
  return offset < 0n || offset > last ? { error: 'outside', offset, last } : { offset };
}

function parseDistance(text: string, ground: Ground): bigint | null {
  const hex = /^0x([0-9a-f]{1,16})$/.exec(text) ?? /^([0-9a-f]{1,16})h$/.exec(text);
  if (hex) return BigInt(`0x${hex[1]}`);
  const percent = /^(\d{1,3})(?:\.(\d{1,9}))?%$/.exec(text);
  if (percent) return ofPercent(percent[1]!, percent[2] ?? '', ground);
  const counted = /^(s|c|#)(\d{1,20})$/.exec(text) ?? swap(/^(\d{1,20})(s|c)$/.exec(text));
  if (counted) return BigInt(counted[2]!) * (counted[1] === 's' ? ground.sectorSize : ground.chunkSize);
  const bytes = /^(\d{1,20})([kmgtp]?)(?:i?b)?$/.exec(text);
  return bytes ? BigInt(bytes[1]!) * UNITS[bytes[2]!]! : null;
}

/** Whole sectors: nobody wants byte 41.3 % of a disk. */
function ofPercent(whole: string, fraction: string, ground: Ground): bigint {
  const share = BigInt(whole + fraction);
  const offset = (ground.size * share) / (100n * 10n ** BigInt(fraction.length));
  return offset - (offset % ground.sectorSize);
}

function swap(match: RegExpExecArray | null): string[] | null {
  return match && ['', match[2]!, match[1]!];
}

/** What to say about an address that is none. */
export function explain(address: Address): string {
  if (!('error' in address)) return '';
  if (address.error === 'outside') {
    return `There is nothing at ${address.offset}: the last byte is ${address.last} (0x${address.last.toString(16)}).`;
  }
  return 'Write 0x1f00, 4096, 4M, s8 (sector), c3 (chunk), 50% or end; + and - count from here.';
}

/** The same place in one unit, for reading, and what of it is copied: what other programs take. */
export interface Unit {
  label: string;
  value: string;
  copied: string;
  /** What that is. */
  what: string;
}

/** The same place in every unit. */
export function everyUnit(offset: bigint, ground: Ground): Unit[] {
  const { size, chunkSize, sectorSize } = ground;
  const whole = (label: string, value: string, what: string) => ({ label, value, copied: value, what });
  // Of 'sector 3 + 17' nothing but the 3 can be given to dd.
  const counted = (label: string, unit: bigint) => {
    const number = (offset / unit).toString();
    return { label, value: number + rest(offset % unit), copied: number, what: `number of the ${label}` };
  };
  return [
    whole('hexadecimal', `0x${offset.toString(16)}`, 'hexadecimal address'),
    whole('decimal', offset.toString(), 'decimal address'),
    counted('sector', sectorSize),
    counted('chunk', chunkSize),
    whole('percent', percent(offset, size), 'address in percent'),
  ];
}

/** Rounded down, as the other way is. */
function percent(offset: bigint, size: bigint): string {
  const share = size > 0n ? (offset * 100_000_000n) / size : 0n;
  const fraction = (share % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '');
  return `${share / 1_000_000n}${fraction && `.${fraction}`}%`;
}

function rest(bytes: bigint): string {
  return bytes === 0n ? '' : ` + ${bytes}`;
}
