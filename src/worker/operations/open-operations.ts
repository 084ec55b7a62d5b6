import type { OperationRow } from '../../store/operations.js';
import { operationService } from '../../usecases/operations/operations.js';
import type { StreamServices } from '../../usecases/streams/open-streams.js';
import { Operator } from './operate.js';
import type { OperatorOptions } from './operator-options.js';

interface OperationsOptions extends Omit<OperatorOptions, 'streams' | 'ownStream'> {
  streams: StreamServices;
  clock: () => Date;
}

/** Operations, and the operator that runs them. */
export function openOperations({ streams, ...given }: OperationsOptions) {
  const { rows, resource, channels, make } = streams;
  const operator = new Operator({
    ...given,
    streams: channels,
    ownStream(row: OperationRow, name: string) {
      const owner = { id: row.ownerId, username: row.owner.username, admin: false };
      const type = rows.get(row.inputStream)?.type === 'amqp' ? ('amqp' as const) : ('memory' as const);
      const body = {
        name,
        type,
        description: `Messages without a result of the operation ${row.name}.`,
      };
      return {
        has: () => rows.get(name)?.ownerId === row.ownerId,
        make: () => make(owner, body),
        async remove() {
          await resource.apply?.(owner, [{ op: 'delete', id: name }]);
        },
      };
    },
  });
  const service = operationService({ ...given, streams: rows, operating: operator });
  return {
    ...service,
    /** Starts the active ones. */
    start: () => operator.start(),
    /** Returns unsettled messages to their queues. Services go on running. */
    stop: () => operator.stop(),
    statuses: () => operator.statuses(),
  };
}
