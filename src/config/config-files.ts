import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { messageOf, type Problem } from '../lib/errors.js';
import type { PipelineJobsFile } from '../lib/generated/config/pipelinejobs.js';
import { validator } from '../lib/schemas.js';
import type { NodeFile } from './node-file.js';

/** A mistake in the configuration: what, where, and how to mend it. It stops the start. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Files that the config folder may hold. */
export const files = [
  'application.yaml',
  'heat.yaml',
  'node.yaml',
  'nova.yaml',
  'pipelinejobs.yaml',
  'ssh.yaml',
  'streams.yaml',
];

/** Files of OpenStack that may lie beside ours, and are not ours to check. */
export const theirFiles = ['clouds.yaml', 'clouds.yml', 'secure.yaml', 'secure.yml'];

/** A path of a file of the config folder: `~/` is the home of who runs the server, a relative one starts from the folder. */
export function pathBeside(folder: string | null, name: string): string {
  if (name === '~' || name.startsWith('~/')) return path.join(os.homedir(), name.slice(1));
  return path.resolve(folder ?? '.', name);
}

/** Messages show what is wrong, but no login of a URL; one that is an example is none. */
const withoutLogin = (text: string) => text.replace(/(?<!such as )\b(\w+:\/\/).*@/g, '$1***@');

function readYaml(file: string): unknown {
  try {
    // A file with nothing but comments is an empty map.
    return parse(readFileSync(file, 'utf8')) ?? {};
  } catch (error) {
    if (error instanceof YAMLParseError) throw new ConfigError(`${file}: ${withoutLogin(error.message)}`);
    throw new ConfigError(`${file} cannot be read: ${messageOf(error)}`);
  }
}

export function explainProblems(file: string, problems: readonly Problem[]): ConfigError {
  const lines = problems.map(
    ({ pointer, detail }) => `  ${pointer.slice(1).replaceAll('/', '.') || '(all)'}: ${withoutLogin(detail)}`,
  );
  return new ConfigError(`${file} is not right:\n${lines.join('\n')}`);
}

/** One file of the config folder, checked by the schema of its name, with the schema's defaults filled in. */
export function readConcern<T>(folder: string | null, concern: string): T {
  const file = folder === null ? null : path.join(folder, `${concern}.yaml`);
  const value = file !== null && existsSync(file) ? readYaml(file) : {};
  const problems = validator(`config/${concern}`, { useDefaults: true })(value);
  if (problems.length > 0) throw explainProblems(file ?? `${concern}.yaml`, problems);
  return value as T;
}

/** One file of the config folder as it is written, without defaults: it has been checked by `readConcern`. */
export function writtenConcern(folder: string | null, concern: string): object {
  const file = folder === null ? null : path.join(folder, `${concern}.yaml`);
  return file !== null && existsSync(file) ? (readYaml(file) as object) : {};
}

export function readPipelineJobs(folder: string | null): PipelineJobsFile {
  const value = readConcern<PipelineJobsFile>(folder, 'pipelinejobs');
  if ((value.admin_token_secret === null) !== (value.admin_token_key === null)) {
    throw new ConfigError(
      'pipelinejobs.yaml: admin tokens need both admin_token_secret and admin_token_key; only one is given',
    );
  }
  const actor = value.job_manager_id;
  if (actor !== null && !value.actors.includes(actor)) {
    throw explainProblems('pipelinejobs.yaml', [
      { pointer: '/job_manager_id', detail: `'${actor}' is not one of actors: ${value.actors.join(', ')}` },
    ]);
  }
  return value;
}

/** `node.yaml`; without a home of its own the node lives below `home`, and its folders belong to `user`. */
export function readNode(folder: string | null, home: string, user: string): NodeFile {
  type Given = Omit<NodeFile, 'serveruser'> & {
    serveruser: string | null;
    paths: { pnshome: string | null };
  };
  const value = readConcern<Given>(folder, 'node');
  const { paths, node } = value;
  const problems: Problem[] = [];
  if (paths.outputfile !== undefined && paths.outputfiles.length > 0) {
    problems.push({ pointer: '/paths/outputfile', detail: 'outputfiles means the same; give one of them' });
  }
  if ((node.username === null) !== (node.password === null)) {
    const lacking = node.username === null ? 'username' : 'password';
    problems.push({
      pointer: `/node/${lacking}`,
      detail: 'a login is a username and a password; only one is given',
    });
  }
  if (problems.length > 0) throw explainProblems('node.yaml', problems);
  return {
    ...value,
    paths: { ...paths, pnshome: paths.pnshome ?? path.join(home, 'pns') },
    serveruser: value.serveruser ?? user,
  };
}
