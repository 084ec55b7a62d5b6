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
  /**
   * Why none can be made now, in words, and until when that is believed: null is until something is changed. After that
   * one is tried, and the others follow when it has come up. No pause: they can be made.
   */
  pause: { reason: string; until: number | null } | null;
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
  /** By application. One that is not here is no more: its servers go, its jobs are refused. */
  policies: ReadonlyMap<string, PoolPolicy>;
  /** Bounds what there is of all applications together. */
  maxServers: number;
  /** Bounds how many servers have a job at the same time. */
  maxBusy: number;
}

/** What is to be done now. */
export interface PoolPlan {
  assign: { job: string; server: number }[];
  /** An application for each server to be made. */
  create: string[];
  remove: { server: number; reason: string }[];
  /** Why each job that got no server has none. */
  waiting: { job: string; reason: string }[];
  /** Jobs that will never have one. */
  refuse: { job: string; reason: string }[];
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

/** The pool while it is looked at: what there still is to be given away. */
interface Sight extends PoolView {
  plan: PoolPlan;
  idle: PoolServer[];
  /** By application: those on their way up that nobody has been told of yet. */
  coming: Map<string, PoolServer[]>;
  /** By application: how many there are, and how many of them are on their way up. */
  count: Map<string, number>;
  arriving: Map<string, number>;
  total: number;
  /** Those that make room soon by themselves. */
  leaving: number;
  /** How many more jobs may have a server at the same time. */
  slots: number;
}

const seconds = (milliseconds: number) => `${Math.round(milliseconds / 1000)} s`;
const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const addTo = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

/**
 * Which job gets which server, which servers are made, and which are let go. Jobs are served in their order, by the
 * idle server that has run the most, so that servers are used up and go. What is in error or being deleted still
 * counts against the bounds: the cloud has it.
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

/** Why a server is of no use any more; null if it is. */
function spent(server: PoolServer, policy: PoolPolicy | undefined): string | null {
  if (policy === undefined) return `the application ${server.application} is no more`;
  if (server.outdated !== null) return server.outdated;
  if (server.uses < policy.uses) return null;
  return `it has run ${counted(server.uses, 'job')}, which is its limit`;
}

/** Counts what there is, and lets go what no job will be given, whether it is up or on its way. */
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

const allBusy = ({ maxBusy }: Sight) => `the limit of ${counted(maxBusy, 'job')} at the same time is reached`;

/** Gives idle servers to jobs in their order; returns the jobs that got none. */
function serve(sight: Sight): Demand[] {
  const { plan, idle, policies, demands } = sight;
  const unserved: Demand[] = [];
  const asked = new Set<string>();
  for (const demand of demands) {
    const { job, application } = demand;
    const policy = policies.get(application);
    if (policy === undefined) {
      plan.refuse.push({ job, reason: `there is no application ${application} any more` });
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
    // Younger jobs of others would be served for ever, as long as there are any: who has no server at all gets room first.
    const hasNone = (sight.count.get(application) ?? 0) === 0 && !asked.has(application);
    asked.add(application);
    if (hasNone && paused(sight, application, policy) === null && sight.total >= sight.maxServers)
      makeRoom(sight, application);
  }
  return unserved;
}

/** Lets the one that has been idle the longest go, unless another is on its way out already. */
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

/** Lets idle servers go that nobody has wanted for too long. The least used wait the longest. */
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

/** Why no server of an application is made for now, whatever the bounds; null if nothing is known of. */
function paused(sight: Sight, application: string, { pause }: PoolPolicy): string | null {
  if (pause === null) return null;
  if (pause.until === null) return pause.reason;
  if (pause.until > sight.now) {
    due(sight, pause.until);
    return pause.reason;
  }
  // One is tried: a cloud that had no room is not asked for many at once.
  return (sight.arriving.get(application) ?? 0) > 0 ? pause.reason : null;
}

/** What keeps an application from one more server, in words; null if nothing does. */
function obstacle(sight: Sight, application: string, policy: PoolPolicy): string | null {
  const reason = paused(sight, application, policy);
  if (reason !== null) return reason;
  if ((sight.count.get(application) ?? 0) >= policy.maxServers)
    return `the limit of ${counted(policy.maxServers, 'server')} of the application ${application} is reached`;
  if (sight.total >= sight.maxServers)
    return `the limit of ${counted(sight.maxServers, 'server')} is reached`;
  return null;
}

/** Has servers made for jobs without one and for the idle ones that are to be kept, as far as the bounds allow. */
function make(sight: Sight, unserved: readonly Demand[]): void {
  const { plan, coming, policies, idle } = sight;
  const add = (application: string) => {
    plan.create.push(application);
    addTo(sight.count, application);
    addTo(sight.arriving, application);
    sight.total += 1;
  };
  /** Whoever is on its way up is spoken for, too. */
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
    // Room has been made for its first one already.
    if (hadNone.delete(application)) continue;
    // An idle server of another application is in the way of nothing but the bound of all.
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
