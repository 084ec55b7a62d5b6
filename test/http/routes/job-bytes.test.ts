import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixtureFile } from '../../support/paths.js';
import { ask } from '../../support/raw.js';
import { basic, startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

async function finished(script: string, query = ''): Promise<string> {
  const id = await server.register({ exec: '/bin/sh', argv: ['-c', script] });
  const { json } = await ask(server, `/api/process_definition/${id}/run/?wait=30${query}`, {
    body: '0123456789',
  });
  expect(json.state).toBe('FINISHED');
  return `/api/job/${json.uuid}/`;
}

/** The events of a stream that ends. */
async function events(path: string, headers: Record<string, string> = {}) {
  const { text, headers: given } = await ask(server, path, { headers });
  expect(given['content-type']).toBe('text/event-stream');
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const lines = block.split('\n').map((line) => /^(\w+): ?(.*)$/s.exec(line) ?? []);
      const of = (field: string) => lines.filter((line) => line[1] === field).map((line) => line[2]);
      return { event: of('event')[0], id: of('id')[0], data: of('data').join('\n') };
    });
}

describe('the bytes of a job', () => {
  test.each<[string, number, string, string | undefined]>([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=8-', 206, '89', 'bytes 8-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['nonsense', 200, '0123456789', undefined],
  ])('Range: %s', async (range, status, text, header) => {
    const job = await finished('cat');
    for (const name of ['output', 'input', 'stdout']) {
      const answer = await ask(server, `${job}${name}/`, { headers: { Range: range } });
      expect([name, answer.status, answer.text, answer.headers['content-range']]).toEqual([
        name,
        status,
        text,
        header,
      ]);
    }
  });

  test('a range that is not there: 416 says how much there is, and nothing of the file', async () => {
    const answer = await ask(server, `${await finished('cat')}output/`, { headers: { Range: 'bytes=10-' } });
    expect([answer.status, answer.json.status]).toEqual([416, 416]);
    expect(answer.headers['content-range']).toBe('bytes */10');
    expect(answer.headers['content-disposition']).toBeUndefined();
    const other = await ask(server, `${await finished('cat')}output/`, { headers: { 'If-Match': '"x"' } });
    expect(other.status).toBe(412);
  });

  test.each([
    ['sample.mp3', 'audio/mpeg', 'attachment; filename=sample.mp3'],
    ['page.html', 'text/html; charset=utf-8', 'attachment; filename=page.html'],
    ['no extension', 'application/octet-stream', 'attachment; filename="no extension"'],
    ['.hidden', 'application/octet-stream', 'attachment; filename=.hidden'],
    [
      'ü"q.txt',
      'text/plain; charset=utf-8',
      'attachment; filename="?\\"q.txt"; filename*=UTF-8\'\'%C3%BC%22q.txt',
    ],
  ])('%s has the right type and name', async (name, type, disposition) => {
    const job = await finished('cat', `&output_name=${encodeURIComponent(name)}`);
    const { headers, text } = await ask(server, `${job}output/`);
    expect(text).toBe('0123456789');
    expect(headers['content-type']).toBe(type);
    if (!name.startsWith('ü')) expect(headers['content-disposition']).toBe(disposition);
    else expect(headers['content-disposition']).toContain("filename*=UTF-8''%C3%BC%22q.txt");
  });
});

describe('live', () => {
  test('a log that is being written: each piece, then the end', async () => {
    const id = await server.register({
      exec: '/bin/sh',
      argv: ['-c', 'for n in 1 2 3; do echo $n; sleep 0.3; done'],
    });
    const { json } = await ask(server, `/api/process_definition/${id}/run/`, { method: 'POST' });
    const got = await events(`/api/job/${json.uuid}/stdout/?follow=1`);
    expect(got.length).toBeGreaterThan(2);
    expect(
      got
        .slice(0, -1)
        .map(({ data }) => data)
        .join(''),
    ).toBe('1\n2\n3\n');
    expect(got.at(-1)).toMatchObject({ event: 'end', id: '6' });
    expect(JSON.parse(got.at(-1)?.data ?? '')).toMatchObject({ state: 'FINISHED' });
  });

  test('goes on after the Last-Event-ID', async () => {
    const job = await finished('printf "one\\ntwo\\n"; printf err >&2');
    const got = await events(`${job}stdout/?follow=1`, { 'Last-Event-ID': '4' });
    expect(got.map(({ data }) => data)[0]).toBe('two\n');
    expect((await events(`${job}stderr/?follow=1`))[0]?.data).toBe('err');
    expect(
      (await events(`${job}stdout/?follow=1`, { 'Last-Event-ID': '8' })).map(({ event }) => event),
    ).toEqual(['end']);
    expect((await ask(server, `${job}stdout/?follow=1`, { headers: { 'Last-Event-ID': 'x' } })).status).toBe(
      400,
    );
    expect((await ask(server, `${job}stdout/?follow=1`, { method: 'HEAD' })).status).toBe(200);
  });

  test("a character and a line's end are never cut in two; what is no UTF-8 is replaced, to the last byte", async () => {
    const script =
      'printf "%065535d"; printf "\\303\\251"; printf "%065534d"; printf "\\r\\nz\\rq\\377\\303"';
    const job = await finished(script);
    const got = await events(`${job}stdout/?follow=1`);
    const text = got
      .slice(0, -1)
      .map(({ data }) => data)
      .join('');
    expect(text.replace(/0+/g, '0')).toBe('0é0\nz\nq\ufffd\ufffd');
    expect(got.at(-1)?.id).toBe(String(65_535 + 2 + 65_534 + 7));
  });

  test('a history, to its end', async () => {
    const job = await finished('true');
    const { objects } = (await ask(server, `${job}history/`)).json;
    const got = await events(`${job}history/?follow=1`);
    expect(got.slice(0, -1).map(({ data }) => JSON.parse(data).name)).toEqual(
      objects.map((o: { name: string }) => o.name),
    );
    expect(got.at(-1)?.event).toBe('end');
    expect((await events(`${job}history/?follow=1`, { 'Last-Event-ID': '0' })).length).toBe(got.length - 1);
  });

  test('another user sees nothing of it', async () => {
    const job = await finished('true');
    const eve = await server.addUser('eve');
    for (const part of [
      '',
      'stdout/',
      'stdout/?follow=1',
      'stderr/',
      'output/',
      'input/',
      'history/',
      'history/?follow=1',
      '?wait=1',
    ]) {
      expect([part, (await ask(server, job + part, { as: eve })).status]).toEqual([part, 404]);
    }
    expect((await ask(server, `${job}cancel/`, { as: eve, method: 'POST' })).status).toBe(404);
  });
});

/** One second of a 440 Hz tone as a WAV file. */
function tone(): Buffer {
  const samples = 44_100;
  const wav = Buffer.alloc(44 + 2 * samples);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + 2 * samples, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  for (const [value, at] of [
    [1, 20],
    [1, 22],
    [2, 32],
    [16, 34],
  ] as const)
    wav.writeUInt16LE(value, at);
  wav.writeUInt32LE(samples, 24);
  wav.writeUInt32LE(2 * samples, 28);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * samples, 40);
  for (let n = 0; n < samples; n += 1)
    wav.writeInt16LE(Math.round(12_000 * Math.sin((n * 440 * 2 * Math.PI) / samples)), 44 + 2 * n);
  return wav;
}

function findFfmpeg(): string | undefined {
  const found = () =>
    spawnSync('sh', ['-c', 'command -v ffmpeg'], { encoding: 'utf8' }).stdout.trim() || undefined;
  if (found() === undefined && process.env.CI === 'true' && process.getuid?.() === 0) {
    execFileSync('sh', ['-c', 'apt-get update -q && apt-get install -qy --no-install-recommends ffmpeg'], {
      stdio: 'ignore',
    });
  }
  return found();
}
const ffmpeg = findFfmpeg();

test(`ffmpeg makes an MP3 of a WAV${ffmpeg === undefined ? ' (skipped: ffmpeg is not installed)' : ''}`, {
  skip: ffmpeg === undefined,
}, async () => {
  const fixture = fixtureFile('definitions/valid/registry-ffmpeg.json');
  const id = await server.register({ ...JSON.parse(readFileSync(fixture, 'utf8')), exec: ffmpeg });
  const answer = await ask(
    server,
    `/api/process_definition/${id}/run/?wait=50&output=raw&output_name=sample.mp3&input_name=sample.wav`,
    {
      body: tone(),
      headers: { Authorization: basic(server.admin), 'Content-Type': 'audio/wav' },
      deadline: 55_000,
    },
  );
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'audio/mpeg']);
  expect(answer.headers['content-disposition']).toBe('attachment; filename=sample.mp3');
  expect(answer.body.subarray(0, 3).toString() === 'ID3' || answer.body[0] === 0xff).toBe(true);
});
