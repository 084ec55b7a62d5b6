import { isComing, type ServerState } from './server.js';

/** How servers of one application are used, and how many of them there may be. */
export interface PoolPolicy {
  /** How many jobs a server runs before it is deleted. */
  uses: number;
  /** Milliseconds that a server may wait for a job. */
  idleTimeout: number;
  /** So many are kept idle, however long. */
  minIdle: number;
  maxServers: number;
  /**
   * Why no server can be created now, in words, and until when to believe that: null means until something is changed.
   * After that one server is tried, and the rest follow once it is up. A null pause: servers can be created.
   */
  pause: { reason: string; until: number | null } | null;
}

/** What the pool needs to know about a server. */
export interface PoolServer {
  id: number;
  application: string;
  state: ServerState;
  /** How many jobs it has run or is running. */
  uses: number;
  /** Milliseconds since the epoch; set for an idle server. */
  idleSince: number;
  /** Why it gets no more jobs, such as a changed application; null if it does. */
  outdated: string | null;
  /** What holds up a server on its way up, in words; null if nothing does. */
  held: string | null;
}

/** A job that waits for a server. */
export interface Demand {
  job: string;
  application: string;
}

export interface PoolView {
  now: number;
  /** All servers of which the cloud may still hold something: none that is `deleted`. */
  servers: readonly PoolServer[];
  /** In the order in which to serve them. */
  demands: readonly Demand[];
  /** By application. An application that is missing here no longer exists: its servers are deleted, its jobs refused. */
  policies: ReadonlyMap<string, PoolPolicy>;
  /** The limit for the servers of all applications together. */
  maxServers: number;
  /** The limit for servers that have a job at the same time. */
  maxBusy: number;
}

/** What to do now. */
export interface PoolPlan {
  assign: { job: string; server: number }[];
  /** An application for each server to create. */
  create: string[];
  remove: { server: number; reason: string }[];
  /** Why each unserved job has no server. */
  waiting: { job: string; reason: string }[];
  /** Jobs that will never get one. */
  refuse: { job: string; reason: string }[];
  /** When to plan again even if nothing happens: milliseconds since the epoch; null if never. */
  next: number | null;
}

/** How far a server on its way up has come, in words. */
const stepOf = ({ state }: PoolServer): string =>
  state === 'booting'
    ? 'a server is booting'
    : state === 'ready'
      ? 'a server is being prepared'
      : 'a server is being started';

/** The pool while it is being planned: what is still available. */
interface Sight extends PoolView {
  plan: PoolPlan;
  idle: PoolServer[];
  /** By application: servers on their way up that no waiting job has been told about yet. */
  coming: Map<string, PoolServer[]>;
  /** By application: how many servers there are, and how many of them are on their way up. */
  count: Map<string, number>;
  arriving: Map<string, number>;
  total: number;
  /** Servers that will soon be gone by themselves. */
  leaving: number;
  /** How many more jobs may get a server at the same time. */
  slots: number;
}

const seconds = (milliseconds: number) => `${Math.round(milliseconds / 1000)} s`;
const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const addTo = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

/**
 * Decides which job gets which server, and which servers to create and delete. Jobs are served in order, by the idle
 * server that has run the most jobs, so that servers are used up and deleted. Servers in error or being deleted still
 * count against the limits, because the cloud still has them.
 */
export function planPool(view: PoolView): PoolPlan {
  const sight = see(view);
  const unserved = serve(sight);
  expire(sight, unserved);
  make(sight, unserved);
  return sight.plan;
}

function due({ plan }: Sight, at: number): void {
  plan.next = Math.min(plan.next ?? at, at);
}

/** Why a server is no longer of use; null if it still is. */
function spent(server: PoolServer, policy: PoolPolicy | undefined): string | null {
  if (policy === undefined) return `the application ${server.application} no longer exists`;
  if (server.outdated !== null) return server.outdated;
  if (server.uses < policy.uses) return null;
  return `it has run ${counted(server.uses, 'job')}, which is its limit`;
}

/** Counts the servers, and removes those that no job will get, whether up or on their way. */
function see(view: PoolView): Sight {
  const plan: PoolPlan = { assign: [], create: [], remove: [], waiting: [], refuse: [], next: null };
  const sight: Sight = {
    ...view,
    plan,
    idle: [],
    coming: new Map(),
    count: new Map(),
    arriving: new Map(),
    total: view.servers.length,
    leaving: 0,
    slots: view.maxBusy,
  };
  for (const server of view.servers) {
    const { application, state } = server;
    addTo(sight.count, application);
    if (state === 'busy') {
      sight.slots -= 1;
      continue;
    }
    const isUp = state === 'idle';
    if (!isUp && !isComing(state)) {
      sight.leaving += 1;
      continue;
    }
    const reason = spent(server, view.policies.get(application));
    if (reason !== null) {
      plan.remove.push({ server: server.id, reason });
      sight.leaving += 1;
    } else if (isUp) sight.idle.push(server);
    else {
      sight.coming.set(application, [...(sight.coming.get(application) ?? []), server]);
      addTo(sight.arriving, application);
    }
  }
  sight.idle.sort((a, b) => b.uses - a.uses || a.idleSince - b.idleSince || a.id - b.id);
  return sight;
}

const allBusy = ({ maxBusy }: Sight) => `the limit of ${counted(maxBusy, 'job')} at a time is reached`;

/** Gives idle servers to jobs in order; returns the jobs that got none. */
function serve(sight: Sight): Demand[] {
  const { plan, idle, policies, demands } = sight;
  const unserved: Demand[] = [];
  const asked = new Set<string>();
  for (const demand of demands) {
    const { job, application } = demand;
    const policy = policies.get(application);
    if (policy === undefined) {
      plan.refuse.push({ job, reason: `the application ${application} no longer exists` });
      continue;
    }
    if (sight.slots <= 0) {
      plan.waiting.push({ job, reason: allBusy(sight) });
      continue;
    }
    const at = idle.findIndex((server) => server.application === application);
    const [server] = at < 0 ? [] : idle.splice(at, 1);
    if (server !== undefined) {
      plan.assign.push({ job, server: server.id });
      sight.slots -= 1;
      continue;
    }
    unserved.push(demand);
    // Without this, younger jobs of other applications could be served forever: an application without any server gets
    // room first.
    const hasNone = (sight.count.get(application) ?? 0) === 0 && !asked.has(application);
    asked.add(application);
    if (hasNone && paused(sight, application, policy) === null && sight.total >= sight.maxServers)
      makeRoom(sight, application);
  }
  return unserved;
}

/** Removes the server that has been idle the longest, unless another is already on its way out. */
function makeRoom(sight: Sight, application: string): void {
  if (sight.leaving > 0) {
    sight.leaving -= 1;
    return;
  }
  const [other] = [...sight.idle].sort((a, b) => a.idleSince - b.idleSince || a.id - b.id);
  if (other === undefined) return;
  sight.idle.splice(sight.idle.indexOf(other), 1);
  const reason = `it makes room for the application ${application}`;
  sight.plan.remove.push({ server: other.id, reason });
}

/** Removes servers that have been idle for too long. The least used wait the longest. */
function expire(sight: Sight, unserved: readonly Demand[]): void {
  const { idle, policies, plan, now } = sight;
  const wanted = new Set(unserved.map(({ application }) => application));
  for (const [application, policy] of policies) {
    if (wanted.has(application)) continue;
    const own = idle.filter((server) => server.application === application);
    const most = Math.max(0, own.length - policy.minIdle);
    for (const server of own.sort((a, b) => a.idleSince - b.idleSince).slice(0, most)) {
      const end = server.idleSince + policy.idleTimeout;
      if (end > now) {
        due(sight, end);
        continue;
      }
      idle.splice(idle.indexOf(server), 1);
      plan.remove.push({ server: server.id, reason: `it was idle for ${seconds(policy.idleTimeout)}` });
    }
  }
}

/** Why no server of an application can be created now, whatever the limits; null if there is no known reason. */
function paused(sight: Sight, application: string, { pause }: PoolPolicy): string | null {
  if (pause === null) return null;
  if (pause.until === null) return pause.reason;
  if (pause.until > sight.now) {
    due(sight, pause.until);
    return pause.reason;
  }
  // Try one: a cloud that had no room must not be asked for many at once.
  return (sight.arriving.get(application) ?? 0) > 0 ? pause.reason : null;
}

/** What keeps an application from getting one more server, in words; null if nothing does. */
function obstacle(sight: Sight, application: string, policy: PoolPolicy): string | null {
  const reason = paused(sight, application, policy);
  if (reason !== null) return reason;
  if ((sight.count.get(application) ?? 0) >= policy.maxServers)
    return `the limit of ${counted(policy.maxServers, 'server')} of the application ${application} is reached`;
  if (sight.total >= sight.maxServers)
    return `the limit of ${counted(sight.maxServers, 'server')} is reached`;
  return null;
}

/** Creates servers for jobs without one, and idle servers to keep, as far as the limits allow. */
function make(sight: Sight, unserved: readonly Demand[]): void {
  const { plan, coming, policies, idle } = sight;
  const add = (application: string) => {
    plan.create.push(application);
    addTo(sight.count, application);
    addTo(sight.arriving, application);
    sight.total += 1;
  };
  /** Servers on their way up are already spoken for. */
  let slots = sight.slots - [...sight.arriving.values()].reduce((sum, count) => sum + count, 0);
  const hadNone = new Set(
    unserved.map(({ application }) => application).filter((name) => !sight.count.has(name)),
  );
  for (const { job, application } of unserved) {
    const policy = policies.get(application) as PoolPolicy;
    const server = coming.get(application)?.shift();
    if (server !== undefined) {
      plan.waiting.push({ job, reason: server.held ?? stepOf(server) });
      continue;
    }
    const reason = slots > 0 ? obstacle(sight, application, policy) : allBusy(sight);
    plan.waiting.push({ job, reason: reason ?? 'a server is being started' });
    if (reason === null) {
      add(application);
      slots -= 1;
    }
    if (reason === null || slots <= 0) continue;
    // Room has already been made for its first server.
    if (hadNone.delete(application)) continue;
    // An idle server of another application counts only against the limit for all.
    const full = sight.total >= sight.maxServers;
    const mayHaveMore = (sight.count.get(application) ?? 0) < policy.maxServers;
    if (full && mayHaveMore && paused(sight, application, policy) === null) makeRoom(sight, application);
  }
  for (const [application, policy] of policies) {
    let ready =
      (coming.get(application)?.length ?? 0) + idle.filter((one) => one.application === application).length;
    for (; ready < policy.minIdle && obstacle(sight, application, policy) === null; ready += 1)
      add(application);
  }
}
