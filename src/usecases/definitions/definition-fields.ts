import type { Fields } from '../../domain/query.js';

const text = ['exact', 'in', 'contains', 'startswith'] as const;
const ranged = ['exact', 'in', 'gt', 'gte', 'lt', 'lte', 'range'] as const;

export const definitionFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the definition.',
    unique: true,
    blank: true,
    default: '',
    lookups: ranged,
    orderable: true,
  },
  definition: { type: 'dict', help_text: 'The definition, as sent.' },
  name: {
    type: 'string',
    help_text: 'Its name, from the definition (`name` or `process_name`) or given beside it.',
    nullable: true,
    lookups: [...text, 'isnull'],
    orderable: true,
  },
  exec: {
    type: 'string',
    help_text: "To filter by: the definition's program.",
    readonly: true,
    lookups: text,
    orderable: true,
  },
  process_type: {
    type: 'string',
    help_text: 'To filter by: `single` or `service`.',
    readonly: true,
    lookups: ['exact', 'in'],
    orderable: true,
  },
  application: {
    type: 'string',
    help_text: 'To filter by: the application that it needs.',
    readonly: true,
    nullable: true,
    lookups: [...text, 'isnull'],
    orderable: true,
  },
  revision: {
    type: 'integer',
    help_text: 'Increases by one with every change of the definition.',
    readonly: true,
  },
  owner: {
    type: 'string',
    help_text: 'Name of the user who created it.',
    readonly: true,
    lookups: ['exact', 'in'],
    orderable: true,
  },
  created: {
    type: 'datetime',
    help_text: 'When it was registered.',
    readonly: true,
    lookups: [...ranged],
    orderable: true,
  },
  updated: {
    type: 'datetime',
    help_text: 'When it was last changed.',
    readonly: true,
    lookups: [...ranged],
    orderable: true,
  },
};
