import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf, type Problem } from '../lib/errors.js';
import type { ApplicationFile } from '../lib/generated/config/application.js';
import type { HeatFile } from '../lib/generated/config/heat.js';
import type { NovaFile } from '../lib/generated/config/nova.js';
import type { SshFile } from '../lib/generated/config/ssh.js';
import { nearest } from '../lib/nearest.js';
import { ConfigError, explainProblems, pathBeside, readConcern } from './config-files.js';

/** A machine of `ssh.yaml`. */
export type MachineEntry = SshFile['MACHINES'][number];

/** What can be reloaded while the server runs: the settings of remote machines and of the scheduler's protocol. */
export interface CloudFiles {
  application: ApplicationFile;
  ssh: SshFile;
  /** Null: the file does not exist. */
  nova: NovaFile | null;
  heat: HeatFile | null;
  /** Null: the file does not exist. */
  tokens: readonly string[] | null;
}

/** Keys of application.yaml that a reload changes. The others need a restart. */
export const liveKeys: readonly (keyof ApplicationFile)[] = [
  'CONNECTOR',
  'MAX_ACTIVE_TASKS',
  'MAX_SERVERS',
  'VIRTUAL_SERVER_TTL',
  'IDLE_TIMEOUT',
  'MIN_IDLE',
  'RECONCILE_INTERVAL',
  'CAPACITY_RETRY_INTERVAL',
  'MAX_TASK_ATTEMPTS',
  'LOCAL_SCRIPTS_FOLDER',
  'REMOTE_BASE_FOLDER',
  'TIMETEST_CSV_FILE',
];

/** Reads the files. Throws a ConfigError if anything is wrong. */
export function readCloud(folder: string | null): CloudFiles {
  const there = (concern: string) => folder !== null && existsSync(path.join(folder, `${concern}.yaml`));
  const optional = <T>(concern: string) => (there(concern) ? readConcern<T>(folder, concern) : null);
  const beside = (name: string | null) => (name === null ? null : pathBeside(folder, name));
  const application = readConcern<ApplicationFile>(folder, 'application');
  const heat = withPaths(folder, optional<HeatFile>('heat'));
  const cloud = {
    application: { ...application, LOCAL_SCRIPTS_FOLDER: beside(application.LOCAL_SCRIPTS_FOLDER) },
    ssh: readSsh(folder),
    nova: withPaths(folder, optional<NovaFile>('nova')),
    heat: heat === null ? null : { ...heat, TEMPLATE_FILE: beside(heat.TEMPLATE_FILE) },
    tokens: readTokens(folder),
  };
  const { CONNECTOR: connector, REMOTE_BASE_FOLDER: base } = application;
  const problems: Problem[] = [];
  if ((connector === 'nova' || connector === 'heat') && cloud[connector] === null) {
    problems.push({
      pointer: '/CONNECTOR',
      detail: `the connector ${connector} needs the file ${connector}.yaml in the same folder`,
    });
  }
  if (connector === 'static' && cloud.ssh.MACHINES.length === 0) {
    problems.push({
      pointer: '/CONNECTOR',
      detail: 'the connector static needs MACHINES in ssh.yaml in the same folder',
    });
  }
  // Scripts on the machine read folder names line by line.
  const is = path.isAbsolute(base) ? null : 'is not an absolute path';
  const wrong = /\p{Cc}/u.test(base) ? 'contains control characters' : is;
  if (wrong !== null) {
    problems.push({ pointer: '/REMOTE_BASE_FOLDER', detail: `'${base}' ${wrong}` });
  }
  if (problems.length > 0) throw explainProblems(path.join(folder ?? '', 'application.yaml'), problems);
  return cloud;
}

/** Other YAML files that the files of the folder refer to: a list of clouds with another name, or a Heat template. */
export function namedBeside(folder: string): string[] {
  const named = ['nova', 'heat']
    .filter((concern) => existsSync(path.join(folder, `${concern}.yaml`)))
    .map((concern) => readConcern<Partial<HeatFile>>(folder, concern))
    .flatMap(({ CLOUDS_FILE, TEMPLATE_FILE }) => [CLOUDS_FILE ?? '', TEMPLATE_FILE ?? '']);
  return named
    .map((name) => pathBeside(folder, name))
    .filter((file) => path.dirname(file) === folder)
    .map((file) => path.basename(file));
}

/** An OpenStack file with absolute paths. By default it uses a clouds.yaml in the same folder. */
function withPaths<T extends NovaFile>(folder: string | null, file: T | null): T | null {
  if (file === null) return null;
  const own = pathBeside(folder, 'clouds.yaml');
  const clouds = file.CLOUDS_FILE ?? (file.CLOUD !== null && existsSync(own) ? own : null);
  return {
    ...file,
    CREDENTIALS_FILE: file.CREDENTIALS_FILE === null ? null : pathBeside(folder, file.CREDENTIALS_FILE),
    CLOUDS_FILE: clouds === null ? null : pathBeside(folder, clouds),
  };
}

function readSsh(folder: string | null): SshFile {
  const file = readConcern<SshFile>(folder, 'ssh');
  const names = file.MACHINES.map(({ NAME }) => NAME);
  const problems: Problem[] = [];
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index)
      problems.push({ pointer: `/MACHINES/${index}/NAME`, detail: `two machines have the name ${name}` });
  });
  if (file.JUMP_HOST !== null && !names.includes(file.JUMP_HOST)) {
    const near = nearest(file.JUMP_HOST, names);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    problems.push({
      pointer: '/JUMP_HOST',
      detail: `'${file.JUMP_HOST}' is not the NAME of any of MACHINES${hint}`,
    });
  }
  const source = path.join(folder ?? '', 'ssh.yaml');
  if (problems.length > 0) throw explainProblems(source, problems);
  const beside = (name: string | null) => (name === null ? null : pathBeside(folder, name));
  const read = {
    ...file,
    AUTH_KEYFILE: beside(file.AUTH_KEYFILE),
    MACHINES: file.MACHINES.map((one) => ({ ...one, AUTH_KEYFILE: beside(one.AUTH_KEYFILE) })),
  };
  for (const keyFile of [read.AUTH_KEYFILE, ...read.MACHINES.map((one) => one.AUTH_KEYFILE)]) {
    if (keyFile !== null && !existsSync(keyFile))
      throw new ConfigError(`${source}: the key file ${keyFile} does not exist`);
  }
  return read;
}

/** One token per line. Blank lines are ignored. */
function readTokens(folder: string | null): readonly string[] | null {
  const file = path.join(folder ?? '', 'tokens');
  if (folder === null || !existsSync(file)) return null;
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.map((line) => line.trim()).filter((line) => line !== '');
  } catch (error) {
    throw new ConfigError(`Cannot read ${file}: ${messageOf(error)}`);
  }
}
