import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filter } from '../../support/jobs.js';
import { makeOperation, makeStream, operationIs, operationOf, putLines } from '../../support/operations.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

const messages = 120;

test('whenever the server is killed, each message is run once, and each result is there', async () => {
  const ran = path.join(server.data, 'ran');
  writeFileSync(ran, '');
  const definition = await server.register({
    exec: '/bin/sh',
    argv: ['-c', `read n; echo "$n" >> ${ran}; sleep 0.02; echo "result $n"`],
  });
  const input = await makeStream(server, 'numbers');
  const output = await makeStream(server, 'results');
  const id = await makeOperation(server, {
    name: 'numbers',
    process_definition: definition,
    input_stream: input,
    output_stream: output,
    concurrency: 6,
  });
  // Only collects.
  const collector = await makeOperation(server, {
    name: 'collector',
    process_definition: definition,
    input_stream: output,
    active: false,
  });
  const lines = Array.from({ length: messages }, (_, index) => `${index}`);
  await putLines(server, input, lines);
  const written = () => readFileSync(ran, 'utf8').split('\n').filter(Boolean);
  for (let kill = 1; kill <= 5; kill += 1) {
    // At whatever moment this is: each time another one.
    await waitFor(() => written().length >= kill * 18, 'some to have run');
    await server.kill();
    await server.restart();
  }
  const lag = ({ lag: now }: { lag: { ready: number; unsettled: number } | null }) =>
    now?.ready === 0 && now.unsettled === 0;
  await operationIs(server, id, lag, 'all to be done', 60_000);
  expect([...written()].sort()).toEqual([...lines].sort());
  expect((await filter(server, `operation=${id}&limit=1`)).total).toBe(messages);
  const collected = (await operationOf(server, collector)).lag?.ready ?? 0;
  expect(collected).toBeGreaterThanOrEqual(messages);
  const { counts } = await operationOf(server, id);
  expect(counts).toMatchObject({ failed: 0, dead: 0 });
});
