import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { expressionProblem } from './service.js';

/** What a service has in place of a key that means nothing for it. */
const instead: readonly { key: 'retries' | 'temporary_fail_codes'; detail: string }[] = [
  {
    key: 'retries',
    detail: 'retries are for jobs that come to an end; a service is restarted as service.restart_mode says',
  },
  {
    key: 'temporary_fail_codes',
    detail:
      'temporary_fail_codes are for jobs that come to an end; a service is restarted as service.restart_mode says',
  },
];

/** What a definition says of a service, or says although it is one. */
export function serviceProblems(definition: DefinitionDocument): Problem[] {
  const { service, process_type: type } = definition;
  if (type !== 'service') {
    if (service === undefined) return [];
    const detail = 'service is for a service; add "process_type": "service", or leave it out';
    return [{ pointer: '/service', detail }];
  }
  const problems = instead.flatMap(({ key, detail }) =>
    definition[key] === undefined ? [] : [{ pointer: `/${key}`, detail }],
  );
  if (definition.limits?.output_size !== undefined) {
    const detail =
      'output_size is for jobs that come to an end; log_size is where the logs of a service are cut';
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
