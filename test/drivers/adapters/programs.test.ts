import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noSocat } from '../../support/over-port.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

const lines = Array.from({ length: 20_000 }, (_, index) => `${(index * 7919) % 20_011} pear fig x`).join(
  '\n',
);
const upper = lines.toUpperCase();

/** A second of sound, 16 bits a sample: the header of a WAV file and what it is about. */
const samples = Buffer.from(Int16Array.from({ length: 44_100 }, (_, at) => 9000 * Math.sin(at / 16)).buffer);
function wav(): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  for (const [at, value] of [16, 0x10001, 44_100, 88_200, 0x100002].entries())
    header.writeUInt32LE(value, 16 + 4 * at);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}

const shell = (command: string) =>
  spawnSync('sh', ['-c', command], { input: lines, maxBuffer: 2 ** 26 }).stdout;
const socat = (...argv: string[]) => ({ exec: 'socat', argv });
const listen = (port: string) => `TCP-LISTEN:\${${port}},bind=127.0.0.1`;
const noFfmpeg =
  spawnSync('ffmpeg', ['-version']).error === undefined ? null : 'there is no ffmpeg on this machine';
const ffmpeg = (from: string, to: string) => ({
  exec: 'ffmpeg',
  argv: ['-y', '-v', 'error', '-i', from, '-f', 's16le', to],
});
const tcp = (port: string) => `tcp://127.0.0.1:\${${port}}?listen=1`;

interface Row {
  definition: { exec: string; argv: string[] };
  from?: string | [type: string, parameters: object];
  to?: string | [type: string, parameters: object];
  input?: Buffer;
  output: () => Buffer | string;
  missing?: string | null;
}
const path = (end: string): [string, object] => ['file', { file_path: `\${${end}_file}` }];

/** Programs as people have them, each by a way in and a way out that suits it; no shell is between. */
const rows: [string, Row][] = [
  ['tr', { definition: { exec: 'tr', argv: ['-d', 'x'] }, output: () => shell('tr -d x') }],
  [
    'awk, a path to STDOUT',
    {
      definition: { exec: 'awk', argv: ['{ sum += $1 } END { print sum, NR }', '${input_file}'] },
      from: path('input'),
      output: () => shell("awk '{ sum += $1 } END { print sum, NR }'"),
    },
  ],
  [
    'sort, a pipe to a path',
    {
      definition: { exec: 'sort', argv: ['-n', '-o', '${output_file}', '${input_pipe}'] },
      from: 'pipe',
      to: path('output'),
      output: () => shell('env -i sort -n'),
    },
  ],
  [
    'gzip, a pipe to STDOUT',
    {
      definition: { exec: 'gzip', argv: ['-nc', '${input_pipe}'] },
      from: 'pipe',
      output: () => shell('gzip -n'),
    },
  ],
  [
    'tail, a file that it follows to STDOUT',
    {
      definition: { exec: 'tail', argv: ['-c', '+1', '-f', '${input_file}'] },
      from: ['append', { quiet: 0.3 }],
      output: () => lines,
    },
  ],
  [
    'tee, STDIN to a file that grows',
    { definition: { exec: 'tee', argv: ['-a', '${output_file}'] }, to: 'append', output: () => lines },
  ],
  [
    'socat, a port to STDOUT',
    {
      definition: socat('-u', listen('input_port'), 'STDOUT'),
      from: ['port', { chunk_size: '10KB' }],
      output: () => lines,
      missing: noSocat,
    },
  ],
  [
    'socat, STDIN to a port',
    {
      definition: socat('-u', 'STDIN', listen('output_port')),
      to: 'port',
      output: () => lines,
      missing: noSocat,
    },
  ],
  [
    'socat with tr, one port both ways',
    {
      definition: socat('-t', '30', listen('input_port'), 'EXEC:tr a-z A-Z'),
      from: 'port',
      to: ['port', { tcp_port: '${input_port}' }],
      output: () => upper,
      missing: noSocat,
    },
  ],
  [
    'ffmpeg, a pipe to a pipe',
    {
      definition: ffmpeg('${input_pipe}', '${output_pipe}'),
      from: 'pipe',
      to: 'pipe',
      input: wav(),
      output: () => samples,
      missing: noFfmpeg,
    },
  ],
  [
    'ffmpeg, a port to a port',
    {
      definition: ffmpeg(tcp('input_port'), tcp('output_port')),
      from: 'port',
      to: 'port',
      input: wav(),
      output: () => samples,
      missing: noFfmpeg,
    },
  ],
];

describe('programs as they are', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.remove());

  test.for(rows)('%s', async ([, { definition, from, to, input, output, missing }], { skip }) => {
    if (missing) skip(missing);
    const side = (end: 'input' | 'output', way: Row['from']) => {
      if (way === undefined) return {};
      const [type, parameters] = typeof way === 'string' ? [way, {}] : way;
      return { [`${end}_adapter`]: { [`${end}_type`]: type, [`${end}_parameters`]: parameters } };
    };
    const id = await server.register({ ...definition, ...side('input', from), ...side('output', to) });
    const answer = await ask(server, `/api/process_definition/${id}/run/?wait=60&output=raw`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: input ?? lines,
    });
    expect([answer.status, answer.status === 200 ? '' : answer.text]).toEqual([200, '']);
    expect(answer.body.equals(Buffer.from(output()))).toBe(true);
  });
});
