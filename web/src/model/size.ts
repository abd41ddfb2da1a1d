/** Numbers as people read them. */

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** '1.50 GiB': the largest unit that leaves at least 1, three digits; exact below 1 KiB. */
export function formatSize(bytes: bigint): string {
  let unit = 0;
  let scale = 1n;
  while (bytes >= scale * 1024n && unit + 1 < UNITS.length) {
    scale *= 1024n;
    unit += 1;
  }
  if (unit === 0) return bytes === 1n ? '1 byte' : `${bytes} bytes`;
  if (bytes % scale === 0n) return `${bytes / scale} ${UNITS[unit]}`;
  const whole = bytes / scale;
  const digits = whole >= 100n ? 0 : whole >= 10n ? 1 : 2;
  const power = 10n ** BigInt(digits);
  // Cut, not rounded: '1024 KiB' and a full volume that is not full would both be lies.
  const cut = (bytes * power) / scale;
  return `${decimal(cut, digits)} ${UNITS[unit]}`;
}

/** '8,388,608'. */
export function formatCount(count: bigint | number): string {
  return BigInt(count).toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

/** '1 chunk', '2,000 chunks'. */
export function plural(count: bigint | number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${BigInt(count) === 1n ? one : many}`;
}

/** '0x1f000'. */
export function formatHex(value: bigint | number, digits = 0): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** A share in percent: never 0 where there is something, never 100 where something is missing. */
export function formatShare(part: bigint, whole: bigint): string {
  if (whole === 0n || part === 0n) return '0 %';
  if (part >= whole) return '100 %';
  const thousandths = (part * 1000n) / whole;
  if (thousandths === 0n) return '< 0.1 %';
  return `${decimal(thousandths, 1)} %`;
}

/** '2 min 5 s'. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

function decimal(value: bigint, digits: number): string {
  const text = value.toString().padStart(digits + 1, '0');
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}
