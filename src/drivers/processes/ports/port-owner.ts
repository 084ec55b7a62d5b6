import { membersOf, type RunMarks } from '../members.js';
import { hasSocket, listenersOn } from './listeners.js';

/**
 * True if a running program, or a process that it started, listens on the TCP port. It reads the kernel's tables: the
 * program would take a test connection for a client.
 */
export function listensOn(port: number, program: RunMarks): boolean {
  const sockets = listenersOn(port);
  if (sockets.length === 0) return false;
  const { members } = membersOf(program, { kept: true, died: false, noted: () => false });
  return sockets.some(({ inode }) => members.some(({ pid }) => hasSocket(pid, inode)));
}
