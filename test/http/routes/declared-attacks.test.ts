import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { program } from '../../support/programs.js';
import { type Ask, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: { INPUT_URL_PRIVATE_ADDRESSES: true } });
});
afterAll(() => server.remove());

const run = (id: number, options: Ask, query = '') =>
  ask(server, `/api/process_definition/${id}/run/?wait=60${query}`, { method: 'POST', ...options });
const errorsOf = ({ status, json }: Awaited<ReturnType<typeof run>>) => [
  status,
  ...(json.errors ?? []).map((one: { pointer: string; detail: string }) => `${one.pointer}: ${one.detail}`),
];
const shell = (script: string, ...argv: unknown[]) => ({
  exec: '/bin/sh',
  argv: ['-c', script, 'sh', ...argv],
});

describe('an adapter carries the declared input', () => {
  const audio = { audio: { type: 'file' } };
  const carried = { input: 'audio' };
  const cases: [string, object][] = [
    [
      'file',
      {
        ...shell('cat "$1"', '${inputs.audio}'),
        input_adapter: { ...carried, input_type: 'file', input_parameters: { file_path: '${input_file}' } },
      },
    ],
    [
      'file, in an object of argv',
      {
        ...shell('test "$1" = -i && cat "$2"', { input: 'audio', prefix: '-i' }),
        input_adapter: { ...carried, input_type: 'file', input_parameters: { file_path: '${input_file}' } },
      },
    ],
    [
      'append',
      {
        ...shell('tail -c +1 -f "$1" & sleep 0.01; wait', '${inputs.audio}'),
        input_adapter: { ...carried, input_type: 'append', input_parameters: { quiet: 0.5 } },
      },
    ],
    ['pipe', { ...shell('cat "$1"', '${inputs.audio}'), input_adapter: { ...carried, input_type: 'pipe' } }],
    [
      'pipe, by its own name',
      {
        ...shell('cat "$1"', '${input_pipe}'),
        input_adapter: { ...carried, input_type: 'pipe', input_parameters: { file_path: '${input_pipe}' } },
      },
    ],
    [
      'port',
      {
        exec: process.execPath,
        argv: [program('over-port.mjs'), 'in', '${inputs.audio}'],
        input_adapter: { ...carried, input_type: 'port' },
      },
    ],
  ];
  test.each(cases)('%s', async (_type, definition) => {
    const id = await server.register({ ...definition, inputs: audio });
    const sent = await run(id, { json: { inputs: { audio: { text: 'la la', name: 'a.wav' } } } });
    expect(sent.json).toMatchObject({ input_name: 'a.wav', inputs: { audio: { name: 'a.wav', size: 5 } } });
    expect((await ask(server, `/api/job/${sent.json.uuid}/stdout/`)).text).toBe('la la');
    expect(errorsOf(await run(id, {}))).toEqual([
      400,
      '/inputs/audio: audio is required, and was not sent; send a file',
    ]);
  });
});

describe('files', () => {
  test('from a URL have the name that it suggests, and the declaration holds for them', async () => {
    const files = createServer((request, response) => {
      response.setHeader('Content-Type', 'text/plain');
      response.end('x'.repeat(request.url === '/large.txt' ? 100 : 3));
    });
    await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
    try {
      const base = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
      const id = await server.register({
        ...shell('basename "$1"; cat "$1"', '${inputs.file}'),
        inputs: { file: { type: 'file', max_size: 10 } },
      });
      const from = (url: string) => run(id, { json: { inputs: { file: { url } } } }, '&output=raw');
      expect((await from(`${base}/some/talk.txt`)).text).toBe('talk.txt\nxxx');
      expect(errorsOf(await from(`${base}/large.txt`))).toEqual([
        400,
        '/inputs/file: file may have at most 10 bytes, and "large.txt" is larger',
      ]);
      const [status, problem] = errorsOf(await from('ftp://127.0.0.1/x'));
      expect([status, problem]).toEqual([400, expect.stringContaining('/inputs/file/url: ')]);
    } finally {
      files.close();
    }
  });

  test('that are outputs of other jobs stay as they were, whatever the program does to its input', async () => {
    const made = await server.register({
      ...shell('echo original >"$1"', '${outputs.made}'),
      outputs: { made: { type: 'file' } },
    });
    const { json: first } = await run(made, { json: {} });
    const byAdapter = { input_type: 'file', input: 'file', input_parameters: { file_path: '${input_file}' } };
    for (const more of [{}, { input_adapter: byAdapter }]) {
      const id = await server.register({
        ...shell('cat "$1"; echo changed >"$1"', '${inputs.file}'),
        inputs: { file: { type: 'file' } },
        ...more,
      });
      const inputs = { file: { job: first.uuid, output: 'made' } };
      expect((await run(id, { json: { inputs } }, '&output=raw')).text).toBe('original\n');
      expect((await ask(server, `/api/job/${first.uuid}/output/`)).text).toBe('original\n');
    }
  });
});

describe('values', () => {
  test('need no body, and an empty one is none', async () => {
    const id = await server.register({
      exec: 'echo',
      argv: ['${inputs.x}'],
      inputs: { x: { type: 'integer' } },
    });
    const empty = { headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '0' } };
    for (const how of [{}, empty]) expect((await run(id, how, '&inputs.x=3&output=raw')).text).toBe('3\n');
    expect(errorsOf(await run(id, { body: 'x', headers: { 'Content-Type': 'text/plain' } }))).toEqual([
      400,
      ': this takes no file; send the inputs as JSON, or in the query: ?inputs.NAME=VALUE',
    ]);
  });

  test('of any name that is not declared are refused, in each door', async () => {
    const id = await server.register({
      exec: 'echo',
      argv: ['${inputs.x}'],
      inputs: { x: { type: 'integer', optional: true } },
    });
    for (const name of ['y', 'constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      const part = `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n1\r\n--b--\r\n`;
      const doors: [Ask, string][] = [
        [{ body: `{"inputs": {"${name}": 1}}`, headers: { 'Content-Type': 'application/json' } }, ''],
        [{ body: part, headers: { 'Content-Type': 'multipart/form-data; boundary=b' } }, ''],
        [{}, `&inputs.${name}=1`],
      ];
      for (const [options, query] of doors) {
        expect([name, query, ...errorsOf(await run(id, options, query))]).toEqual([
          name,
          query,
          400,
          expect.stringContaining(`/inputs/${name}: there is no input "${name}"`),
        ]);
      }
    }
  });

  test('lose no digits where they come as text', async () => {
    const id = await server.register({
      exec: 'echo',
      argv: ['${inputs.x}'],
      inputs: { x: { type: ['object', 'array'] } },
    });
    const said = (text: string) => run(id, {}, `&output=raw&inputs.x=${encodeURIComponent(text)}`);
    expect((await said('{"a": [1.5, 10000000000000000000000]}')).text).toBe('{"a":[1.5,1e+22]}\n');
    for (const text of ['{"a": 12345678901234567890}', '[12345678901234567890]'])
      expect(errorsOf(await said(text))).toEqual([
        400,
        expect.stringContaining('/inputs/x: x has more digits than a number can carry'),
      ]);
  });

  test('that no argument can hold are refused, and the longest one arrives', async () => {
    const id = await server.register({
      ...shell('printf %s "$1" | wc -c', '${inputs.x}'),
      inputs: { x: {} },
    });
    const longest = 'x'.repeat(131_071);
    expect((await run(id, { json: { inputs: { x: longest } } }, '&output=raw')).text).toBe('131071\n');
    for (const x of [`${longest}x`, { a: longest }])
      expect(errorsOf(await run(id, { json: { inputs: { x } } }))).toEqual([
        400,
        '/inputs/x: x is longer than 131,071 bytes; declare it as a file',
      ]);
  });

  test('in variables that a run sets are checked before there is a job', async () => {
    const id = await server.register({
      exec: '/bin/sh',
      argv: ['-c', 'printf "$WORD"'],
      environment: { USED: '${inputs.x}' },
      inputs: { x: { type: 'string' } },
    });
    const inputs = { x: 'word' };
    const said = (WORD: string) => run(id, { json: { inputs, environment: { WORD } } }, '&output=raw');
    expect((await said('a ${inputs.x}')).text).toBe('a word');
    for (const [text, detail] of [
      ['${inputs.y}', 'there is no input "y"'],
      ['${outputs.z}', 'there is no output "z"'],
    ] as const)
      expect(errorsOf(await said(text))).toEqual([
        400,
        expect.stringContaining(`/environment/WORD: ${detail}`),
      ]);
  });
});

test('a secret is in no message and no log, whichever way it came', async () => {
  const word = 'hush-51c2ee';
  const id = await server.register({
    exec: 'true',
    environment: { TOKEN: '${inputs.token}' },
    argv: ['${inputs.key}'],
    inputs: { token: { type: 'string', secret: true, maxLength: 20 }, key: { type: 'file', secret: true } },
  });
  const form = (name: string, text: string) => ({
    body: `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n--b--\r\n`,
    headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  });
  const long = word.repeat(3);
  const ways: [Ask, string][] = [
    [{ json: { inputs: { token: long, key: word } } }, ''],
    [{ json: { inputs: { token: [word], key: [word] } } }, ''],
    [{ json: { inputs: { token: word, key: { text: [word] } } } }, ''],
    [{ json: { inputs: { token: word, key: { [word]: 'x' } } } }, ''],
    [form('token', long), ''],
    [form('key', word), ''],
    [{}, `&inputs.token=${long}`],
    [{}, `&inputs.key=${word}`],
  ];
  for (const [options, query] of ways) {
    const { status, text } = await run(id, options, query);
    expect([status, text.includes(word)]).toEqual([400, false]);
  }
  expect(server.log() + server.out()).not.toContain(word);
});
