import type { Fields } from '../../domain/query.js';
import type { ApplicationDocument } from '../../lib/generated/application.js';
import type { ApplicationRow } from '../../store/applications.js';
import type { Actor } from '../actor.js';
import { type Shown, shownDate } from '../resource.js';

const told = (help_text: string) => ({ help_text, nullable: true, default: null });

export const applicationFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the application.',
    unique: true,
    readonly: true,
    orderable: true,
  },
  name: {
    type: 'string',
    help_text: 'What process definitions call it.',
    unique: true,
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  revision: {
    type: 'integer',
    help_text: 'Counts its changes; servers of an older one are let go.',
    readonly: true,
  },
  owner: { type: 'string', help_text: 'Who made it.', readonly: true, lookups: ['exact', 'in'] },
  description: { type: 'string', ...told('What it is for.') },
  connector: { type: 'string', ...told('Who makes its servers; null: CONNECTOR of application.yaml.') },
  image: { type: 'string', ...told('Name or id of the image.') },
  flavor: { type: 'string', ...told('Name or id of the flavor.') },
  key_name: { type: 'string', ...told('Name of the key pair. For admins only.') },
  networks: { type: 'list', ...told('Names or ids of the networks.') },
  security_groups: { type: 'list', ...told('Names or ids of the security groups.') },
  floating_ip: { type: 'string', ...told('Whether its servers get floating IPs, or where from.') },
  user_data: { type: 'string', ...told('What a server is given at its first boot. For admins only.') },
  files: { type: 'list', help_text: 'Files that a server is given before its first job.', default: [] },
  ssh_user: { type: 'string', ...told('Whom we log in as. For admins only.') },
  ssh_port: { type: 'integer', ...told('Where its sshd listens. For admins only.') },
  remote_base_folder: { type: 'string', ...told('The folder of a server that jobs work below.') },
  uses: { type: 'integer', ...told('How many jobs a server runs before it is deleted.') },
  idle_timeout: { type: 'float', ...told('Seconds that a server may wait for a job.') },
  min_idle: { type: 'integer', ...told('Servers that are kept waiting for jobs.') },
  max_servers: { type: 'integer', ...told('Servers that there may be at the same time.') },
  created: { type: 'datetime', help_text: 'When it was made.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was changed last.', readonly: true, orderable: true },
};

/** Keys that are ours to tell: who sends them back as they were read is not refused. */
export const applicationToldKeys = ['id', 'revision', 'owner', 'created', 'updated', 'resource_uri'];

/** What may hold secrets of a server, and how it is logged in to, is for those who may write it. */
const forAdmins = ['user_data', 'files', 'key_name', 'ssh_user', 'ssh_port'] as const;

/** An application as it is shown: every key, null where the installation decides. */
export function showApplication(row: ApplicationRow, actor: Actor): Shown {
  const shown: Shown = { id: row.id };
  for (const [key, { default: none }] of Object.entries(applicationFields))
    shown[key] = row.document[key as keyof ApplicationDocument] ?? none ?? null;
  if (!actor.admin) for (const key of forAdmins) delete shown[key];
  return {
    ...shown,
    id: row.id,
    name: row.name,
    revision: row.revision,
    owner: row.owner.username,
    created: shownDate(row.created),
    updated: shownDate(row.updated),
  };
}
