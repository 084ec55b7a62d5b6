import type { CloudServer, ServerReference } from '../connector.js';
import { isMissing, problemOfFault } from './problems.js';
import type { Session } from './session.js';

/** The fields of Heat's stacks that are used. */
export interface Stack {
  id: string;
  stack_name: string;
  stack_status: string;
  stack_status_reason: string;
  tags: readonly string[] | null;
  outputs?: { output_key: string; output_value: unknown; output_error?: string }[];
}

/** The tag that says which installation created a stack. */
export const tagOf = (instance: string) => `penstock-instance=${instance}`;

const tagged = /^penstock-instance=(.*)$/;

export const instanceOf = ({ tags }: Stack): string | null =>
  (tags ?? []).map((tag) => tagged.exec(tag)?.[1]).find((found) => found !== undefined) ?? null;

const states: readonly [RegExp, CloudServer['state']][] = [
  [/^DELETE_FAILED$/, 'error'],
  [/^DELETE_/, 'deleting'],
  [/_FAILED$/, 'error'],
  [/^(CREATE|ROLLBACK|UPDATE|RESUME)_IN_PROGRESS$/, 'building'],
  [/^SUSPEND_/, 'stopped'],
  [/_COMPLETE$/, 'active'],
];

/** @param fault the fault of a resource that Heat keeps retrying */
export function shownStack(stack: Stack, fault: string | null): CloudServer {
  const { id, stack_name, stack_status, stack_status_reason } = stack;
  const told = states.find(([pattern]) => pattern.test(stack_status))?.[1] ?? 'building';
  const state = told === 'building' && fault !== null ? 'error' : told;
  const words = state === 'error' ? (fault ?? stack_status_reason) : null;
  return {
    id,
    name: stack_name,
    instance: instanceOf(stack),
    state,
    fault: words,
    problem: words === null ? null : problemOfFault(words),
  };
}

/** The stack with an id; null if it does not exist, or no longer does. */
async function stackOf(session: Session, name: string, id: string): Promise<Stack | null> {
  try {
    const { stack } = (await session.request('orchestration', 'GET', path(name, id))) as { stack: Stack };
    return stack.stack_status === 'DELETE_COMPLETE' ? null : stack;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

const path = (name: string, id: string) => `/stacks/${encodeURIComponent(name)}/${encodeURIComponent(id)}`;

/** All stacks of the project, or those of a name. Heat lists a stack for a moment after it has reported its deletion. */
export async function listStacks(
  session: Session,
  query: Readonly<Record<string, string>> = {},
): Promise<Stack[]> {
  const found = (await session.all('orchestration', '/stacks', 'stacks', query)) as Stack[];
  return found.filter(({ stack_status }) => stack_status !== 'DELETE_COMPLETE');
}

/** The stack with this id, or else with this name, which is unique, whoever owns it. */
export async function findStack(session: Session, { id, name }: ServerReference): Promise<Stack | null> {
  const named = (await listStacks(session, { name })).filter((stack) => stack.stack_name === name);
  if (id === null || named.some((stack) => stack.id === id)) {
    const [found] = named;
    return found === undefined ? null : await stackOf(session, name, found.id);
  }
  return await stackOf(session, name, id);
}

/** Requests the deletion of a stack. */
export async function deleteStack(session: Session, { stack_name, id }: Stack): Promise<void> {
  await session.request('orchestration', 'DELETE', path(stack_name, id)).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/**
 * Why a resource of a stack last failed, or null. Heat retries six times, with growing pauses, before the stack itself
 * fails; there is no need to wait for that.
 */
export async function faultOf(session: Session, { stack_name, id }: Stack): Promise<string | null> {
  const events = (await session
    .all('orchestration', `${path(stack_name, id)}/events`, 'events', { resource_status: 'FAILED' })
    .catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    })) as { resource_status: string; resource_status_reason: string; event_time: string }[];
  const failed = events
    .filter(({ resource_status }) => resource_status === 'CREATE_FAILED')
    .sort((a, b) => b.event_time.localeCompare(a.event_time));
  return failed[0]?.resource_status_reason ?? null;
}
