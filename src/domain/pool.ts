import { isComing, type ServerState } from './server.js';

/** How servers of one application are used, and how many of them there may be. */
export interface PoolPolicy {
  /** How many jobs a server runs before it is deleted. */
  uses: number;
  /** Milliseconds that a server may wait for a job. */
  idleTimeout: number;
  /** So many are kept waiting for jobs, however long. */
  minIdle: number;
  maxServers: number;
  /** Why none can be made now, in words, and until when that is believed; null if they can. */
  pause: { reason: string; until: number } | null;
}

/** A server as far as the pool looks at it. */
export interface PoolServer {
  id: number;
  application: string;
  state: ServerState;
  /** How many jobs it has run, or runs. */
  uses: number;
  /** Milliseconds since the epoch; of an idle one. */
  idleSince: number;
  /** Why no more jobs are given to it, such as that its application has changed; null if they are. */
  outdated: string | null;
  /** What keeps one that is coming, in words; null if nothing does. */
  held: string | null;
}

/** A job that waits for a server. */
export interface Demand {
  job: string;
  application: string;
}

export interface PoolView {
  now: number;
  /** All that the cloud may hold something of: none that is `deleted`. */
  servers: readonly PoolServer[];
  /** In the order in which they are to be served. */
  demands: readonly Demand[];
  /** By application. One that is not here is no more: its servers go, its jobs are not served. */
  policies: ReadonlyMap<string, PoolPolicy>;
  /** Bounds what there is of all applications together. */
  maxServers: number;
}

/** What is to be done now. */
export interface PoolPlan {
  assign: { job: string; server: number }[];
  /** An application for each server to be made. */
  create: string[];
  remove: { server: number; reason: string }[];
  /** Why each job that got no server has none. */
  waiting: { job: string; reason: string }[];
  /** When the next thing is due, though nothing else happens: milliseconds since the epoch; null if nothing is. */
  next: number | null;
}

/** How far a server is that is on its way up, in words. */
const stepOf = ({ state }: PoolServer): string =>
  state === 'booting'
    ? 'a server is booting'
    : state === 'ready'
      ? 'a server is being made ready'
      : 'a server is being started';

const seconds = (milliseconds: number) => `${Math.round(milliseconds / 1000)} s`;

/**
 * Which job gets which server, which servers are made, and which are let go. Jobs are served in their order, by the
 * idle server that has run the most, so that servers are used up and go. What is in error or being deleted still
 * counts against the bounds: the cloud has it.
 */
export function planPool(view: PoolView): PoolPlan {
  const plan: PoolPlan = { assign: [], create: [], remove: [], waiting: [], next: null };
  const due = (at: number) => {
    plan.next = Math.min(plan.next ?? at, at);
  };
  const idle: PoolServer[] = [];
  for (const server of view.servers) {
    if (server.state !== 'idle') continue;
    const policy = view.policies.get(server.application);
    const reason =
      policy === undefined
        ? `the application ${server.application} is no more`
        : (server.outdated ??
          (server.uses >= policy.uses
            ? `it has run ${counted(server.uses, 'job')}, which is its limit`
            : null));
    if (reason === null) idle.push(server);
    else plan.remove.push({ server: server.id, reason });
  }
  idle.sort((a, b) => b.uses - a.uses || a.idleSince - b.idleSince || a.id - b.id);

  const unserved: Demand[] = [];
  for (const demand of view.demands) {
    const at = idle.findIndex(({ application }) => application === demand.application);
    const [server] = at < 0 ? [] : idle.splice(at, 1);
    if (server === undefined) unserved.push(demand);
    else plan.assign.push({ job: demand.job, server: server.id });
  }

  expire(view, idle, unserved, plan, due);
  make(view, idle, unserved, plan, due);
  return plan;
}

/** Lets idle servers go that nobody has wanted for too long. The least used wait the longest. */
function expire(
  view: PoolView,
  idle: PoolServer[],
  unserved: readonly Demand[],
  plan: PoolPlan,
  due: (at: number) => void,
): void {
  const wanted = new Set(unserved.map(({ application }) => application));
  for (const [application, policy] of view.policies) {
    if (wanted.has(application)) continue;
    const own = idle.filter((server) => server.application === application);
    for (const server of own
      .sort((a, b) => a.idleSince - b.idleSince)
      .slice(0, own.length - policy.minIdle)) {
      const end = server.idleSince + policy.idleTimeout;
      if (end > view.now) {
        due(end);
        continue;
      }
      idle.splice(idle.indexOf(server), 1);
      plan.remove.push({ server: server.id, reason: `it was idle for ${seconds(policy.idleTimeout)}` });
    }
  }
}

/** Has servers made for jobs without one and for the idle ones that are to be kept, as far as the bounds allow. */
function make(
  view: PoolView,
  idle: PoolServer[],
  unserved: readonly Demand[],
  plan: PoolPlan,
  due: (at: number) => void,
): void {
  const count = new Map<string, number>();
  const coming = new Map<string, PoolServer[]>();
  for (const server of view.servers) {
    const { application } = server;
    count.set(application, (count.get(application) ?? 0) + 1);
    if (isComing(server.state)) coming.set(application, [...(coming.get(application) ?? []), server]);
  }
  let total = view.servers.length;
  /** Those that make room soon by themselves. */
  let leaving =
    plan.remove.length + view.servers.filter(({ state }) => state === 'error' || state === 'deleting').length;
  /** What keeps the application from one more server, in words; null if nothing does. */
  const obstacle = (application: string, policy: PoolPolicy): string | null => {
    if (policy.pause !== null && policy.pause.until > view.now) {
      due(policy.pause.until);
      return policy.pause.reason;
    }
    if ((count.get(application) ?? 0) >= policy.maxServers)
      return `the limit of ${counted(policy.maxServers, 'server')} of the application ${application} is reached`;
    if (total >= view.maxServers) return `the limit of ${counted(view.maxServers, 'server')} is reached`;
    return null;
  };
  const add = (application: string) => {
    plan.create.push(application);
    count.set(application, (count.get(application) ?? 0) + 1);
    total += 1;
  };
  for (const { job, application } of unserved) {
    const policy = view.policies.get(application);
    if (policy === undefined) {
      plan.waiting.push({ job, reason: `there is no application ${application}` });
      continue;
    }
    const server = coming.get(application)?.shift();
    if (server !== undefined) {
      plan.waiting.push({ job, reason: server.held ?? stepOf(server) });
      continue;
    }
    const reason = obstacle(application, policy);
    if (reason === null) {
      add(application);
      plan.waiting.push({ job, reason: 'a server is being started' });
      continue;
    }
    plan.waiting.push({ job, reason });
    // An idle server of another application is in the way of nothing but the bound of all.
    if (total < view.maxServers || (count.get(application) ?? 0) >= policy.maxServers) continue;
    if (policy.pause !== null && policy.pause.until > view.now) continue;
    if (leaving > 0) {
      leaving -= 1;
      continue;
    }
    const [other] = idle.sort((a, b) => a.idleSince - b.idleSince).splice(0, 1);
    if (other !== undefined)
      plan.remove.push({ server: other.id, reason: `it makes room for the application ${application}` });
  }
  for (const [application, policy] of view.policies) {
    let ready =
      (coming.get(application)?.length ?? 0) + idle.filter((one) => one.application === application).length;
    for (; ready < policy.minIdle && obstacle(application, policy) === null; ready += 1) add(application);
  }
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
