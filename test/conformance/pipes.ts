import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jobOf, leftOf, type ShownJob, submit } from '../support/jobs.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';

const large = new Uint8Array(randomBytes(10 * 2 ** 20));
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const finished = { state: 'FINISHED', outcome: { cause: 'exit', exit_code: 0 } };

/** Which ends of a program are pipes, and what else its definition says. */
interface Ends {
  in?: boolean;
  out?: boolean;
  more?: object;
}

/**
 * Programs that open their named pipes late, often or never, die, or leave others behind: wherever they run.
 *
 * @param where what the configuration and each definition say of where that is
 */
export function pipeConformance(
  name: string,
  where: { application?: Record<string, unknown>; definition?: object } = {},
): void {
  describe(`pipes ${name}`, () => {
    const application = { LOG_LEVEL: 'error', MAX_PLATFORM_RETRIES: 0, ...where.application };
    const outside = mkdtempSync(path.join(os.tmpdir(), 'penstock-pipes-'));
    let server: TestServer;
    beforeAll(async () => {
      server = await startServer({ application });
    });
    afterAll(async () => {
      await server.remove();
      rmSync(outside, { recursive: true, force: true });
    });

    /** A line of the shell; `$1` and `$2` are the places of its input and output. */
    function shell(script: string, ends: Ends): object {
      const words = [ends.in ? '${input_pipe}' : '', ends.out ? '${output_pipe}' : ''];
      return {
        exec: '/bin/sh',
        argv: ['-c', script, 'sh', ...words],
        ...(ends.in ? { input_adapter: { input_type: 'pipe', input_parameters: {} } } : {}),
        ...(ends.out ? { output_adapter: { output_type: 'pipe', output_parameters: {} } } : {}),
        ...ends.more,
        ...where.definition,
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
    const pipesOf = (uuid: string) =>
      readdirSync(server.data, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.parentPath.includes(uuid) && (entry.isFIFO() || entry.isSocket()))
        .map(({ name: pipe }) => pipe);
    async function outputOf({ uuid }: { uuid: string }, at = server): Promise<Buffer> {
      return Buffer.from(await (await at.fetch(`/api/job/${uuid}/output/`)).arrayBuffer());
    }

    const script: [string, string, Ends, string][] = [
      ['never opens its input', 'echo done', { in: true }, 'done\n'],
      ['never opens its output', 'cat >/dev/null', { out: true }, ''],
      ['ends early', 'head -c 1 "$1"', { in: true }, String.fromCharCode(large[0] ?? 0)],
      [
        'writes in several goes',
        'for i in 1 2 3; do echo $i >"$2"; sleep 0.05; done',
        { out: true },
        '1\n2\n3\n',
      ],
      [
        'opens its input again after the end',
        'cat "$1" | wc -c; cat "$1" | wc -c',
        { in: true },
        '10485760\n0\n',
      ],
      ['opens both late', 'sleep 0.3; head -c 1 "$1" | wc -c >"$2"', { in: true, out: true }, '1\n'],
    ];
    test.each(script)('a program that %s', async (_, line, ends, wanted) => {
      const definition = { ...shell(line, ends), argv: ['-c', `: "$1" "$2"; ${line}`, ...words(ends)] };
      const job = await run(definition, large);
      expect(job).toMatchObject(finished);
      expect((await outputOf(job)).toString('latin1')).toBe(wanted);
    });
    const words = (ends: Ends) => (shell('', ends) as { argv: string[] }).argv.slice(2);

    test('a program that reads it in several goes gets every byte', async () => {
      const script =
        'for i in 1 2 3; do dd bs=100000 count=10 iflag=fullblock status=none <"$1"; done; cat "$1"';
      const job = await run(shell(script, { in: true, out: true }), large);
      expect(job).toMatchObject({ state: 'FINISHED' });
      // Into standard output, which is not the output here: the pipe was never opened.
      expect((await outputOf(job)).length).toBe(0);
      const stdout = await server.fetch(`/api/job/${job.uuid}/stdout/`);
      expect(hash(new Uint8Array(await stdout.arrayBuffer()))).toBe(hash(large));
    });

    test('what a program leaves in it, when all is written, is there for when it opens it again', async () => {
      const script = 'exec 3<"$1"; read -r _ <&3; sleep 0.5; exec 3<&-; sleep 0.1; cat "$1"';
      const job = await run(shell(script, { in: true, more: { timeout: 10 } }), 'a\nb\nc\n');
      expect(job).toMatchObject(finished);
      expect(String(await outputOf(job))).toBe('b\nc\n');
    });

    test('a program that dies while it is fed', async () => {
      const job = await run(shell('head -c 100000 "$1" >/dev/null; kill -9 $$', { in: true }), large);
      expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'signal', signal: 'SIGKILL' } });
    });

    test('a program that leaves one behind that goes on to write', async () => {
      const line = '{ while :; do echo x; sleep 0.1; done >"$2"; } & sleep 0.3';
      const job = await run(shell(line, { out: true, more: { timeout: 25 } }));
      expect(job).toMatchObject(finished);
      expect(String(await outputOf(job))).toMatch(/^(x\n)+$/);
    });

    test('without an input there is an end to read', async () => {
      expect(await run(shell('cat "$1"; echo over', { in: true }))).toMatchObject(finished);
    });

    test('gzip, over pipes', async () => {
      const definition = shell('exec gzip -nc "$1" >"$2"', { in: true, out: true });
      const job = await run(definition, large);
      expect(job).toMatchObject(finished);
      expect(hash(gunzipSync(await outputOf(job)))).toBe(hash(large));
    });

    test('cancel and timeout leave nothing behind', async () => {
      const script = 'cat "$1" | { cat; sleep 1000; } >"$2"';
      const uuid = await begin(shell(script, { in: true, out: true }), large);
      await waitFor(() => leftOf([uuid]).length >= 4, 'the program to run');
      const answer = await server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
      expect(((await answer.json()) as { survivors: unknown[] }).survivors).toEqual([]);
      expect(await jobOf(server, uuid, 10)).toMatchObject({
        state: 'FAILED',
        outcome: { cause: 'cancelled' },
      });
      await waitFor(() => leftOf([uuid]).length === 0, 'its processes to end');
      const more = { timeout: 1, kill_grace: 0.5 };
      const late = await run(shell(script, { in: true, out: true, more }), large);
      expect(late).toMatchObject({ state: 'FAILED', outcome: { cause: 'timeout' } });
    });

    test('an output that is too large ends the job', async () => {
      const limited = { out: true, more: { limits: { output_size: '1MB' } } };
      const job = await run(shell('yes >"$2"', limited));
      expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'signal' }, output_size: 1_000_001 });
      expect(job.outcome?.reason).toBe('Its output is larger than limits.output_size, 1000000 bytes.');
      const full = await run(shell('head -c 1000000 /dev/zero >"$2"', limited));
      expect(full).toMatchObject({ state: 'FINISHED', output_size: 1_000_000 });
    });

    test('a server that is killed in the middle finds every byte', async () => {
      const crashing = await startServer({ application });
      try {
        const [half, go] = [path.join(outside, 'half'), path.join(outside, 'go')];
        const stop = `dd bs=65536 count=40 iflag=fullblock status=none; : >${half}; until [ -e ${go} ]; do sleep 0.05; done`;
        const definition = shell(`cat "$1" | { ${stop}; cat; } >"$2"`, { in: true, out: true });
        const uuid = await begin(definition, large, crashing);
        await waitFor(() => existsSync(half), 'half of it');
        await crashing.kill();
        writeFileSync(go, '');
        await waitFor(() => leftOf([uuid]).length === 0, 'the program to end without a server');
        await crashing.restart();
        expect(await jobOf(crashing, uuid, 30)).toMatchObject({ ...finished, attempt: 1 });
        expect(hash(await outputOf({ uuid }, crashing))).toBe(hash(large));
      } finally {
        await crashing.remove();
      }
    });
  });
}
