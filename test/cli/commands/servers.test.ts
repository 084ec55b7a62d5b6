import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../support/wait-for.js';
import { built, type Installed, install } from '../server.js';

const task = {
  type: 'xnat',
  project: 'p',
  subject: 's',
  session: 'first',
  host: 'http://127.0.0.1/',
  user: 'u',
  pwd: 'a secret password',
  script: 'waits.sh',
};

/** The commands for applications, servers and tasks, against a server process that has this machine for a cloud. */
describe.skipIf(!built)(`servers${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);
  const json = (args: string[], stdin?: string) => installed.json(args, stdin);
  const good = (args: string[], stdin?: string) => installed.good(args, stdin);
  beforeAll(async () => {
    installed = await install({ CONNECTOR: 'local', MAX_ACTIVE_TASKS: 1, VIRTUAL_SERVER_TTL: 10 });
    const { folder } = installed;
    for (const name of ['scripts', 'remote']) mkdirSync(join(folder, name));
    writeFileSync(
      join(folder, 'scripts', 'waits.sh'),
      'echo begun; while [ ! -e "$PENSTOCK_BASE_FOLDER/go" ]; do sleep 0.05; done; echo ended >&2\n',
    );
    // What the configuration could not say before there was a folder, an application does.
    const local = {
      LOCAL_SCRIPTS_FOLDER: join(folder, 'scripts'),
      REMOTE_BASE_FOLDER: join(folder, 'remote'),
    };
    const keys = { CONNECTOR: 'local', MAX_ACTIVE_TASKS: 1, VIRTUAL_SERVER_TTL: 10, ...local };
    writeFileSync(join(folder, 'config', 'application.yaml'), JSON.stringify(keys));
    const { PENSTOCK_URL: url, PENSTOCK_USER: user, PENSTOCK_PASSWORD: password } = installed.env;
    const login = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const reloaded = await fetch(`${url}/config`, { method: 'PUT', headers: { Authorization: login } });
    expect(reloaded.status).toBe(200);
  });
  afterAll(() => installed?.stop());

  it('are told of in applications, which are added, changed, listed and removed', async () => {
    const file = join(installed.folder, 'small.yaml');
    writeFileSync(file, 'image: debian-12\nuser_data: |\n  #cloud-config\nuses: 10\n');
    expect(await good(['application', 'add', file, '--name', 'small'])).toMatchObject({
      stdout: '1\n',
      stderr: 'Added the application small.\n',
    });
    expect(await json(['application', 'show', 'small'])).toMatchObject({
      name: 'small',
      image: 'debian-12',
      user_data: '#cloud-config\n',
    });
    expect((await good(['application', 'update', 'small', '-'], '{"flavor": "m1.tiny"}')).stderr).toBe(
      'Changed the application small. It is now at revision 2.\n',
    );
    expect((await good(['application', 'list'])).stdout).toMatch(/1 +small +- +debian-12 +m1\.tiny +- +ada/);
    const wrong = await penstock(['application', 'add', '-'], '{"name": "x", "flavour": "m1.tiny"}');
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean "flavor"?') });
    expect((await penstock(['application', 'show', 'smal'])).stderr).toContain('Did you mean small?');
    expect((await good(['application', 'remove', 'small'])).stderr).toBe('Removed the application small.\n');
  });

  it('are given to tasks, which are registered, listed, shown, read and cancelled', async () => {
    const file = join(installed.folder, 'tasks.json');
    writeFileSync(
      file,
      JSON.stringify([task, { ...task, script: 'wait.sh' }, { ...task, session: 'second' }]),
    );
    const added = await penstock(['task', 'add', file]);
    expect(added).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean waits.sh?') });
    expect(added.stderr).toContain('2 tasks registered.');
    const [first = '', second = ''] = added.stdout.trim().split('\n');

    await waitFor(
      async () => (await good(['task', 'logs', first])).stdout === 'begun\n',
      'the first to begin',
    );
    const list = (await good(['task', 'list'])).stdout;
    expect(list).toMatch(new RegExp(`${first} +active +xnat +waits\\.sh +first`));
    expect(list).toMatch(new RegExp(`${second} +queued +xnat +waits\\.sh +second`));
    expect(await json(['task', 'list'])).toMatchObject({ active: [{ id: first }], queued: [{ id: second }] });
    expect(await json(['task', 'show', first])).toMatchObject({ status: 'active', task: { pwd: '***' } });

    const servers = (await good(['server', 'list'])).stdout;
    expect(servers).toMatch(/1 +\S+ +default +busy +127\.0\.0\.1 +1 /);
    expect(await json(['server', 'show', '1'])).toMatchObject({
      state: 'busy',
      jobs: [{ job: `/api/job/${first}/` }],
    });
    const busy = await penstock(['server', 'remove', '1']);
    expect(busy).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('runs a job; cancel the job first'),
    });

    expect((await good(['task', 'cancel', second])).stderr).toBe(`Cancelled task ${second}.\n`);
    expect((await penstock(['task', 'cancel', second])).stderr).toContain('The task has already ended');
    writeFileSync(join(installed.folder, 'remote', 'go'), '');
    await waitFor(
      async () => (await json(['task', 'show', first])).status === 'finished',
      'the first to end',
    );
    expect((await good(['task', 'logs', first, '--stderr'])).stdout).toBe('ended\n');
    expect((await good(['task', 'show', first])).stdout).toContain('exit_code: 0');
    expect((await good(['task', 'list'])).stdout).toBe('');
  });

  it('go when they are removed, and stay in the list of those that were', async () => {
    const server = await waitFor(
      async () => (await json(['server', 'list', '--state', 'idle', '--application', 'default']))[0],
      'an idle server',
    );
    const { id, name } = server as unknown as { id: number; name: string };
    expect((await good(['server', 'remove', name])).stderr).toBe(`Removed the server ${name}.\n`);
    await waitFor(async () => (await good(['server', 'list'])).stdout === '', 'it to be gone');
    const deleted = await json(['server', 'list', '--state', 'deleted']);
    expect(deleted.map((one) => one.id)).toContain(id);
    expect(await good(['server', 'clear', '--dry-run'])).toMatchObject({
      stdout: '',
      stderr: '0 servers would be deleted.\n',
    });
    expect(await json(['server', 'clear', '--all'])).toEqual({ deleted: [], failed: [] });
  });

  it('say what is wrong', async () => {
    expect(await penstock(['task', 'show', '../config'])).toMatchObject({ code: 2 });
    expect((await penstock(['task', 'show', 'nobody'])).stderr).toContain('There is no task nobody.');
    const text = await penstock(['task', 'add', '-'], '[1]');
    expect(text).toMatchObject({ code: 1, stderr: expect.stringContaining('a task, or a list of them') });
    const untyped = await penstock(['task', 'add', '-'], '{"session": "x"}');
    expect(untyped).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('type is missing; use one of xnat, process'),
    });
    expect((await penstock(['server', 'list', '--state', 'sleeping'])).code).toBe(2);
    installed.env.PENSTOCK_PASSWORD = 'wrong';
    expect((await penstock(['task', 'list'])).stderr).toContain('Set PENSTOCK_USER and PENSTOCK_PASSWORD');
  });
});
