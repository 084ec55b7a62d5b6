import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ownName } from '../drivers/processes/accounts.js';
import type { ApplicationFile } from '../lib/generated/config/application.js';
import type { StreamsFile } from '../lib/generated/config/streams.js';
import { nearest } from '../lib/nearest.js';
import { schema } from '../lib/schemas.js';
import { type CloudFiles, namedBeside, readCloud } from './config-cloud.js';
import {
  ConfigError,
  files,
  pathBeside,
  readConcern,
  readNode,
  readPipelineJobs,
  theirFiles,
  writtenConcern,
} from './config-files.js';
import { databaseFile, milliseconds, originOf, portOf, sizeOf } from './config-values.js';
import type { NodeFile } from './node-file.js';

export { ConfigError };

/** Flags of the command line. They take precedence over the environment, and that over the files. */
export interface Flags {
  data?: string | undefined;
  config?: string | undefined;
  host?: string | undefined;
  port?: string | undefined;
  logLevel?: string | undefined;
  /** Only the processing node, with the switches of the older node server. */
  nodeOnly?: boolean | undefined;
  username?: string | undefined;
  password?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Valid variables, so that a misspelt one is noticed: for the server, for the client, and for the programs of jobs. */
const variables = [
  'PENSTOCK_DATA',
  'PENSTOCK_CONFIG',
  'PENSTOCK_HOST',
  'PENSTOCK_PORT',
  'PENSTOCK_DATABASE_URL',
  'PENSTOCK_ADMIN_USER',
  'PENSTOCK_ADMIN_PASSWORD',
  'PENSTOCK_URL',
  'PENSTOCK_USER',
  'PENSTOCK_PASSWORD',
  'PENSTOCK_TOKEN',
  'PENSTOCK_LOG_LEVEL',
  'PENSTOCK_JOB_TOKEN',
  'PENSTOCK_JOB_UUID',
  'PENSTOCK_JOB_FOLDER',
  'PENSTOCK_BASE_FOLDER',
  'PENSTOCK_INSTANCE',
  'PENSTOCK_MESSAGE_ID',
];
/** The environment, for the command line client. No other file reads `process.env`. */
export const environment: Environment = process.env;

/** The data folder; by default in the user's XDG data folder. */
function dataFolder(flags: Flags, env: Environment = environment): string {
  const base = env.XDG_DATA_HOME ?? path.join(env.HOME ?? os.homedir(), '.local', 'share');
  const folder = path.resolve(flags.data ?? env.PENSTOCK_DATA ?? path.join(base, 'penstock'));
  // Runners read the folders of their jobs line by line.
  if (folder.includes('\n')) {
    throw new ConfigError(
      `The path of the data folder, ${JSON.stringify(folder)}, contains a line break. Choose another.`,
    );
  }
  return folder;
}

/** The log levels of the older node configuration. */
const levelsOfOld = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warn',
  ERROR: 'error',
  CRITICAL: 'fatal',
} as const;

/** The settings of the processing node: its file and its switches. */
function nodeOf(folder: string | null, flags: Flags, env: Environment): NodeFile {
  const file = readNode(folder, env.HOME ?? os.homedir(), ownName());
  const { username = file.node.username, password = file.node.password } = flags;
  if (username?.includes(':')) throw new ConfigError(`--username: '${username}' must not contain a colon`);
  return { ...file, node: { ...file.node, username, password } };
}

/**
 * Reads the whole configuration. Flags take precedence over the environment, then the config folder, then defaults.
 * Throws a ConfigError if anything is wrong, including an unknown key.
 *
 * @returns it, frozen; times in milliseconds, sizes in bytes
 */
export function loadConfig(flags: Flags, env: Environment = environment) {
  for (const name of Object.keys(env)) {
    if (name.startsWith('PENSTOCK_') && !variables.includes(name)) {
      const near = nearest(name, variables);
      if (near !== undefined)
        throw new ConfigError(`Unknown environment variable ${name}. Did you mean ${near}?`);
    }
  }
  const data = dataFolder(flags, env);
  const asked = flags.config ?? env.PENSTOCK_CONFIG;
  const folder = asked === undefined ? null : path.resolve(asked);
  if (folder !== null) {
    if (!existsSync(folder)) throw new ConfigError(`The config folder ${folder} does not exist.`);
    const others = [...theirFiles, ...namedBeside(folder)];
    for (const name of readdirSync(folder)) {
      if (!/\.ya?ml$/.test(name) || files.includes(name) || others.includes(name)) continue;
      const near = nearest(name, files);
      throw new ConfigError(
        `Penstock does not read ${path.join(folder, name)}. ${near ? `Did you mean ${near}?` : `It reads ${files.join(', ')}.`}`,
      );
    }
  }
  const application = readConcern<ApplicationFile>(folder, 'application');
  const file = folder === null ? 'application.yaml' : path.join(folder, 'application.yaml');
  const { TLS_CERTIFICATE, TLS_KEY } = application;
  if ((TLS_CERTIFICATE === null) !== (TLS_KEY === null)) {
    throw new ConfigError(`${file}: TLS needs both TLS_CERTIFICATE and TLS_KEY, but only one is set`);
  }
  const beside = (name: string) => pathBeside(folder, name);
  const port = flags.port ?? env.PENSTOCK_PORT;
  const password = env.PENSTOCK_ADMIN_PASSWORD;
  if (password === '') throw new ConfigError('PENSTOCK_ADMIN_PASSWORD is empty. Set a password or unset it.');
  const nodeOnly = flags.nodeOnly === true;
  const node = nodeOf(folder, flags, env);
  // With --node-only, node.yaml says where to listen and what to log.
  const door = nodeOnly
    ? { host: node.node.host, port: node.node.port, level: levelsOfOld[node.logginglevel] }
    : { host: application.HOST, port: application.PORT, level: application.LOG_LEVEL };
  const level = flags.logLevel ?? env.PENSTOCK_LOG_LEVEL ?? door.level;
  const levels = (schema('config/application') as { properties: { LOG_LEVEL: { enum: string[] } } })
    .properties.LOG_LEVEL.enum;
  if (!levels.includes(level)) {
    throw new ConfigError(`Unknown log level '${level}'. Use one of ${levels.join(', ')}.`);
  }
  const pipelineJobs = readPipelineJobs(folder);
  const streams = readConcern<StreamsFile>(folder, 'streams');
  const { admin_token_secret: secret, admin_token_key: key } = pipelineJobs;
  const day = 24 * 60 * 60 * 1000;
  return Object.freeze({
    data,
    database: databaseFile(env.PENSTOCK_DATABASE_URL, data),
    configFolder: folder,
    host: flags.host ?? env.PENSTOCK_HOST ?? door.host,
    port:
      port === undefined ? door.port : portOf(port, flags.port === undefined ? 'PENSTOCK_PORT' : '--port'),
    tls:
      TLS_CERTIFICATE === null || TLS_KEY === null
        ? null
        : { certificate: beside(TLS_CERTIFICATE), key: beside(TLS_KEY) },
    /** Which requests are accepted: whether to believe a proxy, and which origins and host names are allowed. */
    trust: {
      proxy: application.TRUST_PROXY,
      origins: application.TRUSTED_ORIGINS.map((text, index) => originOf(file, index, text)),
      hosts: application.TRUSTED_HOSTS.map((name) => name.toLowerCase()),
    },
    logLevel: level,
    maxRunningJobs: application.MAX_RUNNING_JOBS ?? Math.max(4, 2 * os.availableParallelism()),
    maxRunningJobsPerUser: application.MAX_RUNNING_JOBS_PER_USER ?? Number.POSITIVE_INFINITY,
    maxQueuedJobs: application.MAX_QUEUED_JOBS,
    maxQueuedJobsPerUser: application.MAX_QUEUED_JOBS_PER_USER,
    maxServices: application.MAX_SERVICES,
    maxServicesPerUser: application.MAX_SERVICES_PER_USER ?? Number.POSITIVE_INFINITY,
    maxInputSize: sizeOf(file, 'MAX_INPUT_SIZE', application.MAX_INPUT_SIZE),
    maxBodySize: sizeOf(file, 'MAX_BODY_SIZE', application.MAX_BODY_SIZE),
    maxMessageSize: sizeOf(file, 'MAX_MESSAGE_SIZE', application.MAX_MESSAGE_SIZE),
    maxStreams: application.MAX_STREAMS_PER_USER,
    maxWait: milliseconds(application.MAX_WAIT),
    /** Seconds, as in a definition. */
    defaultTimeout: application.DEFAULT_TIMEOUT,
    maxPlatformRetries: application.MAX_PLATFORM_RETRIES,
    keepFiles: application.KEEP_FILES === null ? null : application.KEEP_FILES * day,
    keepJobs: application.KEEP_JOBS === null ? null : application.KEEP_JOBS * day,
    /** How to fetch inputs from URLs. */
    inputUrl: {
      privateAddresses: application.INPUT_URL_PRIVATE_ADDRESSES,
      timeout: milliseconds(application.INPUT_URL_TIMEOUT),
    },
    /** How long clients may take to send a request. */
    patience: {
      headers: milliseconds(application.HEADERS_TIMEOUT),
      silence: milliseconds(application.SILENCE_TIMEOUT),
      body: milliseconds(application.BODY_TIMEOUT),
    },
    /** From one address at the same time. */
    maxConnections: application.MAX_CONNECTIONS_PER_ADDRESS,
    /** Live streams at the same time. */
    followers: { perUser: application.MAX_FOLLOWERS_PER_USER, all: application.MAX_FOLLOWERS },
    loginMemory: milliseconds(application.LOGIN_MEMORY),
    webhooks: {
      timeout: milliseconds(application.WEBHOOK_TIMEOUT),
      maxPause: milliseconds(application.WEBHOOK_MAX_PAUSE),
      keepTrying: milliseconds(application.WEBHOOK_KEEP_TRYING),
      privateAddresses: application.WEBHOOK_PRIVATE_ADDRESSES,
      maxSubscriptions: application.MAX_SUBSCRIPTIONS_PER_USER,
    },
    keepDeliveries: application.KEEP_DELIVERIES === null ? null : application.KEEP_DELIVERIES * day,
    pipelineJobs,
    node,
    /** node.yaml as written. */
    nodeWritten: writtenConcern(folder, 'node'),
    /** Serve only the processing node and its jobs. */
    nodeOnly,
    /** The basis of admin tokens, with their lifetime in seconds. Null: there are none. */
    adminTokens:
      secret === null || key === null ? null : { secret, key, lifetime: pipelineJobs.admin_token_lifetime },
    /** Remote machines and the scheduler's protocol, as read at the start. */
    cloud: readCloud(folder),
    /** Reads `cloud` again. Throws a ConfigError for anything that would stop a start. */
    readCloud: (): CloudFiles => loadConfig(flags, env).cloud,
    streams: {
      ...streams,
      maxQueueBytes: sizeOf('streams.yaml', 'max_queue_bytes', streams.max_queue_bytes),
    },
    /** The first admin. The password is generated if the environment does not set one. */
    admin: {
      username: env.PENSTOCK_ADMIN_USER ?? 'admin',
      password: password ?? randomBytes(18).toString('base64url'),
      madeUp: password === undefined,
    },
  });
}

/** The whole configuration, checked and frozen. */
export type Config = ReturnType<typeof loadConfig>;
