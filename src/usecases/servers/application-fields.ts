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
    help_text: 'Counts its changes; servers of an older revision are deleted.',
    readonly: true,
  },
  owner: {
    type: 'string',
    help_text: 'Name of the user who created it.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  description: { type: 'string', ...told('What it is for.') },
  connector: {
    type: 'string',
    ...told('The connector that creates its servers; null: CONNECTOR of application.yaml.'),
  },
  image: { type: 'string', ...told('Name or id of the image.') },
  flavor: { type: 'string', ...told('Name or id of the flavor.') },
  key_name: { type: 'string', ...told('Name of the key pair. For admins only.') },
  networks: { type: 'list', ...told('Names or ids of the networks.') },
  security_groups: { type: 'list', ...told('Names or ids of the security groups.') },
  floating_ip: { type: 'string', ...told('Whether its servers get floating IPs, or where from.') },
  user_data: { type: 'string', ...told('What a server gets at its first boot. For admins only.') },
  files: { type: 'list', help_text: 'Files that a server gets before its first job.', default: [] },
  ssh_user: { type: 'string', ...told('The user that Penstock logs in as. For admins only.') },
  ssh_port: { type: 'integer', ...told('The port of its sshd. For admins only.') },
  remote_base_folder: { type: 'string', ...told('The folder of a server that jobs work below.') },
  uses: { type: 'integer', ...told('How many jobs a server runs before it is deleted.') },
  idle_timeout: { type: 'float', ...told('Seconds that a server may wait for a job.') },
  min_idle: { type: 'integer', ...told('How many servers are kept idle for jobs.') },
  max_servers: { type: 'integer', ...told('How many servers may exist at the same time.') },
  created: { type: 'datetime', help_text: 'When it was made.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was last changed.', readonly: true, orderable: true },
};

/** Read-only keys; they may be sent back as they were read. */
export const applicationToldKeys = ['id', 'revision', 'owner', 'created', 'updated', 'resource_uri'];

/** Keys that may hold a server's secrets, or say how to log in, are only for those who may write them. */
const forAdmins = ['user_data', 'files', 'key_name', 'ssh_user', 'ssh_port'] as const;

/** An application as the API shows it: every key, null where the installation's default applies. */
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
