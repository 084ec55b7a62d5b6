import type { FeederPlan } from '../domain/feeder-plan.js';
import { appendIn, appendOut } from './append.js';
import { pipeIn, pipeOut } from './pipe.js';
import { connectPort, type Port } from './port.js';
import type { Program, WayIn, WayOut } from './ways.js';

/** The ways into and out of the program, where they lead over the feeder. */
export interface Way {
  in: WayIn;
  out: WayOut;
}
export interface Ways {
  in: WayIn | null;
  out: WayOut | null;
  ports: Port[];
}

/** Opens the ways. What has to be there before the program starts is there afterwards. */
export async function openWays({ inlet, outlet }: FeederPlan, program: Program): Promise<Ways> {
  const ports: Port[] = [];
  const port = (number: number, reads: boolean): Port => {
    const known = ports.find((one) => one.port === number);
    const made = known ?? connectPort(number, program, reads);
    if (known === undefined) ports.push(made);
    return made;
  };
  // First the one that is read: where both are one port it is one connection, used both ways.
  let out: WayOut | null = null;
  if (outlet?.kind === 'pipe') out = pipeOut(outlet.path);
  else if (outlet?.kind === 'port') out = port(outlet.port, true).way;
  else if (outlet !== null) out = await appendOut(outlet.path, outlet.from, program);
  let into: WayIn | null = null;
  if (inlet?.kind === 'pipe') into = pipeIn(inlet.path, program);
  else if (inlet?.kind === 'port') into = port(inlet.port, false).way;
  else if (inlet !== null) into = appendIn(inlet.path);
  return { in: into, out, ports };
}
