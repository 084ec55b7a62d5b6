/** Keys whose values are nobody's business. */
const secret = /pass|secret|token|user_?data/i;
/** Maps whose texts may all be secrets: only a template knows which of its parameters are. */
const secrets = /^PARAMETERS$/;

const masked = (value: unknown, key = '', within = false): unknown => {
  if ((secret.test(key) && value !== null) || (within && typeof value === 'string')) return '***';
  const all = within || secrets.test(key);
  if (Array.isArray(value)) return value.map((one) => masked(one, '', all));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, masked(one, name, all)]));
};

/** Keys that the newer protocol always gave, in their order; what came later follows them. */
const order = {
  application: [
    'MAX_ACTIVE_TASKS',
    'VIRTUAL_SERVER_TTL',
    'CONNECTOR',
    'LOCAL_SCRIPTS_FOLDER',
    'REMOTE_BASE_FOLDER',
    'TIMETEST_CSV_FILE',
    'HOST',
    'PORT',
  ],
  ssh: ['MAX_CONNECTION_RETRIES', 'CONNECTION_RETRY_INTERVAL', 'AUTH_USER', 'AUTH_KEYFILE', 'AUTH_PASSWORD'],
  nova: [
    'MAX_CONNECTION_RETRIES',
    'CONNECTION_RETRY_INTERVAL',
    'FLAVOR',
    'AUTH_KEYNAME',
    'SECURITY_GROUP',
    'USE_FLOATING_IP',
    'IP_POOL',
    'NETWORK_ID',
    'CREDENTIALS_FILE',
    'IMAGE_ID',
  ],
} as const;

function ordered(file: object, first: readonly string[]): object {
  const values = new Map(Object.entries(file));
  const known = first.filter((key) => values.has(key));
  const rest = [...values.keys()].filter((key) => !known.includes(key));
  return Object.fromEntries([...known, ...rest].map((key) => [key, values.get(key)]));
}

/**
 * The configuration as the newer protocol shows it: three maps, of application.yaml, ssh.yaml and the connector's file,
 * with no secret in them.
 */
export const shownConfig = (files: {
  application: object;
  ssh: object;
  nova: object | null;
  heat: object | null;
}): unknown =>
  masked([
    ordered(files.application, order.application),
    ordered(files.ssh, order.ssh),
    ordered(files.nova ?? files.heat ?? {}, order.nova),
  ]);
