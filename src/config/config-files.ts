import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { messageOf, type Problem } from '../lib/errors.js';
import type { PipelineJobsFile } from '../lib/generated/config/pipelinejobs.js';
import { validator } from '../lib/schemas.js';
import type { NodeFile } from './node-file.js';

/** A mistake in the configuration: what, where, and how to fix it. It stops the start. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Files that the config folder may contain. */
export const files = [
  'application.yaml',
  'heat.yaml',
  'node.yaml',
  'nova.yaml',
  'pipelinejobs.yaml',
  'ssh.yaml',
  'streams.yaml',
];

/** OpenStack files that may be in the config folder. Penstock does not check them. */
export const theirFiles = ['clouds.yaml', 'clouds.yml', 'secure.yaml', 'secure.yml'];

/** The absolute path of a file named in the configuration: relative to the config folder, or to the home with `~/`. */
export function pathBeside(folder: string | null, name: string): string {
  if (name === '~' || name.startsWith('~/')) return path.join(os.homedir(), name.slice(1));
  return path.resolve(folder ?? '.', name);
}

/** Hides logins in URLs of messages, except in examples. */
const withoutLogin = (text: string) => text.replace(/(?<!such as )\b(\w+:\/\/).*@/g, '$1***@');

function readYaml(file: string): unknown {
  try {
    // A file with nothing but comments is an empty map.
    return parse(readFileSync(file, 'utf8')) ?? {};
  } catch (error) {
    if (error instanceof YAMLParseError) throw new ConfigError(`${file}: ${withoutLogin(error.message)}`);
    throw new ConfigError(`Cannot read ${file}: ${messageOf(error)}`);
  }
}

export function explainProblems(file: string, problems: readonly Problem[]): ConfigError {
  const lines = problems.map(
    ({ pointer, detail }) => `  ${pointer.slice(1).replaceAll('/', '.') || '(all)'}: ${withoutLogin(detail)}`,
  );
  return new ConfigError(`Invalid configuration in ${file}:\n${lines.join('\n')}`);
}

/** One file of the config folder, checked against its schema, with the schema's defaults filled in. */
export function readConcern<T>(folder: string | null, concern: string): T {
  const file = folder === null ? null : path.join(folder, `${concern}.yaml`);
  const value = file !== null && existsSync(file) ? readYaml(file) : {};
  const problems = validator(`config/${concern}`, { useDefaults: true })(value);
  if (problems.length > 0) throw explainProblems(file ?? `${concern}.yaml`, problems);
  return value as T;
}

/** One file of the config folder as written, without defaults. `readConcern` has checked it. */
export function writtenConcern(folder: string | null, concern: string): object {
  const file = folder === null ? null : path.join(folder, `${concern}.yaml`);
  return file !== null && existsSync(file) ? (readYaml(file) as object) : {};
}

export function readPipelineJobs(folder: string | null): PipelineJobsFile {
  const value = readConcern<PipelineJobsFile>(folder, 'pipelinejobs');
  if ((value.admin_token_secret === null) !== (value.admin_token_key === null)) {
    throw new ConfigError(
      'pipelinejobs.yaml: admin tokens need both admin_token_secret and admin_token_key, but only one is set',
    );
  }
  const actor = value.job_manager_id;
  if (actor !== null && !value.actors.includes(actor)) {
    throw explainProblems('pipelinejobs.yaml', [
      {
        pointer: '/job_manager_id',
        detail: `'${actor}' is not in the list actors: ${value.actors.join(', ')}`,
      },
    ]);
  }
  return value;
}

/** `node.yaml`. By default the node's home is `home`/pns, and its folders belong to `user`. */
export function readNode(folder: string | null, home: string, user: string): NodeFile {
  type Given = Omit<NodeFile, 'serveruser'> & {
    serveruser: string | null;
    paths: { pnshome: string | null };
  };
  const value = readConcern<Given>(folder, 'node');
  const { paths, node } = value;
  const problems: Problem[] = [];
  if (paths.outputfile !== undefined && paths.outputfiles.length > 0) {
    problems.push({
      pointer: '/paths/outputfile',
      detail: 'outputfile and outputfiles mean the same; set only one of them',
    });
  }
  if ((node.username === null) !== (node.password === null)) {
    const lacking = node.username === null ? 'username' : 'password';
    problems.push({
      pointer: `/node/${lacking}`,
      detail: 'a login needs both a username and a password; only one is set',
    });
  }
  if (problems.length > 0) throw explainProblems('node.yaml', problems);
  return {
    ...value,
    paths: { ...paths, pnshome: paths.pnshome ?? path.join(home, 'pns') },
    serveruser: value.serveruser ?? user,
  };
}
