import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './ports.js';
import { waitFor } from './wait-for.js';

// The scripts themselves: Debian's wrappers in /usr/sbin change to a user and a folder of their own.
const scripts = '/usr/lib/rabbitmq/bin';
const needed = [`${scripts}/rabbitmq-server`, '/usr/bin/epmd'];
const missing = needed.filter((file) => !existsSync(file));

/** Why there can be no broker on this machine, or null. */
export const noRabbitmq: string | null =
  missing.length === 0 ? null : `there is no ${missing.join(', ')} (Debian: rabbitmq-server)`;

/** A real RabbitMQ, as a process of its own on a temporary folder, that can be killed and started again. */
export interface TestBroker {
  host: string;
  port: number;
  /** With the login of the user `guest`, unless another is given. */
  url(login?: { username: string; password: string }, vhost?: string): string;
  /** Runs `rabbitmqctl`, and gives what it wrote. */
  ctl(...args: string[]): Promise<string>;
  /** Stops its process as it stands, every thread of it: from then on it answers nothing. */
  freeze(): Promise<void>;
  thaw(): void;
  kill(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
}

const ended = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || ended(child)) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exited;
}

/** Starts a broker on free ports. It takes about five seconds: one for a whole file of tests. */
export async function startRabbitmq(): Promise<TestBroker> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-rabbitmq-'));
  const [port = 0, distribution = 0, names = 0] = await freePorts(3);
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    // The cookie by which rabbitmqctl is let in is made here.
    HOME: folder,
    ERL_EPMD_PORT: String(names),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `penstock-${process.pid}-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: path.join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: path.join(folder, 'log'),
    RABBITMQ_PID_FILE: path.join(folder, 'pid'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: path.join(folder, 'rabbitmq'),
    RABBITMQ_ENABLED_PLUGINS_FILE: path.join(folder, 'plugins'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +A 4 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}',
    // The script then becomes the broker, and does not wait for it: the process we know is the one that serves.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
  mkdirSync(path.join(folder, 'mnesia'));
  // How full this machine is must not matter.
  writeFileSync(
    path.join(folder, 'rabbitmq.conf'),
    'disk_free_limit.absolute = 1MB\nvm_memory_high_watermark.absolute = 1GB\n',
  );
  writeFileSync(path.join(folder, 'plugins'), '[].\n');
  // One of our own, or the first broker would start one that outlives it.
  const epmd = spawn('/usr/bin/epmd', ['-port', String(names), '-address', '127.0.0.1'], {
    env,
    stdio: 'ignore',
  });
  let child: ChildProcess | undefined;

  const broker: TestBroker = {
    host: '127.0.0.1',
    port,
    url({ username, password } = { username: 'guest', password: 'guest' }, vhost = '') {
      const login = [username, password].map(encodeURIComponent).join(':');
      return `amqp://${login}@127.0.0.1:${port}${vhost === '' ? '' : `/${encodeURIComponent(vhost)}`}`;
    },
    async ctl(...args) {
      const { stdout } = await promisify(execFile)(`${scripts}/rabbitmqctl`, ['--quiet', ...args], {
        env,
        cwd: folder,
      });
      return stdout;
    },
    async freeze() {
      child?.kill('SIGSTOP');
      const threads = `/proc/${child?.pid}/task`;
      const stopped = (thread: string) =>
        /\) T /.test(readFileSync(path.join(threads, thread, 'stat'), 'latin1'));
      await waitFor(() => readdirSync(threads).every(stopped), 'the broker to stand still');
    },
    thaw: () => child?.kill('SIGCONT'),
    kill: () => end(child, 'SIGKILL'),
    stop: () => end(child, 'SIGTERM'),
    async start() {
      const started = spawn(`${scripts}/rabbitmq-server`, [], {
        env,
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      let out = '';
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (piece: Buffer) => {
          out += piece.toString();
        });
      }
      await waitFor(
        () => /completed with \d+ plugins/.test(out) || ended(started),
        'RabbitMQ to start',
        50_000,
      );
      if (ended(started)) throw new Error(`RabbitMQ did not start:\n${out}`);
    },
    async remove() {
      await end(child, 'SIGKILL');
      await end(epmd, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
  await broker.start().catch(async (error: unknown) => {
    await broker.remove();
    throw error;
  });
  return broker;
}
