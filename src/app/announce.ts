import type { Config } from '../config/config.js';

/** Shows a generated password once. It is stored only as a hash. */
export function announceAdmin({ admin }: Config): void {
  if (!admin.madeUp) return;
  process.stderr.write(
    `penstock: new database. Log in as the admin '${admin.username}' with the password ${admin.password}\n` +
      'penstock: note it now, it will not be shown again. To change it, use `penstock user password`.\n',
  );
}
