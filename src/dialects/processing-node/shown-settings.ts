import { type NodeFile, type NodeSettings, scriptNames } from '../../config/node-file.js';

/** Keys that a node's configuration always had, with those inside of them: clients look for them. */
const always: Readonly<Partial<Record<keyof NodeFile, readonly string[]>>> = {
  baseurl: [],
  node: ['username', 'password', 'host', 'port'],
  paths: ['pnshome', 'inputdir', 'outputdir', 'inputfiles'],
  scripts: scriptNames,
  timeout: [],
};
/** Keys of node.yaml that no node's configuration ever had: they are ours. */
const ours = ['mask_secrets', 'calc', 'limits'];

/**
 * The configuration as node.yaml says it, which is compared with that file by clients: nothing is added but what a
 * configuration always had, and what it leaves open is filled in.
 *
 * @param file node.yaml as it is written
 * @param settings what it comes to; the login is from there, since switches of the command line may say it
 */
export function configuredSettings(file: object, settings: NodeSettings): Record<string, unknown> {
  const said = file as Record<string, unknown>;
  const { username, password } = settings.node;
  const merged = (key: keyof NodeFile) => {
    const inner = always[key] ?? [];
    const there = settings[key] as unknown;
    if (!isObject(there) || inner.length === 0) return said[key] ?? there;
    const own = isObject(said[key]) ? said[key] : {};
    const names = [...Object.keys(own), ...inner.filter((name) => !(name in own))];
    return Object.fromEntries(names.map((name) => [name, own[name] ?? there[name]]));
  };
  const known = Object.keys(said).filter((key) => !ours.includes(key)) as (keyof NodeFile)[];
  const keys = [...known, ...(Object.keys(always) as (keyof NodeFile)[]).filter((key) => !(key in said))];
  const shown = Object.fromEntries(keys.map((key) => [key, merged(key)]));
  return { ...shown, node: { ...(shown.node as object), username, password } };
}

/** What stands for the password where it is not shown; sent back, it means the password that there is. */
export const maskedPassword = '********';

/** Keys that a running node takes from a configuration that is put in place of its own; the rest is the file's. */
const replaceable = ['node', 'paths', 'scripts', 'timeout', 'serveruser', 'ptsuser'] as const;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * A configuration that a client puts in place of the running one. What it does not name stays as it was at the
 * start, and so does what only the file may say: where the node is found, what it shows, what `calc` runs.
 *
 * @param given what the client sent; keys that mean nothing here are let be
 * @param password the one that there is, which the mask stands for
 * @returns a file that still has to be checked against the schema of node.yaml
 */
export function replacedSettings(start: NodeFile, given: object, password: string | null): object {
  const from = given as Record<string, unknown>;
  const merged: Record<string, unknown> = { ...start };
  for (const key of replaceable) {
    const old = start[key];
    const value = from[key];
    if (value === undefined) continue;
    merged[key] = isObject(old) && isObject(value) ? { ...old, ...known(value, key) } : value;
  }
  const { node, paths } = merged;
  if (isObject(node) && node.password === maskedPassword) node.password = password;
  // Null is what node.yaml says where it leaves these two open; at the start it was known what they are.
  merged.serveruser ??= start.serveruser;
  if (isObject(paths)) paths.pnshome ??= start.paths.pnshome;
  // Whoever names the list means it, whatever an older client's spelling said before.
  if (isObject(paths) && isObject(from.paths) && from.paths.outputfiles !== undefined)
    delete paths.outputfile;
  return merged;
}

const subkeys: Readonly<Record<string, readonly string[]>> = {
  node: ['username', 'password'],
  paths: ['pnshome', 'inputdir', 'outputdir', 'inputfiles', 'outputfiles', 'outputfile'],
  scripts: scriptNames,
};

const known = (value: Record<string, unknown>, key: string) =>
  Object.fromEntries(Object.entries(value).filter(([name]) => subkeys[key]?.includes(name)));
