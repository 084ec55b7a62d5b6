/**
 * Programs that let a daemon do their work. The daemon is not their child, nor Penstock's, so the work goes on after
 * they have ended.
 */
export const daemonClients: readonly string[] =
  `at batch bsub crictl ctr docker docker-compose incus kubectl lxc machinectl nerdctl podman qsub sbatch systemd-run
  virsh`.split(/\s+/);

/**
 * What cannot be guaranteed after processes of these names have been ended.
 *
 * @returns a sentence, or null if none of them is a daemon's client
 */
export function handedOver(names: readonly string[]): string | null {
  const found = [...new Set(names)].filter((name) => daemonClients.includes(name)).sort();
  if (found.length === 0) return null;
  return `${found.join(' and ')} may have handed work to a daemon. Penstock cannot end that work.`;
}
