import type { Fields } from '../../domain/query.js';

const optional = { nullable: true, default: null } as const;

export const pipelineFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the pipeline.',
    unique: true,
    readonly: true,
    orderable: true,
  },
  uuid: {
    type: 'string',
    help_text:
      'Identity of the pipeline. By default random for steps, and otherwise computed from name and components.',
    unique: true,
    lookups: ['exact', 'in'],
  },
  name: {
    type: 'string',
    help_text: 'Its name.',
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  owner: { type: 'string', help_text: 'Name of its owner.', readonly: true, lookups: ['exact', 'in'] },
  type: {
    type: 'string',
    help_text: '`steps`: it is run here; `external`: its components run elsewhere.',
    default: 'external',
    lookups: ['exact', 'in'],
  },
  steps: {
    type: 'list',
    help_text:
      'Its steps: each has a `name` and a `process_definition`, and may have `needs`, `input`, `inputs`, `each`, `tee`, `environment`, `timeout`.',
    ...optional,
  },
  output: {
    type: 'string',
    help_text: 'The step whose output is the output of the pipeline, if not the last.',
    ...optional,
  },
  timeout: { type: 'integer', help_text: 'Seconds that a run of its steps may take.', ...optional },
  components: {
    type: 'list',
    help_text: 'Its components, if they run elsewhere: apps, actors, containers, web services.',
    ...optional,
  },
  description: { type: 'string', help_text: 'What it is for.', ...optional },
  pipeline_type: { type: 'string', help_text: 'What kind of work it is.', ...optional },
  processing_levels: { type: 'list', help_text: 'The processing levels of what it produces.', ...optional },
  collections_levels: {
    type: 'list',
    help_text: 'What its jobs are run for: experiments, samples, measurements, files.',
    ...optional,
  },
  accepts: { type: 'list', help_text: 'File types that it accepts.', ...optional },
  produces: { type: 'list', help_text: 'File types that it produces.', ...optional },
  created: { type: 'datetime', help_text: 'When it was registered.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was last changed.', readonly: true },
};
