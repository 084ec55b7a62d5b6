import { afterEach, expect, test } from 'vitest';
import { freePorts } from '../../support/ports.js';
import { startServer, type TestServer } from '../../support/server.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';
import { waitFor } from '../../support/wait-for.js';

let machine: Machine | undefined;
let server: TestServer | undefined;
afterEach(async () => {
  await server?.remove();
  await machine?.remove();
  [server, machine] = [undefined, undefined];
});

test('a job that waits for a server which lets nobody in is told why, long before the server is given up', async ({
  skip,
}) => {
  if (noSshd !== null) skip(noSshd);
  machine = await startMachine();
  const { address, login } = machine;
  server = await startServer({
    application: { CONNECTOR: 'static' },
    config: {
      'ssh.yaml': {
        AUTH_USER: 'nobody-here',
        AUTH_KEYFILE: login.keyFile,
        MACHINES: [{ NAME: 'bench', ADDRESS: address }],
      },
    },
  });
  const id = await server.register({ exec: 'true', executor: 'cloud' });
  const made = await server.fetch(`/api/process_definition/${id}/run/`, { method: 'POST' });
  const job = made.headers.get('location') ?? '';
  const read = async () =>
    (await (await (server as TestServer).fetch(job)).json()) as Record<string, unknown>;
  await waitFor(
    async () => /nobody-here@.* rejected the login/.test(String((await read()).waiting)),
    'the reason',
  );
  expect(await read()).toMatchObject({ state: 'CREATED', attempt: 0 });
  const { objects } = (await (await server.fetch('/api/server/')).json()) as { objects: object[] };
  expect(objects[0]).toMatchObject({
    state: 'booting',
    reason: expect.stringContaining('rejected the login'),
  });
});

test('a server of ours ends when it is asked to, though a cloud is out of reach', async () => {
  const [port = 0] = await freePorts(1);
  const auth = { auth_url: `http://127.0.0.1:${port}/v3`, username: 'a', password: 'b', project_name: 'c' };
  server = await startServer({
    application: { CONNECTOR: 'nova' },
    config: {
      'nova.yaml': { CLOUD: 'lab', IMAGE_ID: 'debian', FLAVOR: 'small' },
      'clouds.yaml': { clouds: { lab: { auth } } },
    },
  });
  const id = await server.register({ exec: 'true', executor: 'cloud' });
  const made = await server.fetch(`/api/process_definition/${id}/run/`, { method: 'POST' });
  const job = new URL(made.headers.get('location') ?? '').pathname;
  const read = async () =>
    (await (await (server as TestServer).fetch(job)).json()) as Record<string, unknown>;
  await waitFor(async () => /refuses connections/.test(String((await read()).waiting)), 'the reason');
  await server.stop();
  await server.restart();
  expect(await read()).toMatchObject({ state: 'CREATED' });
});
