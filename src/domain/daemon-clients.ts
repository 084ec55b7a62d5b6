/**
 * Programs that have a daemon do their work. It is no child of theirs, and none of Penstock's: it goes on when they are
 * gone.
 */
export const daemonClients: readonly string[] =
  `at batch bsub crictl ctr docker docker-compose incus kubectl lxc machinectl nerdctl podman qsub sbatch systemd-run
  virsh`.split(/\s+/);

/**
 * What cannot be promised once processes of these names have been ended.
 *
 * @returns a sentence, or null if none of them is a client of a daemon
 */
export function handedOver(names: readonly string[]): string | null {
  const found = [...new Set(names)].filter((name) => daemonClients.includes(name)).sort();
  if (found.length === 0) return null;
  return `${found.join(' and ')} may have handed work to a daemon. Penstock cannot end that work.`;
}
