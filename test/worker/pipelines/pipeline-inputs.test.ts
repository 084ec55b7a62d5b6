import { afterAll, beforeAll, expect, test } from 'vitest';
import { jobOf } from '../../support/jobs.js';
import { type Answer, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
/** Definitions of programs that declare what they take and give. */
let cut: number;
let count: number;
let label: number;

beforeAll(async () => {
  server = await startServer();
  cut = await server.register({
    exec: '/bin/sh',
    argv: ['-c', 'head -n "$1" "$2" >"$3"', 'sh', '${inputs.lines}', '${inputs.text}', '${outputs.part}'],
    inputs: { lines: { type: 'integer', minimum: 1, maximum: 100 }, text: { type: 'file' } },
    outputs: { part: { type: 'file', file_name: 'part.txt' } },
  });
  count = await server.register({
    exec: '/bin/sh',
    argv: ['-c', `wc -l | awk '{ print "{\\"lines\\": " $1 "}" }'`],
    inputs: { text: { type: 'file', stdin: true } },
    outputs: { lines: { type: 'integer', from: 'stdout', pointer: '/lines' } },
  });
  label = await server.register({
    exec: '/bin/sh',
    argv: [
      '-c',
      'printf "%s=%s;%s\\n" "$1" "$2" "$TOKEN"; cat "$3"',
      'sh',
      '${inputs.name}',
      '${inputs.number}',
      '${inputs.file}',
    ],
    environment: { TOKEN: '${inputs.token}' },
    inputs: {
      name: { type: 'string' },
      number: { type: 'integer' },
      file: { type: 'file' },
      token: { type: 'string', secret: true, optional: true },
    },
    outputs: { text: { type: 'file', from: 'stdout' } },
  });
});
afterAll(() => server.remove());

const documentOf = (more: object = {}) => ({
  name: 'labelled',
  inputs: {
    text: { type: 'file', title: 'Text' },
    lines: { type: 'integer', minimum: 1, default: 2 },
    name: { type: 'string', default: 'lines' },
    token: { type: 'string', secret: true, optional: true },
  },
  outputs: {
    labelled: { step: 'label', output: 'text' },
    part: { step: 'cut', output: 'part' },
    lines: { step: 'count', output: 'lines' },
  },
  steps: [
    { name: 'cut', process_definition: cut, inputs: { lines: '${inputs.lines}', text: '${inputs.text}' } },
    { name: 'count', process_definition: count },
    {
      name: 'label',
      process_definition: label,
      inputs: {
        name: 'the ${inputs.name}',
        number: { step: 'count', output: 'lines' },
        file: { step: 'cut', output: 'part' },
        token: '${inputs.token}',
      },
    },
  ],
  output: 'label',
  ...more,
});

const idOf = (answer: Answer) => Number(/(\d+)\/$/.exec(String(answer.headers.location))?.[1]);

async function pipeline(more: object = {}): Promise<number> {
  const answer = await ask(server, '/api/pipeline/', { json: documentOf(more) });
  expect([answer.status, answer.text]).toEqual([201, '']);
  return idOf(answer);
}

test('a pipeline passes its inputs and the outputs of steps on, values and files', async () => {
  const id = await pipeline();
  const json = {
    inputs: { text: { text: 'a\nb\nc\nd\n', name: 'letters.txt' }, lines: 3, token: 'hush-hush' },
  };
  const { status, json: job } = await ask(server, `/api/pipeline/${id}/run/?wait=60`, { json });
  expect([status, job.state, job.outcome]).toEqual([200, 'FINISHED', expect.anything()]);
  expect(job.inputs).toEqual({
    text: { name: 'letters.txt', size: 8 },
    lines: 3,
    name: 'lines',
    token: '***',
  });
  expect(job.outputs).toEqual({
    labelled: { name: 'text', size: expect.any(Number) },
    part: { name: 'part.txt', size: 6 },
    lines: 3,
  });
  const output = await ask(server, `/api/job/${job.uuid}/output/`);
  expect(output.text).toBe('the lines=3;hush-hush\na\nb\nc\n');
  expect((await ask(server, `/api/job/${job.uuid}/output/?name=part`)).text).toBe('a\nb\nc\n');
  const { objects } = (await ask(server, `/api/job/?parent=${job.uuid}&order_by=created`)).json;
  expect(JSON.stringify(objects)).not.toContain('hush-hush');
});

test('the only file may be the body, and the values stand in the query', async () => {
  const id = await pipeline();
  const { json: job } = await ask(server, `/api/pipeline/${id}/run/?wait=60&inputs.lines=1&inputs.name=x`, {
    body: 'one\ntwo\n',
    headers: { 'Content-Type': 'application/octet-stream' },
  });
  expect([job.state, job.inputs.lines]).toEqual(['FINISHED', 1]);
  expect((await ask(server, `/api/job/${job.uuid}/output/`)).text).toBe('the x=1;\none\n');
});

test('everything wrong with a run is told before there is a job', async () => {
  const id = await pipeline();
  const before = (await ask(server, '/api/job/?limit=1')).json.meta.total_count;
  const { status, json } = await ask(server, `/api/pipeline/${id}/run/`, {
    json: { inputs: { lines: 0, nam: 'x' } },
  });
  expect(status).toBe(400);
  expect(json.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
    '/inputs/lines',
    '/inputs/nam',
    '/inputs/text',
  ]);
  // The pipeline allows it, the step does not.
  const beyond = await ask(server, `/api/pipeline/${id}/run/`, {
    json: { inputs: { lines: 101, text: { text: 'x' } } },
  });
  expect([beyond.status, beyond.json.errors]).toEqual([
    400,
    [{ pointer: '/inputs/lines', detail: "the step 'cut': lines must be 100 or less, not 101" }],
  ]);
  expect((await ask(server, '/api/job/?limit=1')).json.meta.total_count).toBe(before);
});

test.each([
  [
    'an input that no step uses',
    { inputs: { ...documentOf().inputs, more: { type: 'string' } } },
    '/inputs/more',
  ],
  [
    'a secret for an input that is none',
    {
      steps: [
        {
          name: 'label',
          process_definition: 0,
          inputs: { name: '${inputs.token}', number: 1, file: '${inputs.text}' },
        },
      ],
      outputs: {},
    },
    '/steps/0/inputs/name',
  ],
  [
    'a value for a file',
    {
      steps: [
        { name: 'label', process_definition: 0, inputs: { name: 'a', number: 1, file: '${inputs.lines}' } },
      ],
      outputs: {},
    },
    '/steps/0/inputs/file',
  ],
  [
    'a step without a required input',
    {
      steps: [
        { name: 'label', process_definition: 0, inputs: { name: '${inputs.name}', file: '${inputs.text}' } },
      ],
      outputs: {},
    },
    '/steps/0/inputs/number',
  ],
  [
    'an unknown input of a step',
    {
      steps: [
        {
          name: 'label',
          process_definition: 0,
          inputs: { nam: 'x', name: 'x', number: 1, file: '${inputs.text}' },
        },
      ],
      outputs: {},
    },
    '/steps/0/inputs/nam',
  ],
  [
    'an unknown input of the pipeline',
    {
      steps: [
        {
          name: 'label',
          process_definition: 0,
          inputs: { name: '${inputs.nam}', number: 1, file: '${inputs.text}' },
        },
      ],
      outputs: {},
    },
    '/steps/0/inputs/name',
  ],
])('%s is refused when the pipeline is registered', async (_what, more, pointer) => {
  const document = documentOf(more);
  for (const step of document.steps) if (step.process_definition === 0) step.process_definition = label;
  if ('steps' in more) Object.assign(document, { output: 'label' });
  const { status, json } = await ask(server, '/api/pipeline/', { json: document });
  expect([status, json.errors.map((one: { pointer: string }) => one.pointer)]).toEqual([
    400,
    expect.arrayContaining([pointer]),
  ]);
});

test('a resumed pipeline takes what the step before made this time', async () => {
  const once = await server.register({
    exec: '/bin/sh',
    argv: [
      '-c',
      'test -e "$1" || { touch "$1"; exit 1; }; echo "$2"',
      'sh',
      `${server.data}/once`,
      '${inputs.word}',
    ],
    inputs: { word: { type: 'string' } },
    outputs: { word: { type: 'string', from: 'stdout' } },
  });
  const made = await ask(server, '/api/pipeline/', {
    json: {
      name: 'twice',
      inputs: { word: { type: 'string' } },
      outputs: { word: { step: 'again', output: 'word' } },
      steps: [
        { name: 'say', process_definition: once, inputs: { word: '${inputs.word}' } },
        { name: 'again', process_definition: once, inputs: { word: { step: 'say', output: 'word' } } },
      ],
    },
  });
  const twice = idOf(made);
  const failed = await ask(server, `/api/pipeline/${twice}/run/?wait=60`, {
    json: { inputs: { word: '--hello' } },
  });
  expect([failed.status, failed.json.errors?.[0]?.pointer]).toEqual([400, '/inputs/word']);
  const { json: job } = await ask(server, `/api/pipeline/${twice}/run/?wait=60`, {
    json: { inputs: { word: 'hello' } },
  });
  expect(job.state).toBe('FAILED');
  await ask(server, `/api/job/${job.uuid}/resume/`, { method: 'POST' });
  const after = (await jobOf(server, job.uuid, 60)) as unknown as { state: string; outputs: object };
  expect([after.state, after.outputs]).toEqual(['FINISHED', { word: 'hello' }]);
});
