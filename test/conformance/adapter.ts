import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jobOf, leftOf, submit } from '../support/jobs.js';
import { startServer, type TestServer } from '../support/server.js';

/** One way in or out: what the definition says of it, and what the program is told in its place in `argv`. */
export interface End {
  name: string;
  adapter: object;
  argument: string;
  /** The type of adapter, where it is another one than the suite's. */
  type?: string;
  /** Where a side is a document of files: the name of the one that has the bytes. */
  document?: string;
}

type Side = { document?: string };

const payloads: [string, Buffer<ArrayBuffer>][] = [
  ['empty', Buffer.alloc(0)],
  ['one byte', Buffer.from([0])],
  ['text without a last newline', Buffer.from('zwei Zeilen\nund ein Rest – ende')],
  ['10 MiB of anything', Buffer.from(randomBytes(10 * 2 ** 20))],
];

/** Bytes as they are sent, and as they come back. */
const wrapped = (bytes: Buffer<ArrayBuffer>, { document }: Side) =>
  document === undefined
    ? bytes
    : Buffer.from(JSON.stringify({ [document]: { base64: bytes.toString('base64') } }));
function unwrapped(came: Buffer, { document }: Side): Buffer {
  if (document === undefined) return came;
  const files = JSON.parse(came.toString()) as Record<string, string | { base64: string }>;
  expect(Object.keys(files)).toEqual([document]);
  const content = files[document] ?? '';
  return typeof content === 'string' ? Buffer.from(content) : Buffer.from(content.base64, 'base64');
}

/** Submits each payload, and has it come back as it went in. */
async function goesThrough(server: TestServer, definition: object, input: Side, output: Side): Promise<void> {
  const id = await server.register(definition);
  for (const [what, bytes] of payloads) {
    const sent = wrapped(bytes, input);
    const uuid = await submit(server, id, new Uint8Array(sent));
    const job = await jobOf(server, uuid, 30);
    expect([what, job.state, job.outcome?.cause, job.outcome?.exit_code]).toEqual([
      what,
      'FINISHED',
      'exit',
      0,
    ]);
    const answer = await server.fetch(`/api/job/${uuid}/output/`);
    const came = Buffer.from(await answer.arrayBuffer());
    expect(job.output_size).toBe(came.length);
    expect(unwrapped(came, output).equals(bytes), what).toBe(true);
    const kept = await server.fetch(`/api/job/${uuid}/input/`);
    expect(Buffer.from(await kept.arrayBuffer()).equals(sent), `${what}: the input`).toBe(true);
    expect([leftOf([uuid]), pipesIn(server.data)]).toEqual([[], []]);
  }
}

/** Named pipes below a folder. */
function pipesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFIFO() || entry.isSocket())
    .map(({ name }) => name);
}

/** One side of a program that is a line of the shell: what the definition says of it, and the program's part. */
interface ShellEnd {
  name: string;
  type: string;
  parameters?: object;
  /** What reads the input and writes it on, or takes what was read; `$1` and `$2` are the places. */
  script: string;
  place: string;
  document?: string;
  /** Where there is no place to be told of: what a dry run calls it, if not by its name. */
  without?: (cwd: string) => string;
}

/** The ways in that every machine has. */
export const waysIn: readonly ShellEnd[] = [
  { name: 'STDIN', type: 'file', script: 'cat', place: '' },
  {
    name: 'a path',
    type: 'file',
    parameters: { file_path: '${input_file}' },
    script: 'dd bs=64K <"$1"',
    place: '${input_file}',
  },
  { name: 'pipe', type: 'pipe', script: 'cat "$1"', place: '${input_pipe}' },
];
/** The ways out that every machine has. */
export const waysOut: readonly ShellEnd[] = [
  { name: 'STDOUT', type: 'file', script: '', place: '' },
  {
    name: 'a path',
    type: 'file',
    parameters: { file_path: '${output_file}' },
    script: '>"$2"',
    place: '${output_file}',
  },
  { name: 'pipe', type: 'pipe', script: '>"$2"', place: '${output_pipe}' },
];

/** The program of two sides, which tells what it was given on its standard error. */
const shellDefinition = (input: ShellEnd, output: ShellEnd, more: object = {}) => ({
  exec: '/bin/sh',
  argv: [
    '-c',
    `printf '%s\\n' "$1" "$2" "$PWD" >&2; ${input.script} ${output.script}`,
    'sh',
    input.place,
    output.place,
  ],
  input_adapter: { input_type: input.type, input_parameters: input.parameters ?? {} },
  output_adapter: { output_type: output.type, output_parameters: output.parameters ?? {} },
  ...more,
});

/** Text in which a job's folder, which is kept below two digits of its UUID, is that of any job. */
const ofAnyJob = (text: string, uuid: string) =>
  text.replaceAll(new RegExp(`(?<=/jobs/)../(?=${uuid})`, 'g'), '').replaceAll(uuid, 'UUID');

/** What a dry run says of a run's places is what the run is given. */
async function isAsForetold(server: TestServer, input: ShellEnd, output: ShellEnd, more?: object) {
  const id = await server.register(shellDefinition(input, output, more));
  const body = new Uint8Array(wrapped(Buffer.from('x'), input));
  const headers = { 'Content-Type': 'application/octet-stream' };
  const run = `/api/process_definition/${id}/run/`;
  const answer = await server.fetch(`${run}?dry_run=1`, { method: 'POST', headers, body });
  const uuid = await submit(server, id, body);
  expect((await jobOf(server, uuid, 30)).state).toBe('FINISHED');
  const said = ofAnyJob(await answer.text(), '00000000-0000-0000-0000-000000000000');
  const dry = JSON.parse(said) as { argv: string[]; cwd: string; files: Record<string, string> };
  const told = ofAnyJob(await (await server.fetch(`/api/job/${uuid}/stderr/`)).text(), uuid);
  const [inPlace = '', outPlace = '', folder] = told.split('\n');
  expect(folder).toBe(dry.cwd);
  for (const [end, place, foretold] of [
    [input, inPlace, { argument: dry.argv[3], words: dry.files.input }],
    [output, outPlace, { argument: dry.argv[4], words: dry.files.output }],
  ] as const) {
    // A port that the server chooses is not known before.
    const isChosen = /^\$\{\w+_port\}$/.test(foretold.argument ?? '');
    if (isChosen) expect(place).toMatch(/^\d+$/);
    else expect(place).toBe(foretold.argument);
    const shown = end.type === 'port' ? `port ${foretold.argument}` : place;
    expect(foretold.words).toBe(place === '' ? (end.without?.(dry.cwd) ?? end.name) : shown);
  }
}

/**
 * Every input adapter with every output adapter, against real programs.
 *
 * @param where what else the configuration and the definitions say, for programs that run elsewhere
 */
export function adapterPairs(
  inputs: readonly ShellEnd[],
  outputs: readonly ShellEnd[],
  where: { application?: Record<string, unknown>; definition?: object } = {},
): void {
  describe('every input with every output', () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startServer({ application: { LOG_LEVEL: 'warn', ...where.application } });
    });
    afterAll(() => server.remove());
    const table = inputs.flatMap((input) =>
      outputs.map((output) => [input.name, output.name, input, output] as const),
    );
    test.each(table)('%s → %s', async (_in, _out, input, output) => {
      await goesThrough(server, shellDefinition(input, output, where.definition), input, output);
    });

    const [stdin, stdout] = [waysIn[0] as ShellEnd, waysOut[0] as ShellEnd];
    const fixedIn = {
      ...waysIn[1],
      name: 'a path of its own',
      parameters: { file_path: 'sent/in' },
    } as ShellEnd;
    const fixedOut = {
      ...waysOut[1],
      name: 'a path of its own',
      parameters: { file_path: 'out' },
    } as ShellEnd;
    test.each([
      ...[...inputs, fixedIn].map((input) => [input.name, stdout.name, input, stdout] as const),
      ...[...outputs.slice(1), fixedOut].map((output) => [stdin.name, output.name, stdin, output] as const),
    ])('a dry run tells the places of %s → %s', async (_in, _out, input, output) => {
      await isAsForetold(server, input, output, where.definition);
    });
  });
}

/** Every way in with every way out, over HTTP through a real server: what comes out is what went in. */
export function adapterConformance(name: string, exec: string, inputs: End[], outputs: End[]): void {
  describe(`adapter ${name}`, () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startServer({ application: { LOG_LEVEL: 'warn' } });
    });
    afterAll(() => server.remove());

    const table = inputs.flatMap((input) =>
      outputs.map((output) => [input.name, output.name, input, output] as const),
    );
    test.each(table)('%s → %s', async (_in, _out, input, output) => {
      const definition = {
        exec,
        argv: [input.argument, output.argument],
        input_adapter: { input_type: input.type ?? name, input_parameters: input.adapter },
        output_adapter: { output_type: output.type ?? name, output_parameters: output.adapter },
      };
      await goesThrough(server, definition, input, output);
    });
  });
}
