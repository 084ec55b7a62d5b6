import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { remoteProblems, type Whereabouts } from '../../domain/definitions/remote-rules.js';
import { type Application, defaultApplication } from '../../domain/servers/application.js';
import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { nearest } from '../../lib/nearest.js';
import type { Shown } from '../resource.js';

const wrongName = (kind: string, name: string, names: readonly string[]): string => {
  const near = nearest(name, names);
  const there = names.length === 0 ? 'there is none' : `there are: ${names.join(', ')}`;
  return `there is no ${kind} ${name}; ${near === undefined ? there : `did you mean ${near}?`}`;
};

/** Where runs may run, and where they would run. */
export function whereService(given: {
  applications: { named(name: string): Application | undefined; unknown(name: string): Problem[] };
  /** What is missing to create servers of an application, in words; null if nothing is. */
  missing(application: Application): string | null;
  /** The names of the machines of ssh.yaml. */
  machines(): readonly string[];
  /** A machine's base folder, below which jobs work. */
  base(machine: string): string;
  /** That of a job's first attempt, below such a base. */
  folder(base: string, uuid: string): string;
}) {
  function cloudProblems(name: string): Problem[] {
    // Variants of an application for single jobs have names as well, but are not for others.
    const wrong = given.applications.unknown(name);
    if (wrong.length > 0) return wrong;
    const application = given.applications.named(name);
    if (application === undefined) return [];
    const missing = given.missing(application);
    return missing === null ? [] : [{ pointer: '/executor', detail: missing }];
  }

  return {
    /**
     * Why it cannot currently run where it asks to; empty if it can. A run that would wait forever is refused at once.
     */
    check(definition: DefinitionDocument, asked: Whereabouts): Problem[] {
      const executor = asked.executor ?? definition.executor ?? 'local';
      const problems = remoteProblems(definition, asked);
      if (problems.length > 0 || executor === 'local') return problems;
      if (executor === 'cloud')
        return cloudProblems(asked.application ?? definition.application ?? defaultApplication);
      const host = asked.host ?? definition.host ?? '';
      const machines = given.machines();
      if (machines.includes(host)) return [];
      return [{ pointer: '/host', detail: `${wrongName('machine', host, machines)} (MACHINES of ssh.yaml)` }];
    },

    /** Where a run that has not started would run: what to show, and its folder there; null if it runs here. */
    show(
      definition: ProcessDefinition,
      asked: Whereabouts,
      uuid: string,
    ): { shown: Shown; folder: string } | null {
      const executor = asked.executor ?? definition.executor;
      if (executor === 'local') return null;
      if (executor === 'ssh') {
        const host = asked.host ?? definition.host ?? '';
        const folder = given.folder(given.base(host), uuid);
        return { shown: { host, remote_folder: folder }, folder };
      }
      const application = asked.application ?? definition.application ?? defaultApplication;
      const folder = given.folder(given.applications.named(application)?.baseFolder ?? '', uuid);
      return { shown: { application, remote_folder: folder }, folder };
    },
  };
}

export type WhereService = ReturnType<typeof whereService>;
