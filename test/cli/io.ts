import { PassThrough, Readable } from 'node:stream';
import { buildProgram, registerClientCommands, runCommandLine } from '../../src/cli/program.js';

/** What a command line printed, and how it ended. */
export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs one command line in this process, with streams that are no terminals; with `terminal`, standard output is one. */
export async function penstock(
  args: readonly string[],
  more: { env?: Record<string, string>; stdin?: string; terminal?: boolean } = {},
): Promise<Ran> {
  const stdout = Object.assign(new PassThrough(), { isTTY: more.terminal === true });
  const stderr = new PassThrough();
  const io = {
    env: more.env ?? {},
    stdin: Readable.from([more.stdin ?? ''], { objectMode: false }),
    stdout,
    stderr,
  };
  const printed = Promise.all([textOf(stdout), textOf(stderr)]);
  const program = buildProgram(io, '0.0.0');
  registerClientCommands(program, io);
  const code = await runCommandLine(program, args, io);
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { code, stdout: out, stderr: err };
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
