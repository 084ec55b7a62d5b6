import { existsSync } from 'node:fs';
import type { Config } from '../../config/config.js';
import { completeSettings, scriptNames } from '../../config/node-file.js';
import { switchTo } from '../../drivers/processes/accounts.js';
import { findProgramAs, mayWriteIn } from '../../drivers/processes/as-user.js';
import { basicEnvironment } from '../../drivers/processes/environment.js';
import { messageOf } from '../../lib/errors.js';
import type { Finding } from './finding.js';

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

  try {
    for (const name of [serveruser, ptsuser]) await switchTo(name);
    add('node users', 'ok', `scripts run as '${ptsuser}', folders belong to '${serveruser}'`);
  } catch (error) {
    const mend = 'correct ptsuser or serveruser in node.yaml, or run the server as root';
    add('node users', 'wrong', messageOf(error), mend);
    return findings;
  }
  if (!there) return findings;

  const missing: string[] = [];
  const unusable: string[] = [];
  for (const name of scriptNames) {
    const [exec = ''] = scripts[name];
    if (exec.includes('/') && !existsSync(exec)) {
      missing.push(exec);
      continue;
    }
    // As the script will be looked for and started: not on the PATH of whoever asks.
    await findProgramAs(ptsuser, exec, home, basicEnvironment.PATH).catch((error: unknown) => {
      unusable.push(messageOf(error).replace(/^exec: /, `${name}: `));
    });
  }
  if (unusable.length > 0) {
    const mend = `correct scripts in node.yaml, or chmod 755 them and let '${ptsuser}' enter the folders that they are in`;
    add('node scripts', 'wrong', unusable.join('; '), mend);
  } else if (missing.length > 0) {
    add(
      'node scripts',
      'note',
      `there is no ${missing.join(', ')}`,
      '`penstock node install` makes demo scripts',
    );
  } else add('node scripts', 'ok', 'init, config, run and clean can be executed');

  const folders = [paths.inputdir, paths.outputdir].filter((folder) => existsSync(folder));
  const closed: string[] = [];
  for (const folder of folders) if (!(await mayWriteIn(ptsuser, folder))) closed.push(folder);
  if (closed.length > 0) {
    const mend = `give '${ptsuser}' the right to write there, by owner or by group`;
    add('node folders', 'wrong', `'${ptsuser}' cannot write to ${closed.join(', ')}`, mend);
  } else {
    const told = `${folders.join(' and ')} can be written to`;
    add('node folders', 'ok', folders.length === 0 ? 'the first initialisation makes them' : told);
  }
  return findings;
}
