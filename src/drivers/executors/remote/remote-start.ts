import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { PenstockError } from '../../../lib/errors.js';
import { type Host, HostError, type Said } from '../../hosts/host.js';
import { folderScript, launchScript, readIdentity, scriptFailed } from '../../hosts/scripts/remote-launch.js';
import { problemIn } from '../../hosts/ssh/complaints.js';
import { folderVariable, instanceVariable, jobVariable } from '../../processes/members.js';
import { commandScript } from '../../processes/runner.js';
import type { ExecutorCommand, ExecutorFiles, FilePath } from '../executor.js';
import { sendFiles } from './remote-files.js';
import type { RemoteHandle } from './remote-handle.js';
import { untilReached } from './remote-run.js';

/** Seconds in which a launch is tried again whose answer was lost; later looks settle what became of it. */
const launchPatience = 30;

/** The handle of a run that is to be on another machine; throws for what cannot be done there. */
export function planned(command: ExecutorCommand, files: ExecutorFiles): RemoteHandle {
  if (files.place === undefined) throw new Error('A run on another machine needs to be told the machine.');
  if (command.user !== null) {
    const why = `run as '${command.user}': on another machine a program runs as whom Penstock logs in as there.`;
    throw new PenstockError('account-unusable', why);
  }
  const { cpus, processes } = command.limits;
  return {
    folder: files.folder,
    uuid: command.uuid,
    host: files.place.host,
    there: files.place.folder,
    runner: null,
    stdout: files.stdout,
    stderr: files.stderr,
    fetch: files.fetch ?? [],
    most: command.limits.fileSize,
    unkept_limits: Object.entries({ cpus, processes }).flatMap(([name, limit]) =>
      limit === null ? [] : [name],
    ),
  };
}

/** What is sent before the program starts: its input, and files that it names. */
function sent(files: ExecutorFiles, stdin: string | null): FilePath[] {
  const input = stdin === null || files.stdin === null ? [] : [{ from: files.stdin, to: stdin }];
  return [...input, ...(files.send ?? [])];
}

const failed = ({ host }: RemoteHandle, { stderr }: Said): HostError =>
  scriptFailed(host, stderr, problemIn(stderr) === 'full');

/** Before anything is sent there: what is made on the way to a file could be read by everybody on that machine. */
async function makeFolder(host: Host, handle: RemoteHandle, unwanted?: AbortSignal): Promise<void> {
  const said = await host.run(folderScript, { args: [handle.there], ...(unwanted && { signal: unwanted }) });
  if (said.code !== 0) throw failed(handle, said);
}

/** Starts a run, once, however often this is called; gives its handle with what is known of its runner. */
export async function launch(
  host: Host,
  instance: string,
  command: ExecutorCommand,
  files: ExecutorFiles,
  handle: RemoteHandle,
): Promise<RemoteHandle> {
  const { there } = handle;
  const { limits } = command;
  const empty = files.stdin !== null && existsSync(files.stdin) && statSync(files.stdin).size === 0;
  const stdin = files.stdin === null || files.stdin === '/dev/null' || empty ? null : `${there}/stdin`;
  const sending = sent(files, stdin);
  if (sending.length > 0) await makeFolder(host, handle, files.unwanted);
  await sendFiles(host, sending, files.unwanted);
  files.unwanted?.throwIfAborted();
  const marks = {
    [jobVariable]: command.uuid,
    [instanceVariable]: instance,
    [folderVariable]: `${there}/`,
  };
  const script = commandScript({
    prefix: [...(command.before ?? [])],
    exec: command.exec,
    argv: command.argv,
    environment: { ...command.environment, ...marks },
    cwd: command.cwd,
    stdin,
    stdout: `${there}/stdout`,
    stderr: `${there}/stderr`,
    append: files.append === true,
    limits: {
      fileSize: limits.fileSize ?? undefined,
      cpuTime: limits.cpuTime ?? undefined,
      addressSpace: limits.memory ?? undefined,
    },
    groups: [],
    companions: files.companions,
    marks,
  });
  // They are there from the beginning, for whoever follows them.
  for (const file of [files.stdout, files.stderr]) closeSync(openSync(file, 'a'));
  // Values of variables are in the input: an argument could be read by everybody on that machine.
  const search = (command.environment.PATH ?? '').replaceAll('\n', ':');
  const args = [there, String(Buffer.byteLength(script)), command.exec, command.cwd];
  let begun = false;
  const said = await untilReached<Said | null>(
    async () => {
      try {
        return await host.run(launchScript, { args, input: `${search}\n${script}`, timeout: 30_000 });
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        begun ||= error.begun;
        // Nothing was sent: somebody else may be asked to run it.
        if (!begun) throw new Error(error.message, { cause: error });
        throw error;
      }
    },
    ({ problem }) => (problem === 'unreachable' ? launchPatience : 0),
  ).catch((error: unknown) => {
    if (begun) return null;
    throw (error as Error).cause instanceof HostError ? (error as Error).cause : error;
  });
  if (said === null) return handle;
  if (said.stdout.startsWith('program')) {
    throw new PenstockError('not-found', `exec: ${command.exec} is no program on ${handle.host}`);
  }
  if (said.code !== 0) throw failed(handle, said);
  return { ...handle, runner: readIdentity(said.stdout) };
}
