import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jobOf } from '../../support/jobs.js';
import { type Ask, ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let other: Login;
beforeAll(async () => {
  server = await startServer();
  other = await server.addUser('other');
});
afterAll(() => server.remove());

const run = (id: number, options: Ask, query = '') =>
  ask(server, `/api/process_definition/${id}/run/?wait=60${query}`, { method: 'POST', ...options });

interface FilePart {
  name: string;
  file: string;
  content: string | Buffer;
  type?: string;
}
/** A form: values by name, and files. */
function form(values: readonly (readonly [string, string])[], files: readonly FilePart[] = []): Ask {
  const pieces = [
    ...values.map(
      ([name, text]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`,
    ),
    ...files.flatMap(({ name, file, content, type = 'application/octet-stream' }) => [
      `--b\r\nContent-Disposition: form-data; name="${name}"; filename="${file}"\r\nContent-Type: ${type}\r\n\r\n`,
      content,
      '\r\n',
    ]),
    '--b--\r\n',
  ];
  return {
    body: Buffer.concat(pieces.map((piece) => Buffer.from(piece))),
    headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  };
}

describe('what a schema accepts reaches the program byte for byte, and nothing else does', () => {
  /** Prints each of its arguments, and a NUL after each. */
  const shows = { exec: '/usr/bin/printf', argv: ['%s\\0', 'first', '${inputs.x}', 'last'] };
  let text: number;
  let free: number;
  let number: number;
  let list: number;
  let object: number;
  let parted: number;
  beforeAll(async () => {
    const of = (x: object, argv = shows.argv) => server.register({ ...shows, argv, inputs: { x } });
    text = await of({ type: 'string', optional: true });
    free = await of({ type: 'string', leading_dash: true });
    number = await of({ type: 'number' });
    list = await of({ type: 'array', items: { type: 'string' } });
    object = await of({ type: 'object' });
    parted = await of({ type: 'string' }, ['%s\\0', 'first', 'x=${inputs.x}', 'last']);
  });

  const shown = async (id: number, options: Ask, query = '') => {
    const { status, text: body, json } = await run(id, options, `&output=raw${query}`);
    return status === 200 ? body.split('\0').slice(1, -2) : [status, json.errors?.[0]?.pointer];
  };
  // What no program can be given is refused; everything else must come through.
  const words = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom(
      '',
      ' ',
      '-',
      '--',
      '-rf',
      '\n',
      '"',
      "'",
      '$(id)',
      '${work_dir}',
      '$${x}',
      '*',
      '\\',
      '\t',
      'ä€𝄞',
    ),
  );
  const fits = (word: string) => !word.includes('\0') && !/\p{Surrogate}/u.test(word);
  const refused = [400, '/inputs/x'];
  const check = (property: fc.IAsyncProperty<unknown>) => fc.assert(property, { numRuns: 25 });

  test('texts', async () => {
    await check(
      fc.asyncProperty(words, async (word) => {
        const json = { inputs: { x: word } };
        const ok = fits(word);
        expect(await shown(free, { json })).toEqual(ok ? [word] : refused);
        expect(await shown(text, { json })).toEqual(ok && !word.startsWith('-') ? [word] : refused);
        expect(await shown(parted, { json })).toEqual(ok ? [`x=${word}`] : refused);
      }),
    );
  });

  test('numbers, in plain decimals', async () => {
    await check(
      fc.asyncProperty(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e25, max: 1e25 }),
        async (value) => {
          const [word] = await shown(number, { json: { inputs: { x: value } } });
          expect(word).toMatch(/^-?\d+(\.\d+)?$/);
          expect(Number(word)).toBe(value === 0 ? 0 : value);
        },
      ),
    );
    const long = await run(number, {
      body: '{"inputs": {"x": 12345678901234567890}}',
      headers: { 'Content-Type': 'application/json' },
    });
    expect([long.status, long.json.errors]).toEqual([
      400,
      [
        {
          pointer: '/inputs/x',
          detail:
            'x has more digits than a number can carry: 12345678901234567890; declare it as a string to pass it on as it is',
        },
      ],
    ]);
    expect((await run(number, {}, '&inputs.x=12345678901234567890')).status).toBe(400);
  });

  test('lists, an argument for each element', async () => {
    const safe = words.filter((word) => fits(word) && !word.startsWith('-'));
    await check(
      fc.asyncProperty(fc.array(safe, { maxLength: 5 }), async (value) => {
        expect(await shown(list, { json: { inputs: { x: value } } })).toEqual(value);
      }),
    );
  });

  test('objects, as JSON', async () => {
    const keys = fc
      .string({ unit: 'grapheme', maxLength: 8 })
      .filter((key) => fits(key) && key !== '__proto__');
    await check(
      fc.asyncProperty(
        fc.dictionary(keys, fc.oneof(fc.integer(), fc.boolean(), words.filter(fits))),
        async (value) => {
          const [word] = await shown(object, { json: { inputs: { x: value } } });
          expect(JSON.parse(String(word))).toEqual(JSON.parse(JSON.stringify(value)));
        },
      ),
    );
  });

  test('the same through a form, and through the query', async () => {
    const plain = fc
      .string({ unit: 'grapheme', maxLength: 20 })
      .filter((word) => fits(word) && !/[\r\n]/.test(word));
    await check(
      fc.asyncProperty(plain, async (word) => {
        expect(await shown(free, form([['x', word]]))).toEqual([word]);
        expect(await shown(free, {}, `&inputs.x=${encodeURIComponent(word)}`)).toEqual([word]);
      }),
    );
  });

  test('nothing, where it is absent', async () => {
    expect(await shown(text, { json: {} })).toEqual([]);
  });
});

describe('files', () => {
  let shows: number;
  let typed: number;
  beforeAll(async () => {
    shows = await server.register({
      exec: '/bin/sh',
      argv: [
        '-c',
        'for file; do echo "$(basename "$file"): $(cat "$file")"; done',
        'sh',
        '${inputs.one}',
        '${inputs.more}',
      ],
      inputs: {
        one: { type: 'file', file_name: 'given.txt', optional: true },
        more: { type: 'array', items: { type: 'file' }, maxItems: 3, optional: true },
      },
      retries: { limit: 1 },
    });
    typed = await server.register({
      exec: 'wc',
      argv: ['-c'],
      inputs: { image: { type: 'file', stdin: true, media_type: ['image/*'], max_size: 1000 } },
    });
  });
  const raw = '&output=raw';
  const png = Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010806000000', 'hex');

  test('keep their names and their order, or get the declared one', async () => {
    const files = [
      { name: 'more', file: 'b.txt', content: 'B' },
      { name: 'one', file: 'its own.txt', content: '1' },
      { name: 'more', file: 'a.txt', content: 'A' },
    ];
    const { text } = await run(shows, form([], files), raw);
    expect(text).toBe('given.txt: 1\nb.txt: B\na.txt: A\n');
  });

  test('may be texts, Base64, and outputs of one’s own jobs', async () => {
    const { json: first } = await run(shows, { json: { inputs: { one: { text: 'first' } } } });
    const more = [
      { text: 'text' },
      { base64: Buffer.from('base').toString('base64'), name: 'b64' },
      { job: first.uuid, name: 'linked' },
    ];
    const { text } = await run(shows, { json: { inputs: { more } } }, raw);
    expect(text).toBe('more: text\nb64: base\nlinked: given.txt: first\n');
    const theirs = await server.register(
      { exec: 'wc', argv: ['-c', '${inputs.file}'], inputs: { file: { type: 'file' } } },
      other,
    );
    const stolen = await ask(server, `/api/process_definition/${theirs}/run/`, {
      json: { inputs: { file: { job: first.uuid } } },
      as: other,
    });
    const missing = await ask(server, `/api/process_definition/${theirs}/run/`, {
      json: {
        inputs: { file: { job: first.uuid.replace(/.$/, (end: string) => (end === '0' ? '1' : '0')) } },
      },
      as: other,
    });
    expect([stolen.status, missing.status]).toEqual([400, 400]);
    expect(stolen.text.replaceAll(first.uuid, '')).toBe(missing.text.replaceAll(/107[0-9a-f-]{33}/g, ''));
  });

  test.each([
    [{ one: { text: 'a', url: 'http://example.org/' } }, '/inputs/one', 'say in one way'],
    [{ one: { txt: 'a' } }, '/inputs/one', 'did you mean "text"?'],
    [{ one: 'a' }, '/inputs/one', 'a file is {"text": …}'],
    [{ one: { base64: '%' } }, '/inputs/one', 'base64 is not valid'],
    [{ one: { text: 'a', name: '../b' } }, '/inputs/one', 'name'],
    [{ more: [{ text: 'a' }, { text: 1 }] }, '/inputs/more/1', 'text must be a string'],
    [
      { more: [{ text: 'a' }, { text: 'b' }, { text: 'c' }, { text: 'd' }] },
      '/inputs/more',
      'at most 3 files',
    ],
    [{ oen: { text: 'a' } }, '/inputs/oen', 'did you mean "one"?'],
  ])('%j is refused', async (inputs, pointer, detail) => {
    const { status, json } = await run(shows, { json: { inputs } });
    expect([status, json.errors]).toEqual([400, [{ pointer, detail: expect.stringContaining(detail) }]]);
  });

  test('are checked by their first bytes, else by what the client says, and by their size', async () => {
    const send = (content: string | Buffer, type: string) =>
      run(typed, { body: content, headers: { 'Content-Type': type } }, raw);
    expect((await send(png, 'application/octet-stream')).text).toBe(`${png.length}\n`);
    expect((await send(png, 'text/csv')).text).toBe(`${png.length}\n`);
    expect((await send('unknown', 'image/x-own')).text).toBe('7\n');
    const csv = await send('a,b', 'text/csv');
    expect([csv.status, csv.json.errors[0].detail]).toEqual([
      400,
      expect.stringContaining('was sent as text/csv'),
    ]);
    const pdf = await send('%PDF-1.7\n%', 'image/png');
    expect([pdf.status, pdf.json.errors[0].detail]).toEqual([
      400,
      expect.stringContaining('is application/pdf'),
    ]);
    const large = await send(Buffer.concat([png, Buffer.alloc(1000)]), 'image/png');
    expect([large.status, large.json.errors[0].detail]).toEqual([
      400,
      expect.stringContaining('image may have at most 1,000 bytes'),
    ]);
    expect(readdirSync(path.join(server.data, 'incoming'))).toEqual([]);
  });

  test('everything wrong is told at once, and there is no job', async () => {
    const id = await server.register({
      exec: 'echo',
      argv: ['${inputs.file}', '${inputs.rate}', '${inputs.word}'],
      cwd: 'in/${inputs.word}',
      inputs: { file: { type: 'file' }, rate: { type: 'integer', maximum: 3 }, word: { type: 'string' } },
    });
    const before = (await ask(server, '/api/job/?limit=1')).json.meta.total_count;
    const { status, json } = await run(id, { json: { inputs: { rate: 4, wrd: 1 } } });
    expect([status, json.errors.map((one: { pointer: string }) => one.pointer).sort()]).toEqual([
      400,
      ['/inputs/file', '/inputs/rate', '/inputs/word', '/inputs/wrd'],
    ]);
    for (const word of ['..', 'a/../../b', '/etc', '', 'a//b']) {
      const left = await run(id, { json: { inputs: { rate: 1, file: { text: '' }, word } } });
      expect([word, left.status, left.json.errors[0].pointer]).toEqual([word, 400, '/inputs/word']);
    }
    expect((await ask(server, '/api/job/?limit=1')).json.meta.total_count).toBe(before);
  });

  test('an Idempotency-Key covers them', async () => {
    const again = (content: string, key: string) =>
      run(shows, {
        ...form([], [{ name: 'one', file: 'a', content }]),
        headers: { 'Content-Type': 'multipart/form-data; boundary=b', 'Idempotency-Key': key },
      });
    const first = await again('a', 'k');
    expect((await again('a', 'k')).json.uuid).toBe(first.json.uuid);
    expect((await again('b', 'k')).status).toBe(409);
  });
});

describe('secrets', () => {
  test('reach the program, and nothing else', async () => {
    const word = 'hush-7f3a91';
    const id = await server.register({
      exec: '/bin/sh',
      argv: ['-c', 'printf %s "$TOKEN" | wc -c; wc -c <"$1"', 'sh', '${inputs.key}'],
      environment: { TOKEN: 'x${inputs.token}' },
      inputs: { token: { type: 'string', secret: true, minLength: 3 }, key: { type: 'file', secret: true } },
    });
    const json = { inputs: { token: word, key: { text: `${word}!`, name: 'key.pem' } } };
    const dry = await ask(server, `/api/process_definition/${id}/run/?dry_run=1`, { json });
    expect([dry.status, dry.json.environment]).toEqual([200, { TOKEN: 'x***' }]);
    const ran = await run(id, { json });
    expect(ran.json.inputs).toEqual({ token: '***', key: { name: 'key.pem', size: word.length + 1 } });
    expect((await ask(server, `/api/job/${ran.json.uuid}/stdout/`)).text).toBe(
      `${word.length + 1}\n${word.length + 1}\n`,
    );
    const short = await run(id, { json: { inputs: { ...json.inputs, token: 'ab' } } });
    expect([short.status, short.text.includes('"ab"')]).toEqual([400, false]);
    const texts = [ran.text, dry.text, JSON.stringify(await jobOf(server, ran.json.uuid)), server.log()];
    for (const text of texts) expect(text).not.toContain(word);
    const walk = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const file = path.join(folder, entry.name);
        return entry.isDirectory() ? walk(file) : entry.isFile() ? [file] : [];
      });
    for (const file of walk(server.data))
      expect([file, readFileSync(file).includes(word)]).toEqual([file, false]);
  });
});

describe('outputs', () => {
  const script = (text: string, outputs: object, more: object = {}) =>
    server.register({
      exec: '/bin/sh',
      argv: [
        '-c',
        text,
        'sh',
        ...Object.entries(outputs)
          .filter(([, one]) => one.type === 'file' && !one.from && !one.file_path)
          .map(([name]) => `\${outputs.${name}}`),
      ],
      outputs,
      ...more,
    });
  const ended = async (id: number) => (await run(id, { json: {} })).json;

  test('files, files by a pattern, a folder and values', async () => {
    const id = await script(
      'mkdir -p d/e f; echo a >"$1"; echo b >f/1.txt; echo c >f/2.txt; echo x >f/2.log; echo d >d/e/x; echo "{\\"n\\": [1, 2]}"; echo word >&2',
      {
        made: { type: 'file', file_name: 'made.txt' },
        own: { type: 'file', file_path: 'd/e/x' },
        found: { type: 'files', glob: 'f/*.txt' },
        all: { type: 'folder', folder_path: 'd' },
        second: { type: 'integer', from: 'stdout', pointer: '/n/1' },
        said: { type: 'string', from: 'stderr' },
        code: { type: 'integer', from: 'exit_code' },
      },
    );
    const job = await ended(id);
    expect([job.state, job.outputs]).toEqual([
      'FINISHED',
      {
        made: { name: 'made.txt', size: 2 },
        own: { name: 'x', size: 2 },
        found: [
          { name: 'f/1.txt', size: 2 },
          { name: 'f/2.txt', size: 2 },
        ],
        all: { name: 'e/x', size: 2 },
        second: 2,
        said: 'word',
        code: 0,
      },
    ]);
    expect((await ask(server, `/api/job/${job.uuid}/output/`)).text).toBe('a\n');
    expect((await ask(server, `/api/job/${job.uuid}/output/?name=own`)).text).toBe('d\n');
  });

  test.each([
    ['a file', 'true', { made: { type: 'file' } }, 'there is no output made'],
    [
      'a second file',
      'echo a >"$1"',
      { made: { type: 'file' }, more: { type: 'file', file_path: 'b' } },
      'there is no output more',
    ],
    ['any file of a pattern', 'true', { found: { type: 'files', glob: '*.x' } }, 'there is no output found'],
    ['a value', 'true', { n: { type: 'integer', from: 'stdout' } }, 'there is no output n'],
    [
      'JSON',
      'echo x',
      { n: { type: 'integer', from: 'stdout' } },
      'n cannot be read: what the program wrote is not JSON',
    ],
    [
      'the right value',
      'echo 4',
      { n: { type: 'integer', from: 'stdout', maximum: 3 } },
      'n is not as declared: it must be 3 or less, not 4',
    ],
    [
      'what the pointer leads to',
      'echo {}',
      { n: { type: 'integer', from: 'stdout', pointer: '/n' } },
      'there is no output n',
    ],
  ])('a job without %s fails, unless that is optional', async (_what, text, outputs, reason) => {
    const failed = await ended(await script(text, outputs));
    expect([failed.state, failed.outcome.cause, failed.outcome.reason]).toEqual([
      'FAILED',
      'platform',
      expect.stringContaining(reason),
    ]);
    const optional = Object.fromEntries(
      Object.entries(outputs).map(([name, one]) => [name, { ...one, optional: true }]),
    );
    const wrong = reason.includes('not as declared') || reason.includes('not JSON');
    expect((await ended(await script(text, optional))).state).toBe(wrong ? 'FAILED' : 'FINISHED');
  });

  test('what a failing program leaves is there, and its failure counts', async () => {
    const job = await ended(
      await script('echo part >"$1"; exit 3', {
        made: { type: 'file' },
        n: { type: 'integer', from: 'stdout' },
      }),
    );
    expect([job.state, job.outcome.exit_code, job.outputs]).toEqual([
      'FAILED',
      3,
      { made: { name: 'made', size: 5 } },
    ]);
  });

  test('a retry gets its inputs as they were', async () => {
    const id = await server.register({
      exec: '/bin/sh',
      argv: [
        '-c',
        'cat "$1"; echo changed >"$1"; test -e "$2" || { touch "$2"; exit 1; }',
        'sh',
        '${inputs.file}',
        path.join(server.data, 'tried'),
      ],
      inputs: { file: { type: 'file' } },
      temporary_fail_codes: [1],
      retries: { limit: 2, backoff: { initial: 0.01 } },
    });
    const { json: job } = await run(id, { json: { inputs: { file: { text: 'fresh' } } } });
    expect([job.state, job.attempt]).toEqual(['FINISHED', 2]);
    expect((await ask(server, `/api/job/${job.uuid}/stdout/`)).text).toBe('fresh');
    expect(existsSync(path.join(server.data, 'tried'))).toBe(true);
  });
});
