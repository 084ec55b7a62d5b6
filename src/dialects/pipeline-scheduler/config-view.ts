/** Keys with secret values. */
const secret = /pass|secret|token|user_?data/i;
/** Maps whose texts may all be secrets, because only the template knows which of its parameters are. */
const secrets = /^PARAMETERS$/;

const masked = (value: unknown, key = '', within = false): unknown => {
  if ((secret.test(key) && value !== null) || (within && typeof value === 'string')) return '***';
  const all = within || secrets.test(key);
  if (Array.isArray(value)) return value.map((one) => masked(one, '', all));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, masked(one, name, all)]));
};

/** Keys of the newer protocol, in their original order. Newer keys follow them. */
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
 * Keys that matter to every user with tasks: limits, times, and the kind of servers. All others (addresses of machines,
 * their logins, files and networks) are for administrators, and so are new keys by default.
 */
const forEveryone = {
  application: [
    'CONNECTOR',
    'MAX_ACTIVE_TASKS',
    'MAX_SERVERS',
    'VIRTUAL_SERVER_TTL',
    'IDLE_TIMEOUT',
    'MIN_IDLE',
    'MAX_TASK_ATTEMPTS',
    'MAX_RUNNING_JOBS',
    'MAX_RUNNING_JOBS_PER_USER',
    'MAX_QUEUED_JOBS',
    'MAX_QUEUED_JOBS_PER_USER',
    'MAX_SERVICES',
    'MAX_SERVICES_PER_USER',
    'MAX_INPUT_SIZE',
    'MAX_BODY_SIZE',
    'MAX_MESSAGE_SIZE',
    'MAX_STREAMS_PER_USER',
    'MAX_SUBSCRIPTIONS_PER_USER',
    'MAX_WAIT',
    'DEFAULT_TIMEOUT',
    'MAX_PLATFORM_RETRIES',
    'KEEP_FILES',
    'KEEP_JOBS',
    'KEEP_DELIVERIES',
  ],
  ssh: ['MAX_CONNECTION_RETRIES', 'CONNECTION_RETRY_INTERVAL', 'LOST_AFTER', 'MACHINES'],
  machine: ['NAME', 'MAX_JOBS'],
  cloud: ['MAX_CONNECTION_RETRIES', 'CONNECTION_RETRY_INTERVAL', 'FLAVOR', 'IMAGE_ID'],
} as const;

const only = (file: object, keys: readonly string[]): object =>
  Object.fromEntries(Object.entries(file).filter(([key]) => keys.includes(key)));

interface Files {
  application: object;
  ssh: { MACHINES: readonly object[] };
  nova: object | null;
  heat: object | null;
}

/**
 * The configuration as the newer protocol shows it: three maps, for application.yaml, ssh.yaml and the connector's file,
 * without secrets.
 *
 * @param whole for administrators; other users only see what matters to their tasks
 */
export function shownConfig(files: Files, whole: boolean): unknown {
  const cloud = files.nova ?? files.heat ?? {};
  if (whole) {
    return masked([
      ordered(files.application, order.application),
      ordered(files.ssh, order.ssh),
      ordered(cloud, order.nova),
    ]);
  }
  const ssh = { ...files.ssh, MACHINES: files.ssh.MACHINES.map((one) => only(one, forEveryone.machine)) };
  return masked([
    ordered(only(files.application, forEveryone.application), order.application),
    ordered(only(ssh, forEveryone.ssh), order.ssh),
    ordered(only(cloud, forEveryone.cloud), order.nova),
  ]);
}
