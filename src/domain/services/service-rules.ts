import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { expressionProblem } from './service.js';

/** Keys that have no meaning for a service, and what it has instead. */
const instead: readonly { key: 'retries' | 'temporary_fail_codes'; detail: string }[] = [
  {
    key: 'retries',
    detail: 'retries are for jobs that end by themselves; for a service use service.restart_mode',
  },
  {
    key: 'temporary_fail_codes',
    detail:
      'temporary_fail_codes are for jobs that end by themselves; for a service use service.restart_mode',
  },
];

/** Problems of a definition's `service`, and of keys that do not fit a service. */
export function serviceProblems(definition: DefinitionDocument): Problem[] {
  const { service, process_type: type } = definition;
  if (type !== 'service') {
    if (service === undefined) return [];
    const detail = 'the key service is only for services; add "process_type": "service", or leave it out';
    return [{ pointer: '/service', detail }];
  }
  const problems = instead.flatMap(({ key, detail }) =>
    definition[key] === undefined ? [] : [{ pointer: `/${key}`, detail }],
  );
  if (definition.limits?.output_size !== undefined) {
    const detail =
      'output_size is for jobs that end by themselves; for a service use log_size, the size at which its logs are cut';
    problems.push({ pointer: '/limits/output_size', detail });
  }
  const ready = service?.ready;
  if (typeof ready === 'object' && 'line' in ready) {
    const wrong = expressionProblem(ready.line);
    if (wrong !== undefined) {
      problems.push({ pointer: '/service/ready/line', detail: `it is not a regular expression: ${wrong}` });
    }
  }
  return problems;
}
