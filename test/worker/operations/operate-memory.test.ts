import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listProcesses, variableOf } from '../../../src/drivers/processes/processes.js';
import { memoryStream } from '../../../src/drivers/streams/memory.js';
import type { Delivery } from '../../../src/drivers/streams/stream.js';
import { checkAnswers, many } from '../../support/many-messages.js';
import { makeOperation, makeStream, operationIs, operationOf, putLines } from '../../support/operations.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

/** Reads what an operation's queue holds, out of the server's own file, when the server has been stopped. */
async function queueOf(stream: string, queue: string, count: number): Promise<Delivery[]> {
  const memory = memoryStream({
    file: path.join(server.data, 'streams.sqlite'),
    maxBytes: 2 ** 30,
    settings: () => ({ durable: true, maxMessages: many * 2 }),
  });
  const came: Delivery[] = [];
  const onMessage = (delivery: Delivery) => {
    came.push(delivery);
    delivery.ack();
  };
  await memory.subscribe(stream, { queue, prefetch: 500, onMessage });
  await waitFor(() => came.length === count, `${count} messages`, 20_000);
  await memory.close();
  return came;
}

test(`${many} messages through a service, while the server is killed: none lost, in order, doubles marked`, async () => {
  const definition = await server.register({ exec: 'tr', argv: ['a-z', 'A-Z'], process_type: 'service' });
  const room = { max_messages: many * 2 };
  const lines = await makeStream(server, 'lines', room);
  const shouts = await makeStream(server, 'shouts', room);
  const operation = { process_definition: definition, active: false };
  // Only collects.
  const collector = await makeOperation(server, { ...operation, name: 'collector', input_stream: shouts });
  const id = await makeOperation(server, {
    ...operation,
    name: 'shout',
    input_stream: lines,
    output_stream: shouts,
  });
  const bodies = Array.from({ length: many }, (_, index) => `message ${index}`);
  await putLines(server, lines, bodies);
  await server.fetch(`/api/operation/${id}/start/`, { method: 'POST' });
  const collected = async () => (await operationOf(server, collector)).lag?.ready ?? 0;
  await waitFor(async () => (await collected()) > many / 5, 'some results');
  const { service } = await operationOf(server, id);
  await server.kill();
  await server.restart();
  expect(await collected()).toBeLessThan(many);
  const after = await operationIs(
    server,
    id,
    ({ lag }) => lag?.ready === 0 && lag.unsettled === 0,
    'all to be done',
    60_000,
  );
  expect(after.service).toBe(service);
  const count = await collected();
  const stream = (await (await server.fetch(`/api/stream/${shouts}/`)).json()) as {
    queues: { name: string }[];
  };
  await server.stop();
  const came = await queueOf(shouts, stream.queues[0]?.name ?? '', count);
  checkAnswers(
    came.map(({ body, headers }) => ({
      text: Buffer.from(body).toString(),
      redelivered: headers.redelivered === 'true',
    })),
    (index) => `MESSAGE ${index}`,
  );
  await server.restart();
});

/** The processes of a service: its program, or the one of ours that feeds it. */
function processesOf(service: string | null, feeder: boolean): number[] {
  const uuid = /([^/]+)\/$/.exec(service ?? '')?.[1] ?? '';
  return listProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => variableOf(pid, 'PENSTOCK_JOB_UUID') === uuid)
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(feeder ? 'feeder' : 'tr\0a-z'));
}

test.each([
  ['its program', false],
  ['what feeds it', true],
])(
  'when %s is killed in between, nothing is lost, and all is in order',
  async (_what, feeder) => {
    const definition = await server.register({
      exec: 'tr',
      argv: ['a-z', 'A-Z'],
      process_type: 'service',
      service: { backoff: { initial: 0.05, maximum: 0.1 } },
    });
    const room = { max_messages: many * 2 };
    const input = await makeStream(server, `in-${feeder}`, room);
    const output = await makeStream(server, `out-${feeder}`, room);
    const operation = { process_definition: definition, active: false };
    const collector = await makeOperation(server, {
      ...operation,
      name: `collector ${feeder}`,
      input_stream: output,
    });
    const id = await makeOperation(server, {
      ...operation,
      name: `operation ${feeder}`,
      input_stream: input,
      output_stream: output,
      prefetch: 50,
    });
    await putLines(
      server,
      input,
      Array.from({ length: many }, (_, index) => `message ${index}`),
    );
    await server.fetch(`/api/operation/${id}/start/`, { method: 'POST' });
    for (const least of [many / 20, many / 4]) {
      const { service } = await operationIs(
        server,
        id,
        ({ counts }) => counts.published > least,
        'answers',
        60_000,
      );
      const pids = await waitFor(() => {
        const found = processesOf(service, feeder);
        return found.length > 0 ? found : null;
      }, 'a process');
      for (const pid of pids) process.kill(pid, 'SIGKILL');
    }
    const { counts, state } = await operationIs(
      server,
      id,
      ({ lag }) => lag?.ready === 0 && lag.unsettled === 0,
      'all to be done',
      60_000,
    );
    expect({ state, dead: counts.dead }).toEqual({ state: 'running', dead: 0 });
    const count = (await operationOf(server, collector)).lag?.ready ?? 0;
    const stream = (await (await server.fetch(`/api/stream/${output}/`)).json()) as {
      queues: { name: string }[];
    };
    await server.stop();
    const came = await queueOf(output, stream.queues[0]?.name ?? '', count);
    await server.restart();
    checkAnswers(
      came.map(({ body, headers }) => ({
        text: Buffer.from(body).toString(),
        redelivered: headers.redelivered === 'true',
      })),
      (index) => `MESSAGE ${index}`,
    );
  },
  120_000,
);
