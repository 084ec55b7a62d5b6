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

/** Seconds for retrying a launch whose answer was lost; later checks settle what became of it. */
const launchPatience = 30;

/** The handle for a run on another machine; throws if it cannot run there. */
export function planned(command: ExecutorCommand, files: ExecutorFiles): RemoteHandle {
  if (files.place === undefined) throw new Error('A run on another machine needs the name of the machine.');
  if (command.user !== null) {
    const why = `run as '${command.user}': on another machine a program always runs as the user that Penstock logs in as.`;
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

/** The files to send before the program starts: its input, and files that its command names. */
function sent(files: ExecutorFiles, stdin: string | null): FilePath[] {
  const input = stdin === null || files.stdin === null ? [] : [{ from: files.stdin, to: stdin }];
  return [...input, ...(files.send ?? [])];
}

const failed = ({ host }: RemoteHandle, { stderr }: Said): HostError =>
  scriptFailed(host, stderr, problemIn(stderr) === 'full');

/** Creates the folder before anything is sent: folders made on the way to a file could be readable by everybody there. */
async function makeFolder(
  host: Host,
  handle: RemoteHandle,
  { folders = [], unwanted }: ExecutorFiles,
): Promise<void> {
  const args = [handle.there, ...folders];
  const said = await host.run(folderScript, { args, ...(unwanted && { signal: unwanted }) });
  if (said.code !== 0) throw failed(handle, said);
}

/** Starts a run once, however often it is called; returns its handle with what is known about its runner. */
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
  if (sending.length > 0 || (files.folders ?? []).length > 0) await makeFolder(host, handle, files);
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
  // They must exist from the beginning, for followers.
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
        // Nothing was sent, so another machine may run it.
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
    throw new PenstockError('not-found', `exec: there is no program ${command.exec} on ${handle.host}`);
  }
  if (said.code !== 0) throw failed(handle, said);
  return { ...handle, runner: readIdentity(said.stdout) };
}
