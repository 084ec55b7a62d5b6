import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

async function formOf(definition: object) {
  const id = await server.register(definition);
  const { status, headers, text, json } = await ask(server, `/api/process_definition/${id}/form/`);
  expect([status, headers['content-type']]).toEqual([200, 'application/json']);
  return { text, json };
}

test('the form of declared inputs, in their order', async () => {
  const { text, json } = await formOf({
    name: 'zip-it',
    description: 'Packs it.',
    exec: 'echo',
    argv: ['${inputs.zeta}', '${inputs.alpha}'],
    inputs: { zeta: { type: 'string', order: 1 }, alpha: { type: 'integer', order: 2, default: 3 } },
    outputs: { all: { type: 'file', from: 'stdout', media_type: 'text/plain' } },
  });
  expect(json).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'zip-it',
    description: 'Packs it.',
    required: ['zeta'],
    outputs: { all: { title: null, type: 'file', media_type: 'text/plain' } },
  });
  expect(Object.keys(json.properties)).toEqual(['zeta', 'alpha']);
  expect(text.indexOf('"zeta"')).toBeLessThan(text.indexOf('"alpha"'));
});

test('what a definition does not declare follows from its placeholders', async () => {
  const stdin = await formOf({ exec: 'cat' });
  expect(stdin.json).toMatchObject({ title: 'cat', required: [], outputs: { output: { type: 'file' } } });
  expect(stdin.json.properties).toMatchObject({
    input: { type: 'string', format: 'binary', 'x-penstock': { kind: 'file', stdin: true } },
  });

  const named = await formOf({
    exec: 'paste',
    argv: ['${input_file}', '${input_file.left}', '${output_file.side}'],
    input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
  });
  expect(Object.keys(named.json.properties)).toEqual(['input', 'left']);
  expect(named.json.required).toEqual(['input', 'left']);
  expect(named.json.properties.input['x-penstock'].stdin).toBe(false);
  expect(Object.keys(named.json.outputs)).toEqual(['output', 'side']);
});

test("nobody sees another user's", async () => {
  const id = await server.register({ exec: 'cat' });
  const eve = await server.addUser('eve');
  expect((await ask(server, `/api/process_definition/${id}/form/`, { as: eve })).status).toBe(404);
  expect((await ask(server, '/api/process_definition/999/form/')).status).toBe(404);
});
