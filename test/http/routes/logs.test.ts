import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rangeOf } from '../../../src/http/answers/log-part.js';
import { jobOf, submit } from '../../support/jobs.js';
import { type Answer, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
const place = mkdtempSync(path.join(os.tmpdir(), 'penstock-logs-'));
beforeAll(async () => {
  server = await startServer({ application: { LOG_LEVEL: 'error' } });
});
afterAll(async () => {
  await server.remove();
  rmSync(place, { recursive: true, force: true });
});

/** Runs a script to its end, and gives its job's place. */
async function ran(script: string, more: object = {}): Promise<string> {
  const id = await server.register({ exec: '/bin/sh', argv: ['-c', script], ...more });
  const { uuid } = await jobOf(server, await submit(server, id), 30);
  return `/api/job/${uuid}/`;
}
const get = (url: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(server, url, { headers });
const placesOf = ({ headers }: Answer) =>
  ['start', 'from', 'to', 'end', 'attempt'].map((name) => Number(headers[`log-${name}`]));

/** The bytes that the events of a stream stand for, and the ids of these events. */
function told(text: string): { bytes: Buffer; ids: (string | undefined)[] } {
  const blocks = text.split('\n\n').filter((block) => /^data: /m.test(block) && !/^event: /m.test(block));
  const values = blocks.map((block) => JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? ''));
  return {
    bytes: Buffer.concat(
      values.map((value) =>
        typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.base64, 'base64'),
      ),
    ),
    ids: blocks.map((block) => /^id: (.*)$/m.exec(block)?.[1]),
  };
}

test('a followed log as JSON is the log, byte for byte, from any place on', async () => {
  const job = await ran(
    String.raw`printf '\r 1%%\r 2%%\r\n'; sleep 0.2; printf '\303'; sleep 0.3; printf '\251\360\237'; sleep 0.2; printf 'x\000\377\n\r'`,
  );
  const whole = (await get(`${job}stdout/`)).body;
  expect(whole.toString('latin1')).toBe('\r 1%\r 2%\r\n\u00c3\u00a9\u00f0\u009fx\0\u00ff\n\r');
  for (const from of [0, 3, 11, 15]) {
    const { text } = await get(`${job}stdout/?follow=1&as=json&last_event_id=${from}`);
    expect(told(text).bytes.equals(whole.subarray(from))).toBe(true);
    expect(text).toMatch(new RegExp(`event: end\nid: ${whole.length}\n`));
  }
  const plain = await get(`${job}stdout/?follow=1&as=xml`);
  expect([plain.status, plain.json.errors[0].pointer]).toEqual([400, '?as']);
});

test('while it is written: progress is told as it comes, and the line that is not finished', async () => {
  const gate = path.join(place, 'gate');
  const id = await server.register({
    exec: '/bin/sh',
    argv: ['-c', `printf '10%%\\r'; until [ -e "$1" ]; do sleep 0.02; done; printf '20%%\\r'`, 'sh', gate],
  });
  const uuid = await submit(server, id);
  const answer = await server.fetch(`/api/job/${uuid}/stdout/?follow=1&as=json`);
  let text = '';
  const reading = (async () => {
    for await (const piece of answer.body as ReadableStream<Uint8Array>)
      text += Buffer.from(piece).toString();
  })();
  await waitFor(() => told(text).bytes.toString() === '10%\r', 'the first progress');
  writeFileSync(gate, '');
  await reading;
  expect(told(text).bytes.toString()).toBe('10%\r20%\r');
});

describe('a part of a log', () => {
  test('has whole lines, wherever it begins and ends, and its places are told', async () => {
    const job = await ran('seq 1000 1099; printf "no end"');
    const whole = (await get(`${job}stdout/`)).text;
    expect(whole).toHaveLength(506);
    const part = async (query: string) => {
      const answer = await get(`${job}stdout/?${query}`);
      expect(answer.status).toBe(200);
      const [start, from = 0, to = 0, end, attempt] = placesOf(answer);
      expect([start, end, attempt]).toEqual([0, 506, 1]);
      expect(answer.text).toBe(whole.slice(from, to));
      return [from, to];
    };
    expect(await part('offset=0&length=10')).toEqual([0, 10]);
    expect(await part('offset=0&length=12')).toEqual([0, 10]);
    expect(await part('offset=7&length=12')).toEqual([10, 15]);
    expect(await part('offset=10')).toEqual([10, 506]);
    expect(await part('offset=-8')).toEqual([500, 506]);
    expect(await part('offset=-100000')).toEqual([0, 506]);
    expect(await part('length=499')).toEqual([0, 495]);
    expect(await part('offset=506')).toEqual([506, 506]);
    expect(await part('offset=90000&length=5')).toEqual([506, 506]);
    // Of a line that is longer than what is asked for there is a part.
    expect(await part('offset=1&length=3')).toEqual([1, 4]);
    // Forwards and backwards by what was told nothing is left out and nothing comes twice.
    let seen = '';
    for (let at = 0; at < 506; ) {
      const [from = 0, to = 0] = await part(`offset=${at}&length=33`);
      expect(from).toBe(at);
      seen += whole.slice(from, to);
      at = to;
    }
    expect(seen).toBe(whole);
    const head = await ask(server, `${job}stdout/?offset=10`, { method: 'HEAD' });
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '496', '']);
  });

  test.each([
    ['offset=x', '?offset'],
    ['offset=1.5', '?offset'],
    ['length=0', '?length'],
    ['length=-4', '?length'],
  ])('is refused: %s', async (query, pointer) => {
    const { status, json } = await get(`${await ran('true')}stdout/?${query}`);
    expect([status, json.errors[0].pointer]).toEqual([400, pointer]);
  });

  test('and following are two things', async () => {
    const job = await ran('true');
    for (const query of ['follow=1&offset=3', 'as=json'])
      expect((await get(`${job}stdout/?${query}`)).status).toBe(400);
  });
});

test('an empty log is nothing at all, whatever part of it is asked for', async () => {
  const job = await ran('true');
  for (const range of ['bytes=0-', 'bytes=-100', 'bytes=5-9']) {
    const answer = await get(`${job}stderr/`, { Range: range });
    expect([answer.status, answer.text, answer.headers['content-length']]).toEqual([200, '', '0']);
    expect(placesOf(answer)).toEqual([0, 0, 0, 0, 1]);
  }
  expect(placesOf(await get(`${job}stdout/?offset=-10`))).toEqual([0, 0, 0, 0, 1]);
});

test("of a service's log that was cut, Range, offset and the ids of a stream count from one place", async () => {
  const definition = await server.register({
    exec: '/bin/sh',
    argv: ['-c', 'seq 100000 140000; exec sleep 100000'],
    process_type: 'service',
    limits: { log_size: '20KB' },
  });
  const uuid = await submit(server, definition);
  const log = `/api/job/${uuid}/stdout/`;
  const end = 40_001 * 7;
  await waitFor(async () => {
    const [start = 0, , , size] = placesOf(await get(log));
    return size === end && start > 0;
  }, 'the log to be cut');
  const whole = await get(log);
  const [start = 0, from, to] = placesOf(whole);
  expect([from, to, whole.body.length]).toEqual([start, end, end - start]);
  expect(whole.text).toMatch(/^\[penstock: \d+ bytes before this were left out\]\n1\d{5}\n/);

  expect((await get(`/api/job/${uuid}/`)).json.logs).toEqual({
    stdout: { start, end },
    stderr: { start: 0, end: 0 },
  });
  expect((await get(`/api/job/?uuid=${uuid}`)).json.objects[0].logs).toBeNull();

  const last = await get(log, { Range: `bytes=${end - 14}-${end - 8}` });
  expect([last.status, last.text, last.headers['content-range']]).toEqual([
    206,
    '139999\n',
    `bytes ${end - 14}-${end - 8}/${end}`,
  ]);
  const early = await get(log, { Range: 'bytes=0-' });
  expect([early.status, early.headers['content-range']]).toEqual([206, `bytes ${start}-${end - 1}/${end}`]);
  expect(early.text).toBe(whole.text);
  expect((await get(log, { Range: 'bytes=-7' })).text).toBe('140000\n');
  const gone = await get(log, { Range: `bytes=0-${start - 1}` });
  expect([gone.status, gone.headers['content-range']]).toEqual([416, `bytes */${end}`]);

  const lines = await get(`${log}?offset=${end - 20}&length=15`);
  expect([lines.text, placesOf(lines)]).toEqual(['139999\n', [start, end - 14, end - 7, end, 1]]);
  await server.fetch(`/api/job/${uuid}/stop/`, { method: 'POST' });
  const stream = told((await get(`${log}?follow=1&as=json&last_event_id=${end - 14}`)).text);
  expect([String(stream.bytes), stream.ids]).toEqual(['139999\n140000\n', [String(end)]]);
});

test('a range of a cut log is of what is left of it', () => {
  const left = { from: 100, to: 200 };
  expect(rangeOf('bytes=0-', left)).toEqual(left);
  expect(rangeOf('bytes=150-', left)).toEqual({ from: 150, to: 200 });
  expect(rangeOf('bytes=50-149', left)).toEqual({ from: 100, to: 150 });
  expect(rangeOf('bytes=-30', left)).toEqual({ from: 170, to: 200 });
  expect(rangeOf('bytes=-3000', left)).toEqual(left);
  for (const none of ['bytes=-', 'items=1-2', 'bytes=150-140', 'bytes=1-2,3-4'])
    expect(rangeOf(none, left)).toBeNull();
  for (const away of ['bytes=0-99', 'bytes=200-', 'bytes=-0'])
    expect(() => rangeOf(away, left)).toThrow(/from 100 to 200/);
});
