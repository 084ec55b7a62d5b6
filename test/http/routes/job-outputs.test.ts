import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
/** The address of a job that made one file, several, a folder, and two values; and of one that declares nothing. */
let job: string;
let older: string;
const shell = (script: string, ...argv: string[]) => ({
  exec: '/bin/sh',
  argv: ['-c', script, 'sh', ...argv],
});
const script = [
  'printf 0123456789 >"$1"',
  'mkdir -p frames/a && printf png >frames/a/b.png && printf "<b>" >"frames/a/ü #1.html"',
  'mkdir -p "$2/x" && printf one >"$2/x/one.bin"',
  'printf \'{"loudness": -18.5}\'',
].join(' && ');

beforeAll(async () => {
  server = await startServer();
  const made = await server.register({
    ...shell(script, '${outputs.mp3}', '${outputs.tree}'),
    name: 'make',
    outputs: {
      loudness: { type: 'number', from: 'stdout', pointer: '/loudness' },
      mp3: { type: 'file', file_path: '${outputs.mp3}', file_name: 'sound.mp3', media_type: 'audio/x-own' },
      frames: { type: 'files', glob: 'frames/**/*', media_type: 'image/*' },
      tree: { type: 'folder', folder_path: '${outputs.tree}' },
      code: { type: 'integer', from: 'exit_code' },
      never: { type: 'file', file_path: 'never', optional: true },
    },
  });
  const plain = await server.register({
    ...shell('cat; printf side >"$1"', '${output_file.side}'),
    name: 'plain',
  });
  const run = async (id: number, body: string) => {
    const { json } = await ask(server, `/api/process_definition/${id}/run/?wait=30`, { body });
    expect([json.state, json.outcome]).toEqual(['FINISHED', expect.anything()]);
    return `/api/job/${json.uuid}/`;
  };
  job = await run(made, '{}');
  older = await run(plain, 'main');
});
afterAll(() => server.remove());

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('the list of outputs', () => {
  test('has each file and each value, in the order of the declarations', async () => {
    const { status, json } = await ask(server, `${job}outputs/`);
    const file = (output: string, name: string, size: number, media_type: string, rest = '') => ({
      output,
      name,
      size,
      media_type,
      sha256: null,
      uri: `${job}outputs/${output}/${rest}`,
    });
    expect(status).toBe(200);
    expect(json.meta.total_count).toBe(6);
    expect(json.objects).toEqual([
      { output: 'loudness', value: -18.5 },
      file('mp3', 'sound.mp3', 10, 'audio/x-own'),
      file('frames', 'frames/a/b.png', 3, 'image/png', 'frames/a/b.png/'),
      file('frames', 'frames/a/ü #1.html', 3, 'text/html', 'frames/a/%C3%BC%20%231.html/'),
      file('tree', 'x/one.bin', 3, 'application/octet-stream', 'x/one.bin/'),
      { output: 'code', value: 0 },
    ]);
    for (const { uri, size } of json.objects.filter(({ uri }: { uri?: string }) => uri !== undefined)) {
      const answer = await ask(server, uri);
      expect([uri, answer.status, answer.body.length]).toEqual([uri, 200, size]);
    }
  });

  test('has digests if asked', async () => {
    const { objects } = (await ask(server, `${job}outputs/?sha256=1`)).json;
    expect(objects.map((one: { sha256?: string }) => one.sha256)).toEqual([
      undefined,
      sha256('0123456789'),
      sha256('png'),
      sha256('<b>'),
      sha256('one'),
      undefined,
    ]);
  });

  test('without declarations it has the main output and the named ones', async () => {
    const { json } = await ask(server, `${older}outputs/?sha256=1`);
    expect(json.objects).toMatchObject([
      { output: 'output', size: 4, sha256: sha256('main'), uri: `${older}outputs/output/` },
      { output: 'side', name: 'side', size: 4, sha256: sha256('side'), uri: `${older}outputs/side/` },
    ]);
    expect((await ask(server, `${older}outputs/side/`)).text).toBe('side');
    expect((await ask(server, `${older}outputs/output/`)).text).toBe('main');
  });

  test('is empty for a job that made nothing', async () => {
    const id = await server.register({ exec: '/does/not/exist' });
    const { json } = await ask(server, `/api/process_definition/${id}/run/?wait=30`, { method: 'POST' });
    const { status, json: list } = await ask(server, `/api/job/${json.uuid}/outputs/`);
    expect([status, list.objects]).toEqual([200, []]);
    const archive = await ask(server, `/api/job/${json.uuid}/outputs/?archive=zip`);
    expect([archive.status, archive.json.error]).toEqual([
      404,
      `The job ${json.uuid} has no output files to put into an archive.`,
    ]);
  });

  test.each([
    ['?archive=rar', "archive: 'rar' must be zip or tar."],
    ['?sha256=yes', "sha256: 'yes' must be 0 or 1."],
    ['?archive=zip&sha256=1', 'archive does not work with sha256=1. Ask for one of them.'],
    ['?sha=1', "Unknown parameter 'sha'. Did you mean 'sha256'?"],
  ])('refuses %s', async (query, error) => {
    const { status, json } = await ask(server, `${job}outputs/${query}`);
    expect([status, json.error]).toEqual([400, error]);
  });

  test('is nobody else’s', async () => {
    const eve = await server.addUser('eve');
    for (const part of ['', '?archive=zip', 'mp3/', 'frames/frames/a/b.png/'])
      expect((await ask(server, `${job}outputs/${part}`, { as: eve })).status).toBe(404);
  });
});

describe('one output', () => {
  test('has the declared type, the name, and is saved, not shown', async () => {
    const { headers, text } = await ask(server, `${job}outputs/mp3/`);
    expect(text).toBe('0123456789');
    expect(headers).toMatchObject({
      'content-type': 'audio/x-own',
      'content-disposition': 'attachment; filename=sound.mp3',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      etag: expect.stringMatching(/^W\/".+"$/),
    });
    expect(headers['content-security-policy']).toContain('sandbox');
    const page = await ask(server, `${job}outputs/frames/frames/a/%C3%BC%20%231.html`);
    expect(page.text).toBe('<b>');
    expect(page.headers['content-disposition']).toContain("filename*=UTF-8''%C3%BC%20%231.html");
    expect(page.headers['content-security-policy']).toContain('sandbox');
  });

  test('in part, and only if it has changed', async () => {
    const part = await ask(server, `${job}outputs/mp3/`, { headers: { Range: 'bytes=2-4' } });
    expect([part.status, part.text, part.headers['content-type']]).toEqual([206, '234', 'audio/x-own']);
    const etag = part.headers.etag ?? '';
    const asked = async (headers: Record<string, string>) =>
      (await ask(server, `${job}outputs/mp3/`, { headers })).status;
    expect(await asked({ 'If-None-Match': etag })).toBe(304);
    expect(await asked({ 'If-None-Match': 'W/"other"' })).toBe(200);
    expect(await asked({ 'If-Match': '"other"' })).toBe(412);
    expect(await asked({ Range: 'bytes=1-1', 'If-Range': etag })).toBe(206);
    expect(await asked({ Range: 'bytes=99-' })).toBe(416);
    const head = await ask(server, `${job}outputs/mp3/`, { method: 'HEAD' });
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '10', '']);
  });

  test('that is a value is JSON', async () => {
    const { headers, text } = await ask(server, `${job}outputs/loudness/`);
    expect([headers['content-type'], text]).toEqual(['application/json', '-18.5']);
  });

  test.each([
    ['frames/', "The output 'frames' has 2 files: frames/a/b.png, frames/a/ü #1.html. Ask for one"],
    [
      'frames/frames/a/c.png/',
      "The output 'frames' has no file 'frames/a/c.png'. Did you mean 'frames/a/b.png'?",
    ],
    ['frames/..%2F..%2Fstdout/', "The output 'frames' has no file '../../stdout'."],
    ['tree/%2Fetc%2Fpasswd/', "The output 'tree' has no file '/etc/passwd'."],
    ['mp3/other/', "The output 'mp3' has no file 'other'. There is sound.mp3."],
    ['mp4/', "This job produced no output 'mp4'. Did you mean 'mp3'?"],
    ['never/', "This job produced no output 'never'."],
    ['constructor/', "This job produced no output 'constructor'."],
    ['loudness/x/', "The output 'loudness' is a value; it has no files."],
  ])('%s is a 404 that says what there is', async (place, error) => {
    const { status, json } = await ask(server, `${job}outputs/${place}`);
    expect([status, json.error]).toEqual([404, expect.stringContaining(error)]);
  });

  test('of a path that is not well encoded is refused', async () => {
    expect((await ask(server, `${job}outputs/frames/%E0%A4%A/`)).status).toBe(400);
    expect((await ask(server, `${job}outputs/frames/x/`, { method: 'POST' })).status).toBe(405);
  });
});

test('before the end, and when the files are gone', async () => {
  const id = await server.register({
    ...shell('while [ ! -e go ]; do sleep 0.1; done; echo x >out'),
    outputs: { out: { type: 'file', file_path: 'out' } },
  });
  const { json } = await ask(server, `/api/process_definition/${id}/run/`, { method: 'POST' });
  const running = `/api/job/${json.uuid}/`;
  for (const part of ['outputs/', 'outputs/?archive=tar', 'outputs/out/', 'outputs/out/x/']) {
    const { status, json } = await ask(server, running + part);
    expect([part, status, json.type]).toEqual([part, 409, '/api/docs/errors/#not-ready']);
  }
  await ask(server, `${running}cancel/`, { method: 'POST' });

  const uuid = job.split('/')[3] ?? '';
  rmSync(path.join(server.data, 'jobs', uuid.slice(3, 5), uuid), { recursive: true });
  for (const part of ['outputs/mp3/', 'outputs/?archive=zip', 'outputs/?archive=tar', 'outputs/?sha256=1']) {
    const { status, json } = await ask(server, job + part);
    expect([part, status, json.type]).toEqual([part, 410, '/api/docs/errors/#gone']);
  }
});
