import type { Companion } from '../../processes/companions.js';
import { processShell } from '../../processes/shell-process.js';

/**
 * Runs beside a program on another machine and connects its named pipes to files there, so that nothing depends on the
 * connection. The program may open them late, several times, or never; nobody waits for that longer than it runs.
 *
 * $1 is written into the pipe $2; the pipe $3 is read into the file $4, which gets at most $5 bytes; empty for none.
 * Works in the run's folder.
 */
const pipesScript = `
${processShell}
umask 077
into=$2 from=$3 file=$4 most=$5
nap() { sleep "$1" 2>/dev/null || sleep 1; }
# Ends the copying process, a child of $2, which may not have written its pid yet.
stop() {
  until [ -s "$1.pid" ]; do nap 0.01; done
  [ -s "$1.end" ] || signal_child KILL "$(cat "$1.pid")" "$2"
}
for pipe in "$into" "$from"; do [ -z "$pipe" ] || mkfifo -m 600 "$pipe" || exit 1; done
if [ -n "$into" ]; then
  # First opened for both, which never blocks. The reading end is held until the end: nothing is lost that the
  # program leaves unread while it does not have it open, and a program that opens it without waiting finds a writer.
  exec 3<>"$into" 4<"$into" 5>"$into" 3<&-
  (
    cat "$1" >&5 &
    echo $! >feed.pid
    exec 5>&-
    wait $!
    echo $? >feed.end
    # Later readers would wait for a writer: one that comes and goes lets them read the rest, and the end.
    while [ ! -e over ]; do : >"$into"; nap 0.05; done
  ) &
  feeding=$!
  exec 5>&-
fi
if [ -n "$from" ]; then
  exec 3<>"$from" 6<"$from" 7>"$from" 3<&-
  (
    exec 4<&- 7>&-
    if [ -n "$most" ]; then head -c "$most" <&6 >"$file" & else cat <&6 >"$file" & fi
    echo $! >keep.pid
    wait $!
    echo $? >keep.end
  ) &
  keeping=$!
  exec 6<&-
fi
echo ready
exec >/dev/null
read -r code <told
code=0
: >over
if [ -n "$into" ]; then
  stop feed "$feeding"
  wait "$feeding"
  exec 4<&-
fi
if [ -n "$from" ]; then
  # While this is open there is no end, whoever else has closed it.
  exec 7>&-
  # Processes left by the program may hold it open: they are read while they write, but not forever.
  before=-1 quiet=0 looks=0
  while [ ! -s keep.end ] && [ "$quiet" -lt 15 ] && [ "$looks" -lt 450 ]; do
    nap 0.02
    size=$(wc -c <"$file")
    if [ "$size" = "$before" ]; then quiet=$((quiet + 1)); else quiet=0; fi
    before=$size looks=$((looks + 1))
  done
  if [ -s keep.end ]; then read -r code <keep.end
  else stop keep "$keeping"
  fi
  wait "$keeping"
fi
exit "$code"
`;

/** Files and the named pipes that they are connected to, on the program's machine. Absolute paths. */
export interface PipedFiles {
  /** The file that the program reads from the pipe. */
  input?: { file: string; pipe: string } | undefined;
  /** The file for what the program writes into the pipe, and the most bytes that it may have. */
  output?: { file: string; pipe: string; limit: number | null } | undefined;
}

/** The companion that connects a program's named pipes to files, made of nothing but a shell. */
export function pipesCompanion({ input, output }: PipedFiles): Companion {
  // One more than the limit, to tell "too large" from "exactly full".
  const most = output?.limit == null ? '' : String(output.limit + 1);
  const args = [input?.file ?? '', input?.pipe ?? '', output?.pipe ?? '', output?.file ?? '', most];
  return {
    name: 'the helper for its named pipes',
    argv: ['/bin/sh', '-c', pipesScript, 'penstock-pipes', ...args],
    attends: true,
  };
}
