import { randomBytes } from 'node:crypto';
import { namedFiles, needsInput } from '../../domain/definitions/command.js';
import { checkEnvironment } from '../../domain/definitions/definition-rules.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Whereabouts } from '../../domain/definitions/remote-rules.js';
import type { TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import { declarationProblems } from '../../domain/inputs/input-rules.js';
import { definitionIdOf } from '../../domain/pipelines/pipeline-document.js';
import { pipelineInputProblems } from '../../domain/pipelines/pipeline-inputs.js';
import { type Plan, planOf } from '../../domain/pipelines/pipeline-plan.js';
import { checkPipeline } from '../../domain/pipelines/pipeline-rules.js';
import { PenstockError, type Problem } from '../../lib/errors.js';
import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import { validator } from '../../lib/schemas.js';
import type { Actor } from '../actor.js';
import { invalid } from '../body.js';
import type { DefinitionService, FoundDefinition } from '../definitions/process-definitions.js';
import type { PipelineKind } from './pipeline-kind.js';

/** The plan of a pipeline's run, and the definitions of its steps by id. */
export interface Planned {
  plan: Plan;
  definitions: ReadonlyMap<number, FoundDefinition>;
}

/** The files of a definition besides its main input, and its outputs that have names. */
function besides(definition: ProcessDefinition): { inputs: string[]; outputs: string[] } {
  const named = namedFiles(definition);
  const { inputs, outputs, mainInput } = definition;
  return {
    inputs:
      inputs?.filter(({ kind, name }) => kind !== 'value' && name !== mainInput).map(({ name }) => name) ??
      named.inputs,
    outputs: outputs?.map(({ name }) => name) ?? named.outputs,
  };
}

/** Pipelines of steps, which are run here. */
export function stepPipelines(
  uuids: TypedUuids,
  definitions: DefinitionService,
): PipelineKind<PipelineDocument> & {
  /** The plan of a run, with the current definitions. */
  planFor(actor: Actor, document: PipelineDocument, asked: Whereabouts): Promise<Planned>;
} {
  /** What each step runs, in order: null where the user may run no such definition. */
  async function definitionsOf(actor: Actor, document: PipelineDocument) {
    const known = new Map<number, Awaited<ReturnType<typeof look>>>();
    async function look(id: number) {
      try {
        const one = await definitions.find(actor, String(id));
        return { ...one, revision: one.row.revision, ...besides(one.definition) };
      } catch (error) {
        if (error instanceof PenstockError && error.code === 'not-found') return null;
        throw error;
      }
    }
    for (const { process_definition } of document.steps) {
      const id = definitionIdOf(process_definition);
      if (!known.has(id)) known.set(id, await look(id));
    }
    return document.steps.map(
      ({ process_definition }) => known.get(definitionIdOf(process_definition)) ?? null,
    );
  }

  async function problemsOf(actor: Actor, document: PipelineDocument) {
    const found = await definitionsOf(actor, document);
    const rules = found.map((one) =>
      one === null
        ? null
        : {
            ...one,
            processType: one.definition.processType,
            needsInput: needsInput(one.definition),
            declared: one.definition.inputs === null ? null : one.definition,
          },
    );
    const environments = document.steps.flatMap(({ environment }, index) => {
      const one = found[index];
      if (one == null || environment === undefined) return [];
      return checkEnvironment(one.document, environment, `/steps/${index}/environment`);
    });
    const declared = declarationProblems(document.inputs, '/inputs');
    const problems: Problem[] =
      declared.length > 0
        ? declared
        : [...checkPipeline(document, rules), ...pipelineInputProblems(document, rules), ...environments];
    return { found, problems };
  }

  return {
    async checked(actor, body) {
      const wrong = validator('pipeline-steps')(body);
      if (wrong.length > 0) throw invalid('invalid-body', wrong);
      const { problems } = await problemsOf(actor, body as PipelineDocument);
      if (problems.length > 0) throw invalid('invalid-body', problems);
      return { ...(body as PipelineDocument), type: 'steps' };
    },

    // Two pipelines with the same steps are still two pipelines.
    newUuid: () => uuids.of('pipeline', randomBytes(16)),

    async planFor(actor, document, asked) {
      const { found, problems } = await problemsOf(actor, document);
      const [first] = problems;
      if (first !== undefined) {
        // It was valid when it was registered: a definition has since changed or been deleted.
        const detail = `${first.pointer}: ${first.detail}. Change the pipeline, or its definitions.`;
        throw new PenstockError('conflict', detail, { problems });
      }
      const runs = found.filter((one) => one !== null);
      return {
        plan: planOf(document, runs, asked.executor),
        definitions: new Map(runs.map((one) => [one.row.id, one])),
      };
    },
  };
}
