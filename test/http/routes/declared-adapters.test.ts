import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

const shell = (script: string, ...argv: string[]) => ({
  exec: '/bin/sh',
  argv: ['-c', script, 'sh', ...argv],
});
const inputs = { audio: { type: 'file' }, word: { type: 'string', default: 'heard' } };
const outputs = { text: { type: 'file' } };

test.each([
  [
    'pipe',
    {
      ...shell(
        'printf "%s %s" "$3" "$(cat "$1")" >"$2"',
        '${inputs.audio}',
        '${outputs.text}',
        '${inputs.word}',
      ),
      input_adapter: { input_type: 'pipe', input: 'audio', input_parameters: { file_path: '${input_pipe}' } },
      output_adapter: {
        output_type: 'pipe',
        output: 'text',
        output_parameters: { file_path: '${output_pipe}' },
      },
    },
  ],
  [
    'file',
    {
      ...shell('printf "%s %s" "$2" "$(cat "$1")"', '${inputs.audio}', '${inputs.word}'),
      input_adapter: { input_type: 'file', input: 'audio', input_parameters: { file_path: '${input_file}' } },
      output_adapter: { output_type: 'file', output: 'text', output_parameters: { stream_name: 'STDOUT' } },
    },
  ],
  [
    'append',
    {
      ...shell(
        'printf "%s " "$3" >>"$2"; tail -n +1 -f "$1" >>"$2"',
        '${inputs.audio}',
        '${outputs.text}',
        '${inputs.word}',
      ),
      input_adapter: {
        input_type: 'append',
        input: 'audio',
        input_parameters: { file_path: '${input_file}', quiet: 0.3 },
      },
      output_adapter: {
        output_type: 'append',
        output: 'text',
        output_parameters: { file_path: '${output_file}' },
      },
    },
  ],
])('the adapter %s carries the input and the output that it names', async (_word, definition) => {
  const id = await server.register({ ...definition, inputs, outputs });
  const { json: job } = await ask(server, `/api/process_definition/${id}/run/?wait=30`, {
    json: { inputs: { audio: { text: 'the bytes', name: 'talk.wav' } } },
  });
  expect([job.state, job.outcome.reason]).toEqual([
    'FINISHED',
    expect.toSatisfy((reason) => reason === null || /SIGTERM/.test(String(reason))),
  ]);
  expect(job.inputs).toEqual({ audio: { name: 'talk.wav', size: 9 }, word: 'heard' });
  expect(Object.keys(job.outputs)).toEqual(['text']);
  expect((await ask(server, `/api/job/${job.uuid}/output/`)).text).toBe('heard the bytes');
  expect((await ask(server, `/api/job/${job.uuid}/outputs/text/`)).text).toBe('heard the bytes');
  const missing = await ask(server, `/api/process_definition/${id}/run/`, { json: {} });
  expect([missing.status, missing.json.errors[0].pointer]).toEqual([400, '/inputs/audio']);
});
