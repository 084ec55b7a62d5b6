import { readdirSync } from 'node:fs';
import path from 'node:path';
import { CliError, usageError } from '../../cli/client/failure.js';
import { type CliIo, harmless, print, printJson } from '../../cli/terminal/io.js';
import { type Config, type Flags, loadConfig } from '../../config/config.js';
import { completeSettings, scriptNames } from '../../config/node-file.js';
import { inside } from '../../drivers/files/folders.js';
import { type Account, accountOf, isSelf, ownName } from '../../drivers/processes/accounts.js';
import { messageOf } from '../../lib/errors.js';
import { packageFile } from '../../lib/package.js';
import {
  giveFolder,
  giveHome,
  type Home,
  isUsers,
  type Made,
  makeFolder,
  makeLink,
  makeScript,
  openHome,
} from './node-files.js';

/** What the home of a node consists of, and what was created. */
interface Installed {
  home: string;
  input: string;
  output: string;
  scripts: Record<string, Made>;
}

/**
 * `penstock node install [DIR]`: creates the processing node's home with its folders and the demo scripts, each behind
 * a link that users can point at a script of their own. It keeps what users have put there.
 */
export async function installNode(
  dir: string | undefined,
  flags: Flags & { json?: boolean },
  io: CliIo,
): Promise<void> {
  if (dir === '') throw usageError('The name of the folder is empty.');
  const config = loadConfig({ ...flags, nodeOnly: true });
  const configured = completeSettings(config.node).paths;
  const home = path.resolve(dir ?? configured.pnshome);
  // A home given by DIR has its own folders: those in node.yaml belong to the configured home.
  const input = dir === undefined ? path.resolve(configured.inputdir) : path.join(home, 'input');
  const output = dir === undefined ? path.resolve(configured.outputdir) : path.join(home, 'output');
  const owner = await ownerOf(config.node.serveruser);

  const opened = await openHome(home);
  try {
    const made = new Map([[home, opened.made]]);
    const kept = await makeFolders(opened, [input, output], owner, made);
    const installed: Installed = { home, input, output, scripts: {} };
    for (const name of scriptNames) {
      const [script, link] = [`${name}PTS.ori`, `${name}PTS`];
      installed.scripts[script] = await makeScript(packageFile('pts', script), opened, owner);
      installed.scripts[link] = await makeLink(link, script, opened, owner);
    }
    if (flags.json === true) {
      printJson(io, installed);
      return;
    }
    tell(io, opened, installed, made, kept);
    print(io, nextSteps(config, configured, installed));
  } finally {
    await opened.folder.close();
  }
}

/** @returns the folders that keep their owner because they contain other files */
async function makeFolders(
  home: Home,
  folders: readonly string[],
  owner: Account | undefined,
  made: Map<string, Made>,
): Promise<string[]> {
  const kept: string[] = [];
  if (owner !== undefined) {
    if (holdsNothingElse(home, folders)) await giveHome(home, owner);
    else kept.push(home.path);
  }
  for (const folder of folders) {
    made.set(folder, await makeFolder(folder, home));
    if (owner !== undefined && !(await giveFolder(folder, home, owner))) kept.push(folder);
  }
  return kept;
}

function tell(
  io: CliIo,
  home: Home,
  { scripts }: Installed,
  folders: ReadonlyMap<string, Made>,
  kept: readonly string[],
): void {
  const made = new Map(folders);
  for (const [name, state] of Object.entries(scripts)) made.set(path.join(home.path, name), state);
  for (const [file, state] of made) {
    const name = path.basename(file);
    const users = path.dirname(file) === home.path && name in scripts && !name.endsWith('.ori');
    const stays = users && isUsers(home, name, `${name}.ori`) ? ' (your own; left unchanged)' : '';
    print(io, `${state.padEnd(13)}  ${harmless(file)}${stays}`);
  }
  if ([...made.values()].every((state) => state === 'there already')) {
    print(io, '\nEverything was there already. Nothing was changed.');
  }
  for (const folder of kept) {
    print(io, `\n${harmless(folder)} contains other files and keeps its owner.`);
  }
}

/** The owner of the home if that is somebody else. Checked before anything is created. */
async function ownerOf(name: string): Promise<Account | undefined> {
  if (name === ownName()) return undefined;
  const hints = [`Correct serveruser in node.yaml, or run this as root or as '${name}'.`];
  let account: Account;
  try {
    account = await accountOf(name);
  } catch (error) {
    throw new CliError(`Cannot give the node's home to '${name}': ${messageOf(error)}`, { hints });
  }
  if (isSelf(account)) return undefined;
  if (process.getuid?.() === 0) return account;
  throw new CliError(
    `The node's home must belong to '${name}', but '${ownName()}' cannot give files to other users.`,
    { hints },
  );
}

/** Whether a home is new, or an earlier installation of ours. */
function holdsNothingElse(home: Home, folders: readonly string[]): boolean {
  const found = readdirSync(inside(home.folder)).map((name) => path.join(home.path, name));
  return (
    found.every((file) => folders.includes(file)) ||
    scriptNames.every((name) => found.includes(path.join(home.path, `${name}PTS.ori`)))
  );
}

function nextSteps(
  { host, port, configFolder, node }: Config,
  configured: { pnshome: string; inputdir: string; outputdir: string },
  { home, input, output }: Installed,
): string {
  const lines = [''];
  const paths: Record<string, string> = {};
  if (path.resolve(configured.pnshome) !== home) paths.pnshome = home;
  // Without a key of its own a folder follows the home.
  if (node.paths.inputdir !== null && path.resolve(configured.inputdir) !== input) paths.inputdir = input;
  if (node.paths.outputdir !== null && path.resolve(configured.outputdir) !== output)
    paths.outputdir = output;
  if (Object.keys(paths).length > 0) {
    const file =
      configFolder === null ? 'node.yaml of a config folder' : path.join(configFolder, 'node.yaml');
    lines.push(
      `To let the node find it, add this to ${harmless(file)}:`,
      '',
      `  paths: ${JSON.stringify(paths)}`,
      '',
    );
  }
  const folder = configFolder ?? (Object.keys(paths).length > 0 ? 'DIR' : null);
  const address = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  lines.push(
    'Start the node, then run the first script:',
    '',
    `  penstock serve --node-only${folder === null ? '' : ` --config ${quoted(folder)}`} -u NAME -p PASSWORD`,
    `  curl -u NAME:PASSWORD -X PUT http://${address}:${port === 0 ? 'PORT' : port}${node.baseurl}/init`,
  );
  return lines.join('\n');
}

/** A word quoted for a shell. */
const quoted = (word: string) =>
  /^[\w./@:+-]+$/.test(word) ? word : `'${harmless(word).replaceAll("'", "'\\''")}'`;
