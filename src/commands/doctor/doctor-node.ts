import { existsSync } from 'node:fs';
import type { Config } from '../../config/config.js';
import { completeSettings, scriptNames } from '../../config/node-file.js';
import { switchTo } from '../../drivers/processes/accounts.js';
import { findProgramAs, mayWriteIn } from '../../drivers/processes/as-user.js';
import { basicEnvironment } from '../../drivers/processes/environment.js';
import { messageOf } from '../../lib/errors.js';
import type { Finding } from './finding.js';

/**
 * Checks the processing node. A node is optional: a missing home is only a note. Checks as the user who runs the scripts
 * whether they can be started and the folders are writable.
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
      `${home} does not exist, so a processing node has nothing to run`,
      'to create it, run `penstock node install`',
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
    // With the PATH that the script will be started with, not that of whoever runs the doctor.
    await findProgramAs(ptsuser, exec, home, basicEnvironment.PATH).catch((error: unknown) => {
      unusable.push(messageOf(error).replace(/^exec: /, `${name}: `));
    });
  }
  if (unusable.length > 0) {
    const mend = `correct scripts in node.yaml, or chmod 755 them and let '${ptsuser}' enter their folders`;
    add('node scripts', 'wrong', unusable.join('; '), mend);
  } else if (missing.length > 0) {
    add(
      'node scripts',
      'note',
      `missing: ${missing.join(', ')}`,
      'to create demo scripts, run `penstock node install`',
    );
  } else add('node scripts', 'ok', 'init, config, run and clean can be executed');

  const folders = [paths.inputdir, paths.outputdir].filter((folder) => existsSync(folder));
  const closed: string[] = [];
  for (const folder of folders) if (!(await mayWriteIn(ptsuser, folder))) closed.push(folder);
  if (closed.length > 0) {
    const mend = `let '${ptsuser}' write there, as owner or by group`;
    add('node folders', 'wrong', `'${ptsuser}' cannot write to ${closed.join(', ')}`, mend);
  } else {
    const told = `${folders.join(' and ')} ${folders.length === 1 ? 'is' : 'are'} writable`;
    add('node folders', 'ok', folders.length === 0 ? 'init will create them' : told);
  }
  return findings;
}
