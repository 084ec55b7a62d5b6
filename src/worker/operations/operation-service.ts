import type { Job } from '../../domain/jobs/job.js';
import { operationSettings } from '../../domain/operations/operation.js';
import type { OperationRow } from '../../store/operations.js';
import type { OperatorOptions } from './operator-options.js';

/** The service of an operation: the running one if it is up to date, or else a new one in its place. */
export async function openService(house: OperatorOptions, row: OperationRow): Promise<Job> {
  const { store, definitions, receiver, jobs, runs } = house;
  const actor = { id: row.ownerId, username: row.owner.username, admin: false };
  const { framing, inputs } = operationSettings(row);
  const definition = await definitions.find(actor, String(row.processDefinitionId));
  const [running, ...others] = await store.jobs.servicesOfOperation(row.id);
  for (const other of others) await house.stopService(other.uuid);
  if (running !== undefined) {
    const wanted =
      running.definitionRevisionId === definition.revisionId && running.request.feed?.framing === framing;
    if (wanted) return running;
    await house.stopService(running.uuid);
  }
  const received = receiver.begin(jobs.newUuid());
  try {
    received.values = { ...inputs };
    const inside = { fields: { operationId: row.id }, request: { feed: { framing } } };
    return (await runs.submit(actor, definition, received, {}, null, inside)).job;
  } catch (error) {
    await receiver.drop(received);
    throw error;
  }
}

/** Ends every service of an operation. */
export async function stopServices(house: OperatorOptions, operationId: number): Promise<void> {
  for (const { uuid } of await house.store.jobs.servicesOfOperation(operationId))
    await house.stopService(uuid);
}
