import { afterAll, beforeAll, expect, test } from 'vitest';
import { followStream, makeOperation, makeStream, operationOf, put } from '../../support/operations.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let scale: number;
let input: string;
let output: string;

beforeAll(async () => {
  server = await startServer();
  scale = await server.register({
    exec: '/bin/sh',
    argv: ['-c', 'printf "%s %s: " "$1" "$2"; cat', 'sh', '${inputs.rate}', '${inputs.unit}'],
    inputs: {
      body: { type: 'file', stdin: true },
      rate: { type: 'number', minimum: 0 },
      unit: { type: 'string', default: 'Hz' },
    },
    outputs: { text: { type: 'file', from: 'stdout' } },
  });
  input = await makeStream(server, 'rates');
  output = await makeStream(server, 'scaled');
});
afterAll(() => server.remove());

const operation = (inputs: object, more: object = {}) => ({
  name: 'scale',
  process_definition: scale,
  input_stream: input,
  output_stream: output,
  inputs,
  ...more,
});

test('an operation gives fixed values, and values out of each message', async () => {
  const id = await makeOperation(server, operation({ rate: { message: '/set/rate' }, unit: 'kHz' }));
  expect((await ask(server, `/api/operation/${id}/`)).json.inputs).toEqual({
    rate: { message: '/set/rate' },
    unit: 'kHz',
  });
  const follower = await followStream(server, output);
  const good = '{"set": {"rate": 0.25}}';
  // Three that no job is made for: not JSON, nothing at the pointer, and a value that does not fit.
  for (const body of ['not JSON', '{}', '{"set": {"rate": -1}}', good]) await put(server, input, body);
  await waitFor(() => follower.received.length === 1, 'the one result');
  expect(follower.texts()).toEqual([`0.25 kHz: ${good}`]);
  follower.cut();
  await waitFor(async () => (await operationOf(server, id)).counts.dead === 3, 'three dead letters');
  const { objects } = (await ask(server, `/api/job/?operation=${id}`)).json;
  expect(objects.map((job: { inputs: object }) => job.inputs)).toEqual([
    { body: { name: expect.any(String), size: good.length }, rate: 0.25, unit: 'kHz' },
  ]);
  await ask(server, `/api/operation/${id}/`, { method: 'DELETE' });
});

test.each([
  ['an unknown input', { rate: 1, unti: 'x' }, '/inputs/unti', 'did you mean "unit"?'],
  ['a value that does not fit', { rate: -1 }, '/inputs/rate', 'rate must be 0 or more, not -1'],
  ['a required input that is missing', {}, '/inputs/rate', 'rate is required, and was not sent'],
  [
    'a pointer that is none',
    { rate: { message: 'rate' } },
    '/inputs/rate/message',
    'it must be a JSON pointer',
  ],
])('%s is refused when the operation is made', async (_what, inputs, pointer, detail) => {
  const { status, json } = await ask(server, '/api/operation/', { json: operation(inputs) });
  expect([status, json.errors]).toEqual([400, [{ pointer, detail: expect.stringContaining(detail) }]]);
});

test('a service gets its values when it starts, and none of messages', async () => {
  const service = await server.register({
    exec: '/bin/sh',
    argv: ['-c', 'while read -r line; do echo "$1 $line"; done', 'sh', '${inputs.word}'],
    process_type: 'service',
    inputs: { lines: { type: 'file', stdin: true }, word: { type: 'string' } },
  });
  const wrong = await ask(server, '/api/operation/', {
    json: operation({ word: { message: '/word' } }, { process_definition: service }),
  });
  expect([wrong.status, wrong.json.errors[0].pointer]).toEqual([400, '/inputs/word']);
  await makeOperation(server, operation({ word: 'heard' }, { name: 'hear', process_definition: service }));
  const follower = await followStream(server, output);
  await put(server, input, 'hello');
  await waitFor(() => follower.received.length === 1, 'the answer');
  expect(follower.texts()).toEqual(['heard hello']);
  follower.cut();
});
