/** Refusals of the engine, in words. */
import type { Failure } from './protocol';

/** A sentence that says what was wrong, with its numbers. */
export function sentence(refusal: Failure): string {
  const number = (name: string) => String(refusal[name]);
  switch (refusal.code) {
    case 'nothing-open':
      return 'no files are open';
    case 'no-such-volume':
      return `there is no volume ${number('volume')}; there are ${number('volumes')}`;
    case 'no-such-component':
      return `component ${number('component')} is not there`;
    case 'no-such-file':
      return `file ${number('file')} is not there, or cannot be read`;
    case 'out-of-range':
      return `${number('start')} to ${number('end')} does not lie within 0 to ${number('size')}`;
    case 'bad-picture':
      return `a picture cannot be drawn with ${number('value')}: ${number('bound')}`;
    case 'too-many-chunks':
      return `the components have ${number('chunks')} chunks, and a picture is made of at most ${number('limit')}`;
    case 'io':
      return `${refusal.file}: cannot read ${number('len')} bytes at offset ${number('offset')}: ${refusal.reason}`;
    case 'lost':
      return `${number('lost')} of ${number('size')} bytes are lost`;
    case 'format':
    case 'not-a-plan':
      return String(refusal.reason);
    case 'specimen':
      return `${refusal.file} comes from a specimen, which does not hold the data of the volume`;
    case 'empty-needle':
      return 'there is nothing to search for';
    default:
      return refusal.code;
  }
}

/** A failure that can be thrown. */
export class EngineError extends Error {
  readonly code: string;
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.name = 'EngineError';
    this.code = failure.code;
    this.failure = failure;
  }
}
