/** The result of several senders. Latencies in ms; `sent` is how many requests each of them completed. */
export interface Paced {
  seconds: number;
  latencies: number[];
  sent: number[];
}

/**
 * Runs senders for some seconds, each with one request at a time. With a pace, each has a timetable, and latencies count
 * from the scheduled time, so that a stall shows in all requests that had to wait behind it.
 *
 * @param perSecond requests of all senders together; null: as fast as possible
 * @param send sends request `index` of one sender, and returns once it is accepted
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
    // Spread over the interval, or all would send at once.
    const first = begin + (interval * sender) / senders;
    for (let index = 0; ; index++) {
      const due = perSecond === null ? performance.now() : first + index * interval;
      if (due >= end || performance.now() >= end + 5_000) return;
      const early = due - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      // Timers of Node.js may fire a millisecond or two early. A request that is sent early counts from then.
      const from = Math.min(due, performance.now());
      await send(sender, index);
      latencies.push(performance.now() - from);
      sent[sender] = index + 1;
    }
  }

  await Promise.all(Array.from({ length: senders }, (_, sender) => one(sender)));
  return { seconds: (performance.now() - begin) / 1000, latencies, sent };
}
