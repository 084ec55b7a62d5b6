import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixtureFile } from '../../support/paths.js';
import { type Ask, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

/** Wrong requests, each with the answer that it must get: a status, where it is wrong, and words that help. */
let server: TestServer;
let uuid: string;
beforeAll(async () => {
  server = await startServer({ application: { MAX_BODY_SIZE: '64KiB' } });
  await server.register({ exec: '/bin/true', name: 'one' });
  uuid = (await ask(server, '/api/process_definition/1/run/?wait=20', { method: 'POST' })).json.uuid;
});
afterAll(() => server.remove());

const list = '/api/process_definition/';
const run = `${list}1/run/`;
const state = async () =>
  Promise.all(
    ['process_definition', 'job', 'user', 'token'].map(
      async (noun) => (await ask(server, `/api/${noun}/`)).json.objects,
    ),
  );
const put = (json: unknown): Ask => ({ method: 'PUT', json });
const post = (json: unknown): Ask => ({ method: 'POST', json });
const text = (body: string, type = 'application/json'): Ask => ({ body, headers: { 'Content-Type': type } });
const header = (name: string, value: string, method = 'GET'): Ask => ({ method, headers: { [name]: value } });
const good = { exec: 'cat' };

type Case = [string, string, Ask, number, string | null, RegExp];
const cases: Case[] = [
  ['bad JSON', list, text('{"definition": }'), 400, null, /not JSON: Unexpected token/],
  ['bad JSON on line 3', list, text('{\n"a": 1,\n"b": x}'), 400, null, /not JSON: Unexpected token/],
  ['no body', list, { method: 'POST' }, 400, null, /empty/],
  [
    'not UTF-8',
    list,
    { body: Buffer.from([0x22, 0xff, 0x22]), headers: { 'Content-Type': 'application/json' } },
    400,
    null,
    /UTF-8/,
  ],
  ['too deep', list, text('['.repeat(5000) + ']'.repeat(5000)), 400, null, /deeper/],
  ['an array', list, post([]), 400, null, /object.*array/],
  ['null', list, post(null), 400, null, /null/],
  ['a string', list, post('x'), 400, null, /string/],
  ['no definition', list, post({}), 400, '/definition', /missing/],
  ['misspelt definition', list, post({ definiton: good }), 400, '/definiton', /definition/],
  ['unknown key', list, post({ definition: good, colour: 1 }), 400, '/colour', /known/],
  ['name a number', list, post({ definition: good, name: 5 }), 400, '/name', /name/],
  ['name empty', list, post({ definition: good, name: '' }), 400, '/name', /name/],
  ['name too long', list, post({ definition: good, name: 'x'.repeat(256) }), 400, '/name', /255/],
  ['name with NUL', list, post({ definition: good, name: 'a\u0000b' }), 400, '/name', /control/],
  ['process_name a list', list, post({ definition: good, process_name: [] }), 400, '/process_name', /name/],
  ['misspelt exec', list, post({ definition: { exce: 'x' } }), 400, '/definition/exce', /exec/],
  [
    'timeout infinite',
    list,
    text('{"definition": {"exec": "x", "timeout": 1e999}}'),
    400,
    '/definition/timeout',
    /timeout/,
  ],
  [
    'too large',
    list,
    post({ definition: { ...good, description: 'x'.repeat(70_000) } }),
    413,
    null,
    /MAX_BODY_SIZE/,
  ],
  ['XML', list, text('<a/>', 'application/xml'), 415, null, /application\/json/],
  ['a form', list, text('a=b', 'application/x-www-form-urlencoded'), 415, null, /application\/json/],
  ['objects missing', list, put({}), 400, '/objects', /missing|list/],
  ['objects no list', list, put({ objects: {} }), 400, '/objects', /list/],
  [
    'deleted_objects in a PUT',
    list,
    put({ objects: [], deleted_objects: [] }),
    400,
    '/deleted_objects',
    /known|mean/,
  ],
  [
    'one bad of two',
    list,
    put({ objects: [{ definition: good }, { definition: {} }] }),
    400,
    '/definition/exec',
    /exec/,
  ],
  [
    'foreign uri',
    list,
    { method: 'PATCH', json: { objects: [], deleted_objects: ['/api/job/1/'] } },
    404,
    null,
    /resource_uri/,
  ],
  [
    'POST to one',
    `${list}1/`,
    post({ definition: good }),
    501,
    null,
    /Send it to \/api\/process_definition\//,
  ],
  ['id of another', `${list}1/`, put({ id: 2, definition: good }), 400, '/id', /id/],
  ['no such one', `${list}77/`, {}, 404, null, /77/],
  ['no number', `${list}abc/`, {}, 404, null, /abc/],
  ['a broken escape', `${list}%E0%A4%A/`, {}, 400, null, /./],
  [
    'If-Match of nothing',
    `${list}78/`,
    { ...put({ definition: good }), headers: { 'If-Match': '"x"' } },
    412,
    null,
    /match/,
  ],
  [
    'old If-Match',
    `${list}1/`,
    { ...put({ name: 'x' }), headers: { 'If-Match': '"x"' } },
    412,
    null,
    /changed/,
  ],
  ['override', list, header('X-HTTP-Method-Override', 'BREW'), 405, null, /BREW/],
  ['Accept', list, header('Accept', 'json'), 400, null, /Accept/],
  ['limit', `${list}?limit=x`, {}, 400, '?limit', /limit/],
  ['offset', `${list}?offset=-1`, {}, 400, '?offset', /offset/],
  ['misspelt filter', `${list}?exce=x`, {}, 400, '?exce', /Did you mean 'exec'/],
  ['misspelt ordering', `${list}?order_by=crated`, {}, 400, '?order_by', /Did you mean 'created'/],
  ['no ordering', `${list}?order_by=definition`, {}, 400, '?order_by', /does not allow ordering/],
  ['no filtering', `${list}?definition=x`, {}, 400, '?definition', /does not allow filtering/],
  ['unknown lookup', `${list}?exec__regex=x`, {}, 400, '?exec__regex', /Allowed: exact/],
  ['id no number', `${list}?id=x`, {}, 400, '?id', /whole number/],
  ['range of one', `${list}?id__range=1`, {}, 400, '?id__range', /two values/],
  ['isnull of what', `${list}?name__isnull=maybe`, {}, 400, '?name__isnull', /true nor false/],
  ['no date', `${list}?created__gt=yesterday`, {}, 400, '?created__gt', /date/],
  ['no such date', `${list}?created__gt=2026-13-45`, {}, 400, '?created__gt', /date/],
  ['job of which definition', '/api/job/?process_definition=x', {}, 400, '?process_definition', /id/],
  ['DELETE with a misspelt filter', `${list}?nmae=one`, { method: 'DELETE' }, 400, '?nmae', /name/],
  ['wait', `${run}?wait=soon`, { method: 'POST' }, 400, '?wait', /seconds/],
  ['wait negative', `${run}?wait=-1`, { method: 'POST' }, 400, '?wait', /0 or more/],
  ['raw without wait', `${run}?output=raw`, { method: 'POST' }, 400, null, /wait=SECONDS/],
  ['output what', `${run}?output=xml&wait=1`, { method: 'POST' }, 400, null, /raw/],
  ['dry_run', `${run}?dry_run=perhaps`, { method: 'POST' }, 400, null, /dry_run/],
  ['unknown parameter', `${run}?wiat=1`, { method: 'POST' }, 400, '?wiat', /wait/],
  ['output_name', `${run}?output_name=../x`, { method: 'POST' }, 400, '?output_name', /slash/],
  ['input_name', `${run}?input_name=`, { method: 'POST' }, 400, '?input_name', /name/],
  ['run misspelt', run, post({ inptu: {} }), 400, '/inptu', /input/],
  ['input of nothing', run, post({ input: {} }), 400, '/input', /./],
  ['input twice', run, post({ input: { text: 'x', url: 'http://x' } }), 400, '/input', /not both/],
  ['input.text a number', run, post({ input: { text: 5 } }), 400, '/input/text', /string/],
  ['environment name', run, post({ environment: { 'a-b': 'x' } }), 400, '/environment/a-b', /letters/],
  ['environment value', run, post({ environment: { A: 5 } }), 400, '/environment/A', /string/],
  ['timeout zero', run, post({ timeout: 0 }), 400, '/timeout', /more than 0/],
  ['executor', run, post({ executor: 'locl' }), 400, '/executor', /local/],
  ['priority', run, post({ priority: 101 }), 400, '/priority', /100/],
  ['output name', run, post({ output: { name: 'a/b' } }), 400, '/output/name', /slash/],
  ['key', run, { ...post({}), headers: { 'Idempotency-Key': 'x'.repeat(256) } }, 400, null, /255/],
  ['run of nothing', `${list}99/run/`, { method: 'POST' }, 404, null, /99/],
  ['GET run', run, {}, 405, null, /POST/],
  ['GET cancel', `/api/job/UUID/cancel/`, {}, 405, null, /POST/],
  ['cancel an ended job', '/api/job/UUID/cancel/', { method: 'POST' }, 409, null, /ended/],
  ['POST a job', '/api/job/', post({}), 405, null, /GET/],
  ['change a job', '/api/job/UUID/', put({}), 405, null, /GET, DELETE/],
  ['follow', '/api/job/UUID/stdout/?follow=maybe', {}, 400, '?follow', /1 (n|or)/],
  [
    'Last-Event-ID',
    '/api/job/UUID/stdout/?follow=1',
    header('Last-Event-ID', 'x'),
    400,
    null,
    /Last-Event-ID/,
  ],
  ['Range', '/api/job/UUID/output/', header('Range', 'bytes=9-'), 416, null, /bytes/],
  ['user without password', '/api/user/', post({ username: 'x' }), 400, '/password', /missing/],
  ['short password', '/api/user/', post({ username: 'x', password: 'short' }), 400, '/password', /8/],
  [
    'user name',
    '/api/user/',
    post({ username: 'a b', password: 'long enough' }),
    400,
    '/username',
    /letters/,
  ],
  ['user twice', '/api/user/', post({ username: 'root', password: 'long enough' }), 409, null, /already/],
  ['role', '/api/user/1/', put({ role: 'amdin' }), 400, '/role', /admin/],
  ['last admin', '/api/user/1/', put({ role: 'user' }), 409, null, /last admin/],
  ['token in the past', '/api/token/', post({ expires: '2001-01-01T00:00:00Z' }), 400, '/expires', /past/],
  ['misspelt expires', '/api/token/', post({ expire: null }), 400, '/expire', /expires/],
  ['nowhere', '/api/process_definitions/', {}, 404, null, /\/api\//],
];

describe('wrong requests', () => {
  test.each(cases)('%s', async (_name, path, options, status, pointer, words) => {
    const before = await state();
    const answer = await ask(server, path.replace('UUID', uuid), options);
    expect([answer.status, answer.json?.status, answer.headers['content-type']]).toEqual([
      status,
      status,
      'application/json',
    ]);
    expect(answer.json.error).toMatch(words.source.includes('/') ? words : new RegExp(words.source, 's'));
    if (pointer !== null)
      expect(answer.json.errors?.map((problem: { pointer: string }) => problem.pointer)).toContain(pointer);
    expect(await state()).toEqual(before);
  });
});

const folder = fixtureFile('definitions/invalid');
test.each(readdirSync(folder))('the definition %s', async (name) => {
  const { definition, pointer, detail } = JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
  for (const [path, options] of [
    [list, post({ definition })],
    [`${list}1/`, put({ definition })],
  ] as const) {
    const answer = await ask(server, path, options);
    expect(answer.status).toBe(400);
    expect(answer.json.type).toBe('/api/docs/errors/#invalid-definition');
    expect(answer.json.errors).toContainEqual({ pointer, detail: expect.stringContaining(detail) });
  }
});
