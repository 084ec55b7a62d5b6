import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    environment: {
      AWS_SECRET_ACCESS_KEY: 'of the server',
      NODE_OPTIONS: '--no-deprecation',
      LD_LIBRARY_PATH: '/of/the/server',
      SSH_AUTH_SOCK: '/of/the/server/agent',
      HTTP_PROXY: 'http://of-the-server.example',
    },
  });
});
afterAll(() => server.remove());

const environmentOf = async (definition: object, job: object = {}): Promise<Map<string, string>> => {
  const id = await server.register({
    exec: '/usr/bin/env',
    argv: ['-0'],
    output_adapter: {
      output_type: 'file',
      output_parameters: { file_type: 'stream', stream_name: 'STDOUT' },
    },
    ...definition,
  });
  const { text } = await ask(server, `/api/process_definition/${id}/run/?wait=60&output=raw`, { json: job });
  const pairs = text.split('\0').filter((line) => line !== '');
  return new Map(pairs.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
};

test('a program gets PATH, HOME, what is ours and what it was given, and nothing of the server', async () => {
  const environment = await environmentOf(
    { environment: { GIVEN: 'by the definition', BOTH: 'by the definition' } },
    { environment: { BOTH: 'by the run' } },
  );
  const ours = [...environment.keys()].filter((name) => !name.startsWith('PENSTOCK_'));
  expect(ours.sort()).toEqual(['BOTH', 'GIVEN', 'HOME', 'PATH']);
  expect(environment.get('GIVEN')).toBe('by the definition');
  expect(environment.get('BOTH')).toBe('by the run');
  expect([...environment.values()].filter((value) => value.includes('of the server'))).toEqual([]);
  const named = [...environment.keys()].filter((name) => /PASSWORD|SECRET|TOKEN|ADMIN|CONFIG/.test(name));
  expect(named).toEqual([]);
});
