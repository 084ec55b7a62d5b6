import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameDecoder, type FrameType } from '../../../src/domain/feeder/feed-frame.js';
import {
  encodeRecord,
  type Framing,
  framingProblem,
  RecordDecoder,
} from '../../../src/domain/feeder/framing.js';

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const framing = fc.constantFrom<Framing>('line', 'nul', 'length');

/** Bytes in pieces, cut at these places. */
function pieces(all: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (all.length + 1)), all.length])].sort(
    (a, b) => a - b,
  );
  return places.slice(1).map((to, index) => all.subarray(places[index], to));
}
const cuts = fc.array(fc.nat(), { maxLength: 20 });

describe('records', () => {
  test('come out as they went in, in whatever pieces', () => {
    fc.assert(
      fc.property(framing, fc.array(bytes), cuts, (how, given, at) => {
        const records = given.filter((record) => framingProblem(how, record) === null);
        const all = Buffer.concat(records.map((record) => encodeRecord(how, record)));
        const decoder = new RecordDecoder(how);
        const came = pieces(all, at).flatMap((piece) => decoder.push(piece));
        const separator = how === 'length' ? undefined : how === 'line' ? 0x0a : 0;
        const wanted = records.map((record) =>
          separator !== undefined && record.at(-1) === separator ? record.subarray(0, -1) : record,
        );
        expect(came.map(String)).toEqual(wanted.map(String));
        expect(decoder.end()).toEqual([]);
      }),
    );
  });

  test('many that come in one piece are not copied, each with all that follows it', () => {
    for (const how of ['line', 'nul', 'length'] as const) {
      const piece = Buffer.concat(Array.from({ length: 100 }, () => encodeRecord(how, Buffer.from('x'))));
      const came = new RecordDecoder(how).push(piece);
      expect(came.map((record) => record.buffer === piece.buffer)).toEqual(came.map(() => true));
    }
  });

  test('a last record needs no separator; one that is cut off is told', () => {
    const lines = new RecordDecoder('line');
    expect(lines.push(Buffer.from('a\nb')).map(String)).toEqual(['a']);
    expect(lines.end().map(String)).toEqual(['b']);
    expect(lines.end()).toEqual([]);
    const lengths = new RecordDecoder('length');
    expect(lengths.push(Buffer.from([0, 0, 0, 2, 1]))).toEqual([]);
    expect(() => lengths.end()).toThrow('in the middle of a record');
  });

  test('one that is too long is told before it fills the memory', () => {
    expect(() => new RecordDecoder('line', 3).push(Buffer.from('abcd'))).toThrow('longer than 3 bytes');
    expect(() => new RecordDecoder('nul', 3).push(Buffer.from('abcd\0'))).toThrow('longer than 3 bytes');
    expect(() => new RecordDecoder('length', 3).push(Buffer.from([0, 0, 0, 4]))).toThrow(
      'longer than 3 bytes',
    );
    expect(new RecordDecoder('line', 3).push(Buffer.from('abc\n')).map(String)).toEqual(['abc']);
  });

  test('what cannot be framed is told', () => {
    expect(framingProblem('line', Buffer.from('a\nb'))).toBe('holds a newline, which would end it there');
    expect(framingProblem('nul', Buffer.from('a\0b'))).toContain('holds a NUL');
    expect(framingProblem('none', Buffer.alloc(0))).toContain('is empty');
    expect(framingProblem('line', Buffer.from('a\n'))).toBeNull();
    expect(new RecordDecoder('none').push(Buffer.from('ab')).map(String)).toEqual(['ab']);
  });
});

test('frames come out as they went in, and a cut one never was', () => {
  const frame = fc.record({ type: fc.constantFrom<FrameType>('M', 'E', 'H', 'R', 'X'), payload: bytes });
  fc.assert(
    fc.property(fc.array(frame), cuts, fc.nat(), (frames, at, left) => {
      const all = Buffer.concat(frames.map(({ type, payload }) => encodeFrame(type, payload)));
      const decoder = new FrameDecoder();
      expect(pieces(all, at).flatMap((piece) => decoder.push(piece))).toEqual(frames);
      const last = frames.at(-1);
      if (last === undefined) return;
      const cut = all.subarray(0, all.length - 1 - (left % (last.payload.length + 5)));
      expect(new FrameDecoder().push(cut)).toHaveLength(frames.length - 1);
    }),
  );
});
