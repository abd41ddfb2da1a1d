/**
 * Documents as the engine writes them: CBOR (RFC 8949), as far as it needs it. Integers of eight bytes are `bigint`,
 * shorter ones `number`.
 */
export function decode(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  let at = 0;

  const take = (length: number): number => {
    at += length;
    if (at > bytes.length) throw new RangeError(`a document of ${bytes.length} bytes goes on at ${at}`);
    return at - length;
  };

  function argument(info: number): number | bigint {
    if (info === 24) return view.getUint8(take(1));
    if (info === 25) return view.getUint16(take(2));
    if (info === 26) return view.getUint32(take(4));
    if (info === 27) return view.getBigUint64(take(8));
    if (info < 24) return info;
    throw new Error(`an item of CBOR of kind ${info} at ${at}`);
  }

  /** Whether a list or map ends here; steps over its end. */
  function ended(): boolean {
    if (view.getUint8(at) !== 0xff) return false;
    at += 1;
    return true;
  }

  function list(): unknown[] {
    const items: unknown[] = [];
    while (!ended()) items.push(item());
    return items;
  }

  function map(): Record<string, unknown> {
    const fields: Record<string, unknown> = {};
    while (!ended()) {
      const name = item() as string;
      fields[name] = item();
    }
    return fields;
  }

  function item(): unknown {
    const first = view.getUint8(take(1));
    const info = first & 31;
    switch (first) {
      case 0x9f:
        return list();
      case 0xbf:
        return map();
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xf6:
        return null;
      case 0xfb:
        return view.getFloat64(take(8));
    }
    const number = argument(info);
    switch (first >> 5) {
      case 0:
        return number;
      case 1:
        return typeof number === 'bigint' ? -1n - number : -1 - number;
      case 3: {
        const start = take(Number(number));
        return utf8.decode(bytes.subarray(start, at));
      }
      default:
        throw new Error(`an item of CBOR that begins with ${first} at ${at}`);
    }
  }

  return item();
}
