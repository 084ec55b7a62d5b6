import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Config } from './config.js';
import type { Finding } from './doctor.js';
import { completeSettings, scriptNames } from './domain/node-settings.js';
import { messageOf } from './errors.js';
import { switchTo } from './hosts/accounts.js';

/**
 * What `penstock doctor` finds of the processing node. Nobody has to have one: where there is no home, that is a note.
 * Whether the scripts can be started and the folders written to is asked as the user whom the scripts run as.
 */
export async function examineNode({ node }: Config): Promise<Finding[]> {
  const { paths, scripts, serveruser, ptsuser } = completeSettings(node);
  const home = paths.pnshome;
  const findings: Finding[] = [];
  const add = (check: string, state: Finding['state'], detail: string, mend?: string) =>
    findings.push({ check, state, detail, ...(mend === undefined ? {} : { mend }) });

  const there = existsSync(home);
  if (there) add('node home', 'ok', home);
  else
    add(
      'node home',
      'note',
      `there is no ${home}: a processing node has nothing to run`,
      '`penstock node install` makes it',
    );

  let prefix: string[] = [];
  try {
    for (const name of [serveruser, ptsuser]) prefix = await switchTo(name);
    add('node users', 'ok', `scripts run as '${ptsuser}', folders belong to '${serveruser}'`);
  } catch (error) {
    const mend = 'correct ptsuser or serveruser in node.yaml, or run the server as root';
    add('node users', 'wrong', messageOf(error), mend);
    return findings;
  }
  if (!there) return findings;

  const may = (test: string, file: string) => {
    const [command = '', ...argv] = [...prefix, '/bin/sh', '-c', test, 'sh', file];
    return spawnSync(command, argv, { stdio: 'ignore', timeout: 10_000 }).status === 0;
  };
  const missing: string[] = [];
  const unusable: string[] = [];
  for (const name of scriptNames) {
    const [exec = ''] = scripts[name];
    const file = path.resolve(home, exec);
    if (!exec.includes('/')) {
      if (!may('command -v "$1"', exec)) missing.push(`program '${exec}' on PATH`);
    } else if (!existsSync(file)) missing.push(file);
    else if (!may('test -f "$1" && test -x "$1"', file)) unusable.push(file);
  }
  if (unusable.length > 0) {
    const mend = 'chmod 755 them, and let that user enter the folders that they are in';
    add('node scripts', 'wrong', `'${ptsuser}' cannot execute ${unusable.join(', ')}`, mend);
  } else if (missing.length > 0) {
    add(
      'node scripts',
      'note',
      `there is no ${missing.join(', ')}`,
      '`penstock node install` makes demo scripts',
    );
  } else add('node scripts', 'ok', 'init, config, run and clean can be executed');

  const folders = [paths.inputdir, paths.outputdir].filter((folder) => existsSync(folder));
  const closed = folders.filter((folder) => !may('test -d "$1" && test -w "$1" && test -x "$1"', folder));
  if (closed.length > 0) {
    const mend = `give '${ptsuser}' the right to write there, by owner or by group`;
    add('node folders', 'wrong', `'${ptsuser}' cannot write to ${closed.join(', ')}`, mend);
  } else {
    const told = `${folders.join(' and ')} can be written to`;
    add('node folders', 'ok', folders.length === 0 ? 'the first initialisation makes them' : told);
  }
  return findings;
}
