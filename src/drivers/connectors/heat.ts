import { nearest } from '../../lib/nearest.js';
import {
  type CloudServer,
  type Connector,
  ConnectorError,
  type Reach,
  type ServerOrder,
} from './connector.js';
import { ourStack, type ResolvedOrder, readTemplate, theirStack } from './heat-template.js';
import { openNames } from './openstack/names.js';
import { type OpenStackOptions, openStack } from './openstack/open.js';
import { OpenStackError, problemOfFault } from './openstack/problems.js';
import { listServers, type NovaServer, shown } from './openstack/servers.js';
import {
  deleteStack,
  faultOf,
  findStack,
  instanceOf,
  listStacks,
  type Stack,
  shownStack,
  tagOf,
} from './openstack/stacks.js';

export interface HeatOptions extends OpenStackOptions {
  /** The user's own template; null: ours. */
  templateFile: string | null;
  /** The template output that holds a server's address. */
  addressOutput: string;
  /** Minutes after which Heat gives up an incomplete stack. */
  createTimeout: number;
}

/**
 * OpenStack servers, each as a Heat stack with everything that belongs to it. Each stack carries our instance id in its
 * tags and has the server's name.
 *
 * @param instance the id that marks our servers
 */
export function heatConnector(options: HeatOptions, { instance }: { instance: string }): Connector {
  const template = options.templateFile === null ? null : readTemplate(options.templateFile);
  if (template !== null && !template.outputs.includes(options.addressOutput)) {
    const close = nearest(options.addressOutput, template.outputs);
    throw new ConnectorError(
      'refused',
      `${template.file} has no output ${options.addressOutput} for the server's address${close === undefined ? '' : `: is ${close} meant?`} (it has ${template.outputs.join(', ') || 'none'}; ADDRESS_OUTPUT of heat.yaml names it)`,
    );
  }
  const session = openStack(options);
  const names = openNames(session);
  const isOurs = (stack: Stack) => instanceOf(stack) === instance;

  async function resolved({ floatingIp, ...order }: ServerOrder): Promise<ResolvedOrder> {
    const { name, image, flavor, keyName, networks, securityGroups } = order;
    // A user's template may set these itself.
    if (template === null && (image === null || flavor === null))
      throw new ConnectorError(
        'refused',
        `server ${name}: ${image === null ? 'an image' : 'a flavor'} is missing`,
      );
    const [imageId, flavorId, , nets, groups, floatingNetwork] = await Promise.all([
      image === null ? null : names.idOf('image', image),
      flavor === null ? null : names.idOf('flavor', flavor),
      keyName === null ? null : names.keyPair(keyName),
      Promise.all(networks.map((each) => names.idOf('network', each))),
      Promise.all(securityGroups.map((each) => names.idOf('security group', each))),
      floatingIp === false ? null : names.externalNetwork(floatingIp),
    ]);
    const needsPort = template === null && nets.length === 0;
    return {
      ...order,
      image: imageId,
      flavor: flavorId,
      networks: needsPort ? await onlyNetwork(name) : nets,
      securityGroups: groups,
      floatingNetwork,
    };
  }

  /** The project's only network, for an order that names none. */
  async function onlyNetwork(name: string): Promise<string[]> {
    const own = await names.ownNetworks();
    if (own.length === 1) return own.map(({ id }) => id);
    const there = own.length === 0 ? 'none' : own.map((each) => each.name).join(', ');
    throw new ConnectorError(
      'refused',
      `server ${name}: name a network, in NETWORK_ID or in the application; the project has ${there}`,
    );
  }

  return {
    async create(order) {
      const wish = await resolved(order);
      const { template: content, parameters } =
        template === null ? ourStack(wish, instance) : theirStack(template, wish, instance);
      const body = {
        stack_name: order.name,
        template: content,
        parameters,
        tags: tagOf(instance),
        timeout_mins: options.createTimeout,
        disable_rollback: true,
      };
      const ours = async () => {
        const found = await findStack(session, { name: order.name, id: null });
        return found !== null && isOurs(found) ? found.id : null;
      };
      const made = await ours();
      if (made !== null) return made;
      try {
        const { stack } = (await session.request('orchestration', 'POST', '/stacks', { body })) as {
          stack: { id: string };
        };
        return stack.id;
      } catch (error) {
        const status = error instanceof OpenStackError ? error.status : 0;
        if (status !== 0 && status < 500) names.forget();
        // Another request was faster, perhaps our own.
        const other = status === 409 ? await ours() : null;
        if (other !== null) return other;
        throw error;
      }
    },

    async list() {
      const stacks = await listStacks(session);
      const servers = template === null && stacks.some(isOurs) ? await listServers(session, instance) : null;
      return await Promise.all(
        stacks.map(async (stack) => {
          const seen = shownStack(stack, null);
          if (!isOurs(stack)) return seen;
          if (seen.state === 'building') return shownStack(stack, await faultOf(session, stack));
          return seen.state === 'active' && servers !== null ? asItsServer(seen, servers) : seen;
        }),
      );
    },

    async reach(reference): Promise<Reach | null> {
      const stack = await findStack(session, reference);
      if (stack === null || !isOurs(stack))
        throw new ConnectorError('refused', `the stack of server ${reference.name} is gone`);
      const { state, fault } = shownStack(stack, await faultOf(session, stack));
      if (state === 'error')
        throw new ConnectorError(
          problemOfFault(fault ?? '') ?? 'refused',
          `the stack of server ${reference.name}: ${fault}`,
        );
      if (state !== 'active') return null;
      const output = stack.outputs?.find(({ output_key }) => output_key === options.addressOutput);
      if (typeof output?.output_value === 'string' && output.output_value !== '')
        return { by: 'ssh', address: output.output_value, port: 22, user: null, hostKey: null };
      throw new ConnectorError(
        'refused',
        `the stack of server ${reference.name} is complete, but its output ${options.addressOutput} holds no address`,
      );
    },

    async delete(reference) {
      const stack = await findStack(session, reference);
      if (stack === null) return true;
      if (!isOurs(stack) && reference.foreign !== true) {
        if (reference.id === null) return true;
        throw new ConnectorError(
          'refused',
          `the stack ${stack.stack_name} (${stack.id}) is not ours: it does not carry the instance id ${instance}`,
        );
      }
      if (stack.stack_status !== 'DELETE_IN_PROGRESS') await deleteStack(session, stack);
      return false;
    },

    close: () => session.close(),
  };
}

/** A complete stack in the state of its server: Heat does not notice if the server is stopped or deleted behind its back. */
function asItsServer(stack: CloudServer, servers: readonly NovaServer[]): CloudServer {
  const own = servers
    .map(shown)
    .find(({ name, instance }) => name === stack.name && instance === stack.instance);
  if (own === undefined) return { ...stack, state: 'error', fault: 'the server of the stack is gone' };
  const { state, fault, problem } = own;
  return { ...stack, state, fault, problem };
}
