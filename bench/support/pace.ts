/** What a number of senders did. Latencies in ms; `sent` is how many each of them got through. */
export interface Paced {
  seconds: number;
  latencies: number[];
  sent: number[];
}

/**
 * Has senders send for some seconds, each one after the other. Paced, each has a timetable, and a latency counts
 * from when it was the sending's turn: a stall shows in all that had to wait behind it.
 *
 * @param perSecond of all senders together; null: as fast as they can
 * @param send sends number `index` of one sender; returns when it was accepted
 */
export async function pace(
  senders: number,
  perSecond: number | null,
  seconds: number,
  send: (sender: number, index: number) => Promise<void>,
): Promise<Paced> {
  const latencies: number[] = [];
  const sent = Array.from({ length: senders }, () => 0);
  const interval = perSecond === null ? 0 : (senders / perSecond) * 1000;
  const begin = performance.now();
  const end = begin + seconds * 1000;

  async function one(sender: number): Promise<void> {
    // Spread over the interval, or they would all come at once.
    const first = begin + (interval * sender) / senders;
    for (let index = 0; ; index++) {
      const due = perSecond === null ? performance.now() : first + index * interval;
      if (due >= end || performance.now() >= end + 5_000) return;
      const early = due - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      // Timers of Node are up to a millisecond or two early: what is sent before its time counts from then.
      const from = Math.min(due, performance.now());
      await send(sender, index);
      latencies.push(performance.now() - from);
      sent[sender] = index + 1;
    }
  }

  await Promise.all(Array.from({ length: senders }, (_, sender) => one(sender)));
  return { seconds: (performance.now() - begin) / 1000, latencies, sent };
}
