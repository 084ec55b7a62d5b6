import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { nearest } from '../../../lib/nearest.js';
import { ConnectorError } from '../connector.js';
import { readText } from '../read-text.js';
import type { Variable } from './openrc.js';

type Entries = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Entries =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where to look for a clouds.yaml by default. */
const places = () => [path.join(os.homedir(), '.config/openstack/clouds.yaml'), '/etc/openstack/clouds.yaml'];

/** The keys of a cloud's `auth`, and the corresponding variables of an openrc file. */
const authKeys: Readonly<Record<string, string>> = {
  auth_url: 'OS_AUTH_URL',
  username: 'OS_USERNAME',
  user_id: 'OS_USER_ID',
  password: 'OS_PASSWORD',
  project_name: 'OS_PROJECT_NAME',
  project_id: 'OS_PROJECT_ID',
  tenant_name: 'OS_TENANT_NAME',
  tenant_id: 'OS_TENANT_ID',
  user_domain_name: 'OS_USER_DOMAIN_NAME',
  user_domain_id: 'OS_USER_DOMAIN_ID',
  project_domain_name: 'OS_PROJECT_DOMAIN_NAME',
  project_domain_id: 'OS_PROJECT_DOMAIN_ID',
  default_domain: 'OS_DEFAULT_DOMAIN',
  application_credential_id: 'OS_APPLICATION_CREDENTIAL_ID',
  application_credential_name: 'OS_APPLICATION_CREDENTIAL_NAME',
  application_credential_secret: 'OS_APPLICATION_CREDENTIAL_SECRET',
};
const cloudKeys: Readonly<Record<string, string>> = {
  auth_type: 'OS_AUTH_TYPE',
  region_name: 'OS_REGION_NAME',
  interface: 'OS_INTERFACE',
  endpoint_type: 'OS_ENDPOINT_TYPE',
  cacert: 'OS_CACERT',
};

const keyOf = new Map(
  Object.entries({ ...authKeys, ...cloudKeys }).map(([key, variable]) => [variable, key]),
);

/** The key of a clouds.yaml for a variable of an openrc file. */
export const cloudKey = (variable: string): string =>
  keyOf.get(variable) ?? variable.replace(/^OS_/, '').toLowerCase();

/**
 * One cloud of a clouds.yaml, as the variables of an openrc file. A `secure.yaml` beside it overrides it.
 *
 * @param name the cloud's, under `clouds`
 * @param file null: where the `openstack` command looks, in the home and in /etc
 */
export function cloudVariables(
  name: string,
  file: string | null,
): { variables: Map<string, Variable>; where: string; folder: string } {
  const found = file ?? places().find((place) => existsSync(place));
  if (found === undefined)
    throw new ConnectorError('refused', `there is no clouds.yaml: neither ${places().join(' nor ')} exists`);
  const folder = path.dirname(found);
  const clouds = cloudsOf(found);
  const given = clouds[name];
  if (!isMap(given)) {
    const names = Object.keys(clouds);
    const close = nearest(name, names);
    throw new ConnectorError(
      'refused',
      `${found} has no cloud ${name}${close === undefined ? '' : `: is ${close} meant?`} (it has ${names.join(', ') || 'none'})`,
    );
  }
  const secure = path.join(folder, 'secure.yaml');
  const hidden = existsSync(secure) ? cloudsOf(secure)[name] : undefined;
  const cloud = isMap(hidden) ? overlay(given, hidden) : given;
  const where = `${found}, cloud ${name}`;
  const variables = new Map<string, Variable>();
  const take = (values: Entries, keys: Readonly<Record<string, string>>) => {
    for (const [key, value] of Object.entries(values)) {
      if (value === null || isMap(value) || Array.isArray(value)) continue;
      // An unknown key keeps its name: it may be a misspelling of a known one.
      variables.set(keys[key] ?? `OS_${key.toUpperCase()}`, { value: String(value), line: 0 });
    }
  };
  const { auth, ...others } = cloud;
  take(others, cloudKeys);
  if (isMap(auth)) take(auth, authKeys);
  if (cloud.verify === false) variables.set('OS_INSECURE', { value: 'true', line: 0 });
  if (cloud.profile !== undefined && !variables.has('OS_AUTH_URL'))
    throw new ConnectorError('refused', `${where}: profiles are not supported: set auth_url under auth`);
  return { variables, where, folder };
}

function cloudsOf(file: string): Entries {
  let content: unknown;
  const text = readText(file, 'the file of clouds');
  try {
    content = parse(text);
  } catch (error) {
    // The parser's own message quotes lines of the file, which may contain a password.
    const [place] = (error as { linePos?: { line: number }[] }).linePos ?? [];
    throw new ConnectorError(
      'refused',
      `${file} is not valid YAML${place ? `: see line ${place.line}` : ''}`,
    );
  }
  const clouds = isMap(content) ? content.clouds : undefined;
  if (!isMap(clouds)) throw new ConnectorError('refused', `${file} has no map named clouds`);
  return clouds;
}

function overlay(under: Entries, over: Entries): Entries {
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMap(value) && isMap(below) ? overlay(below, value) : value;
  }
  return merged;
}
