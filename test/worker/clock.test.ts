import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { jobOf, submit } from '../support/jobs.js';
import { root } from '../support/paths.js';
import { linesOf, program } from '../support/programs.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';

const day = 24 * 60 * 60 * 1000;

let server: TestServer;
let aside: string;
beforeEach(async () => {
  aside = mkdtempSync(path.join(os.tmpdir(), 'penstock-clock-'));
  const jumping = `${root}/test/support/jumping-clock.cjs`;
  server = await startServer({
    application: { LOG_LEVEL: 'warn' },
    environment: { NODE_OPTIONS: `--require=${jumping}`, PENSTOCK_TEST_CLOCK: path.join(aside, 'clock') },
  });
});
afterEach(async () => {
  await server.remove();
  rmSync(aside, { recursive: true, force: true });
});

/** Sets the server's clock, and waits until it shows the new date. */
async function jump(milliseconds: number): Promise<void> {
  writeFileSync(path.join(aside, 'clock'), String(milliseconds));
  const id = await server.register({ exec: program('appear'), argv: [path.join(aside, 'jumps'), '0'] });
  const shown = async () => Date.parse((await jobOf(server, await submit(server, id), 30)).ended ?? '');
  await waitFor(
    async () => Math.abs((await shown()) - Date.now() - milliseconds) < day / 2,
    'the clock to jump',
  );
}

/** Starts a program that runs until a file is there, and waits until it does. */
async function begin(name: string, timeout: number): Promise<{ uuid: string; release: () => void }> {
  const [log, go] = [path.join(aside, name), path.join(aside, `${name}-go`)];
  const script = 'echo $$ >>"$1"; until [ -e "$2" ]; do sleep 0.05; done';
  const id = await server.register({
    exec: '/bin/sh',
    argv: ['-c', script, 'sh', log, go],
    timeout,
    kill_grace: 0.5,
  });
  const uuid = await submit(server, id);
  await waitFor(() => existsSync(log), 'the program to run');
  return { uuid, release: () => writeFileSync(go, '') };
}

test.each([
  ['a day on', day],
  ['a day back', -day],
])('a clock that jumps %s ends no job before its time, also over a restart of the server', async (_, off) => {
  const before = await begin('before', 600);
  await jump(off);
  const after = await begin('after', 600);
  await server.kill();
  await server.restart();
  await jump(0);
  // What comes later has been seen to, so the others would have ended by now.
  const id = await server.register({
    exec: program('appear'),
    argv: [path.join(aside, 'third'), '0.2'],
    timeout: 600,
  });
  expect(await jobOf(server, await submit(server, id), 30)).toMatchObject({ state: 'FINISHED' });
  for (const { uuid, release } of [before, after]) {
    expect(await jobOf(server, uuid)).toMatchObject({ state: 'RUNNING' });
    release();
    expect(await jobOf(server, uuid, 30)).toMatchObject({ state: 'FINISHED', outcome: { cause: 'exit' } });
  }
});

test('a clock that was set back gives no job more time, and what passes without a server counts', async () => {
  await jump(day);
  const { uuid } = await begin('late', 3);
  await server.kill();
  await jump0();
  await server.restart();
  expect(await jobOf(server, uuid, 30)).toMatchObject({ state: 'FAILED', outcome: { cause: 'timeout' } });
  expect(linesOf(path.join(aside, 'late'))).toHaveLength(1);
});

test('a clock that is set back holds up neither a retry nor the next start of a service', async () => {
  const again = { limit: 1, backoff: { initial: 2, factor: 1, maximum: 2 } };
  // Each fails the first time, and is right the second.
  const script = 'echo $$ >>"$1"; [ "$(wc -l <"$1")" -gt 1 ] || exit 1; exec "$2" 1000';
  const argv = (name: string, program: string) => ['-c', script, 'sh', path.join(aside, name), program];
  const retried = await submit(
    server,
    await server.register({ exec: '/bin/sh', argv: argv('retried', '/bin/true'), retries: again }),
  );
  const service = await submit(
    server,
    await server.register({
      exec: '/bin/sh',
      argv: argv('service', '/bin/sleep'),
      process_type: 'service',
      service: { backoff: again.backoff },
    }),
  );
  const failed = (name: string) => linesOf(path.join(aside, name)).length === 1;
  await waitFor(() => failed('retried') && failed('service'), 'both to fail');
  await waitFor(async () => (await jobOf(server, retried)).waiting !== null, 'the retry to wait');
  writeFileSync(path.join(aside, 'clock'), String(-day));
  expect(await jobOf(server, retried, 30)).toMatchObject({ state: 'FINISHED' });
  await waitFor(() => linesOf(path.join(aside, 'service')).length === 2, 'the second start');
  await server.fetch(`/api/job/${service}/cancel/`, { method: 'POST' });
});

/** Sets the clock right while no server runs. */
const jump0 = async () => writeFileSync(path.join(aside, 'clock'), '0');
