import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../../support/paths.js';
import { ask } from '../../support/raw.js';
import { basic, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const mebibyte = 2 ** 20;
const size = 50 * mebibyte;
let server: TestServer;
let many: string;
let large: string;
const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-archive-'));
const formats = ['zip', 'tar'] as const;

beforeAll(async () => {
  const collect = `${root}/test/support/collect-garbage.cjs`;
  server = await startServer({ environment: { NODE_OPTIONS: `--require ${collect}` } });
  const run = async (definition: object) => {
    const id = await server.register(definition);
    const { json } = await ask(server, `/api/process_definition/${id}/run/?wait=60`, { method: 'POST' });
    expect([json.state, json.outcome]).toEqual(['FINISHED', expect.anything()]);
    return `/api/job/${json.uuid}/`;
  };
  const script = [
    'mkdir -p frames/deep',
    'for n in $(seq 200); do printf "frame %d" $n >frames/deep/$n.txt; done',
    ': >"$1"',
    'printf umlaut >"grüße ☃.txt"',
    'printf one >same.txt; mkdir other; printf two >other/same.txt',
  ].join('; ');
  many = await run({
    name: 'many / files',
    exec: '/bin/sh',
    argv: ['-c', script, 'sh', '${outputs.empty}'],
    outputs: {
      empty: { type: 'file', file_path: '${outputs.empty}', file_name: 'empty.bin' },
      frames: { type: 'files', glob: 'frames/**/*' },
      greeting: { type: 'file', file_path: 'grüße ☃.txt' },
      same: { type: 'file', file_path: 'same.txt' },
      second: { type: 'file', file_path: 'other/same.txt' },
    },
  });
  large = await run({
    name: 'large',
    exec: '/bin/sh',
    argv: ['-c', `head -c ${size} /dev/urandom >"$1"`, 'sh', '${outputs.large}'],
    outputs: { large: { type: 'file', file_path: '${outputs.large}', file_name: 'large.bin' } },
  });
});
afterAll(async () => {
  await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Unpacks with Python, which takes names as they are; gives the content by name. */
const unpack = `
import json, sys, tarfile, zipfile
name = sys.argv[1]
if name.endswith('.zip'):
    archive = zipfile.ZipFile(name)
    assert archive.testzip() is None
    files = {one: archive.read(one).decode() for one in archive.namelist()}
else:
    archive = tarfile.open(name)
    files = {one.name: archive.extractfile(one).read().decode() for one in archive.getmembers()}
print(json.dumps(files))
`;

describe.each(formats)('all files of a job as a %s', (format) => {
  test('hold what the outputs hold, by names that do not collide', async ({ skip }) => {
    const { status, headers, body } = await ask(server, `${many}outputs/?archive=${format}`);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe(format === 'zip' ? 'application/zip' : 'application/x-tar');
    expect(headers['content-disposition']).toBe(`attachment; filename="many _ files-outputs.${format}"`);
    const file = path.join(folder, `many.${format}`);
    writeFileSync(file, body);
    const listed = format === 'zip' ? ['unzip', '-t', file] : ['tar', '-tf', file];
    const tool = spawnSync(listed[0] ?? '', listed.slice(1), { encoding: 'utf8' });
    if (tool.error === undefined) expect([tool.status, tool.stderr]).toEqual([0, '']);
    if (spawnSync('python3', ['-V']).error !== undefined) skip('there is no python3 here');
    const frames = Array.from({ length: 200 }, (_, index) => [
      `frames/frames/deep/${index + 1}.txt`,
      `frame ${index + 1}`,
    ]);
    const files = execFileSync('python3', ['-c', unpack, file], { encoding: 'utf8' });
    expect(JSON.parse(files)).toEqual({
      'empty.bin': '',
      ...Object.fromEntries(frames),
      'grüße ☃.txt': 'umlaut',
      'same.txt': 'one',
      'same (2).txt': 'two',
    });
  });

  test('of 50 MiB are not held in memory', async () => {
    const before = memory('VmRSS');
    const hash = createHash('sha256');
    let sent = 0;
    const [response] = await open(`${large}outputs/?archive=${format}`);
    for await (const piece of response as AsyncIterable<Buffer>) {
      sent += piece.length;
      hash.update(piece);
    }
    expect(sent).toBeGreaterThan(size);
    expect(memory('VmRSS') - before).toBeLessThan(25 * mebibyte);
  });

  test('are read no faster than the client takes them, and no further once it has gone', async () => {
    const [response, request] = await open(`${large}outputs/?archive=${format}`);
    let read = -1;
    let still = 0;
    const start = bytesRead();
    // Nobody takes anything: what fits into the buffers is read, and no more.
    await waitFor(() => {
      const now = bytesRead() - start;
      still = now === read ? still + 1 : 0;
      read = now;
      return still === 10;
    }, 'the server to stop reading');
    expect(read).toBeLessThan(size / 2);
    expect(isOpen('large.bin')).toBe(true);
    response.on('error', () => undefined);
    request.destroy();
    await waitFor(() => !isOpen('large.bin'), 'the file to be closed');
  });

  test('clients that leave at any time do no harm', async () => {
    for (let pieces = 0; pieces < 30; pieces += 1) {
      const [response, request] = await open(`${pieces % 2 ? many : large}outputs/?archive=${format}`);
      response.on('error', () => undefined);
      let taken = 0;
      for await (const _ of response) if (taken++ >= pieces % 7) break;
      request.destroy();
    }
    await waitFor(() => !isOpen('large.bin'), 'the files to be closed');
    expect((await ask(server, '/healthz')).status).toBe(200);
    expect(server.log()).not.toMatch(/"level":[56]0/);
  });

  test('of which one is cut while it is read: the answer breaks off', async () => {
    const uuid = large.split('/')[3] ?? '';
    const base = path.join(server.data, 'jobs', uuid.slice(3, 5), uuid);
    const found = readdirSync(base, { recursive: true, encoding: 'utf8' }).find((one) =>
      one.endsWith('large.bin'),
    );
    const file = path.join(base, found ?? '');
    const whole = readFileSync(file);
    const [response] = await open(`${large}outputs/?archive=${format}`);
    writeFileSync(file, whole.subarray(0, size / 2));
    const taken = async () => {
      for await (const _ of response);
    };
    await expect(taken()).rejects.toThrow('aborted');
    writeFileSync(file, whole);
    expect(statSync(file).size).toBe(size);
    expect((await ask(server, '/healthz')).status).toBe(200);
  });

  test('HEAD sends nothing', async () => {
    const { status, headers, text } = await ask(server, `${large}outputs/?archive=${format}`, {
      method: 'HEAD',
    });
    expect([status, headers['content-disposition'], text]).toEqual([
      200,
      `attachment; filename=large-outputs.${format}`,
      '',
    ]);
    expect(isOpen('large.bin')).toBe(false);
  });
});

/** An answer that has begun, and of which nothing is taken yet. */
function open(place: string): Promise<[http.IncomingMessage, http.ClientRequest]> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: basic(server.admin) };
    const request = http.get(new URL(place, server.url), { headers, agent: false }, (response) =>
      resolve([response, request]),
    );
    request.on('error', reject);
  });
}

const ofServer = (file: string) => readFileSync(`/proc/${server.pid}/${file}`, 'utf8');
const memory = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(ofServer('status'))?.[1]) * 1024;
const bytesRead = () => Number(/rchar: (\d+)/.exec(ofServer('io'))?.[1]);

/** Whether the server has a file of that name open. */
function isOpen(name: string): boolean {
  return readdirSync(`/proc/${server.pid}/fd`).some((one) => {
    try {
      return readlinkSync(`/proc/${server.pid}/fd/${one}`).endsWith(`/${name}`);
    } catch {
      return false;
    }
  });
}
