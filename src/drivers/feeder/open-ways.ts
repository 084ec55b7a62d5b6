import type { FeederPlan } from '../../domain/feeder/feeder-plan.js';
import { appendIn, appendOut } from './append.js';
import { pipeIn, pipeOut } from './pipe.js';
import { connectPort, type Port } from './port.js';
import type { Program, WayIn, WayOut } from './ways.js';

/** The ways into and out of the program that go through the feeder. */
export interface Way {
  in: WayIn;
  out: WayOut;
}
export interface Ways {
  in: WayIn | null;
  out: WayOut | null;
  ports: Port[];
}

/** Opens the ways. Afterwards everything exists that the program needs at its start. */
export async function openWays({ inlet, outlet }: FeederPlan, program: Program): Promise<Ways> {
  const ports: Port[] = [];
  const sending = inlet?.kind === 'port' ? inlet.port : null;
  const reading = outlet?.kind === 'port' ? outlet.port : null;
  // If both use one port, it is one connection, used both ways.
  const port = (number: number): Port => {
    const known = ports.find((one) => one.port === number);
    if (known !== undefined) return known;
    const made = connectPort(number, program, { reads: number === reading, sends: number === sending });
    ports.push(made);
    return made;
  };
  let out: WayOut | null = null;
  if (outlet?.kind === 'pipe') out = pipeOut(outlet.path);
  else if (outlet?.kind === 'port') out = port(outlet.port).way;
  else if (outlet !== null) out = await appendOut(outlet.path, outlet.from, program);
  let into: WayIn | null = null;
  if (inlet?.kind === 'pipe') into = pipeIn(inlet.path, program);
  else if (inlet?.kind === 'port') into = port(inlet.port).way;
  else if (inlet !== null) into = appendIn(inlet.path);
  return { in: into, out, ports };
}
