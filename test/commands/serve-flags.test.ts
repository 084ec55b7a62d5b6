import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { atPace } from '../support/pace.js';
import { main } from '../support/paths.js';

let home: string;
let env: Record<string, string | undefined>;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'penstock-serve-'));
  env = { PATH: process.env.PATH, HOME: home };
  mkdirSync(join(home, 'config'));
  writeFileSync(join(home, 'config/node.yaml'), 'node: {host: 127.0.0.3, port: 0}\nlogginglevel: WARNING\n');
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], { env, encoding: 'utf8', timeout: atPace(30_000) });

let folders = 0;
/** Starts a server with these switches until it listens; where, and what it had logged by the time that it ended. */
async function serve(...args: string[]): Promise<{ url: string; log: string }> {
  folders += 1;
  const data = join(home, String(folders));
  const server = spawn(process.execPath, [main, 'serve', '--data', data, ...args], { env });
  let log = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const ended = once(server, 'close');
  let url: string | undefined;
  for await (const line of createInterface({ input: server.stdout })) {
    url = /^penstock listening on (http\S+)/.exec(line)?.[1];
    if (url !== undefined) break;
  }
  server.stdout.resume();
  server.kill('SIGTERM');
  await ended;
  if (url === undefined) throw new Error(`The server did not start: ${log}`);
  return { url, log };
}

/** A line of the log that is less than the warnings of the test's node.yaml, as pino numbers them. */
const info = '"level":30';

describe('penstock serve', () => {
  it.each([
    [['-i', '127.0.0.2', '-o', '0']],
    [['--ip=127.0.0.2', '--port=0']],
    [['--host=127.0.0.2', '--port', '0']],
    [['--ip', '127.0.0.2', '--host', '127.0.0.2', '-o0']],
  ])('listens where %j says', async (args) => {
    expect((await serve(...args)).url).toMatch(/^http:\/\/127\.0\.0\.2:[1-9]\d*$/);
  });

  it('logs more with -v, unless the level is said', async () => {
    const quiet = ['--config', join(home, 'config'), '--node-only'];
    expect((await serve(...quiet)).log).not.toContain(info);
    for (const flag of ['-v', '--verbose']) expect((await serve(...quiet, flag)).log).toContain(info);
    expect((await serve(...quiet, '-v', '--log-level', 'silent')).log).not.toContain('"level"');
  });

  it('listens as node.yaml says with --node-only, and as application.yaml says without', async () => {
    const config = ['--config', join(home, 'config')];
    const login = ['-u', 'foo', '-p', 'bar'];
    const node = await serve(...config, '--node-only', ...login);
    expect(node.url).toMatch(/^http:\/\/127\.0\.0\.3:/);
    const long = ['--username=foo', '--password=b=a r', '--ip=127.0.0.1', '--port=0'];
    expect((await serve(...config, '--node-only', ...long)).url).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect((await serve(...config, '-o', '0')).url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  });

  it.each<[string[], number, RegExp]>([
    [['--nod-only'], 2, /unknown option '--nod-only'[\s\S]*Did you mean --node-only/],
    [['-x'], 2, /unknown option '-x'/],
    [['-u'], 2, /argument missing/],
    [['-u', 'foo', '-p', 'bar'], 2, /--username only works with --node-only[\s\S]*PENSTOCK_ADMIN_USER/],
    [['-p', 'bar'], 2, /--password only works with --node-only/],
    [['-u', ''], 2, /--username only works with --node-only/],
    [['--node-only', '-u', 'foo'], 2, /go together/],
    [['--node-only', '-p', 'bar'], 2, /go together/],
    [['--node-only', '-u', '', '-p', 'bar'], 3, /--username is empty/],
    [['--node-only', '-u', 'foo', '-p', ''], 3, /--password is empty/],
    [['--node-only', '--username=', '--password=bar'], 3, /--username is empty/],
    [['--node-only', '--username=foo', '--password='], 3, /--password is empty/],
    [['--node-only', '-p', ''], 3, /--password is empty/],
    [['--node-only', '-u', 'a:b', '-p', 'c'], 1, /--username: 'a:b' must not contain a colon/],
    [['-o', 'x'], 1, /--port: 'x' is not a port/],
    [['-o', '65536'], 1, /not a port/],
    [['--ip', '127.0.0.1', '--host', '127.0.0.2'], 2, /mean the same/],
  ])('%j ends with %i', (args, code, words) => {
    const { status, stdout, stderr } = run('serve', '--data', join(home, 'none'), ...args);
    expect([status, stdout, stderr]).toEqual([code, '', expect.stringMatching(words)]);
    expect(stderr).not.toMatch(/\bbar\b/);
  });

  it('shares no short switch with the program around it', () => {
    expect(run('-V').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const flag of ['-v', '-u', '-p', '-i', '-o'])
      expect(run(flag, 'x').stderr).toContain('unknown option');
    // What stands before the noun is the program's; --url there takes nothing from `serve`.
    const { status, stdout } = run('--url', 'http://127.0.0.1:1', 'serve', '--help');
    expect(status).toBe(0);
    for (const each of ['-i, --host', '-o, --port', '-v, --verbose', '-u, --username', '-p, --password'])
      expect(stdout).toContain(each);
    expect(run('serve', '-V').status).toBe(2);
    expect(run('serve', '--url', 'http://127.0.0.1:1').status).toBe(2);
  });
});
