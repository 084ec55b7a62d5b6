import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sample, startScheduler, type TestScheduler } from '../../support/scheduler.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startScheduler();
});
afterAll(() => scheduler.server.remove());

const call = (...args: Parameters<TestScheduler['call']>) => scheduler.call(...args);
const application = (more: object) => {
  const { data } = scheduler.server;
  scheduler.write('application.yaml', {
    CONNECTOR: 'local',
    LOCAL_SCRIPTS_FOLDER: path.join(data, 'scripts'),
    REMOTE_BASE_FOLDER: path.join(data, 'remote'),
    ...more,
  });
};
const shown = async () => (await call('GET', '/config')).json.content;

describe('PUT /config', () => {
  test('takes what can be taken at once, and names what waits for the next start', async () => {
    application({ MAX_ACTIVE_TASKS: 7, HOST: '127.0.0.2', PORT: 8111, MAX_BODY_SIZE: '2MiB' });
    const { status, json } = await call('PUT', '/config');
    expect([status, json.request]).toEqual([200, 'success']);
    expect(json.needs_restart.sort()).toEqual(['HOST', 'MAX_BODY_SIZE', 'PORT']);
    expect(json.content).toHaveLength(3);
    expect(json.content[0]).toMatchObject({ MAX_ACTIVE_TASKS: 7, HOST: '127.0.0.2', PORT: 8111 });
    expect(await shown()).toEqual(json.content);
    application({});
    expect((await call('PUT', '/config')).json).not.toHaveProperty('needs_restart');
  });

  test.each<[string, string, object | string, RegExp]>([
    [
      'a misspelt key',
      'application.yaml',
      { MAX_ACTIVE_TASK: 2 },
      /application\.yaml.*\n.*MAX_ACTIVE_TASK.*MAX_ACTIVE_TASKS/,
    ],
    [
      'a wrong value',
      'application.yaml',
      { MAX_ACTIVE_TASKS: 0 },
      /application\.yaml.*\n.*MAX_ACTIVE_TASKS: /,
    ],
    [
      'a size that is none',
      'application.yaml',
      { MAX_BODY_SIZE: 'big' },
      /MAX_BODY_SIZE: 'big' is not a size/,
    ],
    [
      'a connector without its file',
      'application.yaml',
      { CONNECTOR: 'nova' },
      /CONNECTOR: the connector nova needs the file nova\.yaml/,
    ],
    [
      'machines that there are not',
      'application.yaml',
      { CONNECTOR: 'static' },
      /CONNECTOR: the connector static needs MACHINES/,
    ],
    [
      'a folder that is not absolute',
      'application.yaml',
      { REMOTE_BASE_FOLDER: 'here' },
      /REMOTE_BASE_FOLDER: 'here' is not an absolute path/,
    ],
    [
      'a folder of two lines',
      'application.yaml',
      { REMOTE_BASE_FOLDER: '/tmp\n/etc' },
      /REMOTE_BASE_FOLDER: .* contains control characters/s,
    ],
    ['text that is no YAML', 'ssh.yaml', 'AUTH_PASSWORD: "open', /ssh\.yaml: /],
    ['a list', 'ssh.yaml', '- 1\n', /ssh\.yaml/],
    [
      'a key file that is not there',
      'ssh.yaml',
      { AUTH_KEYFILE: 'id_none' },
      /ssh\.yaml: the key file .*id_none does not exist/,
    ],
    ['no login for the cloud', 'nova.yaml', { FLAVOR: 'm1.tiny' }, /nova\.yaml: no login for the cloud/],
    ['an unknown file', 'nvoa.yaml', {}, /Penstock does not read .*nvoa\.yaml\. Did you mean nova\.yaml\?/],
  ])('refuses %s with the reason, and leaves everything as it was', async (_what, file, keys, reason) => {
    const before = await shown();
    // What would be right beside it is not taken either.
    scheduler.write('tokens', 'a-token\n');
    if (file === 'application.yaml') application(keys as object);
    else scheduler.write(file, keys);
    try {
      const { status, json } = await call('PUT', '/config');
      expect([status, json.request]).toEqual([409, 'error']);
      expect(json.content).toMatch(reason);
      expect(await shown()).toEqual(before);
    } finally {
      scheduler.write('tokens', null);
      expect((await call('GET', '/config')).status).toBe(200);
      if (file === 'application.yaml') application({});
      else scheduler.write(file, null);
    }
    expect((await call('PUT', '/config')).status).toBe(200);
  });
});

describe('no secret is told', () => {
  const secrets = [
    's3cr3t-password',
    's3cr3t-passphrase',
    's3cr3t-machine',
    's3cr3t-openrc',
    's3cr3t-parameter',
    's3cr3t-token',
  ];
  const files = (of: (secret: (number: number) => string) => Record<string, object | string>) =>
    of((number) => secrets[number] as string);

  test('neither in /config, nor in its errors, nor in the log', async () => {
    const written = files((secret) => ({
      'ssh.yaml': {
        AUTH_USER: 'ubuntu',
        AUTH_PASSWORD: secret(0),
        AUTH_PASSPHRASE: secret(1),
        MACHINES: [{ NAME: 'one', ADDRESS: '192.0.2.1', AUTH_PASSWORD: secret(2) }],
      },
      openrc: `export OS_AUTH_URL=http://192.0.2.1/v3\nexport OS_USERNAME=u\nexport OS_PROJECT_NAME=p\nexport OS_PASSWORD='${secret(3)}'\n`,
      'nova.yaml': { CREDENTIALS_FILE: 'openrc', FLAVOR: '1', IMAGE_ID: 'i' },
      'heat.yaml': {
        CREDENTIALS_FILE: 'openrc',
        PARAMETERS: {
          db_password: secret(4),
          user_data: secret(4),
          nested: { apiSecret: secret(4), list: [secret(4)] },
          key_of_theirs: secret(4),
          size: 5,
        },
      },
      tokens: `${secret(5)}\n`,
    }));
    for (const [name, keys] of Object.entries(written)) scheduler.write(name, keys);
    const said: string[] = [];
    const as = scheduler.server.admin;
    const answers = async () => {
      for (const method of ['PUT', 'GET']) said.push((await call(method, '/config', undefined, { as })).text);
    };
    await answers();
    expect(JSON.parse(said[0] ?? '').request).toBe('success');
    expect(JSON.parse(said[0] ?? '').content[1]).toMatchObject({
      AUTH_USER: 'ubuntu',
      AUTH_PASSWORD: '***',
      AUTH_PASSPHRASE: '***',
      AUTH_KEYFILE: null,
      MACHINES: [{ NAME: 'one', AUTH_PASSWORD: '***' }],
    });
    // The connector's file is what is shown third: Heat's where Nova has none.
    scheduler.write('nova.yaml', null);
    await answers();
    expect(JSON.parse(said[2] ?? '').content[2].PARAMETERS).toEqual({
      db_password: '***',
      user_data: '***',
      nested: { apiSecret: '***', list: ['***'] },
      key_of_theirs: '***',
      size: 5,
    });
    // A wrong value is named by its key.
    for (const wrong of [[secrets[0]], { is: secrets[0] }, 20_261_122]) {
      scheduler.write('ssh.yaml', { AUTH_PASSWORD: wrong });
      const refused = await call('PUT', '/config', undefined, { as });
      expect([refused.status, refused.json.content]).toEqual([409, expect.stringContaining('AUTH_PASSWORD')]);
      said.push(refused.text);
    }
    scheduler.write('ssh.yaml', `AUTH_PASSWORD: "${secrets[0]}\nX: [\n`);
    said.push((await call('PUT', '/config', undefined, { as })).text);
    for (const name of ['ssh.yaml', 'heat.yaml', 'tokens', 'openrc']) scheduler.write(name, null);
    expect((await call('PUT', '/config', undefined, { as })).status).toBe(200);
    for (const secret of [...secrets, '20261122']) {
      expect(said.join('\n')).not.toContain(secret);
      expect(scheduler.server.log()).not.toContain(secret);
    }
  });

  test("a task's password is in no answer, in no file that others read, and in no command line", async () => {
    const pwd = 'p4ss of a task';
    const made = await call('POST', '/tasks', { ...sample, pwd, script: 'waits.sh' });
    const { id } = made.json.content.task;
    const as = scheduler.server.admin;
    const said = [made.text];
    let pids: string[] = [];
    await expect
      .poll(async () => {
        pids = [];
        const { readdirSync } = await import('node:fs');
        for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
          const file = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'latin1');
          try {
            if (!file('environ').includes(`PENSTOCK_JOB_UUID=${id}`)) continue;
            pids.push(pid);
            said.push(file('cmdline'));
          } catch {
            // It has ended, or is somebody else's.
          }
        }
        return pids.length;
      })
      .toBeGreaterThan(0);
    for (const url of [
      `/tasks/${id}`,
      `/tasks?id=${id}`,
      '/tasks',
      `/api/job/${id}/`,
      `/api/job/${id}/history/`,
    ])
      said.push((await call('GET', url, undefined, { as })).text);
    said.push((await call('GET', '/pipeline', { id }, { as: null })).text);
    for (const end of ['', '-wal']) {
      const file = path.join(scheduler.server.data, `penstock.sqlite${end}`);
      if (existsSync(file)) said.push(readFileSync(file, 'latin1'));
    }
    scheduler.go();
    expect((await scheduler.ended(id)).status).toBe('finished');
    said.push(scheduler.server.log());
    expect(said.map((text) => text.includes(pwd))).toEqual(said.map(() => false));
    expect(JSON.parse(said[0] ?? '').content.task.pwd).toBe('***');
  });
});

test('users who are not admins see what concerns their tasks, and not where machines are and who logs in there', async () => {
  const machines = [
    { NAME: 'tahiti', ADDRESS: 'tahiti.private.example', AUTH_USER: 'operator-1', MAX_JOBS: 3 },
    { NAME: 'bora', ADDRESS: '192.0.2.77', PORT: 2222, REMOTE_BASE_FOLDER: '/srv/secret-place' },
  ];
  const ssh = {
    AUTH_USER: 'operator-2',
    AUTH_AGENT: '/run/agent-socket',
    JUMP_HOST: 'tahiti',
    LOST_AFTER: 77,
  };
  application({ MAX_ACTIVE_TASKS: 5, TIMETEST_CSV_FILE: '/srv/times.csv' });
  scheduler.write('ssh.yaml', { ...ssh, MACHINES: machines });
  expect((await call('PUT', '/config')).status).toBe(200);
  const ordinary = await scheduler.server.addUser('ordinary');
  const seen = await call('GET', '/config', undefined, { as: ordinary });
  expect(seen.status).toBe(200);
  const [shownApplication, shownSsh, cloud] = seen.json.content;
  expect(shownApplication).toMatchObject({ MAX_ACTIVE_TASKS: 5, CONNECTOR: 'local' });
  expect(shownSsh).toMatchObject({
    LOST_AFTER: 77,
    MACHINES: [{ NAME: 'tahiti', MAX_JOBS: 3 }, { NAME: 'bora' }],
  });
  expect(cloud).toEqual({});
  const places = [
    'example',
    '192.0.2',
    'operator',
    '2222',
    'agent',
    '/srv',
    scheduler.server.data,
    'JUMP_HOST',
  ];
  expect(places.filter((place) => seen.text.includes(place))).toEqual([]);
  // Older clients, who come without a login or with a token, and admins see all of it.
  for (const as of [null, scheduler.server.admin]) {
    const { text } = await call('GET', '/config', undefined, { as });
    expect(places.filter((place) => !text.includes(place))).toEqual([]);
  }
  const made = await call(
    'POST',
    '/api/application/',
    { name: 'x', ssh_user: 'operator-3', ssh_port: 2223 },
    { as: scheduler.server.admin },
  );
  expect(made.status).toBe(201);
  const { text } = await call('GET', '/api/application/?name=x', undefined, { as: ordinary });
  expect(text).toContain('"name": "x"');
  expect(text).not.toMatch(/operator|2223/);
  scheduler.write('ssh.yaml', null);
  application({});
  expect((await call('PUT', '/config')).status).toBe(200);
});
