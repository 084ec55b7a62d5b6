import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { atPace } from './pace.js';
import { root } from './paths.js';
import { freePorts } from './ports.js';

const run = promisify(execFile);

interface PagePaste {
  /** The ports that the page uses, its server's first; free ones take their places. */
  ports: readonly number[];
  /** Texts of the page that stand for something of the reader's, and what they are here. */
  instead?: Readonly<Record<string, string>>;
}

/**
 * Runs commands of a page that starts its own server, as a reader would who pastes them: with a folder of ours in place
 * of `/tmp`, a free port, and the program of this tree. Fails where a command does, and ends what they left running.
 */
export async function pastePage(
  commands: readonly string[],
  { ports, instead = {} }: PagePaste,
): Promise<{ stdout: string; stderr: string; folder: string; port: number }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const free = await freePorts(ports.length);
  const program = `node ${root}/bin/penstock`;
  // The default port is in no file or flag of a page.
  const serve = ports[0] === 8100 ? `${program} serve --port ${free[0]}` : `${program} serve`;
  let script = commands
    // Answers do not all end with a line break.
    .join('\necho\n')
    // Before anything of ours, which may lie there, too, is put in.
    .replaceAll('/tmp/', `${folder}/`)
    // The tests have built it.
    .replaceAll('npm run build', ':');
  for (const [index, port] of ports.entries()) script = script.replaceAll(String(port), String(free[index]));
  script = script
    .replaceAll('node bin/penstock serve', serve)
    .replaceAll('node bin/penstock', program)
    .replaceAll('$PWD/bin/penstock', `${root}/bin/penstock`);
  for (const [text, ours] of Object.entries(instead)) script = script.replaceAll(text, ours);
  // A server in the background must not hold our pipes, nor outlive us.
  const whole = `shopt -s expand_aliases\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n${script}`;
  const env = { ...process.env, PENSTOCK_URL: `http://127.0.0.1:${free[0]}` };
  // A page waits until its server answers, and would wait for ever for one that has not started.
  const bounds = { maxBuffer: 64 * 1024 * 1024, timeout: atPace(90_000) };
  const answer = await run('bash', ['-e', '-c', whole], { cwd: folder, env, ...bounds });
  return { ...answer, folder, port: free[0] ?? 0 };
}

/** What is left of standard error without the lines that a server logs while all is well. */
export const complaints = (stderr: string): string =>
  stderr.replace(/^(\{.*"level":[34]0.*|penstock: .*)\n/gm, '');
