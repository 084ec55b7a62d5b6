/** Lets a bounded number of things be done at once; the rest wait, in order, and one place is kept for the urgent. */
interface Turns {
  /** Waits for a turn, and gives what ends it. */
  take(urgent?: boolean, signal?: AbortSignal): Promise<() => void>;
  /** Never more at once than there are now, without the one that asks: the other side takes no more. False if alone. */
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
  /** Who may go now: the urgent before the others, which leave one place free. */
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
