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
  /** The port that the page's server listens on; a free one takes its place. */
  port: number;
  /** Texts of the page that stand for something of the reader's, and what they are here. */
  instead?: Readonly<Record<string, string>>;
}

/**
 * Runs commands of a page that starts its own server, as a reader would who pastes them: with a folder of ours in place
 * of `/tmp`, a free port, and the program of this tree. Fails where a command does, and ends what they left running.
 */
export async function pastePage(
  commands: readonly string[],
  { port, instead = {} }: PagePaste,
): Promise<{ stdout: string; stderr: string; folder: string; port: number }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  const [free = 0] = await freePorts(1);
  const program = `node ${root}/bin/penstock`;
  // The default port is in no file or flag of a page.
  const serve = port === 8100 ? `${program} serve --port ${free}` : `${program} serve`;
  let script = commands
    // Answers do not all end with a line break.
    .join('\necho\n')
    // Before anything of ours, which may lie there, too, is put in.
    .replaceAll('/tmp/', `${folder}/`)
    // The tests have built it.
    .replaceAll('npm run build', ':')
    .replaceAll(String(port), String(free))
    .replaceAll('node bin/penstock serve', serve)
    .replaceAll('node bin/penstock', program);
  for (const [text, ours] of Object.entries(instead)) script = script.replaceAll(text, ours);
  // A server in the background must not hold our pipes, nor outlive us.
  const whole = `trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n${script}`;
  // A page waits until its server answers, and would wait for ever for one that has not started.
  const bounds = { maxBuffer: 64 * 1024 * 1024, timeout: atPace(90_000) };
  const answer = await run('bash', ['-e', '-c', whole], { cwd: folder, ...bounds });
  return { ...answer, folder, port: free };
}

/** What is left of standard error without the lines that a server logs while all is well. */
export const complaints = (stderr: string): string =>
  stderr.replace(/^(\{.*"level":[34]0.*|penstock: .*)\n/gm, '');
