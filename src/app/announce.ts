import type { Config } from '../config/config.js';

/** A password that was made up is shown this once: it is stored nowhere but as a hash. */
export function announceAdmin({ admin }: Config): void {
  if (!admin.madeUp) return;
  process.stderr.write(
    `penstock: this is a new database. Its admin is '${admin.username}' with the password ${admin.password}\n` +
      'penstock: note it now, it is not shown again. `penstock user password` changes it.\n',
  );
}
