import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import { inputParameters, outputParameters } from './definition-document.js';

/** Where a run asks to be run; what it leaves out comes from its definition. */
export type Whereabouts = Pick<RunDocument, 'executor' | 'host' | 'application'>;

/** Why an adapter works only on this machine. */
const nearby: Readonly<Record<string, string>> = {
  append: 'a growing file can only be followed on this machine',
  port: 'its bytes would depend on the connection while the program runs',
  folder: 'its files are laid out on this machine',
};

/**
 * What works only on this machine, where a program of ours can run beside the job's program.
 *
 * @param asked what a run asks for; empty at registration
 */
export function remoteProblems(definition: DefinitionDocument, asked: Whereabouts = {}): Problem[] {
  const executor = asked.executor ?? definition.executor ?? 'local';
  if (executor === 'local') return [];
  const problems: Problem[] = [];
  const blamed = (pointer: string) => (asked.executor === undefined ? pointer : '/executor');
  if (definition.process_type === 'service') {
    problems.push({
      pointer: blamed('/process_type'),
      detail: `a service can only run on this machine; the executor ${executor} runs programs that end`,
    });
  }
  const sides = [
    ['input', inputParameters(definition)],
    ['output', outputParameters(definition)],
  ] as const;
  for (const [end, adapter] of sides) {
    const why = adapter === undefined ? undefined : nearby[adapter.type];
    if (adapter === undefined || why === undefined) continue;
    problems.push({
      pointer: blamed(`/${end}_adapter/${end}_type`),
      detail: `"${adapter.type}" cannot be used with the executor ${executor}: ${why}; use "file" or "pipe"`,
    });
  }
  if (executor === 'ssh' && (asked.host ?? definition.host) === undefined) {
    problems.push({
      pointer: '/host',
      detail: 'the executor ssh needs a host: the NAME of a machine in ssh.yaml',
    });
  }
  return problems;
}
