import path from 'node:path';
import { nearest } from '../../../lib/nearest.js';
import { ConnectorError } from '../connector.js';
import { readText } from '../read-text.js';
import { cloudKey, cloudVariables } from './clouds.js';
import { readOpenrc, type Variable } from './openrc.js';

/** By name, or by id. */
export type Named = { id: string } | { name: string };

/** The login for a cloud. Its secrets appear in no message and no log. */
export interface Credentials {
  /** Keystone's address up to and with `/v3`. */
  authUrl: string;
  login:
    | { by: 'password'; user: { id: string } | { name: string; domain: Named }; password: string }
    | {
        by: 'application-credential';
        credential: { id: string } | { name: string; user: { id: string } | { name: string; domain: Named } };
        secret: string;
      };
  /** Null with an application credential, which implies its project. */
  project: { id: string } | { name: string; domain: Named } | null;
  region: string | null;
  interface: string | null;
  /** CA certificates in PEM that replace Node's own. */
  ca: string | null;
  /** True if certificates are not checked at all. */
  insecure: boolean;
}

/** Where credentials are: in an openrc file, or under a name in a clouds.yaml. */
export type CredentialsSource = { openrc: string } | { cloud: string; file: string | null };

/** Reads and checks credentials. Throws a ConnectorError that names the file, the variable, and what to do. */
export function readCredentials(source: CredentialsSource): Credentials {
  if ('openrc' in source) {
    const text = readText(source.openrc, 'the credentials file');
    return credentialsOf(
      readOpenrc(text, source.openrc),
      source.openrc,
      path.dirname(source.openrc),
      (name) => name,
    );
  }
  const { variables, where, folder } = cloudVariables(source.cloud, source.file);
  return credentialsOf(variables, where, folder, cloudKey);
}

/** The known variables; any other is ignored, but may be a misspelling of one of these. */
const known = [
  'OS_AUTH_URL',
  'OS_AUTH_TYPE',
  'OS_USERNAME',
  'OS_USER_ID',
  'OS_PASSWORD',
  'OS_PROJECT_NAME',
  'OS_PROJECT_ID',
  'OS_TENANT_NAME',
  'OS_TENANT_ID',
  'OS_USER_DOMAIN_NAME',
  'OS_USER_DOMAIN_ID',
  'OS_PROJECT_DOMAIN_NAME',
  'OS_PROJECT_DOMAIN_ID',
  'OS_DEFAULT_DOMAIN',
  'OS_APPLICATION_CREDENTIAL_ID',
  'OS_APPLICATION_CREDENTIAL_NAME',
  'OS_APPLICATION_CREDENTIAL_SECRET',
  'OS_REGION_NAME',
  'OS_INTERFACE',
  'OS_ENDPOINT_TYPE',
  'OS_CACERT',
  'OS_INSECURE',
];
const passwordTypes = ['password', 'v3password', 'v2password'];
const applicationTypes = ['v3applicationcredential', 'application_credential'];

/**
 * Makes credentials from the variables of an openrc file.
 *
 * @param where where they come from, for messages
 * @param folder the folder that relative paths start from
 * @param call the name of a variable there
 */
function credentialsOf(
  variables: ReadonlyMap<string, Variable>,
  where: string,
  folder: string,
  call: (name: string) => string,
): Credentials {
  const refuse = (detail: string) => new ConnectorError('refused', `${where}: ${detail}`);
  /** The value of the first of these variables that has one. Empty counts as unset. */
  const optional = (...names: string[]): string | null => {
    for (const name of names) {
      const found = variables.get(name);
      if (found === undefined) continue;
      if ('unknown' in found)
        throw refuse(`${found.line > 0 ? `line ${found.line}, ` : ''}${call(name)} ${found.unknown}`);
      if (found.value !== '') return found.value;
    }
    return null;
  };
  const required = (...names: string[]): string => {
    const value = optional(...names);
    if (value !== null) return value;
    const slip = names
      .map((name) =>
        nearest(
          name,
          [...variables.keys()].filter((word) => !known.includes(word)),
        ),
      )
      .find((word) => word !== undefined);
    const set = names.some((name) => variables.has(name)) ? 'is empty' : 'is not set';
    throw refuse(
      `${names.map(call).join(' or ')} ${set}${slip === undefined ? '' : `; there is ${call(slip)}: is that meant?`}`,
    );
  };
  const domain = (of: 'USER' | 'PROJECT'): Named => {
    const id = optional(`OS_${of}_DOMAIN_ID`);
    if (id !== null) return { id };
    const name = optional(`OS_${of}_DOMAIN_NAME`);
    if (name !== null) return { name };
    // Files from before domains existed leave it out.
    return { id: optional('OS_DEFAULT_DOMAIN') ?? 'default' };
  };
  const user = () => {
    const id = optional('OS_USER_ID', 'OS_USERID');
    return id !== null ? { id } : { name: required('OS_USERNAME'), domain: domain('USER') };
  };
  const project = (): Credentials['project'] => {
    const id = optional('OS_PROJECT_ID', 'OS_TENANT_ID');
    if (id !== null) return { id };
    return { name: required('OS_PROJECT_NAME', 'OS_TENANT_NAME'), domain: domain('PROJECT') };
  };

  if (!variables.has('OS_AUTH_URL') && variables.has('OS_CLOUD'))
    throw refuse('it names a cloud of a clouds.yaml (OS_CLOUD): set CLOUD instead of CREDENTIALS_FILE');
  const authUrl = keystoneAddress(required('OS_AUTH_URL'), call, refuse);
  const type = optional('OS_AUTH_TYPE');
  if (type !== null && ![...passwordTypes, ...applicationTypes].includes(type))
    throw refuse(
      `${call('OS_AUTH_TYPE')} is ${type}; only password and v3applicationcredential are supported`,
    );
  const byApplication =
    type === null
      ? variables.has('OS_APPLICATION_CREDENTIAL_ID') || variables.has('OS_APPLICATION_CREDENTIAL_NAME')
      : applicationTypes.includes(type);
  const applicationId = byApplication ? optional('OS_APPLICATION_CREDENTIAL_ID') : null;
  const login: Credentials['login'] = byApplication
    ? {
        by: 'application-credential',
        credential:
          applicationId !== null
            ? { id: applicationId }
            : {
                name: required('OS_APPLICATION_CREDENTIAL_NAME', 'OS_APPLICATION_CREDENTIAL_ID'),
                user: user(),
              },
        secret: required('OS_APPLICATION_CREDENTIAL_SECRET'),
      }
    : { by: 'password', user: user(), password: required('OS_PASSWORD') };
  const ca = optional('OS_CACERT');
  return {
    authUrl,
    login,
    project: byApplication ? null : project(),
    region: optional('OS_REGION_NAME'),
    // The older name for the same: publicURL.
    interface: optional('OS_INTERFACE', 'OS_ENDPOINT_TYPE')?.replace(/URL$/, '') ?? null,
    ca:
      ca === null
        ? null
        : readText(path.resolve(folder, ca), `${where}: the file that ${call('OS_CACERT')} names`),
    insecure: /^(1|true|yes|on)$/i.test(optional('OS_INSECURE') ?? ''),
  };
}

/** The address of Keystone's version 3, whether the file gives it with version 3, version 2 or none. */
function keystoneAddress(
  text: string,
  call: (name: string) => string,
  refuse: (detail: string) => ConnectorError,
): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw refuse(
      `${call('OS_AUTH_URL')} is not an http or https address, such as https://cloud.example.org:5000/v3`,
    );
  if (url.username !== '' || url.password !== '')
    throw refuse(
      `${call('OS_AUTH_URL')} contains a login; that belongs in ${call('OS_USERNAME')} and ${call('OS_PASSWORD')}`,
    );
  const base = url.pathname.replace(/\/+$/, '').replace(/\/v[23](\.\d+)?$/, '');
  return `${url.origin}${base}/v3`;
}
