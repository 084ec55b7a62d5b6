import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { jobOf, leftOf, type ShownJob, submit } from '../../support/jobs.js';
import { fromPort, noSocat, toPort } from '../../support/over-port.js';
import { freePorts } from '../../support/ports.js';
import { linesOf } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const large = new Uint8Array(randomBytes(10 * 2 ** 20));
const outside = mkdtempSync(path.join(os.tmpdir(), 'penstock-adapters-'));
const fixed = (name: string) => path.join(outside, name);
const skipped = noSocat === null ? '' : ` (skipped: ${noSocat})`;
const application = { LOG_LEVEL: 'error', MAX_PLATFORM_RETRIES: 0 };

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application });
});
afterAll(async () => {
  await server.remove();
  rmSync(outside, { recursive: true, force: true });
});

interface Ends {
  in?: string;
  inParameters?: object;
  out?: string;
  outParameters?: object;
  more?: object;
}
const placeOf: Record<string, string> = { pipe: 'pipe', port: 'port', append: 'file' };

/** A line of the shell with these adapters; `$1` and `$2` are the places of its input and output. */
function shell(script: string, ends: Ends): object {
  const place = (end: string, type: string | undefined) => (type ? `\${${end}_${placeOf[type]}}` : '');
  return {
    exec: '/bin/sh',
    argv: ['-c', script, 'sh', place('input', ends.in), place('output', ends.out)],
    ...(ends.in ? { input_adapter: { input_type: ends.in, input_parameters: ends.inParameters ?? {} } } : {}),
    ...(ends.out
      ? { output_adapter: { output_type: ends.out, output_parameters: ends.outParameters ?? {} } }
      : {}),
    ...ends.more,
  };
}
const begin = async (definition: object, input?: string | Uint8Array<ArrayBuffer>, at = server) =>
  submit(at, await at.register(definition), input);

/** Runs it to its end, and sees that nothing of it is left. */
async function run(definition: object, input?: string | Uint8Array<ArrayBuffer>): Promise<ShownJob> {
  const uuid = await begin(definition, input);
  const job = await jobOf(server, uuid, 30);
  expect(['FINISHED', 'FAILED']).toContain(job.state);
  await waitFor(() => leftOf([uuid]).length === 0, 'its processes to end');
  expect(pipesOf(uuid)).toEqual([]);
  return job;
}
const pipesOf = (uuid: string, at = server) =>
  readdirSync(at.data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.parentPath.includes(uuid) && (entry.isFIFO() || entry.isSocket()))
    .map(({ name }) => name);
async function outputOf({ uuid }: { uuid: string }, at = server): Promise<Buffer> {
  return Buffer.from(await (await at.fetch(`/api/job/${uuid}/output/`)).arrayBuffer());
}
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const finished = { state: 'FINISHED', outcome: { cause: 'exit', exit_code: 0 } };

describe('port', () => {
  let stranger: Server | null = null;
  afterEach(() => void stranger?.close());
  const listen = (port: number) =>
    new Promise<string[]>((resolve) => {
      const heard: string[] = [];
      stranger = createServer((socket) => {
        heard.push('a connection');
        socket.on('data', (piece) => heard.push(piece.toString()));
        socket.on('error', () => {});
      }).listen(port, '127.0.0.1', () => resolve(heard));
    });
  const listens = fromPort('"$1"');

  test.each([
    ['late', `sleep 0.3; ${listens}`],
    ['on the sixth version of the protocol', fromPort('"$1"', '::1')],
    ['everywhere', fromPort('"$1"', '::')],
    ['in a child of a child', `( ( ${listens} ) )`],
  ])('a program that listens %s', async (_, script) => {
    const job = await run(shell(script, { in: 'port' }), large);
    expect(job).toMatchObject(finished);
    expect(hash(await outputOf(job))).toBe(hash(large));
  });

  test.skipIf(noSocat !== null)(`one port, used both ways${skipped}`, async () => {
    const script = 'socat -t 10 "TCP-LISTEN:$1,bind=127.0.0.1" EXEC:"tr a-z A-Z"; : "$2"';
    const ends = { in: 'port', out: 'port', outParameters: { tcp_port: '${input_port}' } };
    const job = await run(shell(script, ends), 'some text');
    expect(job).toMatchObject(finished);
    expect(String(await outputOf(job))).toBe('SOME TEXT');
  });

  test('a program that ends early, or dies, while much is to be sent', async () => {
    expect(await run(shell(`${listens} | head -c 1`, { in: 'port' }), large)).toMatchObject({
      output_size: 1,
    });
    const dies = await run(shell(`${listens} | head -c 1; kill -9 $$`, { in: 'port' }), large);
    expect(dies).toMatchObject({ state: 'FAILED', outcome: { cause: 'signal', signal: 'SIGKILL' } });
  });

  test('a program that never listens has failed, and says why', async () => {
    for (const ends of [{ in: 'port' }, { out: 'port' }]) {
      expect(await run(shell('sleep 0.2', ends), 'x')).toMatchObject({
        state: 'FAILED',
        outcome: {
          cause: 'platform',
          reason: expect.stringMatching(/^It succeeded, but never listened on the port \d+\.$/),
        },
      });
    }
    expect(await run(shell('exit 3', { in: 'port' }), 'x')).toMatchObject({
      outcome: { cause: 'exit', exit_code: 3, reason: null },
    });
  });

  test('a port that somebody has is refused, and a stranger who takes it hears nothing', async () => {
    const [port = 0] = await freePorts(1);
    const definition = shell(`until [ -e ${fixed('listening')} ]; do sleep 0.02; done; sleep 0.3`, {
      in: 'port',
      inParameters: { tcp_port: port },
    });
    const uuid = await begin(definition, 'secret');
    await waitFor(() => leftOf([uuid]).length > 0, 'the program to run');
    const second = await run(definition, 'x');
    expect(second.outcome?.reason).toBe(`the port ${port} is taken by another job's program`);
    const heard = await listen(port);
    writeFileSync(fixed('listening'), '');
    expect((await jobOf(server, uuid, 20)).outcome?.reason).toContain(`never listened on the port ${port}`);
    expect(heard).toEqual([]);
    const third = await run(definition, 'x');
    expect(third).toMatchObject({ state: 'FAILED', attempt: 1, outcome: { cause: 'platform' } });
    expect(third.outcome?.reason).toBe(`another program is already listening on the port ${port}`);
    expect(heard).toEqual([]);
  });

  test('runs at once have ports of their own', async () => {
    const id = await server.register(shell(listens, { in: 'port' }));
    const uuids = await Promise.all(
      Array.from({ length: 10 }, (_, index) => submit(server, id, `input ${index}`)),
    );
    for (const [index, uuid] of uuids.entries()) {
      expect(await jobOf(server, uuid, 30)).toMatchObject({ state: 'FINISHED' });
      expect(String(await outputOf({ uuid }))).toBe(`input ${index}`);
    }
  });
});

describe('append', () => {
  test('an output that is rotated, twice in a row, and truncated', async () => {
    const rotate = 'mv "$2.1" "$2.2" 2>/dev/null; mv "$2" "$2.1"';
    // Two generations are kept, and so many come between two looks: the next only when these were seen.
    const seen = (line: string) =>
      `until grep -qsx "${line}" "$(dirname "$2")/../output/output"; do sleep 0.02; done`;
    const script = `
      for round in 1 2 3 4 5 6; do
        echo "round $round" >>"$2"; ${rotate}; echo "more $round" >>"$2"; ${rotate}; ${seen('more $round')}
      done
      seq 1000 >>"$2"; ${seen('1000')}; : >"$2"; echo anew >>"$2"; ${rotate}; echo last >>"$2"; ${rotate}`;
    const job = await run(shell(script, { out: 'append', more: { timeout: 20 } }));
    expect(job).toMatchObject(finished);
    const lines = [1, 2, 3, 4, 5, 6].flatMap((round) => [`round ${round}`, `more ${round}`]);
    const numbers = Array.from({ length: 1000 }, (_, index) => `${index + 1}`);
    expect(
      String(await outputOf(job))
        .trim()
        .split('\n'),
    ).toEqual([...lines, ...numbers, 'anew', 'last']);
  });

  test('an output that is copied and truncated, and rotated at once after that', async () => {
    const seen = 'until grep -qsx 1000 "$(dirname "$2")/../output/output"; do sleep 0.02; done';
    const script = `seq 1000 >>"$2"; ${seen}; cp "$2" "$2.1"; : >"$2"; echo anew >>"$2"
      mv "$2.1" "$2.3"; mv "$2" "$2.2"; echo later >>"$2"; mv "$2" "$2.1"; echo last >>"$2"`;
    const job = await run(shell(script, { out: 'append', more: { timeout: 20 } }));
    expect(job).toMatchObject(finished);
    const numbers = Array.from({ length: 1000 }, (_, index) => `${index + 1}`);
    expect(
      String(await outputOf(job))
        .trim()
        .split('\n'),
    ).toEqual([...numbers, 'anew', 'later', 'last']);
  });

  test('what the program puts beside its output is no part of it', async () => {
    const script = 'echo 1 >"$2.pid"; echo 2 >"$2s"; echo a >>"$2"; sleep 0.3; mv "$2" "$2.1"; echo b >>"$2"';
    const job = await run(shell(script, { out: 'append', outParameters: { file_name: 'app.log' } }));
    expect(job).toMatchObject(finished);
    expect(String(await outputOf(job))).toBe('a\nb\n');
  });

  test('at fixed places: what was there is no output, and input is appended to it', async () => {
    writeFileSync(fixed('in.log'), 'before\n');
    writeFileSync(fixed('out.log'), 'old\n');
    const definition = shell(`tail -n +1 -f ${fixed('in.log')} >>${fixed('out.log')}`, {
      in: 'append',
      inParameters: { file_path: fixed('in.log'), quiet: 0.3 },
      out: 'append',
      outParameters: { file_path: fixed('out.log') },
    });
    const job = await run(definition, 'after\n');
    expect(job).toMatchObject({
      ...finished,
      outcome: {
        reason: 'It had read all its input and was quiet for 0.3 s, so it was sent SIGTERM.',
      },
    });
    expect(String(await outputOf(job))).toBe('before\nafter\n');
    expect(readFileSync(fixed('out.log'), 'utf8')).toBe('old\nbefore\nafter\n');
    expect(readFileSync(fixed('in.log'), 'utf8')).toBe('before\nafter\n');
    expect(job).toMatchObject({ output_name: 'out.log' });
  });

  test('a program that ends by itself, one that fails when it is told to, and one that never reads', async () => {
    const ends: Ends = { in: 'append', inParameters: { quiet: 0.2 } };
    const alone = await run(shell('head -n 2 "$1"', ends), 'a\nb\nc\n');
    expect(alone).toMatchObject({ ...finished, outcome: { reason: null } });
    const failing = await run(
      shell(
        // It is no follower: what is appended after it has read would stay unread.
        'trap "exit 4" TERM; until [ -s "$1" ]; do sleep 0.01; done; exec <"$1"; cat; while :; do sleep 0.05; done',
        ends,
      ),
      'a\n',
    );
    expect(failing).toMatchObject({ state: 'FAILED', outcome: { cause: 'exit', exit_code: 4 } });
    const idle = await run(
      shell('sleep 1000', { ...ends, inParameters: { file_path: fixed('never'), quiet: 0.1 } }),
      'a\n',
    );
    expect(idle).toMatchObject({ state: 'FAILED', outcome: { cause: 'platform' } });
    expect(idle.outcome?.reason).toBe('The program is idle, but has not read all of its input.');
  });

  test('a program that computes for long between two lines is not quiet', async () => {
    const slow = `tail -n +1 -f "$1" | awk '{ for (i = 0; i < 8000000; i++) x += i % 7; print $0 }'`;
    const job = await run(shell(slow, { in: 'append', inParameters: { quiet: 0.3 } }), 'a\nb\nc\n');
    expect(job).toMatchObject(finished);
    expect(String(await outputOf(job))).toBe('a\nb\nc\n');
  });
});

const ways: Record<string, [string, string]> = {
  pipe: ['cat "$1"', 'cat >"$2"'],
  port: [fromPort('"$1"'), toPort('"$2"')],
  append: ['tail -c +1 -f "$1"', 'cat >>"$2"'],
};

describe.each(Object.entries(ways))('%s', (type, [reads, writes]) => {
  const both: Ends = { in: type, out: type, ...(type === 'append' ? { inParameters: { quiet: 0.3 } } : {}) };

  test('cancel and timeout leave nothing behind', async () => {
    const script = `${reads} | { cat; sleep 1000; } | ${writes}`;
    const quiet = type === 'append' ? { inParameters: { quiet: 1000 } } : {};
    const uuid = await begin(shell(script, { ...both, ...quiet }), large);
    await waitFor(() => leftOf([uuid]).length >= 4, 'the program to run');
    const answer = await server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
    expect(((await answer.json()) as { survivors: unknown[] }).survivors).toEqual([]);
    expect(await jobOf(server, uuid, 10)).toMatchObject({ state: 'FAILED', outcome: { cause: 'cancelled' } });
    expect([leftOf([uuid]), pipesOf(uuid)]).toEqual([[], []]);
    const late = await run(
      shell(script, { ...both, ...quiet, more: { timeout: 1, kill_grace: 0.5 } }),
      large,
    );
    expect(late).toMatchObject({ state: 'FAILED', outcome: { cause: 'timeout' } });
  });

  test('an output that is too large ends the job', async () => {
    const limited = { out: type, more: { limits: { output_size: '1MB' } } };
    const job = await run(shell(`yes | ${writes}`, limited));
    expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'signal' }, output_size: 1_000_001 });
    expect(job.outcome?.reason).toBe('Its output is larger than limits.output_size, 1000000 bytes.');
    const full = await run(shell(`head -c 1000000 /dev/zero | ${writes}`, limited));
    expect(full).toMatchObject({ state: 'FINISHED', output_size: 1_000_000 });
  });

  test('a server that is killed in the middle finds every byte', async () => {
    const crashing = await startServer({ application });
    try {
      const [half, go] = [fixed(`half-${type}`), fixed(`go-${type}`)];
      const stop = `dd bs=65536 count=40 iflag=fullblock status=none; : >${half}; until [ -e ${go} ]; do sleep 0.05; done`;
      const uuid = await begin(shell(`${reads} | { ${stop}; cat; } | ${writes}`, both), large, crashing);
      await waitFor(() => existsSync(half), 'half of it');
      await crashing.kill();
      writeFileSync(go, '');
      if (type === 'append') await crashing.restart();
      else await waitFor(() => leftOf([uuid]).length === 0, 'the program to end without a server');
      if (type !== 'append') await crashing.restart();
      expect(await jobOf(crashing, uuid, 30)).toMatchObject({ ...finished, attempt: 1 });
      expect(hash(await outputOf({ uuid }, crashing))).toBe(hash(large));
    } finally {
      await crashing.remove();
    }
  });
});

test('a dry run tells the places', async () => {
  const places = async (definition: object) => {
    const id = await server.register(definition);
    const answer = await server.fetch(`/api/process_definition/${id}/run/?dry_run=1`, { method: 'POST' });
    return (await answer.json()) as { argv: string[]; files: Record<string, string> };
  };
  const piped = await places(shell('', { in: 'pipe', out: 'append' }));
  expect(piped.files).toMatchObject({
    input: expect.stringMatching(/\/1\/input\.pipe$/),
    output: expect.stringMatching(/\/1\/grown\/output$/),
  });
  expect(piped.argv.slice(3)).toEqual([piped.files.input, piped.files.output]);
  const ported = await places(shell('', { in: 'port', out: 'port', outParameters: { tcp_port: 8090 } }));
  expect(ported.files).toMatchObject({ input: 'port ${input_port}', output: 'port 8090' });
  expect(ported.argv.slice(3)).toEqual(['${input_port}', '8090']);
});

describe('programs as people use them', () => {
  const has = (name: string) => spawnSync(name, ['--version']).error === undefined;

  test('dd, from an appended file by blocks', async () => {
    const definition = shell('tail -c +1 -f "$1" | dd bs=1000 conv=swab 2>/dev/null', {
      in: 'append',
      inParameters: { quiet: 0.3, chunk_size: '10KB' },
    });
    const job = await run(definition, new Uint8Array(Buffer.from('badcfe')));
    expect(String(await outputOf(job))).toBe('abcdef');
  });

  const ffmpeg = has('ffmpeg');
  test.skipIf(!ffmpeg)(
    `ffmpeg, from a pipe to a pipe${ffmpeg ? '' : ' (skipped: there is no ffmpeg here)'}`,
    async () => {
      const words = [
        '-v',
        'error',
        '-y',
        '-f',
        's16le',
        '-ar',
        '8000',
        '-ac',
        '1',
        '-i',
        '${input_pipe}',
        '-f',
        'wav',
      ];
      const job = await run(
        {
          exec: 'ffmpeg',
          argv: [...words, '${output_pipe}'],
          input_adapter: { input_type: 'pipe' },
          output_adapter: { output_type: 'pipe', output_parameters: { file_name: 'tone.wav' } },
        },
        large,
      );
      expect(job).toMatchObject({ ...finished, output_name: 'tone.wav' });
      const sound = await outputOf(job);
      expect(sound.subarray(0, 4).toString()).toBe('RIFF');
      expect(hash(sound.subarray(-large.length))).toBe(hash(large));
    },
  );

  test.skipIf(noSocat !== null)(`socat, from a port to a port${skipped}`, async () => {
    const listen = (place: string) => `"TCP-LISTEN:${place},bind=127.0.0.1"`;
    const script = `socat -u ${listen('$1')} STDOUT | socat -u STDIN ${listen('$2')}`;
    const job = await run(shell(script, { in: 'port', out: 'port' }), large);
    expect(job).toMatchObject(finished);
    expect(hash(await outputOf(job))).toBe(hash(large));
  });
});

test('a server that is killed at any time, again and again, loses and repeats nothing', async () => {
  const crashing = await startServer({ application: { ...application, MAX_RUNNING_JOBS: 4 } });
  try {
    const input = large.slice(0, 2 ** 20);
    const uuids: string[] = [];
    for (const [type, [reads, writes]] of Object.entries(ways)) {
      const ends = { in: type, out: type, ...(type === 'append' ? { inParameters: { quiet: 0.3 } } : {}) };
      const log = fixed(`ran-${type}`);
      const script = `echo "$PENSTOCK_JOB_UUID" >>${log}; ${reads} | { dd bs=65536 count=5 iflag=fullblock status=none; sleep 0.3; cat; } | ${writes}`;
      const id = await crashing.register(shell(script, ends));
      for (let index = 0; index < 4; index += 1) uuids.push(await submit(crashing, id, input));
    }
    for (let round = 0; round < 6; round += 1) {
      await delay(Math.random() * 700);
      await crashing.kill();
      await delay(Math.random() * 300);
      await crashing.restart();
    }
    for (const uuid of uuids) {
      expect(await jobOf(crashing, uuid, 30)).toMatchObject(finished);
      expect(hash(await outputOf({ uuid }, crashing))).toBe(hash(input));
    }
    const ran = Object.keys(ways).flatMap((type) => linesOf(fixed(`ran-${type}`)));
    expect(ran.sort()).toEqual([...uuids].sort());
    expect(leftOf(uuids)).toEqual([]);
    expect(uuids.flatMap((uuid) => pipesOf(uuid, crashing))).toEqual([]);
  } finally {
    await crashing.remove();
  }
});
