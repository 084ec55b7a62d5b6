import { pipelineIdentity } from '../../domain/external-jobs/job-identity.js';
import type { TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import { validator } from '../../lib/schemas.js';
import { invalid } from '../body.js';
import type { PipelineKind } from './pipeline-kind.js';

/** The document of a pipeline whose components run elsewhere. */
export interface ExternalPipelineDocument {
  name: string;
  uuid?: string;
  type?: string;
  pipeline_type?: string;
  components: unknown[];
}

/** Pipelines whose components run elsewhere: the jobs that report on them belong to such a pipeline. */
export const externalPipelines = (uuids: TypedUuids): PipelineKind<ExternalPipelineDocument> => ({
  async checked(_actor, body) {
    const problems = validator('pipeline')(body);
    if (problems.length > 0) throw invalid('invalid-body', problems);
    const document = body as ExternalPipelineDocument;
    const { type = 'external' } = document;
    // In the older system's own schema `type` is what its examples call `pipeline_type`.
    return type === 'external' ? document : { ...document, type: 'external', pipeline_type: type };
  },
  newUuid: ({ name, components }) => uuids.computed('pipeline', pipelineIdentity(name, components)),
});
