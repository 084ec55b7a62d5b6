import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryStream } from '../../src/streams/memory.js';
import type { Delivery } from '../../src/streams/stream.js';
import { checkAnswers, many } from '../support/many-messages.js';
import { makeOperation, makeStream, operationIs, operationOf, putLines } from '../support/operations.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';

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
}, 120_000);
