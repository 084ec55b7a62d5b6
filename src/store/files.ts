import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

/**
 * Where a job's files are. An upload is made in `incoming/` and moved to `jobs/` when its job is in the database,
 * so that what was never accepted can be told from what was.
 *
 *   jobs/3f/1073f…/input/NAME          what came in
 *   jobs/3f/1073f…/1/                  the first attempt: command, status, stdout, stderr
 *   jobs/3f/1073f…/1/work/             its working folder
 *   jobs/3f/1073f…/1/output/NAME       its output, where the program writes a file
 */
export class JobFiles {
  readonly #jobs: string;
  readonly #incoming: string;
  readonly #shards = new Set<string>();

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

  input(uuid: string, name: string): string {
    return path.join(this.folder(uuid), 'input', name);
  }

  /** A folder for what comes in, before it is known whether a job will come of it. */
  receive(uuid: string): string {
    const folder = path.join(this.#incoming, uuid);
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  }

  /** Moves what came in to its job. Doing it twice is the same as doing it once. */
  accept(uuid: string): void {
    const shard = uuid.slice(3, 5);
    if (!this.#shards.has(shard)) {
      mkdirSync(path.join(this.#jobs, shard), { recursive: true, mode: 0o700 });
      this.#shards.add(shard);
    }
    const from = path.join(this.#incoming, uuid);
    if (existsSync(from)) renameSync(from, this.folder(uuid));
    else if (!existsSync(this.folder(uuid))) mkdirSync(this.folder(uuid), { mode: 0o700 });
  }

  /** Drops what came in for a job that will not be. */
  async reject(uuid: string): Promise<void> {
    await rm(path.join(this.#incoming, uuid), { recursive: true, force: true });
  }

  /** The uuids of what came in and was neither accepted nor rejected: a crash left them. */
  async received(): Promise<string[]> {
    return readdir(this.#incoming);
  }

  /** Removes everything of a job. */
  async remove(uuid: string): Promise<void> {
    await rm(this.folder(uuid), { recursive: true, force: true });
  }
}

/** A file's size in bytes, or null if there is no such file. */
export async function fileSize(file: string): Promise<number | null> {
  try {
    const found = await stat(file);
    return found.isFile() ? found.size : null;
  } catch {
    return null;
  }
}
