import { type NodeFile, type NodeSettings, scriptNames } from '../../config/node-file.js';

/** Keys of the older node's configuration, with their inner keys, which clients look for. */
const always: Readonly<Partial<Record<keyof NodeFile, readonly string[]>>> = {
  baseurl: [],
  node: ['username', 'password', 'host', 'port'],
  paths: ['pnshome', 'inputdir', 'outputdir', 'inputfiles'],
  scripts: scriptNames,
  timeout: [],
};
/** Keys of node.yaml that only Penstock has. */
const ours = ['mask_secrets', 'calc', 'limits'];

/**
 * The configuration as written in node.yaml, because clients compare it with that file. Only the older node's keys are
 * added, and open values are filled in.
 *
 * @param file node.yaml as written
 * @param settings the complete settings; the login comes from here, because it may be set on the command line
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

/** Shown in place of the password. If a client sends it back, the password stays as it is. */
export const maskedPassword = '********';

/** Keys that a client may replace in a running node. The others always come from the file. */
const replaceable = ['node', 'paths', 'scripts', 'timeout', 'serveruser', 'ptsuser'] as const;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The running configuration, replaced by that of a client. Missing keys keep their value from the start, and so do keys
 * that only the file may set: the node's address, what it shows, and what `calc` runs.
 *
 * @param given what the client sent; unknown keys are ignored
 * @param password the current password, in place of the mask
 * @returns a configuration that must still be checked against the schema of node.yaml
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
  // In node.yaml, null means the default of these two, which was filled in at the start.
  merged.serveruser ??= start.serveruser;
  if (isObject(paths)) paths.pnshome ??= start.paths.pnshome;
  // The list overrides an earlier value in the older spelling.
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
