import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { FeederPlan, Inlet, Outlet } from '../../../src/domain/feeder/feeder-plan.js';
import type { Framing } from '../../../src/domain/feeder/framing.js';
import { localExecutor } from '../../../src/drivers/executors/local.js';
import { openControlGroups } from '../../../src/drivers/processes/cgroups/cgroup.js';
import { makePipes } from '../../../src/drivers/processes/pipes.js';
import { RunnerPool } from '../../../src/drivers/processes/runner-pool.js';
import { type Feed, openFeed } from '../../../src/worker/operations/feed-socket.js';
import { noSocat } from '../../support/over-port.js';
import { root as repository } from '../../support/paths.js';
import { freePorts } from '../../support/ports.js';
import { waitFor } from '../../support/wait-for.js';

const feeder = `${repository}/dist/feeder.js`;
const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-feeder-'));
const instance = `penstock-test-${randomBytes(4).toString('hex')}`;
const executor = localExecutor({ instance, pool: new RunnerPool(4), groups: openControlGroups(instance) });
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(async () => {
  await executor.close();
  rmSync(root, { recursive: true, force: true });
});

let count = 0;
/** Starts a line of the shell that is fed; `in` and `out` are named pipes of its standard streams, where they are. */
async function start(
  script: string,
  more: { framing?: Framing; inlet?: Inlet; outlet?: Outlet; chunk?: number } = {},
) {
  count += 1;
  // As long as the paths of some data folders are: a socket's address could not hold it.
  const folder = path.join(root, 'x'.repeat(120), `${count}`, '1');
  mkdirSync(path.join(folder, 'work'), { recursive: true });
  const at = (name: string) => path.join(folder, name);
  const streams = [
    ...(more.inlet === undefined ? [at('in')] : []),
    ...(more.outlet === undefined ? [at('out')] : []),
  ];
  if (streams.length > 0) await makePipes(streams);
  const plan: FeederPlan = {
    inlet: more.inlet ?? { kind: 'pipe', path: at('in'), chunk: 65_536 },
    outlet: more.outlet ?? { kind: 'pipe', path: at('out') },
    input: null,
    output: null,
    limit: null,
    feed: { framing: more.framing ?? 'line' },
    killGrace: 1,
  };
  writeFileSync(at('feeder.json'), JSON.stringify(plan));
  const handle = await executor.start(
    {
      uuid: `1080000${count}-0000-5000-8000-${String(process.pid).padStart(12, '0')}`,
      exec: '/bin/sh',
      argv: ['-c', script, 'sh', folder],
      environment: { PATH: process.env.PATH ?? '' },
      cwd: at('work'),
      user: null,
      killGrace: 1,
      limits: { fileSize: null, memory: null, cpuTime: null, cpus: null, processes: null },
    },
    {
      folder,
      stdin: more.inlet === undefined ? at('in') : null,
      stdout: more.outlet === undefined ? at('out') : at('stdout'),
      stderr: at('stderr'),
      companions: [
        { name: 'the feeder', argv: [process.execPath, feeder], stderr: at('feeder.log'), attends: true },
      ],
    },
  );
  ends.push(async () => {
    await executor.cancel(handle, 0.2);
    await executor.wait(handle);
  });
  return { folder, handle, at };
}

/** Connects, and collects what comes. */
async function connect(folder: string) {
  const told = { records: [] as string[], end: null as number | null, closed: null as string | null };
  const feed: Feed = await waitFor(
    () =>
      openFeed(folder, {
        onRecord: (record) => told.records.push(record.toString('latin1')),
        onEnd: (code) => {
          told.end = code;
        },
        onClose: (reason) => {
          told.closed = reason;
        },
      }).catch(() => null),
    'the feeder to listen',
  );
  return { feed, told };
}
async function sendAll(feed: Feed, messages: readonly string[]): Promise<void> {
  for (const message of messages) if (!feed.send(Buffer.from(message, 'latin1'))) await feed.drained();
}
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `message ${from + index}`);

describe('standard streams', () => {
  test('every message becomes a record, in order, to the end of the input', async () => {
    const { folder, handle } = await start('exec stdbuf -oL tr m M');
    const { feed, told } = await connect(folder);
    expect(feed.pending).toBe(0);
    await sendAll(feed, numbers(0, 5000));
    await waitFor(() => told.records.length === 5000, 'the answers');
    expect(told.records).toEqual(numbers(0, 5000).map((text) => text.replace('m', 'M')));
    feed.end();
    await waitFor(() => told.closed !== null, 'the end');
    expect(told.end).toBe(0);
    expect(await executor.wait(handle)).toMatchObject({ cause: 'exit', exit_code: 0 });
  });

  test.each<Framing>(['nul', 'length'])('any bytes with the framing %s', async (framing) => {
    const { folder } = await start('exec cat', { framing });
    const { feed, told } = await connect(folder);
    const sizes = [0, 1, 70_000, 3_000_000, 2, 65_536];
    const bytes = sizes.map((size) => Buffer.from(randomBytes(size).map((byte) => (byte === 0 ? 1 : byte))));
    const messages = bytes.map((message) => message.toString('latin1'));
    await sendAll(feed, messages);
    await waitFor(() => told.records.length === messages.length, 'the answers');
    expect(told.records.every((record, index) => record === messages[index])).toBe(true);
  });

  test('a program that loses its server sees nothing of it; the next one hears what is owed', async () => {
    const script =
      'while read -r line; do echo x >>"$1/got"; until [ -e "$1/go" ]; do sleep 0.02; done; echo "$line"; done; echo over';
    const { folder, at } = await start(script);
    const first = await connect(folder);
    await sendAll(first.feed, numbers(0, 3));
    await waitFor(() => existsSync(at('got')), 'the messages to arrive');
    const second = await connect(folder);
    await waitFor(() => first.told.closed !== null, 'the first connection to be displaced');
    expect(second.feed.pending).toBe(3);
    await sendAll(second.feed, numbers(3, 5));
    appendFileSync(at('go'), '');
    await waitFor(() => second.told.records.length === 5, 'the answers');
    expect(second.told.records).toEqual(numbers(0, 5));
    second.feed.close();
    await waitFor(() => second.told.closed !== null, 'the connection to close');
    const third = await connect(folder);
    expect(third.feed.pending).toBe(0);
    third.feed.end();
    await waitFor(() => third.told.closed !== null, 'the end');
    expect(third.told).toMatchObject({ records: ['over'], end: 0 });
  });

  test('connections that break at any time: what is owed is told, and the rest is in order', async () => {
    const { folder } = await start('exec stdbuf -oL cat');
    let next = 0;
    for (let round = 0; round < 30; round += 1) {
      const { feed, told } = await connect(folder);
      const owed = feed.pending;
      const sent = numbers(next, next + 400);
      next += 400;
      for (const message of sent) feed.send(Buffer.from(message));
      const enough = owed + Math.floor(Math.random() * 300);
      await waitFor(() => told.records.length >= enough, 'some answers');
      // What comes after what was owed are the answers to what was sent here.
      const mine = told.records.slice(owed);
      expect(mine).toEqual(sent.slice(0, mine.length));
      feed.close();
    }
  });

  test('without a connection nothing is read, and nothing is lost', async () => {
    const { folder } = await start('seq 300000; exec cat');
    await waitFor(() => existsSync(path.join(folder, 'feed.sock')), 'the feeder to listen');
    const { told } = await connect(folder);
    await waitFor(() => told.records.at(-1) === '300000', 'the last line');
    expect(told.records).toHaveLength(300_000);
    expect(told.records[0]).toBe('1');
  });

  test('the end of the program is told, with its last records', async () => {
    const { folder, handle } = await start('read -r line; echo "$line"; printf rest; kill -9 $$');
    const { feed, told } = await connect(folder);
    feed.send(Buffer.from('one'));
    await waitFor(() => told.closed !== null, 'the end');
    expect(told).toMatchObject({ records: ['one', 'rest'], end: 137 });
    expect(await executor.wait(handle)).toMatchObject({ cause: 'signal', signal: 'SIGKILL' });
    await expect(openFeed(folder, { onRecord() {}, onEnd() {}, onClose() {} })).rejects.toMatchObject({
      code: expect.stringMatching(/ENOENT|ECONNREFUSED/),
    });
  });

  test('a program that ends while nobody is connected, and is owed input, ends all the same', async () => {
    const { folder, handle, at } = await start(
      'until [ -e "$1/go" ]; do sleep 0.02; done; seq 100000; exit 3',
    );
    const { feed } = await connect(folder);
    for (const message of numbers(0, 20_000)) feed.send(Buffer.from(message));
    feed.close();
    appendFileSync(at('go'), '');
    await connect(folder).catch(() => {});
    const outcome = executor.wait(handle);
    expect(await outcome).toMatchObject({ cause: 'exit', exit_code: 3 });
  });
});

describe('other ways', () => {
  test.skipIf(noSocat !== null)(
    `one port both ways${noSocat === null ? '' : ` (skipped: ${noSocat})`}`,
    async () => {
      const [port = 0] = await freePorts(1);
      const way = { kind: 'port' as const, port };
      const script = `sleep 0.2; exec socat -t 5 TCP-LISTEN:${port},bind=127.0.0.1 EXEC:'stdbuf -oL tr m M'`;
      const { folder } = await start(script, { inlet: { ...way, chunk: 65_536 }, outlet: way });
      const { feed, told } = await connect(folder);
      await sendAll(feed, numbers(0, 500));
      await waitFor(() => told.records.length === 500, 'the answers');
      expect(told.records).toEqual(numbers(0, 500).map((text) => text.replace('m', 'M')));
      feed.end();
      await waitFor(() => told.closed !== null, 'the end');
      expect(told.end).toBe(0);
    },
  );

  test('files that are followed', async () => {
    const folder = mkdtempSync(path.join(root, 'followed-'));
    const [input, output] = [path.join(folder, 'in.log'), path.join(folder, 'out.log')];
    writeFileSync(input, '');
    const run = await start(`tail -n +1 -f ${input} | stdbuf -oL tr m M >>${output}`, {
      inlet: { kind: 'append', path: input, chunk: 65_536, quiet: null },
      outlet: { kind: 'append', path: output, from: null },
    });
    const { feed, told } = await connect(run.folder);
    await sendAll(feed, numbers(0, 500));
    await waitFor(() => told.records.length === 500, 'the answers');
    expect(told.records.at(-1)).toBe('Message 499');
  });

  test('named pipes, opened anew for each message', async () => {
    const folder = mkdtempSync(path.join(root, 'pipes-'));
    const [input, output] = [path.join(folder, 'in'), path.join(folder, 'out')];
    await makePipes([input, output]);
    const script = `while read -r line <${input}; do echo "<$line>" >${output}; done`;
    const run = await start(script, {
      inlet: { kind: 'pipe', path: input, chunk: 65_536 },
      outlet: { kind: 'pipe', path: output },
    });
    const { feed, told } = await connect(run.folder);
    await sendAll(feed, numbers(0, 200));
    await waitFor(() => told.records.length === 200, 'the answers');
    expect(told.records).toEqual(numbers(0, 200).map((text) => `<${text}>`));
  });
});
