import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sample, startScheduler, type TestScheduler } from '../../support/scheduler.js';

let scheduler: TestScheduler;
let definition = 0;
beforeAll(async () => {
  scheduler = await startScheduler({ MAX_BODY_SIZE: '64KB' });
  definition = await scheduler.server.register({ exec: '/bin/true' });
});
afterAll(async () => {
  // Whatever was wrong was nobody's fault but the caller's.
  expect(scheduler.server.log()).not.toMatch(/"level":[56]0/);
  await scheduler.server.remove();
});

const call = (...args: Parameters<TestScheduler['call']>) => scheduler.call(...args);
const process = () => ({ type: 'process', process_definition: definition });

/** What was said of single keys. */
const errorsOf = (content: { errors?: { pointer: string; detail: string }[] }) =>
  (content.errors ?? []).map(({ pointer, detail }) => `${pointer}: ${detail}`);

describe('a task that cannot be registered says why, and where', () => {
  test.each<[string, unknown, string[]]>([
    ['no type', { ...sample, type: undefined }, ['/type: type is missing; use one of xnat, process']],
    ['another type', { ...sample, type: 'xnst' }, ['/type: unknown type "xnst"; did you mean "xnat"?']],
    [
      'a type that is none',
      { ...sample, type: { a: 1 } },
      ['/type: unknown type {"a":1}; use one of xnat, process'],
    ],
    ['no password', { ...sample, pwd: undefined }, ['/pwd: pwd is missing']],
    ['null', { ...sample, subject: null }, ['/subject: subject is missing']],
    [
      'a misspelt key',
      { ...sample, session: undefined, sesion: 'x' },
      ['/session: session is missing; is "sesion" a misspelling of it?'],
    ],
    ['an object for a text', { ...sample, user: {} }, ['/user: user must be a string, not an object']],
    [
      'another script',
      { ...sample, script: 'ecko.sh' },
      ['/script: there is no file "ecko.sh" in LOCAL_SCRIPTS_FOLDER; did you mean echo.sh?'],
    ],
    [
      'a folder',
      { ...sample, script: 'folder' },
      [expect.stringMatching(/^\/script: there is no file "folder"/)],
    ],
    ['an empty script', { ...sample, script: '' }, [expect.stringMatching(/^\/script: /)]],
    [
      'a script elsewhere',
      { ...sample, script: '../../etc/passwd' },
      [expect.stringMatching(/^\/script: .* slash/)],
    ],
    [
      'a file elsewhere',
      { ...sample, files: ['/etc/passwd'] },
      [expect.stringMatching(/^\/files\/0: .* slash/)],
    ],
    [
      'a file that is none',
      { ...sample, files: ['copied.txd'] },
      ['/files: there is no file "copied.txd" in LOCAL_SCRIPTS_FOLDER; did you mean copied.txt?'],
    ],
    ['files that are none', { ...sample, files: 'copied.txt' }, ['/files: files must be a list of strings']],
    ['options without an end', { ...sample, options: '-a "b' }, [expect.stringMatching(/^\/options: /)]],
    ['options that are none', { ...sample, options: [1] }, ['/options: options must be a list of strings']],
    [
      'a flag that is none',
      { ...sample, pwd_in_argv: 'yes' },
      ['/pwd_in_argv: pwd_in_argv must be true or false'],
    ],
    [
      'another application',
      { ...sample, application: 'defualt' },
      ['/application: there is no application "defualt"; did you mean default?'],
    ],
    ['an empty image', { ...sample, image: '' }, ['/image: image is empty']],
    ['a long flavor', { ...sample, flavor: 'x'.repeat(256) }, ['/flavor: flavor is longer than 255 bytes']],
    [
      'much user data',
      { ...sample, user_data: 'é'.repeat(24_576) },
      ['/user_data: user_data is longer than 49151 bytes'],
    ],
    ['an image that is none', { ...sample, image: ['a'] }, ['/image: image must be a string, not an array']],
    ['no definition', { type: 'process' }, ['/process_definition: process_definition is missing']],
    [
      'a definition that is none',
      { type: 'process', process_definition: { toString: 1 } },
      ['/process_definition: process_definition must be an id or a resource_uri'],
    ],
    [
      'another noun',
      { type: 'process', process_definition: '/api/job/1/' },
      ['/process_definition: process_definition must be an id or a resource_uri'],
    ],
    [
      'an unknown definition',
      { type: 'process', process_definition: 99 },
      [expect.stringMatching(/^\/process_definition: There is no process definition 99\./)],
    ],
  ])('%s', async (_what, task, said) => {
    for (const body of [task, [task]]) {
      const { status, json } = await call('POST', '/tasks', body);
      expect([status, json.request]).toEqual([400, 'error']);
      const content = Array.isArray(body) ? json.content[0] : json.content;
      expect(content.status).toBe('error');
      expect(content.content).toBe(
        `${errorsOf(content)[0]}${errorsOf(content).length > 1 ? ` (and ${errorsOf(content).length - 1} more)` : ''}`,
      );
      expect(errorsOf(content)).toEqual(said);
    }
  });

  test.each<[string, object, string[]]>([
    ['an unknown key', { inptu: 'x' }, ['/inptu: unknown key; did you mean "input"?']],
    [
      'an input that is none',
      { input: 5 },
      ['/input: input must be a string, or an object with text and name'],
    ],
    [
      'an input elsewhere',
      { input: { text: 'x', name: '../x' } },
      [expect.stringMatching(/^\/input\/name: .* slash/)],
    ],
    [
      'an output that is none',
      { output: [] },
      ['/output: output must be a string, the name of the output file'],
    ],
    ['an output elsewhere', { output: '../x' }, [expect.stringMatching(/^\/output\/name: /)]],
    [
      'variables that are none',
      { environment: { A: 1 } },
      ['/environment: environment must be an object of strings'],
    ],
    [
      'a variable without a name',
      { environment: { 'A=B': 'x' } },
      [expect.stringMatching(/^\/environment\/A=B: /)],
    ],
  ])('a process with %s', async (_what, more, said) => {
    const { status, json } = await call(
      'POST',
      '/tasks',
      { ...process(), ...more },
      { as: scheduler.server.admin },
    );
    expect([status, errorsOf(json.content)]).toEqual([400, said]);
  });

  test('a definition of somebody else is not there', async () => {
    const { json } = await call('POST', '/tasks', process());
    expect(errorsOf(json.content)).toEqual([
      expect.stringContaining(`There is no process definition ${definition}`),
    ]);
  });

  test('scripts that nobody can read', async () => {
    scheduler.write('application.yaml', { CONNECTOR: 'local', LOCAL_SCRIPTS_FOLDER: '/nowhere/at/all' });
    expect((await call('PUT', '/config')).status).toBe(200);
    const gone = await call('POST', '/tasks', sample);
    expect([gone.status, gone.json.content.content]).toEqual([
      400,
      expect.stringContaining('LOCAL_SCRIPTS_FOLDER of application.yaml cannot be read: ENOENT'),
    ]);
    scheduler.write('application.yaml', { CONNECTOR: 'local' });
    expect((await call('PUT', '/config')).status).toBe(200);
    const unset = await call('POST', '/tasks', sample);
    expect(unset.json.content.content).toContain('LOCAL_SCRIPTS_FOLDER of application.yaml is not set');
    scheduler.write('application.yaml', {
      CONNECTOR: 'local',
      LOCAL_SCRIPTS_FOLDER: path.join(scheduler.server.data, 'scripts'),
      REMOTE_BASE_FOLDER: path.join(scheduler.server.data, 'remote'),
    });
    expect((await call('PUT', '/config')).status).toBe(200);
  });
});

describe('a request that cannot be understood', () => {
  const posted = (body: string | Buffer, headers: Record<string, string> = {}, path = '/tasks') =>
    call('POST', path, undefined, { body, headers });

  test.each<[string, string, string, number, string | RegExp]>([
    ['POST', '/tasks', '', 400, 'input is missing'],
    ['POST', '/tasks', ' \n', 400, 'input is missing'],
    ['POST', '/tasks', 'null', 400, 'input is missing'],
    ['POST', '/tasks', '5', 400, 'accepts dict or list of dicts'],
    ['POST', '/tasks', '"x"', 400, 'accepts dict or list of dicts'],
    ['POST', '/tasks', '{"type":,}', 400, /^The body is not JSON: Unexpected token/],
    ['POST', '/tasks', '{"a": 1e999}', 400, /too large to store/],
    ['POST', '/tasks', '['.repeat(100), 400, /not JSON/],
    ['POST', '/tasks', '['.repeat(10_000), 400, /nested deeper/],
    ['POST', '/tasks', '['.repeat(5000) + ']'.repeat(5000), 400, /nested deeper/],
    ['GET', '/tasks', '{"id": "x"}', 400, 'accepts empty input or list of IDs'],
    ['GET', '/tasks', '[1]', 400, 'accepts empty input or list of IDs'],
    ['GET', '/servers', '"x"', 400, 'accepts empty input, or list of IDs'],
    ['POST', '/servers', '{}', 400, 'accepts empty input, or list of IDs'],
    ['POST', '/pipeline', '', 400, 'input is missing'],
    ['POST', '/pipeline', '5', 400, 'accepts dict or list of dicts'],
    ['GET', '/pipeline', '5', 400, 'accepts empty input or dict or list of dicts'],
    ['GET', '/pipeline', '{}', 400, 'requires parameter id'],
    ['GET', '/pipeline', '{"id": "x"}', 404, 'id not found'],
    ['GET', '/pipeline', '[{"id": "x"}, 5, null]', 404, 'no id found'],
    ['GET', '/instance', '"x"', 400, 'accepts empty input, dict or list of dicts'],
    ['GET', '/instance', '{"id": 5}', 400, 'requires parameter id'],
    ['GET', '/instance', '{"id": "x"}', 404, 'id not found'],
    ['DELETE', '/pipeline', '', 405, 'unsupported operation'],
    ['POST', '/error', '', 405, 'unsupported operation'],
  ])('%s %s with %s', async (method, url, body, status, content) => {
    const {
      status: got,
      json,
      headers,
    } = await call(method, url, undefined, { body: body.length === 0 ? [] : body });
    expect([got, json.request]).toEqual([status, 'error']);
    if (typeof content === 'string') expect(json.content).toBe(content);
    else expect(json.content).toMatch(content);
    expect(headers['content-type']).toBe('application/json');
    if (status === 405) expect(headers.allow).toBeDefined();
  });

  test('bytes that are no text, and too many of them', async () => {
    expect((await posted(Buffer.from([0xff, 0xfe]))).json.content).toBe('The body is not UTF-8.');
    const large = await posted(JSON.stringify([{ ...sample, project: 'x'.repeat(5_000_000) }]));
    expect([large.status, large.json.content]).toEqual([413, expect.stringContaining('MAX_BODY_SIZE')]);
    const packed = await posted('x', { 'Content-Encoding': 'gzip' });
    expect([packed.status, packed.json.request]).toEqual([415, 'error']);
  });

  test('its content type is as old clients called it', async () => {
    for (const type of ['', 'text/plain', 'application/x-www-form-urlencoded', 'nonsense'])
      expect((await posted(JSON.stringify(sample), type === '' ? {} : { 'Content-Type': type })).status).toBe(
        201,
      );
  });

  test.each([
    ['PUT', '/tasks', 'GET,POST'],
    ['PATCH', '/tasks/x', 'GET,DELETE'],
    ['POST', '/tasks/x/stdout', 'GET'],
    ['DELETE', '/servers', 'GET,POST'],
    ['GET', '/servers/untracked', 'DELETE'],
    ['POST', '/config', 'GET,PUT'],
    ['PUT', '/instance', 'GET,DELETE'],
    ['POST', '/', 'GET'],
  ])('%s is not for %s', async (method, url, allow) => {
    const { status, json, headers } = await call(method, url);
    expect([status, json.request, headers.allow]).toEqual([405, 'error', allow]);
  });

  test.each([
    '/tasks/nobody',
    '/tasks/00000000-0000-0000-0000-000000000000/stderr',
    '/tasks/x/input',
    '/tasks/x/y/z',
    '/servers/nobody',
    '/servers/x/y',
    '/config/x',
    '/tasks/%00',
    '/tasks/..%2f..%2fetc%2fpasswd/stdout',
  ])('there is nothing at %s', async (url) => {
    const { status, json } = await call('GET', url);
    expect([status, json.request, typeof json.content]).toEqual([404, 'error', 'string']);
  });
});

describe('lists', () => {
  test('the good ones are taken, and each bad one says why', async () => {
    const { status, json } = await call('POST', '/tasks', [
      sample,
      5,
      'x',
      { ...sample, type: 'xnot' },
      sample,
      [],
    ]);
    expect([status, json.request]).toEqual([207, 'error']);
    expect(json.content.map((one: { status: string }) => one.status)).toEqual([
      'queued',
      'error',
      'error',
      'error',
      'queued',
      'error',
    ]);
    expect(json.content[1].content).toBe('/: a task must be a JSON object');
    for (const at of [0, 4])
      expect((await scheduler.ended(json.content[at].task.id)).status).toBe('finished');
  });

  test('of nothing, and of bad ones only', async () => {
    expect((await call('POST', '/tasks', [])).json).toEqual({ request: 'success', content: [] });
    expect((await call('POST', '/pipeline', [])).json).toEqual({ request: 'success', content: [] });
    expect((await call('GET', '/tasks', [])).json).toEqual({ request: 'success', content: [] });
    expect((await call('GET', '/pipeline', [])).status).toBe(404);
    expect((await call('POST', '/tasks', [{}, {}])).status).toBe(400);
    const { json } = await call('POST', '/pipeline', [{ ...sample, pwd: undefined }, sample]);
    expect(json.content.map((one: { status: string }) => one.status)).toEqual(['incomplete', 'queued']);
    expect(errorsOf(json.content[0])).toEqual(['/pwd: pwd is missing']);
    const single = await call('POST', '/pipeline', { ...sample, script: undefined });
    expect([single.status, single.json.content.status]).toEqual([400, 'incomplete']);
  });
});
