import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { jobOf, submit } from '../../support/jobs.js';
import { entryOf, sshFile } from '../../support/machines.js';
import { main } from '../../support/paths.js';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';

/** The key's fingerprint, as OpenSSH itself tells it. */
const fingerprintOf = (machine: Machine): string =>
  spawnSync('ssh-keygen', ['-lf', '-'], { input: machine.hostKey() }).stdout.toString().split(' ')[1] ?? '';

const name = 'keys of machines';
describe.skipIf(noSshd !== null)(noSshd === null ? name : `${name} (skipped: ${noSshd})`, () => {
  let gate: Machine;
  let inner: Machine;
  let server: TestServer;
  let alice: Login;
  let id: number;
  beforeAll(async () => {
    gate = await startMachine();
    inner = await startMachine({ lines: ['ListenAddress 127.0.0.1:2200'] });
    server = await startServer({
      application: { LOG_LEVEL: 'warn', MAX_TASK_ATTEMPTS: 1 },
      config: { 'ssh.yaml': sshFile([entryOf('fiji', gate), entryOf('samoa', inner)]) },
    });
    alice = await server.addUser('alice');
    id = await server.register({ exec: 'hostname', executor: 'ssh', host: 'fiji' });
  });
  afterAll(async () => {
    await server?.remove();
    for (const machine of [gate, inner]) await machine?.remove();
  });

  const run = async (definition = id) => jobOf(server, await submit(server, definition), 60);
  const at = (machine: Machine) => `${machine.address}:22`;
  const shown = async (machine: Machine) => (await ask(server, `/api/host_key/${at(machine)}/`)).json;
  const cli = (args: string[], { username, password } = server.admin) => {
    const login = { PENSTOCK_URL: server.url, PENSTOCK_USER: username, PENSTOCK_PASSWORD: password };
    const env = { PATH: process.env.PATH, ...login };
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { env });
    return { status, stdout: `${stdout}`, stderr: `${stderr}` };
  };

  test('a machine is known by the key that it shows first', async () => {
    expect((await ask(server, '/api/host_key/')).json).toMatchObject({
      meta: { total_count: 0 },
      objects: [],
    });
    expect((await run()).state).toBe('FINISHED');
    const known = {
      host: at(gate),
      fingerprint: fingerprintOf(gate),
      key: gate.hostKey(),
      machines: ['fiji'],
      resource_uri: `/api/host_key/${at(gate)}/`,
    };
    expect(await shown(gate)).toMatchObject(known);
    expect((await ask(server, '/api/host_key/')).json).toMatchObject({ objects: [known] });
    expect((await ask(server, known.resource_uri)).status).toBe(200);
    // It is known after a restart, too.
    await server.kill();
    await server.restart();
    expect(await shown(gate)).toMatchObject(known);
  });

  test('only admins see and forget it; nobody adds or changes one', async () => {
    const one = `/api/host_key/${at(gate)}/`;
    for (const [method, path] of [
      ['GET', '/api/host_key/'],
      ['GET', one],
      ['GET', `/api/host_key/set/${at(gate)}/`],
      ['DELETE', one],
      ['DELETE', '/api/host_key/10.0.0.1:22/'],
    ] as const) {
      const refused = await ask(server, path, { method, as: alice });
      expect([method, path, refused.status]).toEqual([method, path, 403]);
      expect(refused.json.detail).toMatch(/^Only an admin may (see host keys|delete host keys)\.$/);
      expect(refused.text).not.toContain('SHA256');
      expect((await ask(server, path, { method, as: null })).status).toBe(401);
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      expect((await ask(server, '/api/host_key/', { method, json: {} })).status).toBe(405);
    for (const method of ['PUT', 'PATCH'])
      expect((await ask(server, one, { method, json: {} })).status).toBe(405);
    for (const other of ['10.0.0.1:22', 'fiji', '..', '%00', gate.address]) {
      expect((await ask(server, `/api/host_key/${other}/`)).status).toBe(404);
      expect((await ask(server, `/api/host_key/${other}/`, { method: 'DELETE' })).status).toBe(404);
    }
    const stale = { method: 'DELETE', headers: { 'If-Match': '"old"' } };
    expect((await ask(server, one, stale)).status).toBe(412);
    expect((await ask(server, one)).status).toBe(200);
    expect((await ask(server, '/api/host_key/schema/')).json.fields).toHaveProperty('fingerprint');
    expect((await ask(server, '/api/host_key/?host=10.0.0.1:22')).status).toBe(400);
  });

  test('one that shows another is refused, with both; forgotten as the message says, the next is kept', async () => {
    const before = fingerprintOf(gate);
    await gate.changeHostKey();
    const after = fingerprintOf(gate);
    const { state, outcome } = await run();
    expect(state).toBe('FAILED');
    expect(outcome?.reason).toContain(`shows the host key ${after}, but the known key is ${before}`);
    expect(await shown(gate)).toMatchObject({ fingerprint: before });

    const said = /\(penstock (host-key remove \S+?),/.exec(outcome?.reason ?? '')?.[1] ?? 'help';
    const refused = cli(said.split(' '), alice);
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('Only an admin may') });
    expect(cli(said.split(' '))).toMatchObject({
      status: 0,
      stderr: `Removed the key ${before} of ${at(gate)}.\n`,
    });
    expect((await ask(server, `/api/host_key/${at(gate)}/`)).status).toBe(404);
    expect((await run()).state).toBe('FINISHED');
    expect(await shown(gate)).toMatchObject({ fingerprint: after });
    expect(server.log()).not.toMatch(/"level":[56]0/);
  });

  test('the command line lists and shows them, and says what is wrong', async () => {
    const [head, row] = cli(['host-key', 'list']).stdout.split('\n');
    expect(head).toMatch(/^HOST +MACHINES +FINGERPRINT +SINCE$/);
    expect(row?.split(/ +/).slice(0, 3)).toEqual([at(gate), 'fiji', fingerprintOf(gate)]);
    expect(cli(['host-key', 'show', at(gate)]).stdout).toContain(gate.hostKey());
    expect(JSON.parse(cli(['host-key', 'show', at(gate), '--json']).stdout)).toMatchObject({
      host: at(gate),
    });
    const near = cli(['host-key', 'remove', `${gate.address}:23`]);
    expect(near).toMatchObject({ status: 1 });
    expect(near.stderr).toContain(`There is no host key named ${gate.address}:23`);
    expect(near.stderr).toContain(`Did you mean ${at(gate)}?`);
    expect(cli(['host-key', 'list'], alice)).toMatchObject({ status: 1, stdout: '' });
  });

  test("a jump host's key is kept and looked at, too, and so is that of the machine behind it", async () => {
    // What listens at this address is another machine for each who asks: here it is the one behind the jump host.
    const behind = entryOf('behind', inner, { ADDRESS: '127.0.0.1', PORT: 2200 });
    const file = sshFile([entryOf('fiji', gate), entryOf('samoa', inner), behind], { JUMP_HOST: 'samoa' });
    writeFileSync(path.join(server.data, 'config/ssh.yaml'), stringify(file));
    expect((await server.fetch('/config', { method: 'PUT' })).status).toBe(200);
    const through = await server.register({ exec: 'hostname', executor: 'ssh', host: 'behind' });
    expect((await run(through)).state).toBe('FINISHED');
    const hosts = (await ask(server, '/api/host_key/')).json.objects;
    expect(hosts).toMatchObject(
      [
        { host: at(gate), machines: ['fiji'] },
        { host: at(inner), machines: ['samoa'], fingerprint: fingerprintOf(inner) },
        { host: '127.0.0.1:2200', machines: ['behind'], fingerprint: fingerprintOf(inner) },
      ].sort((one, other) => (one.host < other.host ? -1 : 1)),
    );
    await inner.changeHostKey();
    const jump = await run(through);
    expect(jump.outcome?.reason).toContain(`penstock host-key remove ${at(inner)}`);
    expect((await ask(server, `/api/host_key/${at(inner)}/`, { method: 'DELETE' })).status).toBe(204);
    const target = await run(through);
    expect(target.outcome?.reason).toContain('penstock host-key remove 127.0.0.1:2200');
    expect((await ask(server, '/api/host_key/127.0.0.1:2200/', { method: 'DELETE' })).status).toBe(204);
    expect((await run(through)).state).toBe('FINISHED');
  });
});
