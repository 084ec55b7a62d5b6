import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type Ask, ask } from '../../support/raw.js';
import { sample, startScheduler, type TestScheduler } from '../../support/scheduler.js';
import type { Login } from '../../support/server.js';

let scheduler: TestScheduler;
let alice: Login;
beforeAll(async () => {
  scheduler = await startScheduler();
  alice = await scheduler.server.addUser('alice');
});
afterAll(async () => {
  expect(scheduler.server.log()).not.toMatch(/"level":[56]0/);
  await scheduler.server.remove();
});

const base = '/api/application/';
const call = (method: string, path: string, json?: unknown, more: Ask = {}): Promise<Answer> =>
  ask(scheduler.server, path, { method, ...(json === undefined ? {} : { json }), ...more });
const returned = { headers: { Prefer: 'return=representation' } };
const add = async (body: object) => (await call('POST', base, body, returned)).json;
const saidOf = ({ json }: Answer): string[] =>
  json.errors.map(({ pointer, detail }: { pointer: string; detail: string }) => `${pointer}: ${detail}`);

const full = {
  name: 'large',
  description: 'for large things',
  connector: 'local',
  image: 'debian-12',
  flavor: 'm1.large',
  key_name: 'our-key',
  networks: ['internal'],
  security_groups: ['ssh'],
  floating_ip: 'public',
  user_data: '#cloud-config\npassword: s3cret\n',
  files: [{ path: 'licence', text: 's3cret licence', mode: '0600' }],
  ssh_user: 'debian',
  ssh_port: 2222,
  remote_base_folder: '/srv',
  uses: 5,
  idle_timeout: 60,
  min_idle: 0,
  max_servers: 3,
};

describe('an application', () => {
  test('is kept as it is sent, changed in revisions, and deleted', async () => {
    const made = await call('POST', base, full);
    expect([made.status, made.headers.location]).toEqual([
      201,
      expect.stringMatching(/\/api\/application\/\d+\/$/),
    ]);
    const path = new URL(made.headers.location ?? '').pathname;
    const read = (await call('GET', path)).json;
    expect(read).toMatchObject({ ...full, revision: 1, owner: 'root', resource_uri: path });

    expect((await call('PATCH', path, { image: 'debian-13', flavor: null })).status).toBe(202);
    // What was read can be sent back as it is.
    expect((await call('PUT', path, (await call('GET', path)).json)).status).toBe(204);
    expect((await call('GET', path)).json).toMatchObject({
      ...full,
      image: 'debian-13',
      flavor: null,
      revision: 3,
    });
    const stale = await call('PATCH', path, { uses: 1 }, { headers: { 'If-Match': '"old"' } });
    expect(stale.status).toBe(412);

    expect((await call('DELETE', path)).status).toBe(204);
    expect((await call('GET', path)).status).toBe(404);
    expect((await call('DELETE', path)).status).toBe(404);
  });

  test('needs but a name; the rest is as the installation says', async () => {
    const made = await add({ name: 'plain' });
    expect(made).toMatchObject({ name: 'plain', image: null, networks: null, files: [], uses: null });
  });

  test('outlives a restart', async () => {
    const { id } = await add({ ...full, name: 'lasting' });
    await scheduler.server.kill();
    await scheduler.server.restart();
    expect((await call('GET', `${base}${id}/`)).json).toMatchObject({ ...full, name: 'lasting' });
    const listed = (await call('GET', `${base}?name=lasting&order_by=-name`)).json;
    expect([listed.meta.total_count, listed.objects[0].id]).toEqual([1, id]);
  });

  test('has a name of its own', async () => {
    const [one, two] = [await add({ name: 'one' }), await add({ name: 'two' })];
    for (const answer of [
      await call('POST', base, { name: 'one' }),
      await call('PATCH', `${base}${two.id}/`, { name: 'one' }),
    ]) {
      expect([answer.status, answer.json.detail]).toEqual([
        409,
        expect.stringContaining('The application one already exists'),
      ]);
    }
    expect((await call('PATCH', `${base}${one.id}/`, { name: 'one' })).status).toBe(202);
    const all = await Promise.all(Array.from({ length: 5 }, () => call('POST', base, { name: 'raced' })));
    expect(all.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });
});

describe('what is wrong is told with its place', () => {
  test.each<[object, (string | RegExp)[]]>([
    [{}, [/^\/name: name is required/]],
    [{ name: 'default' }, [/^\/name: .*not default/]],
    [{ name: 'a b' }, [/^\/name: /]],
    [{ name: 'x~1' }, [/^\/name: /]],
    [{ name: 'x', conector: 'nova' }, [/^\/conector: .*did you mean "connector"\?/]],
    [{ name: 'x', connector: 'ec2' }, [/^\/connector: .*"nova", "heat", "static", "local"/]],
    [{ name: 'x', image: '' }, [/^\/image: /]],
    [{ name: 'x', networks: 'internal' }, [/^\/networks: /]],
    [{ name: 'x', networks: ['a', 'a'] }, [/^\/networks: /]],
    [{ name: 'x', ssh_port: 0 }, [/^\/ssh_port: /]],
    [{ name: 'x', uses: 0 }, [/^\/uses: /]],
    [{ name: 'x', max_servers: 'many' }, [/^\/max_servers: /]],
    [{ name: 'x', remote_base_folder: 'srv' }, [/^\/remote_base_folder: .*absolute path/]],
    [{ name: 'x', user_data: 'x'.repeat(49_152) }, [/^\/user_data: /]],
    [{ name: 'x', files: [{ path: 'a' }] }, [/^\/files\/0: .*either text, or script/]],
    [
      { name: 'x', files: [{ path: 'a', text: 'x', script: 'y' }] },
      [/^\/files\/0: .*either text, or script/],
    ],
    [
      { name: 'x', files: [{ path: 'a', text: 'x', mode: '0999' }] },
      [/^\/files\/0\/mode: .*octal mode such as 0755/],
    ],
    [{ name: 'x', files: [{ path: 'a', text: 'x', mode: 493 }] }, [/^\/files\/0\/mode: /]],
    [
      {
        name: 'x',
        files: [
          { path: '../a', text: 'x' },
          { path: 'b/', text: 'x' },
        ],
      },
      [/^\/files\/0\/path: /, /^\/files\/1\/path: /],
    ],
    [{ name: 'x', files: [{ path: 'a', script: '../b' }] }, [/^\/files\/0\/script: .*slash/]],
  ])('%j', async (body, said) => {
    const answer = await call('POST', base, body);
    expect(answer.status).toBe(400);
    expect(saidOf(answer)).toHaveLength(said.length);
    for (const [index, one] of saidOf(answer).entries()) expect(one).toMatch(said[index] as RegExp);
  });

  test.each([[null], [[]], ['text'], [5]])('a body that is %j', async (body) => {
    const { id } = (await call('GET', `${base}?limit=1`)).json.objects[0];
    for (const [method, path] of [
      ['POST', base],
      ['PATCH', `${base}${id}/`],
      ['PUT', `${base}${id}/`],
    ] as const) {
      const answer = await call(method, path, body);
      expect([method, answer.status]).toEqual([method, 400]);
      expect(answer.json.detail).toContain('must be a JSON object');
    }
  });
});

describe('who may do what', () => {
  test('users read and use them, and do not see what may be secret', async () => {
    const { id } = await add({ ...full, name: 'shown' });
    const seen = await call('GET', `${base}${id}/`, undefined, { as: alice });
    expect(seen.json).toMatchObject({ name: 'shown', image: 'debian-12', owner: 'root' });
    const set = await call('GET', `${base}set/${id}/`, undefined, { as: alice });
    const list = await call('GET', base, undefined, { as: alice });
    for (const { text } of [seen, set, list]) expect(text).not.toContain('s3cret');
    for (const key of ['user_data', 'files']) expect(seen.json).not.toHaveProperty(key);
    // Whether it holds something cannot be found out by a filter, either.
    expect((await call('GET', `${base}?user_data=x`, undefined, { as: alice })).status).toBe(400);
    for (const [method, path, body] of [
      ['POST', base, { name: 'mine' }],
      ['PATCH', `${base}${id}/`, { image: 'mine' }],
      ['PUT', `${base}${id}/`, { name: 'mine' }],
      ['DELETE', `${base}${id}/`, undefined],
    ] as const) {
      const answer = await call(method, path, body, { as: alice });
      expect([method, answer.status, answer.json.detail]).toEqual([
        method,
        403,
        'Only an admin may change applications.',
      ]);
    }
    expect((await call('GET', base, undefined, { as: null })).status).toBe(401);
  });

  test('an admin who owns some is not removed', async () => {
    const bob = await scheduler.server.addUser('bob', 'admin');
    expect((await call('POST', base, { name: 'of-bob' }, { as: bob })).status).toBe(201);
    const [user] = (await call('GET', '/api/user/?username=bob')).json.objects;
    const refused = await call('DELETE', `/api/user/${user.id}/`);
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining('1 applications')]);
  });
});

describe('its jobs', () => {
  test('keep it from being deleted or renamed until they have ended, however they name it', async () => {
    const { id } = await add({ name: 'used', connector: 'local' });
    const path = `${base}${id}/`;
    const task = await scheduler.call('POST', '/tasks', {
      ...sample,
      script: 'waits.sh',
      application: 'used',
    });
    expect(task.status).toBe(201);
    const definition = await scheduler.server.register({
      exec: '/bin/true',
      executor: 'cloud',
      application: 'used',
    });
    for (const [method, body] of [
      ['DELETE', undefined],
      ['PATCH', { name: 'other' }],
    ] as const) {
      const refused = await call(method, path, body);
      expect([refused.status, refused.json.detail]).toEqual([
        409,
        expect.stringContaining('1 job that has not ended'),
      ]);
    }
    scheduler.go();
    await scheduler.ended(task.json.content.task.id);
    const run = await call('POST', `/api/process_definition/${definition}/run/?wait=30`);
    expect([run.status, run.json.outcome]).toMatchObject([200, { exit_code: 0 }]);
    expect((await call('DELETE', path)).status).toBe(204);
  });

  test('get the files that it says', async () => {
    await add({
      name: 'filled',
      files: [
        { path: 'given', text: 'a text\n' },
        { path: 'copied.txt', script: 'copied.txt', mode: '600' },
      ],
    });
    const { json } = await scheduler.call('POST', '/tasks', {
      ...sample,
      script: 'cat.sh',
      application: 'filled',
    });
    const { id } = json.content.task;
    expect((await scheduler.ended(id)).status).toBe('finished');
    expect((await scheduler.call('GET', `/tasks/${id}/stdout`)).text).toBe('copied\n');
  });
});

test('its example in the description of the API is a good one', async () => {
  const { components, paths } = (await call('GET', '/api/openapi.json')).json;
  for (const example of components.schemas.ApplicationBody.examples)
    expect((await call('POST', base, example)).status).toBe(201);
  const [xnat] =
    paths['/tasks'].post.requestBody.content['application/json'].schema.anyOf[0].oneOf[0].examples;
  const said = await scheduler.call('POST', '/tasks', xnat);
  expect(saidOf({ ...said, json: said.json.content })).toEqual([
    expect.stringMatching(/^\/script: there is no file "qmroct\.sh"/),
  ]);
});
