import { readFileSync } from 'node:fs';
import { describe } from 'vitest';

/** Who one can be. Both users are members of the same project; the admin has one of its own, and rights in every other. */
export interface Login {
  username: string;
  password: string;
}

/** What `test/openstack/up` says of the OpenStack that it has brought up. Everything is reached inside its network only. */
export interface OpenStack {
  authUrl: string;
  /** A second Keystone of the same cloud: what it gives is good for so many seconds only. */
  shortAuthUrl: string;
  shortTokenSeconds: number;
  region: string;
  project: string;
  user: Login;
  other: Login;
  admin: Login;
  /** A file that says the same of the user, to the `openstack` command. */
  openrc: string;
  /** `fake`: servers without a machine behind them. `qemu`: guests that boot a Debian and answer SSH. */
  computes: ('fake' | 'qemu')[];
  /** The flavor says on which compute a server comes to be. */
  flavors: Record<string, string[]>;
  image: string;
  networks: { private: string; public: string };
  /** Lets in SSH and ping. The project's default group lets nobody in. */
  securityGroup: string;
  /** The first process of its namespaces: `nsenter --target PID --net COMMAND`. The tests themselves run so. */
  pid: number;
}

// Set by scripts/test-openstack.mjs: a process cannot enter another network by itself once it runs.
const file = process.env.PENSTOCK_OPENSTACK;

/** Why there is no OpenStack here, or null. */
const noOpenStack: string | null =
  file !== undefined
    ? null
    : (process.env.PENSTOCK_NO_OPENSTACK ?? 'these tests are run by `npm run test:openstack`');

/** The OpenStack that is up for the whole run of the tests. */
function openStack(): OpenStack {
  if (file === undefined) throw new Error(`there is no OpenStack: ${noOpenStack}`);
  return JSON.parse(readFileSync(file, 'utf8')) as OpenStack;
}

/** A group of tests that need OpenStack, and certain computes of it; it is skipped, and says why, where there is none. */
export function describeOpenStack(
  name: string,
  needs: OpenStack['computes'],
  body: (cloud: OpenStack) => void,
): void {
  const cloud = file === undefined ? undefined : openStack();
  const lacking = needs.find((compute) => cloud !== undefined && !cloud.computes.includes(compute));
  const why =
    noOpenStack ?? (lacking === undefined ? null : `OpenStack is up without the compute ${lacking}`);
  const nothing = {} as OpenStack;
  describe.skipIf(why !== null)(why === null ? name : `${name} (skipped: ${why})`, () =>
    body(cloud ?? nothing),
  );
}
