/** Lets a limited number of things run at once; the rest wait in order, and one slot is kept for urgent ones. */
interface Turns {
  /** Waits for a turn, and returns what ends it. */
  take(urgent?: boolean, signal?: AbortSignal): Promise<() => void>;
  /**
   * Lowers the limit to the current number without the caller: the other side accepts no more. False if the caller is
   * alone.
   */
  lower(): boolean;
}

interface Waiting {
  urgent: boolean;
  go: () => void;
}

export function openChannelTurns(bound: number): Turns {
  let limit = bound;
  let taken = 0;
  let waiting: Waiting[] = [];
  /** Who may go now: urgent ones first; the others leave one slot free. */
  const fits = ({ urgent }: Waiting) => taken < (urgent ? limit : Math.max(1, limit - 1));
  const next = () => {
    for (;;) {
      const found = waiting.find((each) => each.urgent && fits(each)) ?? waiting.find(fits);
      if (found === undefined) return;
      waiting = waiting.filter((each) => each !== found);
      taken += 1;
      found.go();
    }
  };
  return {
    take: (urgent = false, signal) =>
      new Promise((resolve, reject) => {
        const leave = () => {
          waiting = waiting.filter((each) => each !== mine);
          reject(signal?.reason as Error);
        };
        const mine: Waiting = {
          urgent,
          go: () => {
            signal?.removeEventListener('abort', leave);
            let over = false;
            resolve(() => {
              if (over) return;
              over = true;
              taken -= 1;
              next();
            });
          },
        };
        if (signal?.aborted) return leave();
        signal?.addEventListener('abort', leave, { once: true });
        waiting.push(mine);
        next();
      }),
    lower: () => {
      if (taken < 2) return false;
      limit = Math.min(limit, taken - 1);
      return true;
    },
  };
}
