import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { adminToken } from '../../src/domain/external-jobs/admin-token.js';
import { complaints, pastePage } from '../support/page-server.js';
import { paste, shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';
import { noRabbitmq, startRabbitmq } from '../support/rabbitmq.js';
import { ask } from '../support/raw.js';
import { startServer, type TestServer } from '../support/server.js';

/** A fresh server for one page, in place of the tour's. */
async function tour(): Promise<TestServer> {
  const server = await startServer();
  onTestFinished(() => server.remove());
  return server;
}

/** The blocks of a page that show JSON. */
const jsonBlocks = (page: string): unknown[] =>
  [...readFileSync(path.join(root, 'docs', page), 'utf8').matchAll(/```json\n([\s\S]*?)```/g)].map(
    ([, block]) => JSON.parse(block ?? ''),
  );

/** Curl says so where a page ends a stream after a time. */
const withoutTimeouts = (stderr: string) => stderr.replace(/curl: \(28\).*\n/g, '');

/** A busy machine gets a little more where a page waits a second. */
const patiently = (script: string) => script.replace(/^sleep \d$/gm, 'sleep 3');

test('docs/jobs.md: every command works when it is pasted', async () => {
  const server = await tour();
  const { stdout, stderr, folder } = await paste(server, shellBlocks('jobs.md').join('\n'));
  expect(withoutTimeouts(stderr)).toBe('');
  expect(readdirSync(folder)).toEqual([]);

  // The first answer is the job, which waited for.
  expect(stdout).toContain('"output_name": "clean.txt"');
  // A list of outputs, a value, and a file.
  expect(stdout).toMatch(/"sha256": "[0-9a-f]{64}"/);
  expect(stdout).toMatch(/^.*\}2one\n/m);
  // A log, followed to its end.
  expect(stdout).toMatch(/^data: mied boes$/m);
  expect(stdout).toMatch(/^event: end\n/m);
  // The receipt of a cancelled job.
  expect(stdout).toContain('"cause": "cancelled"');
  expect(stdout).toContain('"survivors": []');
  expect(stdout).toMatch(/"signalled": \[\{/);

  const jobs = (await ask(server, '/api/job/?order_by=created')).json.objects;
  expect(jobs).toMatchObject([
    { state: 'FINISHED', input_name: 'boxes.txt', output_name: 'clean.txt', output_size: 7 },
    { state: 'FINISHED', input_name: 'penstock-input.txt', request: { environment: ['LANG'] } },
    { state: 'FINISHED', input_size: 3, output_size: 2 },
    { state: 'FINISHED', outputs: { words: [{ name: 'words/aa' }, { name: 'words/ab' }], count: 2 } },
    { state: 'FINISHED', input_size: 11, output_size: 9 },
  ]);
});

test('docs/job-events.md: every command works when it is pasted', async () => {
  const server = await tour();
  const more = `
echo
admin_token 'a secret' 'a key' 1
CALLBACK=$(curl -sS -u "$login" $api/actors/v2/pipelinejobs-manager/messages \\
  --data '{"pipeline_uuid": "'$pipeline'", "data": {"night": "another"}}' |
  sed -n 's/.*"callback": "\\([^"]*\\)".*/\\1/p')
CALLBACK=$CALLBACK sh /tmp/penstock-report.sh sh -c 'exit 7' || echo "ended with $?"`;
  const script = shellBlocks('job-events.md').join('\n') + more;
  const { stdout, stderr, folder } = await paste(server, script);
  expect(withoutTimeouts(stderr)).toBe('');
  expect(stdout).not.toMatch(/"status": "error"/);
  expect(stdout).toContain('ended with 7');
  expect(existsSync(path.join(folder, 'penstock-report.sh'))).toBe(true);
  // The jobs of the pipeline, and of those the failed ones: there is none yet.
  const totals = [...stdout.matchAll(/"total_count": (\d+)/g)].map(([, total]) => Number(total));
  expect(totals).toEqual([1, 0]);

  const jobs = (await ask(server, '/api/job/?order_by=created')).json.objects;
  expect(jobs).toMatchObject([
    { state: 'FINISHED', data: { night: '2026-01-31' }, outcome: { cause: 'exit', exit_code: 0 } },
    { state: 'FAILED', data: { night: 'another' }, outcome: { cause: 'exit', exit_code: 7 } },
  ]);
  const history = (await ask(server, `/api/job/${jobs[0].uuid}/history/`)).json.objects;
  expect(history.map(({ name }: { name: string }) => name)).toEqual(['create', 'run', 'finish']);
  expect(history[1].data).toMatchObject({ pid: expect.any(Number) });

  const token = /^[0-9a-f]{16}$/m.exec(stdout)?.[0];
  const now = Math.floor(Date.now() / 1000);
  const around = Array.from({ length: 60 }, (_, age) => adminToken('a secret', 'a key', now - age));
  expect(around).toContain(token);
});

test('docs/webhooks.md: every command works when it is pasted, and the receiver accepts every message', async () => {
  const { stdout, stderr, folder } = await pastePage([patiently(shellBlocks('webhooks.md').join('\n'))], {
    ports: [8200, 8201],
  });
  expect(complaints(stderr)).toBe('');
  expect(readdirSync(folder)).toEqual([]);
  expect(stdout).toMatch(/"accepted": true/);
  // What the receiver prints, whose lines stand between the answers.
  const uuid = /job\.create ([0-9a-f-]{36}) CREATED/.exec(stdout)?.[1];
  expect(uuid).toBeDefined();
  expect(stdout).toContain(`job.run ${uuid} RUNNING`);
  expect(stdout).toContain(`job.finish ${uuid} FINISHED`);
  expect(stdout.indexOf('ping')).toBeLessThan(stdout.indexOf('job.create'));
});

const streams = shellBlocks('streams.md');
const ofBroker = streams.findIndex((block) => block.includes('amqp_url'));

test('docs/streams.md: every command works when it is pasted', async () => {
  const server = await tour();
  const { stdout, stderr, folder } = await paste(server, patiently(streams.slice(0, ofBroker).join('\n')));
  expect(stderr).toBe('');
  expect(readdirSync(folder)).toEqual([]);
  const data = [...stdout.matchAll(/^data: (.*)$/gm)].map(([, text]) => JSON.parse(text ?? '') as object);
  expect(data).toMatchObject([
    { text: 'hello', content_type: 'text/plain' },
    { text: 'HELLO', content_type: 'text/plain', headers: { place: 'roof' } },
    { text: 'TWO' },
    { text: 'LINES' },
  ]);
  expect(stdout).toMatch(/"received": ?3/);
  expect(stdout).toMatch(/"total": 0/);
  expect((await ask(server, '/api/stream/')).json.meta.total_count).toBe(0);
  expect((await ask(server, '/api/operation/')).json.meta.total_count).toBe(0);
});

test('docs/streams.md: job events on a broker, every command works when it is pasted', async ({ skip }) => {
  if (noRabbitmq !== null) skip(noRabbitmq);
  // Debian's own: another one may come first in PATH.
  const python = '/usr/bin/python3';
  if (spawnSync(python, ['-c', 'import pika']).status !== 0) {
    skip('there is no python3 with pika here (Debian: python3-pika)');
  }
  const broker = await startRabbitmq();
  onTestFinished(() => broker.remove());
  // The function that the page's first example defines.
  const [create] = (streams[0] ?? '').split('\n\n');
  const { stdout, stderr, folder } = await pastePage(
    [patiently([create, ...streams.slice(ofBroker)].join('\n'))],
    {
      ports: [8300],
      instead: { 'amqp://guest:guest@127.0.0.1:5672': broker.url(), 'python3 ': `${python} ` },
    },
  );
  expect(complaints(stderr)).toBe('');
  expect(readdirSync(folder)).toEqual([]);
  expect(stdout).not.toMatch(/^WRONG/m);
  const events = [...stdout.matchAll(/[0-9a-f-]{36} application\/json (\{.*\})$/gm)].map(
    ([, body]) => JSON.parse(body ?? '') as { type: string },
  );
  expect(events.map(({ type }) => type)).toEqual(['job.create', 'job.run', 'job.finish']);
});

test('docs/api.md: every command works when it is pasted, and the error is as the page shows it', async () => {
  const server = await tour();
  const { stdout, stderr } = await paste(server, shellBlocks('api.md').join('\n'));
  expect(stderr).toBe('');
  expect(stdout).toContain('"name": "greeting"');
  expect(stdout).toMatch(/HTTP\/1\.1 202 Accepted/);
  const { objects } = (await ask(server, '/api/process_definition/')).json;
  expect(objects).toMatchObject([{ name: 'hello again' }]);
  const answer = (await ask(server, '/api/process_definition/999999/')).json;
  expect(jsonBlocks('api.md')).toEqual([answer]);
  expect(stdout).toContain(answer.detail);
});

test('docs/errors.md: the answer is the one that the page shows', async () => {
  const server = await tour();
  const { stdout, stderr } = await paste(server, shellBlocks('errors.md').join('\n'));
  expect(stderr).toBe('');
  expect([JSON.parse(stdout)]).toEqual(jsonBlocks('errors.md'));
});

test('docs/command-line.md: every command works when it is pasted', async () => {
  const server = await tour();
  vi.stubEnv('CLONE', root);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const { username, password } = server.admin;
  const script = shellBlocks('command-line.md')
    .join('\n')
    .replaceAll('$PWD/bin', '$CLONE/bin')
    .replace(/^export PENSTOCK_USER=.*$/m, '');
  const login = `export PENSTOCK_URL='${server.url}' PENSTOCK_USER='${username}' PENSTOCK_PASSWORD='${password}'\n`;
  const { stdout, folder } = await paste(server, login + patiently(script));
  expect(readdirSync(folder)).toEqual([]);
  expect(stdout).toContain('MADE LARGE');
  expect(stdout.match(/^SIX BOXES$/gm)).toHaveLength(2);
  expect(stdout).toMatch(/CREATED → RUNNING\n.*RUNNING → FINISHED/);
  expect(stdout).toMatch(/^secret: +whsec_/m);
  expect(stdout).toContain('the receiver does not accept');
  expect(stdout).toMatch(/^21\.5\n21\.6\n21\.7$/m);
  expect(stdout).toContain('runPTS.ori');
  const { objects } = (await ask(server, '/api/job/?order_by=created')).json;
  expect(objects.map(({ state }: { state: string }) => state)).toEqual(Array(7).fill('FINISHED'));
  expect(objects.at(-1)).toMatchObject({ data: { sample: 7 }, executor: 'none' });
});
