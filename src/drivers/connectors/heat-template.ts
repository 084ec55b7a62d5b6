import { parse } from 'yaml';
import { ConnectorError, type ServerOrder } from './connector.js';
import { instanceKey } from './openstack/servers.js';
import { readText } from './read-text.js';

/** What Heat gets for one server. */
interface StackWish {
  template: unknown;
  parameters: Readonly<Record<string, unknown>>;
}

/** An order whose names have been resolved to ids. */
export interface ResolvedOrder extends Omit<ServerOrder, 'floatingIp'> {
  /** The external network, or null. */
  floatingNetwork: string | null;
}

/**
 * Our own template: a server with a port in each network, and a floating IP at the first. Everything is written into it
 * except the user data, which is a hidden parameter.
 */
export function ourStack(order: ResolvedOrder, instance: string): StackWish {
  const { name, image, flavor, keyName, networks, securityGroups, userData, floatingNetwork, more } = order;
  const ports = networks.map((network, index) => [
    `port_${index}`,
    {
      type: 'OS::Neutron::Port',
      properties: { network, ...(securityGroups.length === 0 ? {} : { security_groups: securityGroups }) },
    },
  ]);
  const template = {
    heat_template_version: '2018-08-31',
    description: `A server of Penstock ${instance}`,
    parameters: { user_data: { type: 'string', hidden: true, default: '' } },
    resources: {
      ...Object.fromEntries(ports),
      server: {
        type: 'OS::Nova::Server',
        properties: {
          ...more,
          name,
          image,
          flavor,
          metadata: { [instanceKey]: instance },
          ...(keyName === null ? {} : { key_name: keyName }),
          ...(ports.length === 0
            ? {}
            : { networks: ports.map(([port]) => ({ port: { get_resource: port } })) }),
          ...(userData === null ? {} : { user_data_format: 'RAW', user_data: { get_param: 'user_data' } }),
        },
      },
      ...(floatingNetwork === null
        ? {}
        : {
            address: {
              type: 'OS::Neutron::FloatingIP',
              properties: { floating_network: floatingNetwork, port_id: { get_resource: 'port_0' } },
            },
          }),
    },
    outputs: {
      address: {
        value: {
          get_attr:
            floatingNetwork === null ? ['server', 'first_address'] : ['address', 'floating_ip_address'],
        },
      },
    },
  };
  return { template, parameters: userData === null ? {} : { user_data: userData } };
}

/** A user's template, parsed as far as needed. */
interface UserTemplate {
  file: string;
  template: unknown;
  /** The declared parameters, and whether each has a default. */
  parameters: ReadonlyMap<string, { hasDefault: boolean; type: string }>;
  outputs: readonly string[];
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function readTemplate(file: string): UserTemplate {
  const text = readText(file, 'the template');
  const refuse = (detail: string) => new ConnectorError('refused', `${file} ${detail}`);
  let template: unknown;
  try {
    template = parse(text);
  } catch (error) {
    throw refuse(`is not valid YAML: ${(error as Error).message}`);
  }
  if (!isMap(template) || template.heat_template_version === undefined)
    throw refuse('is not a Heat template: it has no heat_template_version');
  // The version as text: parsed as a date it would get a time.
  template.heat_template_version = /heat_template_version:\s*['"]?([\w-]+)/.exec(text)?.[1] ?? '';
  if (/\bget_file\b/.test(text)) throw refuse('includes other files (get_file), which is not supported here');
  const declared = isMap(template.parameters) ? template.parameters : {};
  const parameters = new Map(
    Object.entries(declared).map(([name, each]) => {
      const { default: value, type } = isMap(each) ? each : {};
      return [name, { hasDefault: value !== undefined, type: String(type ?? 'string') }];
    }),
  );
  return {
    file,
    template,
    parameters,
    outputs: isMap(template.outputs) ? Object.keys(template.outputs) : [],
  };
}

/** The template parameters that we can fill in; for a list, a parameter of another type gets the first entry. */
const meanings: Readonly<Record<string, (order: ResolvedOrder, instance: string) => unknown>> = {
  name: ({ name }) => name,
  server_name: ({ name }) => name,
  image: ({ image }) => image,
  flavor: ({ flavor }) => flavor,
  key: ({ keyName }) => keyName,
  key_name: ({ keyName }) => keyName,
  network: ({ networks }) => networks,
  networks: ({ networks }) => networks,
  security_group: ({ securityGroups }) => securityGroups,
  security_groups: ({ securityGroups }) => securityGroups,
  floating_network: ({ floatingNetwork }) => floatingNetwork,
  public_network: ({ floatingNetwork }) => floatingNetwork,
  user_data: ({ userData }) => userData,
  instance: (_, instance) => instance,
};

/** A stack from a user's template; it gets the parameters that it declares and the order provides. */
export function theirStack(template: UserTemplate, order: ResolvedOrder, instance: string): StackWish {
  const parameters: Record<string, unknown> = {};
  const missing: string[] = [];
  for (const [name, { hasDefault, type }] of template.parameters) {
    const value = order.more[name] ?? meanings[name]?.(order, instance) ?? null;
    const wanted = Array.isArray(value) && !/list|json/.test(type) ? (value[0] ?? null) : value;
    if (wanted !== null && !(Array.isArray(wanted) && wanted.length === 0)) parameters[name] = wanted;
    else if (!hasDefault) missing.push(name);
  }
  if (missing.length > 0)
    throw new ConnectorError(
      'refused',
      `${template.file}: no value for ${missing.join(', ')}: set a default in the template, or the value in PARAMETERS of heat.yaml`,
    );
  return { template: template.template, parameters };
}
