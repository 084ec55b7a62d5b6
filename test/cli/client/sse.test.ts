import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseParser } from '../../../src/cli/client/sse.js';

const parse = (...pieces: string[]) => {
  const parser = new SseParser();
  return { events: pieces.flatMap((piece) => parser.push(piece)), state: parser.state };
};

describe('server-sent events', () => {
  it('joins data lines, and takes one space after the colon away', () => {
    expect(parse('data: one\ndata:two\ndata:  three\n\n').events).toEqual([
      { event: 'message', data: 'one\ntwo\n three', id: '' },
    ]);
  });

  it('knows names, ids and the time before connecting again', () => {
    const { events, state } = parse('retry: 250\nid: 7\nevent: chunk\ndata: a\n\ndata: b\n\n');
    expect(events).toEqual([
      { event: 'chunk', data: 'a', id: '7' },
      { event: 'message', data: 'b', id: '7' },
    ]);
    expect(state).toEqual({ lastEventId: '7', retry: 250 });
  });

  it('gives an end without data, but no message without data', () => {
    expect(parse('event: end\n\n').events).toEqual([{ event: 'end', data: '', id: '' }]);
    expect(parse('id: 3\n\n').events).toEqual([]);
  });

  it('knows its place from a block with nothing but an id, and only once that is complete', () => {
    expect(parse('id: 3\n\n').state.lastEventId).toBe('3');
    expect(parse('id: 3\n\n', 'id: 4\ndata: cut').state.lastEventId).toBe('3');
  });

  it('passes over comments, unknown fields, a byte order mark, and an event that was cut off', () => {
    expect(parse('\uFEFF: hello\ncolour: red\ndata\n\ndata: cut').events).toEqual([
      { event: 'message', data: '', id: '' },
    ]);
  });

  it('gives the same events wherever the text is cut, for every kind of line end', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'data: a',
        'data: b: c',
        'event: end',
        'id: 12',
        ': comment',
        'retry: 5',
        '',
        '',
        'data:',
      ),
      fc.string({ maxLength: 5 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
    );
    const ends = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(fc.array(line), ends, fc.array(fc.nat(60)), (lines, end, cuts) => {
        const text = lines.map((each) => each + end).join('');
        const pieces: string[] = [];
        let rest = text;
        for (const cut of cuts) {
          pieces.push(rest.slice(0, cut));
          rest = rest.slice(cut);
        }
        // A line feed at the end decides about a carriage return that waits for its other half.
        expect(parse(...pieces, rest, '\n').events).toEqual(parse(`${text}\n`).events);
      }),
    );
  });
});
