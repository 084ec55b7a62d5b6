import { membersOf, type RunMarks } from '../members.js';
import { hasSocket, listenersOn } from './listeners.js';

/**
 * True if a program that runs, or a process that it started, listens on the TCP port. The kernel's own tables tell: a
 * connection, to try it, would be taken for a client's.
 */
export function listensOn(port: number, program: RunMarks): boolean {
  const sockets = listenersOn(port);
  if (sockets.length === 0) return false;
  const { members } = membersOf(program, { kept: true, died: false, noted: () => false });
  return sockets.some(({ inode }) => members.some(({ pid }) => hasSocket(pid, inode)));
}
