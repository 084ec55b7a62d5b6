import { randomUUID } from 'node:crypto';
import type { CloudServer } from './cloud.js';
import type { ShownJob } from './jobs.js';
import { makeOperation, makeStream } from './operations.js';
import { pipelineOf } from './pipelines.js';
import { alive, linesOf, program } from './programs.js';

/** What a list of jobs tells besides. */
export interface WorkJob extends ShownJob {
  parent: string | null;
  pipeline: string | null;
  step: string | null;
}

/** A kind of work, and how each piece of it must have ended, however often the server was killed meanwhile. */
interface Kind {
  /** What runs: a definition that writes its job and pid to the log at each run, or steps of a pipeline. */
  definition?: (log: string) => object;
  steps?: readonly { name: string; [more: string]: unknown }[];
  cause: string;
  /** How often its program must have run by then; undefined where it is not noted. */
  runs?: number;
  /** Its output, where it follows from the input and the job. */
  output?: (input: string, uuid: string) => string;
}

/** A shell's program that notes its runs. */
const noted = (script: string, more: object = {}) => ({
  definition: (log: string) => ({
    exec: '/bin/sh',
    argv: ['-c', `echo "$PENSTOCK_JOB_UUID $$" >>"$1"; ${script}`, 'sh', log],
    ...more,
  }),
});
const appear = (more: object = {}) => ({
  definition: (log: string) => ({ exec: program('appear'), argv: [log, '0.1'], ...more }),
  cause: 'exit 0',
  runs: 1,
  output: (_input: string, uuid: string) => uuid,
});
const daemon = `(setsid sh -c 'echo "daemon $$" >>"$1"; exec sleep 100000' d "$1" &); sleep 0.1`;
const tr = { exec: 'tr', argv: ['a-z', 'A-Z'] };
const upper = (input: string) => input.toUpperCase();

export const kinds: Readonly<Record<string, Kind>> = {
  plain: appear(),
  cloud: appear({ executor: 'cloud' }),
  // Sent with a key, and again until it is answered: 200 where the job has ended by then.
  keyed: appear(),
  fails: { ...noted('sleep 0.1; exit 3'), cause: 'exit 3', runs: 1 },
  signal: { ...noted('sleep 0.1; kill -USR1 $$'), cause: 'signal SIGUSR1', runs: 1 },
  timeout: { ...noted('exec sleep 100000', { timeout: 0.3 }), cause: 'timeout', runs: 1 },
  stubborn: {
    ...noted("trap '' TERM; sleep 100000 & while :; do wait; done", { timeout: 0.2, kill_grace: 0.2 }),
    cause: 'timeout',
    runs: 1,
  },
  retries: {
    ...noted('[ "$(grep -c "^$PENSTOCK_JOB_UUID" "$1")" -ge 3 ]', {
      retries: { limit: 5, backoff: { initial: 0.05, factor: 1 } },
    }),
    cause: 'exit 0',
    runs: 3,
  },
  // Cancelled, and again until that is answered: it may have been waiting, so it may not have run.
  cancel: { ...noted('exec sleep 100000'), cause: 'cancelled' },
  daemon: { ...noted(daemon), cause: 'exit 0', runs: 1 },
  // The result of a message of the stream that an operation reads.
  message: { ...noted('tr a-z A-Z'), cause: 'exit 0', runs: 1, output: upper },
  pipes: {
    steps: [
      { name: 'upper', definition: tr },
      { name: 'turn', definition: { exec: 'rev' } },
    ],
    cause: 'exit 0',
    output: (input) =>
      upper(input)
        .split('\n')
        .map((line) => [...line].reverse().join(''))
        .join('\n'),
  },
  files: {
    steps: [
      { name: 'upper', definition: tr, tee: true },
      { name: 'frame', definition: { exec: '/bin/sh', argv: ['-c', 'printf "<"; cat; printf ">"'] } },
    ],
    cause: 'exit 0',
    output: (input) => `<${upper(input)}>`,
  },
  fan: {
    steps: [
      { name: 'copy', definition: { exec: 'cat' } },
      { name: 'upper', definition: tr, each: { over: 'lines', gather: 'lines' } },
      { name: 'join', definition: { exec: 'paste', argv: ['-sd,'] } },
    ],
    cause: 'exit 0',
    output: (input) => `${upper(input).trimEnd().replaceAll('\n', ',')}\n`,
  },
};

const octets = { 'Content-Type': 'application/octet-stream' };

/** Registers all of it on a server that is up and empty. */
export async function crashWork(server: CloudServer) {
  const log = server.file('runs');
  /** What is run, by kind; and the kind, by the address of what is run. */
  const places = new Map<string, string>();
  const names = new Map<string, string>();
  for (const [name, { definition, steps }] of Object.entries(kinds)) {
    const place =
      definition !== undefined
        ? `/api/process_definition/${await server.register(definition(log))}/`
        : `/api/pipeline/${await pipelineOf(server, steps ?? [])}/`;
    places.set(name, place);
    names.set(place, name);
  }
  const stream = await makeStream(server, 'words');
  await makeOperation(server, {
    name: 'shout',
    process_definition: places.get('message'),
    input_stream: stream,
    output_stream: await makeStream(server, 'shouts'),
    concurrency: 3,
  });

  /** Pieces that were answered, by kind: each must be there in the end. */
  const accepted = new Map<string, string>();
  /** Messages that were answered: each must have become one job. */
  const words = new Set<string>();
  /** What is asked again and again until it is answered. */
  const owed = new Map<string, () => Promise<void>>();

  async function run(kind: string, headers: Record<string, string> = {}): Promise<string> {
    const answer = await server.fetch(`${places.get(kind)}run/`, {
      method: 'POST',
      // Each has its own, of a few lines.
      body: `${randomUUID()}\nsecond\nthird\n`,
      headers: { ...octets, ...headers },
    });
    const text = await answer.text();
    if (answer.status !== 202) throw new Error(`${kind}: ${answer.status} ${text}`);
    const { uuid } = JSON.parse(text) as ShownJob;
    accepted.set(uuid, kind);
    return uuid;
  }

  /** Does it, or owes it: a server that is killed answers nothing. */
  async function insist(key: string, action: () => Promise<void>): Promise<void> {
    owed.set(key, action);
    await action();
    owed.delete(key);
  }

  async function cancel(uuid: string): Promise<void> {
    const answer = await server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
    const text = await answer.text();
    // 409: it has ended, by a cancel whose answer was cut off.
    if (![200, 409].includes(answer.status)) throw new Error(`cancel: ${answer.status} ${text}`);
  }

  const starts: Record<string, () => Promise<unknown>> = {
    keyed: () => {
      const key = randomUUID();
      const body = `keyed ${key}\n`;
      return insist(key, async () => {
        const answer = await server.fetch(`${places.get('keyed')}run/`, {
          method: 'POST',
          body,
          headers: { ...octets, 'Idempotency-Key': key },
        });
        if (![200, 202].includes(answer.status))
          throw new Error(`keyed: ${answer.status} ${await answer.text()}`);
        accepted.set(((await answer.json()) as ShownJob).uuid, 'keyed');
      });
    },
    cancel: async () => {
      const uuid = await run('cancel');
      await insist(uuid, () => cancel(uuid));
    },
    message: async () => {
      const word = `word ${randomUUID()}\n`;
      const answer = await server.fetch('/api/stream/words/messages/', {
        method: 'POST',
        body: word,
        headers: { 'Content-Type': 'text/plain' },
      });
      if (answer.status !== 201) throw new Error(`message: ${answer.status} ${await answer.text()}`);
      words.add(word);
    },
  };

  return {
    log,
    accepted,
    words,
    owed,
    cancel,
    /** The kind of a job that has no parent. */
    kindOf: (job: WorkJob): string | undefined =>
      names.get(job.pipeline ?? '') ?? names.get(job.process_definition ?? ''),
    start: async (kind: string): Promise<void> => void (await (starts[kind] ?? (() => run(kind)))()),
    /** How often the program of each job has run, as the programs themselves noted. */
    runs(): Map<string, number> {
      const counts = new Map<string, number>();
      for (const line of linesOf(log)) {
        const uuid = line.split(' ')[0] ?? '';
        counts.set(uuid, (counts.get(uuid) ?? 0) + 1);
      }
      return counts;
    },
    /** Processes that noted themselves in the log and still live. */
    living: (): number[] =>
      linesOf(log)
        .map((line) => Number(line.split(' ')[1]))
        .filter((pid) => alive(pid) !== undefined),
  };
}
