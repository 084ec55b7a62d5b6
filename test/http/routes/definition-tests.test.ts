import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';

interface Report {
  revision: number;
  total: number;
  passed: number;
  failed: number;
  unfinished: number;
  tests: {
    name: string | null;
    index: number;
    passed: boolean | null;
    problem: string | null;
    job: string;
  }[];
}

let server: TestServer;
let alice: Login;
let bob: Login;
beforeAll(async () => {
  server = await startServer();
  alice = await server.addUser('alice');
  bob = await server.addUser('bob');
});
afterAll(() => server.remove());

const post = (id: number, query = '', as = alice) =>
  ask(server, `/api/process_definition/${id}/test/${query}`, { method: 'POST', as });
async function report(definition: object, query = ''): Promise<Report> {
  const answer = await post(await server.register(definition, alice), query);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return JSON.parse(answer.text) as Report;
}
const tr = (tests: object[]) => ({ exec: 'tr', argv: ['-d', 'x'], tests });

describe('POST …/test/', () => {
  test('runs every example as a job of its own, and reports each in its place', async () => {
    const told = await report(
      tr([
        { name: 'takes x out', input: 'axbx', expect: 'ab' },
        { name: 'wrong', input: 'axbx', expect: { output: 'abc' } },
        { input: 'y', expect: { output: 'y', exit_code: 0 } },
        { name: 'wrong end', input: 'y', expect: { exit_code: 3 } },
        { name: 'nothing', expect: '' },
      ]),
    );
    expect(told).toMatchObject({ revision: 1, total: 5, passed: 3, failed: 2, unfinished: 0 });
    expect(told.tests.map(({ name, passed }) => [name, passed])).toEqual([
      ['takes x out', true],
      ['wrong', false],
      [null, true],
      ['wrong end', false],
      ['nothing', true],
    ]);
    expect(told.tests[1]?.problem).toBe('The output differs at byte 2: the end after "ab" instead of "abc".');
    expect(told.tests[3]?.problem).toBe('It was to exit with 3: it exited with 0.');
    const job = await ask(server, told.tests[0]?.job ?? '', { as: alice });
    expect(JSON.parse(job.text)).toMatchObject({ state: 'FINISHED', owner: 'alice' });
  });

  test('an expected failure passes, with its output', async () => {
    const told = await report({
      exec: '/bin/sh',
      argv: ['-c', 'cat; exit 3'],
      tests: [
        { name: 'fails', input: 'in', expect: { output: 'in', exit_code: 3 } },
        { name: 'should succeed', input: 'in', expect: 'in' },
      ],
    });
    expect(told.tests.map(({ passed, problem }) => [passed, problem])).toEqual([
      [true, null],
      [false, 'It did not succeed: it exited with 3.'],
    ]);
  });

  test('a program that cannot be run, and one that is killed, are told', async () => {
    const missing = await report({ exec: '/nowhere/at/all', tests: [{ expect: '' }] });
    expect(missing.tests[0]?.problem).toMatch(/^It did not succeed: its end was platform \(.*nowhere/);
    const killed = await report({
      exec: '/bin/sh',
      argv: ['-c', 'kill -9 $$'],
      tests: [{ expect: { exit_code: 1 } }],
    });
    expect(killed.tests[0]?.problem).toBe('It was to exit with 1: its end was SIGKILL.');
  });

  test('more output than expected is not read, and not passed', async () => {
    const told = await report({
      exec: 'head',
      argv: ['-c', '5000000', '/dev/zero'],
      tests: [{ expect: '\u0000' }],
    });
    expect(told.tests[0]?.problem).toMatch(/^The output differs at byte 1: /);
  });

  test('many examples: each once', async () => {
    const tests = Array.from({ length: 60 }, (_, index) => ({ input: `${index}x`, expect: `${index}` }));
    const told = await report(tr(tests));
    expect(told).toMatchObject({ total: 60, passed: 60 });
    expect(new Set(told.tests.map(({ job }) => job)).size).toBe(60);
  });

  test('a test gives declared inputs, and files only from the definition', async () => {
    const told = await report({
      exec: '/bin/sh',
      argv: ['-c', 'tr "$1" "$2"', 'sh', '${inputs.from}', '${inputs.to}'],
      inputs: {
        text: { type: 'file', stdin: true },
        from: { type: 'string' },
        to: { type: 'string', default: 'z' },
      },
      tests: [
        { inputs: { from: 'a', text: { text: 'banana' } }, expect: 'bznznz' },
        { input: 'banana', inputs: { from: 'n', to: 'm' }, expect: 'bamama' },
        { inputs: { text: { text: 'x' } }, expect: 'x' },
        { inputs: { from: 'a', text: { url: 'http://example.org/' } }, expect: 'x' },
      ],
    });
    expect(told.tests.map(({ passed }) => passed)).toEqual([true, true, false, false]);
    expect(told.tests[2]?.problem).toContain('from is required, and was not sent');
    expect(told.tests[3]?.problem).toContain('write {"text": …}');
  });

  test('only those of a name; a name that none has is named', async () => {
    const tests = [
      { name: 'one', input: '1', expect: '1' },
      { name: 'two', input: '2', expect: '2' },
    ];
    const told = await report(tr(tests), '?name=two');
    expect(told.tests.map(({ name, index }) => [name, index])).toEqual([['two', 1]]);
    const id = await server.register(tr(tests), alice);
    const answer = await post(id, '?name=tow');
    expect(answer.status).toBe(400);
    expect(answer.text).toContain("there is no test 'tow'. Did you mean 'two'?");
  });

  test('what has not ended in time is told as such, and goes on', async () => {
    const tests = [{ name: 'slow', input: '', expect: '' }];
    const told = await report({ exec: 'sleep', argv: ['600'], tests }, '?wait=0.2');
    expect(told).toMatchObject({ passed: 0, failed: 0, unfinished: 1 });
    expect(told.tests[0]).toMatchObject({ passed: null, problem: 'It did not end in time.' });
    const cancelled = await ask(server, `${told.tests[0]?.job}cancel/`, { method: 'POST', as: alice });
    expect(cancelled.status).toBe(200);
  });

  test('no examples: nothing to do', async () => {
    expect(await report({ exec: 'true' })).toMatchObject({ total: 0, passed: 0, tests: [] });
  });

  test("another's definition is not there; a service, a parameter and a method that are not known are refused", async () => {
    const id = await server.register(tr([]), alice);
    expect((await post(id, '', bob)).status).toBe(404);
    expect((await post(id, '?wiat=1')).text).toContain("Unknown parameter 'wiat'");
    expect((await ask(server, `/api/process_definition/${id}/test/`, { as: alice })).status).toBe(405);
    const service = await server.register({ exec: 'cat', process_type: 'service' }, alice);
    expect((await post(service)).status).toBe(409);
  });
});
