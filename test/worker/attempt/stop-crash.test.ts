import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endsOf, jobOf, leftOf, submit } from '../../support/jobs.js';
import { alive, linesOf } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let aside: string;
beforeEach(async () => {
  aside = mkdtempSync(path.join(os.tmpdir(), 'penstock-stop-'));
  server = await startServer({ application: { LOG_LEVEL: 'warn' } });
});
afterEach(async () => {
  await server.remove();
  rmSync(aside, { recursive: true, force: true });
});

const log = () => path.join(aside, 'log');
const asked = () => path.join(aside, 'asked');

/** A program that notes SIGTERM, and goes on until it is killed, or until `leave` is there. */
const script = `trap 'echo asked >"$2"' TERM
echo $$ >>"$1"
until [ -e "$3" ]; do sleep 0.05; done`;

async function begin(more: object): Promise<{ uuid: string; pid: number }> {
  const argv = ['-c', script, 'sh', log(), asked(), path.join(aside, 'leave')];
  const uuid = await submit(
    server,
    await server.register({ exec: '/bin/sh', argv, kill_grace: 60, ...more }),
  );
  const line = await waitFor(() => linesOf(log())[0], 'the program to run');
  return { uuid, pid: Number(line) };
}

const cancel = (uuid: string) =>
  server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' }).then(
    () => 'answered',
    () => 'cut off',
  );

const causes = [
  { by: 'a cancel', more: {}, outcome: { cause: 'cancelled', reason: 'Cancelled by root.' } },
  {
    by: 'a timeout',
    more: { timeout: 1 },
    outcome: { cause: 'timeout', reason: 'It ran longer than its 1 s.' },
  },
];

describe.each(causes)('a server that is killed after it has sent the signal of $by', ({ more, outcome }) => {
  test('tells the same cause of what died meanwhile', async () => {
    const { uuid, pid } = await begin(more);
    const answer = outcome.cause === 'cancelled' ? cancel(uuid) : Promise.resolve('cut off');
    await waitFor(() => existsSync(asked()), 'SIGTERM');
    await server.kill();
    expect(await answer).toBe('cut off');
    process.kill(pid, 'SIGKILL');
    await waitFor(() => alive(pid) === undefined, 'its end');
    await server.restart();
    expect(await jobOf(server, uuid, 30)).toMatchObject({ state: 'FAILED', outcome });
    expect(await endsOf(server, uuid)).toEqual(['fail']);
  });

  test('goes on with ending what lives on, for the same cause', async () => {
    const { uuid, pid } = await begin({ ...more, kill_grace: 2 });
    if (outcome.cause === 'cancelled') void cancel(uuid);
    await waitFor(() => existsSync(asked()), 'SIGTERM');
    await server.kill();
    expect(alive(pid)).toBeDefined();
    await server.restart();
    expect(await jobOf(server, uuid, 30)).toMatchObject({
      state: 'FAILED',
      outcome: { ...outcome, signal: 'SIGKILL' },
    });
    expect(leftOf([uuid])).toEqual([]);
    expect(linesOf(log())).toHaveLength(1);
  });
});

test('another attempt does not inherit why the one before was ended', async () => {
  const { uuid } = await begin({
    timeout: 1,
    kill_grace: 0.2,
    retries: { limit: 1, backoff: { initial: 0.1 } },
  });
  await waitFor(() => linesOf(log()).length === 2, 'the second attempt');
  await server.kill();
  rmSync(asked(), { force: true });
  await server.restart();
  const job = await jobOf(server, uuid, 30);
  expect(job).toMatchObject({ state: 'FAILED', attempt: 2, outcome: { cause: 'timeout' } });
  expect(await endsOf(server, uuid)).toEqual(['fail']);
});
