import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fdatasync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { copyFile, constants as fsConstants, link, readdir, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const sync = promisify(fdatasync);

/** The file with the messages of durable streams that this server keeps itself. */
export const streamsFile = (data: string): string => path.join(data, 'streams.sqlite');

/**
 * Where a job's files are. An upload is written to `incoming/` and moved to `jobs/` once its job is in the database, so
 * that accepted uploads can be told from others.
 *
 *   jobs/3f/1073f…/input               what came in; a program that wants a path finds it by its name in
 *   jobs/3f/1073f…/1/input/NAME        the attempt's folder
 *   jobs/3f/1073f…/inputs/NAME         inputs beside it; NAME/0, NAME/1 … if one has several files
 *   jobs/3f/1073f…/1/                  the first attempt: command, status, stdout, stderr
 *   jobs/3f/1073f…/1/work/             its working folder
 *   jobs/3f/1073f…/1/output/NAME       its output, where the program writes a file
 *   jobs/3f/1073f…/1/outputs/NAME      outputs beside it
 */
export class JobFiles {
  readonly #jobs: string;
  readonly #incoming: string;

  constructor(data: string) {
    this.#jobs = path.join(data, 'jobs');
    this.#incoming = path.join(data, 'incoming');
    mkdirSync(this.#jobs, { recursive: true, mode: 0o700 });
    mkdirSync(this.#incoming, { recursive: true, mode: 0o700 });
  }

  /** The folder of a job that was accepted. */
  folder(uuid: string): string {
    return path.join(this.#jobs, uuid.slice(3, 5), uuid);
  }

  /** The folder of one attempt to run it. */
  attempt(uuid: string, attempt: number): string {
    return path.join(this.folder(uuid), String(attempt));
  }

  /** The log of an attempt's standard output or error. */
  log(uuid: string, attempt: number, stream: 'stdout' | 'stderr'): string {
    return path.join(this.attempt(uuid, attempt), stream);
  }

  input(uuid: string): string {
    return path.join(this.folder(uuid), 'input');
  }

  /** An input beside the main one: `${input_file.NAME}`. */
  namedInput(uuid: string, name: string): string {
    return path.join(this.folder(uuid), 'inputs', name);
  }

  /** A file of a declared input that has several; see `filesOf` for their order. */
  inputFile(uuid: string, name: string, index: number): string {
    return path.join(this.folder(uuid), 'inputs', name, String(index));
  }

  /** Puts a file that is here already in another place: as a hard link, or as a copy on another file system. */
  async link(file: string, target: string): Promise<void> {
    try {
      // A link to a symbolic link would lead to bytes that may change.
      await link(await realpath(file), target);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK') throw error;
      await copyFile(file, target, fsConstants.COPYFILE_EXCL | fsConstants.COPYFILE_FICLONE);
      await makeDurable(target);
    }
  }

  /** An output beside the main one: `${output_file.NAME}`. */
  namedOutput(uuid: string, attempt: number, name: string): string {
    return path.join(this.attempt(uuid, attempt), 'outputs', name);
  }

  /** The folder for an upload that does not belong to a job yet. */
  incoming(uuid: string): string {
    return path.join(this.#incoming, uuid);
  }

  /** Makes the folder for an upload before it is known whether it becomes a job. */
  receive(uuid: string): string {
    // A problem with its place among the jobs must show now, before there is a job.
    accessSync(this.#shard(uuid), constants.W_OK | constants.X_OK);
    const folder = path.join(this.#incoming, uuid);
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  }

  /** The parent folder of a job's folder. */
  #shard(uuid: string): string {
    const folder = path.join(this.#jobs, uuid.slice(3, 5));
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    return folder;
  }

  /** Removes an empty shard. Synchronously, so that no job can be put into it meanwhile. */
  #dropShard(name: string): void {
    try {
      rmdirSync(path.join(this.#jobs, name));
    } catch {
      // There are jobs in it, or it cannot be removed, which does no harm.
    }
  }

  /** Removes empty folders that a crash left, or a version that did not remove them. */
  async tidy(): Promise<void> {
    for (const name of await readdir(this.#jobs)) if (/^[0-9a-f]{2}$/.test(name)) this.#dropShard(name);
  }

  /** Moves an upload to its job. Idempotent. */
  accept(uuid: string): void {
    this.#shard(uuid);
    const from = path.join(this.#incoming, uuid);
    if (existsSync(from)) renameSync(from, this.folder(uuid));
    else if (!existsSync(this.folder(uuid))) mkdirSync(this.folder(uuid), { mode: 0o700 });
  }

  /** Keeps the values of a run's variables beside its input: they may be secrets, and stay out of the database. */
  keepEnvironment(
    uuid: string,
    environment: Readonly<Record<string, string>>,
    folder = this.incoming(uuid),
  ): void {
    writeFileSync(path.join(folder, 'environment'), JSON.stringify(environment), { mode: 0o600 });
  }

  /** The stored values. */
  environment(uuid: string): Record<string, string> {
    return JSON.parse(readFileSync(path.join(this.folder(uuid), 'environment'), 'utf8')) as Record<
      string,
      string
    >;
  }

  /** Keeps the values of a run's secret inputs in the same way. */
  keepSecrets(uuid: string, secrets: Readonly<Record<string, unknown>>, folder = this.incoming(uuid)): void {
    writeFileSync(path.join(folder, 'secrets'), JSON.stringify(secrets), { mode: 0o600 });
  }

  /** The stored secret inputs; empty if there are none. */
  secrets(uuid: string): Record<string, unknown> {
    const file = path.join(this.folder(uuid), 'secrets');
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>) : {};
  }

  /** Deletes an attempt's command, which contains them. */
  forgetCommand(uuid: string, attempt: number): void {
    rmSync(path.join(this.attempt(uuid, attempt), 'command'), { force: true });
  }

  /** Removes the folders of a job's attempts up to that one. */
  async pruneAttempts(uuid: string, last: number): Promise<void> {
    if (last < 1) return;
    for (const name of await readdir(this.folder(uuid))) {
      if (!/^\d+$/.test(name) || Number(name) > last) continue;
      await rm(path.join(this.folder(uuid), name), { recursive: true, force: true });
    }
  }

  /** Deletes them once no attempt needs them any longer, and the command that contains them. */
  forgetEnvironment(uuid: string, attempt: number): void {
    for (const name of ['environment', 'secrets'])
      rmSync(path.join(this.folder(uuid), name), { force: true });
    this.forgetCommand(uuid, attempt);
  }

  /** Deletes an upload that will not become a job. */
  async reject(uuid: string): Promise<void> {
    await rm(path.join(this.#incoming, uuid), { recursive: true, force: true });
  }

  /** The UUIDs of uploads that a crash left neither accepted nor rejected. */
  async received(): Promise<string[]> {
    return readdir(this.#incoming);
  }

  /** Removes everything of a job. */
  async remove(uuid: string): Promise<void> {
    await rm(this.folder(uuid), { recursive: true, force: true });
    this.#dropShard(uuid.slice(3, 5));
  }
}

/**
 * A file's size in bytes, or null if it does not exist or cannot be reached: programs make circular links, and folders
 * that nobody may enter. Synchronous, because the kernel has it cached and the call costs a tenth of using the thread
 * pool.
 */
export function fileSize(file: string | Buffer): number | null {
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    return found?.isFile() ? found.size : null;
  } catch {
    return null;
  }
}

/** Returns when the file's bytes are on disk. */
export async function makeDurable(file: string): Promise<void> {
  const descriptor = openSync(file, 'r');
  try {
    await sync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
