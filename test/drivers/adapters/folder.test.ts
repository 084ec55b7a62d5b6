import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { adapterConformance, type End } from '../../conformance/adapter.js';
import { jobOf, type ShownJob, submit } from '../../support/jobs.js';
import { program } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const outside = mkdtempSync(path.join(os.tmpdir(), 'penstock-folder-'));
afterAll(() => rmSync(outside, { recursive: true, force: true }));
const fixed = (name: string) => path.join(outside, name);

const folder = (name: string, folderPath: string, argument = `${folderPath}/a file`): End => ({
  name,
  type: 'folder',
  adapter: { folder_path: folderPath },
  argument,
  document: 'a file',
});
const folders = (side: string) => [
  folder('a relative folder', side),
  folder('an absolute folder', fixed(side)),
  folder('the folder of the job', '${work_dir}', 'a file'),
];
adapterConformance('folder', program('in-out'), folders('in'), [
  folder('a relative folder', 'out'),
  folder('an absolute folder', fixed('out')),
]);
adapterConformance(
  'file',
  program('in-out'),
  [
    { name: 'STDIN', adapter: {}, argument: '-' },
    { name: 'a path', adapter: { file_path: 'i' }, argument: 'i' },
  ],
  folders('out'),
);
adapterConformance('file', program('in-out'), folders('in'), [
  { name: 'STDOUT', adapter: {}, argument: '-' },
  { name: '${output_file}', adapter: { file_path: '${output_file}' }, argument: '${output_file}' },
  { name: 'a path', adapter: { file_path: fixed('o') }, argument: fixed('o') },
]);

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: { LOG_LEVEL: 'error', MAX_PLATFORM_RETRIES: 0 } });
});
afterAll(() => server.remove());

const reads = (folderPath: string) => ({
  input_adapter: { input_type: 'folder', input_parameters: { folder_path: folderPath } },
});
const writes = (folderPath: string, names?: string[]) => ({
  output_adapter: {
    output_type: 'folder',
    output_params: { folder_path: folderPath, ...(names === undefined ? {} : { file_names: names }) },
  },
});
const shell = (script: string, ...adapters: object[]) =>
  Object.assign({ exec: '/bin/sh', argv: ['-c', script] }, ...adapters) as object;

/** Runs a definition to its end. */
async function run(definition: object, input?: unknown): Promise<ShownJob> {
  const id = await server.register(definition);
  const asItIs = input === undefined || typeof input === 'string' || input instanceof Uint8Array;
  const body = asItIs ? (input as string | Uint8Array<ArrayBuffer>) : JSON.stringify(input);
  return jobOf(server, await submit(server, id, body), 30);
}
const outputOf = async ({ uuid }: ShownJob) => (await server.fetch(`/api/job/${uuid}/output/`)).text();

/** The files that come out of a run that ends well. */
async function filesOf(definition: object, input?: unknown): Promise<unknown> {
  const job = await run(definition, input);
  expect([job.state, job.outcome?.reason]).toEqual(['FINISHED', null]);
  return JSON.parse(await outputOf(job));
}
/** Why a run fails by us. */
async function refusalOf(definition: object, input?: unknown): Promise<string> {
  const job = await run(definition, input);
  expect([job.state, job.outcome?.cause, job.attempt]).toEqual(['FAILED', 'platform', 1]);
  return job.outcome?.reason ?? '';
}

test.each(['/proc/x', '/proc/x/y'])('a folder that cannot be made ends the job: %s', async (place) => {
  const why = `the folder ${place} cannot be made`;
  expect(await refusalOf(shell('true', reads(place)), { a: 'x' })).toContain(why);
  expect(await refusalOf(shell('true', writes(place)))).toContain(why);
});

describe('what comes out', () => {
  test('a file whose name is not UTF-8, under an escaped name, which is told', async () => {
    // Two names that become alike, and one that was there before and is as it was.
    const script = [
      "cd out; printf 1 >\"$(printf 'r\\351sum\\351.txt')\"; printf 2 >'r%E9sum%E9.txt'; printf 3 >plain",
      'printf 4 >"$(printf \'\\300%%\')"',
    ].join('\n');
    const out = fixed('not-utf8');
    mkdirSync(out);
    const old = Buffer.concat([Buffer.from(`${out}/old`), Buffer.from([0xfe])]);
    writeFileSync(old, 'as it was');
    const job = await run(shell(script.replace('cd out', `cd ${out}`), writes(out)));
    expect(job.state).toBe('FINISHED');
    expect(job.outcome?.reason).toBe(
      'The names of 2 files in the output folder are not UTF-8; they are kept under names such as "%C0%25".',
    );
    expect(JSON.parse(await outputOf(job))).toEqual({
      '%C0%25': '4',
      plain: '3',
      'r%E9sum%E9.txt': '2',
      'r%E9sum%E9.txt~': '1',
    });
    writeFileSync(old, 'changed');
    const again = await run(shell('true', writes(out)));
    expect([JSON.parse(await outputOf(again)), again.outcome?.reason]).toEqual([{}, null]);
    const changing = await run(shell(`printf x >"$(printf '${out}/old\\376')"`, writes(out)));
    expect(JSON.parse(await outputOf(changing))).toEqual({ 'old%FE': 'x' });
    expect(changing.outcome?.reason).toBe(
      'The name of a file in the output folder is not UTF-8; it is kept as "old%FE".',
    );
  });

  test('text as text, bytes as base64, and any name', async () => {
    const input = {
      __proto__: null,
      ä: 'é\u0000\ufeff"',
      bytes: { base64: '/wA=' },
      '-': '',
      bom: '\ufeffx',
    };
    const sent = JSON.stringify({ ...input, constructor: { base64: 'YQ' } }).replace(
      '{',
      '{"__proto__":"p",',
    );
    const came = await run(shell('cp in/* out', reads('in'), writes('out')), sent);
    expect(await outputOf(came)).toBe(
      '{"-":"","__proto__":"p","bom":"\ufeffx","bytes":{"base64":"/wA="},"constructor":"a","ä":"é\\u0000\ufeff\\""}',
    );
    expect(await jobOf(server, came.uuid)).toMatchObject({ state: 'FINISHED', output_name: 'output.json' });
  });

  test('no file is an empty document, and no input writes nothing', async () => {
    const definition = shell('test -d in && test -z "$(ls in)"', reads('in'), writes('out'));
    for (const input of [undefined, '', {}]) expect(await filesOf(definition, input)).toEqual({});
  });

  test('the files that are named, in their order, and no others', async () => {
    const script = 'for name in a b c; do echo $name >out/$name; done';
    const job = await run(shell(script, writes('out', ['c', 'a'])));
    expect(await outputOf(job)).toBe('{"c":"c\\n","a":"a\\n"}');
  });

  test('only what is new or changed, also by a rewrite of the same size in the same instant', async () => {
    const place = fixed('stale');
    mkdirSync(place);
    writeFileSync(path.join(place, 'old'), 'old');
    const script = `cd ${place}; printf new >new; printf b >same; mkdir -p sub; echo x >sub/x`;
    for (let round = 0; round < 5; round += 1) {
      writeFileSync(path.join(place, 'same'), 'a');
      expect(await filesOf(shell(script, writes(place)))).toEqual({ new: 'new', same: 'b' });
    }
    expect(await refusalOf(shell(script, writes(place, ['new', 'old'])))).toBe(
      `The output cannot be collected: old in ${place} is from before this run`,
    );
  });

  test('where input and output are one folder, the input is no output', async () => {
    const definition = shell('tr a-z A-Z <a >b; echo more >>c', reads('.'), writes('.'));
    expect(await filesOf(definition, { a: 'text', c: '' })).toEqual({ b: 'TEXT', c: 'more\n' });
  });

  test('a symbolic link, a folder or a pipe is passed over; named it is refused', async () => {
    writeFileSync(fixed('secret'), 'secret');
    const make = `cd out; ln -s ${fixed('secret')} link; mkdir folder; mkfifo pipe; echo x >real`;
    expect(await filesOf(shell(make, writes('out')))).toEqual({ real: 'x\n' });
    const place = fixed('links');
    const told: [string, string][] = [
      ['link', 'is a symbolic link, which is not followed'],
      ['folder', 'is a folder, not a plain file'],
      ['pipe', 'is a named pipe, not a plain file'],
    ];
    for (const [name, why] of told) {
      rmSync(place, { recursive: true, force: true });
      const reason = await refusalOf(shell(make.replace('out', place), writes(place, ['real', name])));
      expect(reason).toBe(`The output cannot be collected: ${name} in ${place} ${why}`);
    }
  });

  test('a named file that is missing', async () => {
    const place = fixed('missing');
    const reason = await refusalOf(shell('true', writes(place, ['a.txt'])));
    expect(reason).toBe(`The output cannot be collected: the program did not write a.txt in ${place}`);
    // Why the program failed counts for more than what it did not write.
    expect(await run(shell('exit 3', writes(place, ['a.txt'])))).toMatchObject({
      state: 'FAILED',
      outcome: { cause: 'exit', exit_code: 3, reason: null },
    });
  });

  test('a folder that the program took away, or put a link in place of', async () => {
    const place = fixed('gone');
    expect(await refusalOf(shell(`rmdir ${place}`, writes(place)))).toBe(
      `The output cannot be collected: there is no folder ${place}`,
    );
    expect(await refusalOf(shell(`rmdir ${place}; ln -s /etc ${place}`, writes(place)))).toBe(
      `The output cannot be collected: ${place} is a symbolic link, which is not followed`,
    );
    expect(await refusalOf(shell('true', writes(place)))).toBe(
      `${place} is a symbolic link, which is not followed`,
    );
  });

  test('more than the limit fails, however many files it is in', async () => {
    const script = 'for i in 1 2 3; do head -c 50000 /dev/zero | tr "\\0" x >out/$i; done';
    const definition = { ...shell(script, writes('out')), limits: { output_size: 100_000 } };
    const job = await run(definition);
    expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'signal' } });
    expect(job.outcome?.reason).toContain('larger than limits.output_size');
    expect(await filesOf({ ...definition, limits: { output_size: '1MB' } })).toBeTypeOf('object');
  });

  test('large files need little memory', async () => {
    const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
    const script = 'head -c 67108864 /dev/urandom >out/bin; yes ж | head -c 67108863 >out/text';
    await run(shell('echo >out/a', writes('out')));
    writeFileSync(`/proc/${server.pid}/clear_refs`, '5');
    const before = peak();
    const job = await run(shell(`${script}; cd out && sha256sum bin text >sums`, writes('out')));
    expect([job.state, job.outcome?.reason]).toEqual(['FINISHED', null]);
    expect(peak() - before).toBeLessThan(64 * 1024);
    const files = JSON.parse(await outputOf(job)) as { bin: { base64: string }; text: string; sums: string };
    const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(files.sums.split(/\s+/).filter((word) => word.length === 64)).toEqual([
      sum(Buffer.from(files.bin.base64, 'base64')),
      sum(Buffer.from(files.text)),
    ]);
  });
});

describe('what goes in', () => {
  test('what was there is kept as NAME.old, and what is written has the mode and owner of its neighbours', async () => {
    const place = fixed('kept');
    mkdirSync(place);
    const definition = shell(`chmod 600 ${place}/*`, reads(place));
    const modes: number[] = [];
    for (const text of ['1', '2', '3']) await run(shell('true', reads(place)), { a: text, 'b.old': text });
    for (const name of ['a', 'a.old', 'b.old', 'b.old.old']) {
      const { mode, uid, gid } = statSync(path.join(place, name));
      expect([uid, gid]).toEqual([statSync(place).uid, statSync(place).gid]);
      modes.push(mode & 0o777);
    }
    expect(modes).toEqual([0o664, 0o664, 0o664, 0o664]);
    const all = () =>
      Object.fromEntries(
        readdirSync(place).map((name) => [name, readFileSync(path.join(place, name), 'utf8')]),
      );
    expect(all()).toEqual({ a: '3', 'a.old': '2', 'b.old': '3', 'b.old.old': '2' });
    // Both a file and the name that the one before it would get.
    await run(definition, { 'a.old': 'new old', a: '4' });
    expect(all()).toMatchObject({ a: '4', 'a.old': 'new old', 'a.old.old': '3' });
  });

  const refused: [string, unknown, string][] = [
    ['no JSON', '{"a": ', 'it is not JSON ('],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 'it is not JSON ('],
    ['no object', ['a'], 'the files must be an object of file name and content, not a list'],
    ['..', { '..': 'x' }, '/..: ".." cannot be a file name: it is not a name.'],
    ['a/b', { 'a/b': 'x' }, '/a~1b: "a/b" cannot be a file name: it must not contain a slash'],
    ['NUL', { 'a\0': 'x' }, 'it must not contain a slash, a backslash or NUL'],
    [
      'a number',
      { good: 'x', b: 5 },
      '/b: the content of a file must be text or {"base64": "…"}, not the number 5',
    ],
    ['no base64', { good: 'x', b: { base64: '*' } }, '/b/base64: this is not valid base64'],
    ['two mistakes', { b: 1, c: 2 }, '(and 1 more)'],
  ];
  test.each(refused)('refused before anything is written: %s', async (_, input, why) => {
    const place = fixed('refused');
    const reason = await refusalOf(shell('true', reads(place)), input);
    expect(reason).toContain('The input is not a JSON document of files: ');
    expect(reason).toContain(why);
    expect(existsSync(place)).toBe(false);
  });

  test('a name that is no plain file is refused, and nothing is written', async () => {
    const place = fixed('taken');
    const make: [string, (name: string) => void, string][] = [
      ['link', (name) => symlinkSync(fixed('target'), name), 'a symbolic link, which is not followed'],
      ['broken', (name) => symlinkSync('/no/such', name), 'a symbolic link, which is not followed'],
      ['folder', (name) => mkdirSync(name), 'a folder, not a plain file'],
    ];
    writeFileSync(fixed('target'), 'mine');
    for (const [name, put, why] of make) {
      for (const stands of [name, `${name}.old`]) {
        mkdirSync(place);
        put(path.join(place, stands));
        if (stands !== name) writeFileSync(path.join(place, name), 'before');
        const before = readdirSync(place).sort();
        expect(await refusalOf(shell('true', reads(place)), { a: 'x', [name]: 'y' })).toBe(
          `${stands} in ${place} is ${why}`,
        );
        expect(readdirSync(place).sort()).toEqual(before);
        rmSync(place, { recursive: true });
      }
    }
    expect(readFileSync(fixed('target'), 'utf8')).toBe('mine');
  });

  test('a folder that is a link, or a file', async () => {
    symlinkSync('/etc', fixed('link-in'));
    expect(await refusalOf(shell('true', reads(fixed('link-in'))), { a: 'x' })).toBe(
      `${fixed('link-in')} is a symbolic link, which is not followed`,
    );
    writeFileSync(fixed('file-in'), '');
    expect(await refusalOf(shell('true', reads(fixed('file-in'))), { a: 'x' })).toBe(
      `${fixed('file-in')} is not a folder`,
    );
  });

  test('each attempt gets its files anew', async () => {
    const place = fixed('again');
    const script = `cat ${place}/a; echo spoilt >${place}/a; test -e ${place}/a.old`;
    const definition = { ...shell(script, reads(place)), retries: { limit: 1, backoff: { initial: 0.1 } } };
    const job = await run(definition, { a: 'fresh' });
    expect(job).toMatchObject({ state: 'FINISHED', attempt: 2 });
    expect(await outputOf(job)).toBe('fresh');
  });
});

test('a dry run tells the folders', async () => {
  const id = await server.register(shell('true', reads('in'), writes('/srv/${job_uuid}')));
  const answer = await server.fetch(`/api/process_definition/${id}/run/?dry_run=1`, { method: 'POST' });
  expect(((await answer.json()) as { files: object }).files).toEqual({
    input: expect.stringMatching(/\/work\/in$/),
    output: '/srv/00000000-0000-0000-0000-000000000000',
    output_name: 'output.json',
  });
});

describe('after a crash', () => {
  let crashing: TestServer;
  afterEach(() => crashing.remove());

  test('killed while the program runs: what it wrote before and after is there', async () => {
    crashing = await startServer({ application: { LOG_LEVEL: 'error' } });
    const place = fixed('crash');
    mkdirSync(place);
    writeFileSync(path.join(place, 'stale'), 'stale');
    const wait = `while [ ! -e ${fixed('go')} ]; do sleep 0.05; done`;
    const id = await crashing.register(
      shell(`cp in/a ${place}/a; ${wait}; cat in/b >${place}/b`, reads('in'), writes(place)),
    );
    const uuid = await submit(crashing, id, JSON.stringify({ a: '1', b: { base64: '/w==' } }));
    await waitFor(() => existsSync(path.join(place, 'a')), 'the program to run');
    await crashing.kill();
    writeFileSync(fixed('go'), '');
    await crashing.restart();
    expect(await jobOf(crashing, uuid, 20)).toMatchObject({ state: 'FINISHED', attempt: 1 });
    const output = await crashing.fetch(`/api/job/${uuid}/output/`);
    expect(await output.json()).toEqual({ a: '1', b: { base64: '/w==' } });
  });
});
